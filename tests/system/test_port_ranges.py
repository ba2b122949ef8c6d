"""What this system does with port numbers."""

import sys
from pathlib import Path

import pytest

from portcall.system.port_ranges import read_port_settings


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells its range in /proc")
def test_the_range_of_this_system_is_the_kernels():
    setting = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")

    assert read_port_settings().lent_ports == tuple(map(int, setting.split()))


def test_settings_are_read_where_the_administrator_changed_them(tmp_path):
    (tmp_path / "ip_local_port_range").write_text("20000\t29999\n")
    (tmp_path / "ip_unprivileged_port_start").write_text("80\n")

    settings = read_port_settings(tmp_path)

    assert (settings.lent_ports, settings.first_unprivileged) == ((20000, 29999), 80)


def test_a_kernel_that_does_not_tell_where_rights_begin_has_the_tradition(tmp_path):
    (tmp_path / "ip_local_port_range").write_text("20000 29999")

    assert read_port_settings(tmp_path).first_unprivileged == 1024


@pytest.mark.parametrize(
    ("platform", "first", "source"),
    [("darwin", 49152, "the default of macOS"), ("linux", 32768, "the default of Linux"), ("sunos5", 49152, "IANA")],
)
def test_a_system_that_tells_nothing_has_its_documented_range(tmp_path, monkeypatch, platform, first, source):
    monkeypatch.setattr(sys, "platform", platform)

    settings = read_port_settings(tmp_path)

    assert settings.lent_ports[0] == first
    assert source in settings.source


@pytest.mark.parametrize(("port", "is_lent"), [(32767, False), (32768, True), (60999, True), (61000, False)])
def test_both_borders_of_the_range_are_lent(tmp_path, port, is_lent):
    (tmp_path / "ip_local_port_range").write_text("32768 60999")

    assert read_port_settings(tmp_path).lends(port) == is_lent
