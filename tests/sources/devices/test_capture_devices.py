from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from portcall.decoding.decoder import Decoder
from portcall.errors import UsageError
from portcall.flows.table import FlowTable
from portcall.kernels import packet_ring as ring
from portcall.records.packets import FRAME, Direction, Verdict
from portcall.sources.captures import open_capture
from portcall.sources.devices import kernel_filter
from portcall.sources.devices.afpacket import RingSource
from portcall.sources.devices.capture_devices import LiveSpec, best_source, missing_rights
from portcall.sources.devices.interface_watch import list_interfaces, select_interfaces
from portcall.sources.devices.interfaces import ANY, LINK_BY_HARDWARE, LOOPBACK, Interface, choose
from portcall.sources.devices.scapy import ScapySource
from portcall.system.network_namespaces import every_namespace, find_namespace, inside, own_namespace

ETHERNET = 1
needs_root = [
    pytest.mark.root,
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="packet sockets and namespaces need root on Linux"
    ),
]


def root(test):
    for mark in needs_root:
        test = mark(test)
    return test


def interface(name, index=1, hardware=ETHERNET, *, has_address=True):
    return Interface(name, index, hardware, has_address)


def frames_of(source, count):
    """FRAME rows and their bytes, of at least ``count`` frames."""
    rows, pieces = [], []
    while len(rows) < count:
        batches = list(copied(source.batches(2000)))
        assert batches, f"{len(rows)} of {count} frames came"
        for frames, bytes_ in batches:
            rows.extend(frames)
            pieces.extend(bytes_)
    return rows, pieces


def copied(batches):
    for batch in batches:
        yield batch.frames.copy(), [bytes(batch.buffer[f["offset"] :][: f["captured"]]) for f in batch.frames]


def send_udp(port, *payloads):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for payload in payloads:
            sender.sendto(payload, ("127.0.0.1", port))


@pytest.fixture
def port():
    """A UDP and TCP port of loopback that somebody listens on and nobody reads."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def pair():
    """Two namespaces with a veth pair: ``left`` and ``right`` of 10.78.0.1 and 10.78.0.2, both ends named wire0."""
    names = [f"portcall-{os.getpid()}-{side}" for side in ("left", "right")]
    with contextlib.ExitStack() as stack:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=True)
        left, right = names
        made = ["ip", "-n", left, "link", "add", "wire0", "type", "veth", "peer", "name", "wire0", "netns", right]
        subprocess.run(made, check=True)
        for i, name in enumerate(names):
            subprocess.run(["ip", "-n", name, "address", "add", f"10.78.0.{i + 1}/24", "dev", "wire0"], check=True)
            subprocess.run(["ip", "-n", name, "link", "set", "wire0", "up"], check=True)
        yield SimpleNamespace(left=find_namespace(left), right=find_namespace(right))


def loopback(**options):
    return RingSource([select_interfaces(["lo"], own_namespace())], **options)


# Which interfaces


def test_without_a_wish_interfaces_with_an_address_and_loopback_are_chosen():
    there = [
        interface("lo", 1, LOOPBACK, has_address=False),
        interface("eth0", 2),
        interface("port1", 3, has_address=False),
    ]

    chosen = choose([], there)

    assert [one.name for one in chosen] == ["lo", "eth0"]


def test_any_is_every_interface():
    there = [interface("eth0", 2), interface("port1", 3, has_address=False)]

    chosen = choose([ANY], there)

    assert chosen == there


def test_an_unknown_interface_is_a_usage_error_that_suggests_the_nearest():
    with pytest.raises(UsageError, match="no interface 'etho'; did you mean 'eth0'"):
        choose(["etho"], [interface("lo"), interface("eth0")])


def test_an_interface_named_twice_is_chosen_once():
    chosen = choose(["eth0", "eth0"], [interface("eth0")])

    assert len(chosen) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_loopback_is_found_with_its_hardware_type():
    found = {one.name: one for one in list_interfaces()}

    assert found["lo"].hardware == LOOPBACK
    assert found["lo"].index == socket.if_nametoindex("lo")


# Which namespaces


def test_an_unknown_namespace_is_a_usage_error():
    with pytest.raises(UsageError, match="no network namespace 'nowhere-at-all'"):
        find_namespace("nowhere-at-all")


@root
def test_acting_inside_a_namespace_leaves_this_thread_where_it_was(pair):
    before = Path("/proc/thread-self/ns/net").stat().st_ino

    names = inside(pair.left, lambda: [one.name for one in list_interfaces()])

    assert names == ["lo", "wire0"]
    assert Path("/proc/thread-self/ns/net").stat().st_ino == before


@root
def test_every_namespace_names_those_that_ip_netns_made(pair):
    found = {one.number: one for one in every_namespace()}

    assert found[pair.left.number].name == pair.left.name
    assert own_namespace().number in found


# The program that the kernel runs


def test_a_filter_that_the_kernel_cannot_hold_is_a_usage_error():
    with pytest.raises(UsageError, match="too much for the kernel"):
        kernel_filter.build(range(1, 3000), {}, 100)


# The ring's blocks, made by hand


def block_of(frame, *, hardware=ETHERNET, way=0, tag=0, status=0, protocol=0x0800, link_bytes=14, wire=None):
    """A block with one frame, as tpacket_rcv lays it out: network header at a multiple of 16, plus 16 of room."""
    network = 96 + 16
    start = network - link_bytes
    header = struct.pack(
        "=IIIIIIHHIIHxx8x",
        0,
        7,
        9,
        len(frame),
        wire or len(frame),
        status,
        start,
        network,
        0,
        tag,
        0x88A8 if tag else 0,
    )
    address = (
        struct.pack("=H", 17) + struct.pack("!H", protocol) + struct.pack("=iHBB", 5, hardware, way, 6) + b"sender\0\0"
    )
    data = header + address
    data += bytes(start - len(data)) + frame
    block = struct.pack("=IIIIIIQ", 1, 0, 1, 1, 48, 48 + len(data), 1) + bytes(16) + data
    return np.frombuffer(block.ljust(4096, b"\0"), np.uint8).copy()


def walked(block):
    frames = np.zeros(4, FRAME)
    count = ring.walk(block, len(block), 0, 1, LINK_BY_HARDWARE, frames)
    return [(row, bytes(block[row["offset"] :][: row["captured"]])) for row in frames[:count]]


ETHERNET_FRAME = b"target" + b"source" + b"\x08\x00" + b"network"


def test_a_frame_of_the_ring_has_time_length_interface_and_link():
    ((row, frame),) = walked(block_of(ETHERNET_FRAME, wire=1500))

    assert (row["ts_ns"], row["wire"], row["interface"], row["link"]) == (7_000_000_009, 1500, 5, 1)
    assert frame == ETHERNET_FRAME


@pytest.mark.parametrize(
    ("way", "direction"),
    [
        (0, Direction.INBOUND),
        (1, Direction.INBOUND),
        (2, Direction.INBOUND),
        (3, Direction.UNKNOWN),
        (4, Direction.OUTBOUND),
    ],
)
def test_direction_is_what_the_kernel_says_of_the_frame(way, direction):
    ((row, _),) = walked(block_of(ETHERNET_FRAME, way=way))

    assert row["direction"] == direction


def test_a_tag_that_the_kernel_took_off_is_put_back():
    ((row, frame),) = walked(block_of(ETHERNET_FRAME, tag=0x2005, status=1 << 4 | 1 << 6))

    assert frame == b"targetsource" + bytes.fromhex("88a82005") + b"\x08\x00network"
    assert row["wire"] == len(ETHERNET_FRAME) + 4


def test_an_unknown_link_header_gives_way_to_a_cooked_one():
    ((row, frame),) = walked(block_of(b"??" + b"network", hardware=512, way=4, link_bytes=2))

    assert frame == struct.pack("!HHH", 4, 512, 6) + b"sender\0\0" + b"\x08\x00" + b"network"
    assert (row["link"], row["wire"]) == (113, 16 + len(b"network"))


def test_a_frame_that_leaves_its_block_is_refused():
    block = block_of(ETHERNET_FRAME)
    block[48 + 12 : 48 + 16] = 255

    with pytest.raises(ValueError, match=r"frame of block 0 .* does not lie in its block"):
        walked(block)


def test_a_block_with_more_frames_than_it_can_hold_is_refused():
    block = block_of(ETHERNET_FRAME)
    block[12:16] = 255

    with pytest.raises(ValueError, match="more than fit"):
        walked(block)


# The ring, live


@root
def test_loopback_shows_each_frame_once(port):
    with loopback(filter=f"udp port {port}") as source:
        send_udp(port, b"one", b"two", b"three")

        rows, frames = frames_of(source, 3)

    assert [frame[42:] for frame in frames] == [b"one", b"two", b"three"]
    assert {row["direction"] for row in rows} == {Direction.INTERNAL}


@root
@pytest.mark.parametrize("expression", ["udp port {}", "udp port {} and not vlan"])
def test_frames_that_the_filter_rejects_never_come(port, expression):
    with loopback(filter=expression.format(port)) as source:
        send_udp(port, b"wanted")
        send_udp(port ^ 1, b"unwanted")
        send_udp(port, b"wanted too")

        _, frames = frames_of(source, 2)

    assert [frame[42:] for frame in frames] == [b"wanted", b"wanted too"]


@root
def test_snap_length_cuts_the_bytes_and_not_the_length(port):
    with loopback(filter=f"udp port {port}", snap_length=64) as source:
        send_udp(port, bytes(1000))

        (row,), _ = frames_of(source, 1)

    assert (row["captured"], row["wire"]) == (64, 1042)


@root
def test_a_frame_of_64_kib_comes_whole_if_it_is_wanted_so(port):
    with loopback(filter=f"udp port {port}", snap_length=1 << 18) as source:
        send_udp(port, bytes(65_507))

        (row,), _ = frames_of(source, 1)

    assert row["captured"] == row["wire"] == 65_549


@root
def test_any_sees_loopback_once_and_judges_every_link_type(port):
    with RingSource([select_interfaces([ANY], own_namespace())], filter=f"udp port {port}") as source:
        send_udp(port, b"one")

        rows, _ = frames_of(source, 1)

    assert [row["interface"] for row in rows] == [socket.if_nametoindex("lo")]


@root
def test_frames_on_their_way_come_at_the_end(port):
    with loopback(filter=f"udp port {port}") as source:
        send_udp(port, b"last")

        frames = [frame for _, pieces in copied(source.finish()) for frame in pieces]

    assert [frame[42:] for frame in frames] == [b"last"]


@root
def test_nothing_comes_after_the_end(port):
    with loopback(filter=f"udp port {port}") as source:
        list(source.finish())
        send_udp(port, b"too late")

        late = list(source.batches(200))

    assert late == []


@root
def test_a_block_that_is_broken_off_is_not_given_again(port):
    with loopback(filter=f"udp port {port}") as source:
        send_udp(port, b"one")
        batches = source.batches(2000)
        next(batches)
        batches.close()

        again = list(source.finish())

    assert again == []


@root
def test_a_ring_that_nobody_reads_counts_its_drops(port):
    with loopback(filter=f"udp port {port}", block_bytes=1 << 16, blocks=4) as source:
        send_udp(port, *[bytes(1000)] * 2000)

        given = sum(len(rows) for rows, _ in copied(source.finish()))
        statistics = source.statistics()

    assert statistics.dropped_by_kernel > 0
    assert given + statistics.dropped_by_kernel == statistics.frames == 2000


@root
def test_its_file_is_readable_only_while_a_block_waits(port):
    with loopback(filter=f"udp port {port}") as source:
        waiting = select.poll()
        waiting.register(source.descriptors()[0], select.POLLIN)
        before = waiting.poll(0)

        send_udp(port, b"one")
        during = waiting.poll(2000)
        list(source.batches())

        assert (bool(before), bool(during), bool(waiting.poll(0))) == (False, True, False)


@root
def test_each_namespace_has_its_number_and_both_directions(pair):
    selections = [select_interfaces(["wire0"], namespace) for namespace in (pair.left, pair.right)]
    with RingSource(selections, filter="udp port 9") as source:
        inside(pair.left, lambda: send_to("10.78.0.2", 9, b"hello"))

        seen = {(b.namespace, int(d)) for b in source.finish() for d in b.frames["direction"]}

    assert seen == {(pair.left.number, Direction.OUTBOUND), (pair.right.number, Direction.INBOUND)}


def send_to(address, port, payload):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(payload, (address, port))


@root
def test_the_namespace_reaches_the_flows(pair):
    with RingSource([select_interfaces(["wire0"], pair.right)], filter="udp port 9") as source:
        inside(pair.left, lambda: send_to("10.78.0.2", 9, b"hello"))

        flows = flow_rows(source.finish())

    assert flows["namespace"].tolist() == [pair.right.number]


@root
def test_a_tagged_frame_is_as_long_as_on_the_wire_and_is_decoded(pair):
    ip = bytes.fromhex("4500001d000100004011000000000000000000000000000900090009000058")
    ip = (
        ip[:12]
        + socket.inet_aton("10.78.0.1")
        + socket.inet_aton("10.78.0.2")
        + struct.pack("!HHHH", 9, 9, 9, 0)
        + b"x"
    )
    frame = b"\xff" * 6 + b"\x02" * 6 + bytes.fromhex("81000005") + b"\x08\x00" + ip
    with RingSource([select_interfaces(["wire0"], pair.right)], filter="vlan 5") as source:
        inside(pair.left, lambda: send_raw("wire0", frame))

        batches = [
            (f.copy(), p, Decoder().decode(b)["verdict"].tolist()) for b in source.finish() for f, p in copied([b])
        ]

    ((rows, (seen,), verdicts),) = batches
    assert (rows["wire"][0], seen, verdicts) == (len(frame), frame, [Verdict.OK])


def send_raw(name, frame):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((name, 0))
        sender.send(frame)


@pytest.fixture
def tunnel(pair):
    """The namespace ``left`` with a TUN device tun0, 10.79.0.1/24, whose packets nobody reads."""

    def open_device():
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
        return device

    device = inside(pair.left, open_device)
    subprocess.run(["ip", "-n", pair.left.name, "address", "add", "10.79.0.1/24", "dev", "tun0"], check=True)
    subprocess.run(["ip", "-n", pair.left.name, "link", "set", "tun0", "up"], check=True)
    yield pair.left
    os.close(device)


@root
@pytest.mark.parametrize("name", ["tun0", ANY])
def test_a_tunnel_without_link_header_gives_ip_packets(tunnel, name):
    with RingSource([select_interfaces([name], tunnel)], filter="udp port 9") as source:
        inside(tunnel, lambda: send_to("10.79.0.2", 9, b"hello"))

        seen = [
            (row["link"], row["wire"], verdict)
            for batch in source.finish()
            for row, verdict in zip(batch.frames.copy(), Decoder().decode(batch)["verdict"], strict=True)
        ]

    assert seen == [(101, 20 + 8 + 5, Verdict.OK)]


# Against tcpdump


def flow_rows(batches):
    table, decoder = FlowTable(), Decoder()
    frames = 0
    for batch in batches:
        table.update(decoder.decode(batch), frames + 1)
        frames += len(batch.frames)
    return table.records()


COUNTS = ["low", "high", "low_port", "high_port", "protocol", "packets", "bytes", "payload"]
UDP = 17
EACH_STAMPS_NS = 1_000_000
"""Over loopback and veth a TCP segment arrives with the time at which TCP scheduled it in the place of a receive time
(Linux since 5.18), so every packet socket stamps it for itself, one after the other."""


def in_order(flows):
    return np.sort(flows, order=["low_port", "high_port", "protocol", "first_ns"])


@contextlib.contextmanager
def tcpdump(path, name, expression):
    """tcpdump writing all it sees with nanoseconds; on leaving it has written everything."""
    words = [
        "tcpdump",
        "-i",
        name,
        "--time-stamp-precision=nano",
        "-n",
        "-B",
        "65536",
        "-U",
        "-w",
        str(path),
        expression,
    ]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
        while "listening on" not in running.stderr.readline():
            assert running.poll() is None
        yield
        wait_for_last(path)
        running.terminate()
        assert "0 packets dropped by kernel" in running.communicate()[1]


def wait_for_last(path):
    """Return once the file holds the frame that says so."""
    with path.open("rb") as written, select.epoll() as never:
        held = b""
        while LAST not in held:
            never.poll(0.02)  # tcpdump tells nobody when it has written
            held = held[-len(LAST) :] + written.read()


LAST = b"the last frame of all"


def talk(port):
    """UDP of all sizes, and TCP with super-frames both ways on the next free port."""
    send_udp(port, *(bytes(size) for size in range(0, 1400, 7)))
    with socket.create_server(("127.0.0.1", port)) as server:
        answering = threading.Thread(target=answer, args=(server,))
        answering.start()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(bytes(3_000_000))
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 16):
                pass
        answering.join()
    send_udp(port, LAST)


def answer(server):
    connection, _ = server.accept()
    with connection:
        while connection.recv(1 << 16):
            pass
        connection.sendall(bytes(100_000))


@root
def test_live_flows_equal_those_of_tcpdump(port, tmp_path):
    path = tmp_path / "loopback.pcap"
    with loopback(filter=f"port {port}") as source, tcpdump(path, "lo", f"port {port}"):
        talk(port)
        live = in_order(flow_rows(source.finish()))

    recorded = in_order(flow_rows(open_capture(str(path)).source.batches()))

    assert len(live) == 3
    for column in COUNTS:
        assert live[column].tolist() == recorded[column].tolist()
    tolerances = np.where(live["protocol"] == UDP, 0, EACH_STAMPS_NS)
    for column in ("first_ns", "last_ns"):
        assert (np.abs(live[column] - recorded[column]) <= tolerances).all()


# scapy


@root
def test_scapy_sees_each_frame_of_loopback_once_with_its_bytes(port):
    with ScapySource([select_interfaces(["lo"], own_namespace())], filter=f"udp port {port}") as source:
        send_udp(port, b"one", b"two")

        rows, frames = frames_of(source, 2)

    assert [frame[42:] for frame in frames] == [b"one", b"two"]
    assert [(row["link"], row["wire"]) for row in rows] == [(1, 45), (1, 45)]


@root
def test_scapy_refuses_another_namespace(pair):
    with pytest.raises(UsageError, match="own network namespace only"):
        ScapySource([select_interfaces(["wire0"], pair.left)])


@root
def test_scapy_counts_what_its_buffer_had_no_room_for(port):
    with ScapySource([select_interfaces(["lo"], own_namespace())], filter=f"udp port {port}") as source:
        send_udp(port, *[bytes(60_000)] * 600)

        given = 0
        while rows := [len(rows) for rows, _ in copied(source.batches())]:
            given += sum(rows)

        assert source.dropped_by_kernel() == 600 - given > 0


# The ladder


@root
@pytest.mark.parametrize(("wanted", "name"), [(None, "ring"), ("ring", "ring"), ("scapy", "scapy")])
def test_the_best_source_is_the_ring_unless_another_is_asked_for(wanted, name):
    source, missing = best_source(LiveSpec(["lo"], source=wanted))

    source.close()

    assert (source.name, missing) == (name, [])


def test_an_unknown_source_is_a_usage_error():
    with pytest.raises(UsageError, match="none of ring, scapy"):
        best_source(LiveSpec(["lo"], source="telepathy"))


@root
def test_a_wrong_filter_is_a_usage_error():
    with pytest.raises(UsageError, match="--filter 'prot 80'"):
        best_source(LiveSpec(["lo"], filter="prot 80"))


@root
@pytest.mark.parametrize("source", ["ring", "scapy"])
def test_root_without_rights_is_told_what_a_container_lacks_and_a_way_out(source):
    code = (
        "from portcall.errors import PortcallError\n"
        "from portcall.sources.devices.capture_devices import LiveSpec, best_source\n"
        f"try: best_source(LiveSpec(['lo'], source={source!r}))\n"
        "except PortcallError as error: print(error)"
    )
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", code]

    sent = subprocess.run(without, capture_output=True, text=True, check=True).stdout

    assert sent.strip() == missing_rights()
    assert all(word in sent for word in ("--cap-add NET_RAW", "on the host", "portcall read"))


def test_who_may_not_capture_is_told_what_can_be_done_meanwhile():
    assert "'portcall conns' shows who talks with whom" in missing_rights()
