"""A filter means what it means to tcpdump: the same frames of real captures, for expressions of every kind."""

from __future__ import annotations

import shutil
import subprocess
from ctypes.util import find_library
from pathlib import Path

import pytest

from capture_bytes import enhanced, interface, pcap_header, pcap_record, read_frames, section
from frame_bytes import BY_LINK, ETHERNET, IP4
from portcall.errors import UsageError
from portcall.sources.captures import open_capture
from portcall.sources.filters import FrameFilter

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
pytestmark = pytest.mark.skipif(not find_library("pcap"), reason="needs libpcap: apt install libpcap0.8")
NEEDS_TCPDUMP = pytest.mark.skipif(not shutil.which("tcpdump"), reason="needs tcpdump: apt install tcpdump")
EXPRESSIONS = [
    "tcp",
    "udp port 53",
    "not port 22 and not arp",
    "ip6",
    "icmp or icmp6",
    "vlan",
    "host 192.0.2.80",
    "net 10.0.0.0/8",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "ip[6:2] & 0x1fff != 0",
    "less 80",
    "greater 1000",
    "portrange 1-1023",
    "src port 443 or dst port 443",
    "",
]
NAMES = ["office.pcapng", "vlan.pcap", "ipv6.pcap", "fragments.pcap", "loopback.pcap", "tunnels.pcap"]


def matching(path, expression):
    """(number, content) of each frame that matches."""
    batches = FrameFilter(expression).matching(open_capture(str(path)).source.batches())
    return [
        (batch.first_number + i, batch.buffer[int(frame["offset"]) :][: int(frame["captured"])].tobytes())
        for batch in batches
        for i, frame in enumerate(batch.frames)
    ]


def check_against_tcpdump(path, expression, written):
    command = ["tcpdump", "-r", path, "-w", written, expression]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        assert "vlan" in expression, told.stderr  # which some link types do not know
        with pytest.raises(UsageError):
            matching(path, expression)
        return
    theirs, _ = read_frames(written)

    ours = matching(path, expression)

    assert [content for _, content in ours] == [frame.content for frame in theirs]


@NEEDS_TCPDUMP
@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_the_frames_are_those_that_tcpdump_writes(tmp_path, name, expression):
    check_against_tcpdump(CAPTURES / name, expression, tmp_path / "matching.pcap")


@NEEDS_TCPDUMP
@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("link", [113, 276])
def test_the_same_holds_for_cooked_frames(tmp_path, link, expression):
    """tcpdump reads no capture of two link types, so each has one of its own."""
    frames, _ = read_frames(CAPTURES / "cooked.pcapng")
    contents = [frame.content for frame in frames if frame.link == link]
    path = tmp_path / "cooked.pcap"
    path.write_bytes(pcap_header(link=link) + b"".join(map(pcap_record, contents)))

    assert contents
    check_against_tcpdump(path, expression, tmp_path / "matching.pcap")


@NEEDS_TCPDUMP
@pytest.mark.parametrize("expression", ["udp", "tcp", "port 5678", "ip[9] = 17"])
def test_the_same_holds_for_bsd_loopback_whose_number_is_zero(tmp_path, expression):
    _, content = BY_LINK["BSD loopback, little endian"]
    path = tmp_path / "loopback.pcap"
    path.write_bytes(pcap_header(link=0) + pcap_record(content))

    check_against_tcpdump(path, expression, tmp_path / "matching.pcap")


def test_matching_frames_are_numbered_as_if_there_were_no_others():
    numbers = [number for number, _ in matching(CAPTURES / "office.pcapng", "udp")]

    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


def test_each_link_type_has_its_own_program(tmp_path):
    path = tmp_path / "capture.pcapng"
    path.write_bytes(
        section()
        + interface(link=1)
        + interface(link=101)
        + enhanced(ETHERNET)
        + enhanced(IP4, index=1)
        + enhanced(b"\0" * 60)
    )

    assert [content for _, content in matching(path, "udp port 1234")] == [ETHERNET, IP4]


@pytest.mark.parametrize("expression", ["tcp port", "bytes > 7", "host", "port 70000"])
def test_a_wrong_expression_is_refused_before_anything_is_read(expression):
    with pytest.raises(UsageError) as caught:
        FrameFilter(expression)

    assert expression in str(caught.value)


def test_bytes_on_the_command_line_that_are_no_text_are_refused():
    with pytest.raises(UsageError) as caught:
        FrameFilter("tcp \udcff")

    assert "no text" in str(caught.value)
