"""A capture and the owners that were watched meanwhile, joined: the result is read a second time."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest

from capture_bytes import NANOSECONDS, pcap_header, pcap_record
from portcall.cli import main
from portcall.errors import PortcallError, UsageError
from portcall.records.ownership import OwnerEvents, ProcessEvent
from portcall.records.packets import PACKET, Direction
from portcall.records.recorded.owner_lines import addresses_line, begin_line, event_lines, until_line, users_line
from portcall.records.sightings import SIGHTING
from portcall.runs.recording.annotating import annotate, locate
from recorded_captures import read_capture
from runs.test_live import CLIENT, REMOTE, SERVER, packet
from sightings import at, executed, sighting

RAW_IPV4 = 228
ASKS = sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp", user=1000)
ANSWERS = sighting(0, 8, 200, "USED", SERVER, CLIENT, protocol="udp")


def capture_of(path, *packets):
    records = [
        pcap_record(content, seconds=time_ns // 10**9, fraction=time_ns % 10**9) for time_ns, content, _ in packets
    ]
    path.write_bytes(pcap_header(magic=NANOSECONDS, link=RAW_IPV4) + b"".join(records))
    return str(path)


def owners_of(path, *what, began=-5, until=20, lost=0):
    rows = [row for row in what if isinstance(row, np.ndarray)]
    events = [event for event in what if isinstance(event, ProcessEvent)]
    nothing = np.zeros(0, SIGHTING)
    text = begin_line("ebpf", at(began), tells_closes=True) + addresses_line(["127.0.0.1", "192.0.2.1"])
    text += users_line({0: "root", 1000: "alice"})
    text += event_lines(OwnerEvents(nothing, events, at(began)), with_arguments=False)
    for row in sorted(rows, key=lambda row: row["time_ns"][0]):
        time_ns = int(row["time_ns"][0])
        text += event_lines(OwnerEvents(row, [], time_ns), with_arguments=False) + until_line(time_ns, 0)
    text += until_line(at(until), lost)
    path.write_text(text)
    return str(path)


@pytest.fixture(name="joined")
def fixture_joined(tmp_path):
    def join(packets, what, **window):
        capture = capture_of(tmp_path / "taken.pcap", *packets)
        owners = owners_of(tmp_path / "owners.jsonl", *what, **window)
        output = tmp_path / "joined.pcapng"
        result = annotate(capture, owners, str(output))
        return result, read_capture(output.read_bytes())

    return join


def test_each_packet_names_who_sent_it_and_who_received_it(joined):
    packets = [packet(1, CLIENT, SERVER), packet(2, SERVER, CLIENT)]

    result, capture = joined(packets, [executed(-1, 100, "dig"), ASKS, ANSWERS])

    assert [[pid for pid, _ in one.processes] for one in capture.packets] == [[100, 200], [200, 100]]
    assert [one.time_ns for one in capture.packets] == [at(1), at(2)]
    assert [one.captured for one in capture.packets] == [content for _, content, _ in packets]
    assert (result.packets, result.owned, result.degradations) == (2, 2, [])


def test_users_are_called_as_on_the_machine_that_was_watched(joined):
    _, capture = joined([packet(1, CLIENT, SERVER)], [executed(-1, 100, "dig"), ASKS])

    assert [(process["user"], process["uid"]) for process in capture.processes] == [("alice", 1000)]


def test_the_way_of_a_packet_follows_from_the_machines_addresses(joined):
    here, there = "192.0.2.1:40000", "192.0.2.99:53"
    asks = sighting(0, 7, 100, "USED", here, there, protocol="udp")

    _, capture = joined([packet(1, here, there), packet(2, there, here), packet(3, there, REMOTE)], [asks])

    assert [one.direction for one in capture.packets] == [2, 1, 0]
    assert [one.processes for one in capture.packets] == [[(100, 0)], [(100, 0)], []]


def test_a_socket_that_comes_much_later_is_not_taken_for_the_owner(joined):
    late = sighting(15, 7, 100, "USED", CLIENT, SERVER, protocol="udp")

    result, _ = joined([packet(1, CLIENT, SERVER)], [late])

    assert result.owned == 0


def test_a_long_capture_is_joined_piece_by_piece(joined):
    clients = [f"127.0.0.1:{40_000 + minute}" for minute in range(10)]
    what = [
        sighting(60 * i, 10 + i, 100 + i, "USED", client, SERVER, protocol="udp") for i, client in enumerate(clients)
    ]
    closes = [sighting(60 * i + 2, 10 + i, 100 + i, "CLOSED", protocol="udp") for i in range(10)]
    packets = [packet(60 * i + 1, client, SERVER) for i, client in enumerate(clients)]

    result, capture = joined(packets, [*what, *closes], until=700)

    assert result.owned == 10
    assert [one.processes[0][0] for one in capture.packets] == list(range(100, 110))


def test_a_capture_of_another_time_is_refused_with_both_times(joined):
    with pytest.raises(
        PortcallError, match=r"2027-01-15 09:00:00 to .* and .* of 2027-01-15 07:59:55 .* s lie between"
    ):
        joined([packet(3600, CLIENT, SERVER)], [ASKS])


def test_packets_of_a_time_that_was_not_watched_are_said(joined):
    result, _ = joined([packet(1, CLIENT, SERVER), packet(50, CLIENT, SERVER)], [ASKS, ANSWERS])

    assert ["1 packets passed while sockets were not watched" in note.reason for note in result.degradations] == [True]


def test_lost_reports_are_said(joined):
    result, _ = joined([packet(1, CLIENT, SERVER)], [ASKS], lost=7)

    assert "7 reports were lost" in result.degradations[0].reason


def test_what_is_read_is_not_written_over(tmp_path):
    capture = capture_of(tmp_path / "taken.pcap", packet(1, CLIENT, SERVER))
    owners = owners_of(tmp_path / "owners.jsonl", ASKS)

    for output in (capture, owners):
        with pytest.raises(UsageError, match="what is read"):
            annotate(capture, owners, output)


@pytest.mark.parametrize("text", ["", "no owners\n", '{"is": "until", "time_ns": 1}\n'])
def test_what_holds_no_owners_is_refused_with_the_way_to_get_some(tmp_path, capsys, text):
    capture = capture_of(tmp_path / "taken.pcap", packet(1, CLIENT, SERVER))
    (tmp_path / "owners.jsonl").write_text(text)

    assert main(["annotate", capture, str(tmp_path / "owners.jsonl"), "-o", str(tmp_path / "joined.pcapng")]) == 1
    assert "owners" in capsys.readouterr().err
    assert not (tmp_path / "joined.pcapng").exists()


def test_a_capture_that_ends_early_is_joined_as_far_as_it_goes(tmp_path, capsys):
    capture = capture_of(tmp_path / "taken.pcap", packet(1, CLIENT, SERVER), packet(2, CLIENT, SERVER))
    data = (tmp_path / "taken.pcap").read_bytes()
    (tmp_path / "taken.pcap").write_bytes(data[:-5])
    owners = owners_of(tmp_path / "owners.jsonl", ASKS)

    assert main(["annotate", capture, owners, "-o", str(tmp_path / "joined.pcapng")]) == 3
    assert "1 packets, 1 of them with an owner" in capsys.readouterr().err
    assert len(read_capture((tmp_path / "joined.pcapng").read_bytes()).packets) == 1


def test_a_capture_without_any_owner_is_said_by_the_exit_status(tmp_path):
    capture = capture_of(tmp_path / "taken.pcap", packet(1, CLIENT, SERVER))
    owners = owners_of(tmp_path / "owners.jsonl")

    assert main(["annotate", capture, owners, "-o", str(tmp_path / "joined.pcapng")]) == 1


def test_ways_are_found_for_addresses_of_both_versions_and_kept_where_they_are_known():
    local, loopback = ("192.0.2.1", "127.9.9.9", "192.0.2.9"), ("::1", "fd00::1", "fd00::9")
    pairs = [
        (local[0], local[2], Direction.OUTBOUND), (local[2], local[0], Direction.INBOUND),
        (local[0], local[1], Direction.INTERNAL), (loopback[0], loopback[1], Direction.INTERNAL),
        (loopback[2], loopback[1], Direction.INBOUND), (local[2], local[2], Direction.UNKNOWN),
    ]  # fmt: skip
    packets = np.zeros(len(pairs) + 1, PACKET)
    for row, (source, target, _) in zip(packets, pairs, strict=False):
        for end, address in (("source", source), ("target", target)):
            row[end] = np.frombuffer(ipaddress.ip_address(address).packed.rjust(16, b"\0"), np.uint8)
        row["ip_version"] = ipaddress.ip_address(source).version
    packets[-1] = packets[0]
    packets["direction"][-1] = Direction.INBOUND

    locate(packets, {ipaddress.ip_address(one).packed.rjust(16, b"\0") for one in ("192.0.2.1", "fd00::1")})

    assert packets["direction"].tolist() == [*(way for _, _, way in pairs), Direction.INBOUND]
