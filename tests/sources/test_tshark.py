"""What only tshark reads: other formats give the frames that pcap gives, and a flow's packets their fields."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import portcall
from capture_bytes import read_frames
from portcall.errors import CaptureError, PortcallError
from portcall.sources import tshark
from portcall.sources.captures import open_capture

CAPTURES = Path(__file__).parents[2] / "captures"
DNS = CAPTURES / "dns.pcap"
SSH = str(CAPTURES / "ssh.pcap")

needs_tshark = pytest.mark.skipif(not tshark.is_installed(), reason="needs tshark: apt install tshark")


def without_program(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)


def converted(tmp_path, format_name, source=DNS):
    path = tmp_path / f"capture.{format_name}"
    subprocess.run(["editcap", "-F", format_name, source, path], check=True, capture_output=True)
    return path


# --- formats


@needs_tshark
@pytest.mark.parametrize("format_name", ["snoop", "netmon1", "netmon2", "5views", "ngsniffer", "lanalyzer", "visual"])
def test_a_format_that_only_tshark_reads_has_the_frames_of_the_pcap_it_was_made_from(tmp_path, format_name):
    frames, problem = read_frames(converted(tmp_path, format_name))

    assert problem is None
    assert [frame.content for frame in frames] == [frame.content for frame in read_frames(DNS)[0]]


@needs_tshark
def test_a_compressed_one_is_read_too(tmp_path):
    path = converted(tmp_path, "snoop")
    subprocess.run(["gzip", path], check=True)

    frames, problem = read_frames(f"{path}.gz")

    assert (len(frames), problem) == (len(read_frames(DNS)[0]), None)


@needs_tshark
def test_a_name_that_looks_like_an_option_is_a_file(tmp_path, monkeypatch):
    converted(tmp_path, "snoop").rename(tmp_path / "-w")
    monkeypatch.chdir(tmp_path)

    assert len(read_frames("-w")[0]) == len(read_frames(DNS)[0])


@needs_tshark
def test_what_comes_before_the_damage_counts(tmp_path):
    path = converted(tmp_path, "snoop")
    path.write_bytes(path.read_bytes()[:3000])

    frames, problem = read_frames(path)

    assert 0 < len(frames) < len(read_frames(DNS)[0])
    assert "tshark stopped converting it" in problem.reason
    assert problem.offset


@needs_tshark
def test_what_tshark_does_not_know_either_is_said_in_one_sentence(tmp_path):
    path = tmp_path / "diary"
    path.write_text("dear diary")

    with pytest.raises(CaptureError, match=r"neither pcap nor pcapng\. tshark stopped converting it: The file"):
        open_capture(str(path))


@needs_tshark
def test_a_capture_that_nobody_reads_on_ends_its_tshark(tmp_path):
    stream = tshark.ConvertedStream(str(converted(tmp_path, "snoop")))

    stream.close()

    assert stream._process.returncode is not None


def test_without_tshark_the_way_to_it_is_said(tmp_path, monkeypatch):
    path = tmp_path / "capture.snoop"
    path.write_bytes(b"snoop\0\0\0" + bytes(100))
    without_program(monkeypatch)

    with pytest.raises(CaptureError, match="sudo apt install tshark"):
        open_capture(str(path))


# --- fields


def flow(protocol="tcp", address="10.0.0.", **values):
    ends = {"client_ip": f"{address}1", "client_port": 1234, "server_ip": f"{address}2", "server_port": 80}
    return {"protocol": protocol, **ends, "first_ns": 1_500_000_000_000_000_001, "last_ns": None, **values}


def test_a_flow_is_asked_for_by_its_ends_in_both_directions_its_time_and_its_content():
    assert tshark.filter_for(flow()) == (
        "((ip.src == 10.0.0.1 && ip.dst == 10.0.0.2 && tcp.srcport == 1234 && tcp.dstport == 80)"
        " || (ip.src == 10.0.0.2 && ip.dst == 10.0.0.1 && tcp.srcport == 80 && tcp.dstport == 1234))"
        " && frame.time_epoch >= 1500000000.000000001 && tcp.len > 0"
    )


def test_a_flow_without_ports_is_asked_for_by_its_addresses():
    assert tshark.filter_for(flow("icmp6", "2001:db8::", first_ns=None)) == (
        "((ipv6.src == 2001:db8::1 && ipv6.dst == 2001:db8::2)"
        " || (ipv6.src == 2001:db8::2 && ipv6.dst == 2001:db8::1)) && icmpv6"
    )


@needs_tshark
@pytest.mark.parametrize("capture", ["ipv6.pcap", "office.pcapng", "fragments.pcap"])
def test_every_filter_is_one_that_tshark_takes(capture):
    filters = {tshark.filter_for(row) for row in portcall.read([str(CAPTURES / capture)], by="flow") if row["protocol"]}

    for expression in sorted(filters)[::4]:
        told = subprocess.run(["tshark", "-n", "-r", DNS, "-Y", expression], check=False, capture_output=True)
        assert told.returncode == 0, told.stderr
    assert filters


# pyshark leaves a transport behind where it is stopped early: the interpreter would warn at some later time.
@needs_tshark
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_packets_of_a_flow_have_their_layers_and_fields():
    (row,) = portcall.read([SSH], by="flow", top=1)

    first, second = tshark.dissect(SSH, row, 2)

    assert first.layers == ("eth", "ip", "tcp", "ssh")
    assert "Direction: client-to-server" in first.fields
    assert "Direction: server-to-client" in second.fields
    assert first.number < second.number


@needs_tshark
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_that_tshark_cannot_read_is_said():
    (row,) = portcall.read([str(DNS)], by="flow", top=1)

    with pytest.raises(PortcallError, match=r"tshark stopped: The file .*dns.pcap.xz. isn't a capture file"):
        list(tshark.dissect(str(CAPTURES / "compressed" / "dns.pcap.xz"), row, 1))


def test_fields_are_read_also_after_something_else_has_run_an_event_loop():
    asyncio.run(asyncio.sleep(0))

    test_the_packets_of_a_flow_have_their_layers_and_fields()


@needs_tshark
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_others_may_start_programs_with_asyncio_afterwards():
    (row,) = portcall.read([SSH], by="flow", top=1)
    list(tshark.dissect(SSH, row, 1))

    async def ended():
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
        return await process.wait()

    loop = asyncio.new_event_loop()  # without set_event_loop(), as Playwright's
    try:
        assert loop.run_until_complete(ended()) == 0
    finally:
        loop.close()
