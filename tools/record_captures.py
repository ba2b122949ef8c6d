#!/usr/bin/env python3
"""Record the captures of ``captures/`` anew, and write their catalogue.

    sudo python3 tools/record_captures.py [NAME…]

Real programs talk in network namespaces that this makes and removes again; nothing outside them is heard or touched.
Needs Linux, root and scapy; without a program it says which package has it.

Each function below records one capture; its docstring says what the capture shows. What follows from other captures
(compressed, damaged) is made by ``capture_damage``, what names owners by ``capture_owners``.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import capture_catalogue as catalogue
import capture_damage
import capture_owners
import capture_services as services
from capture_lab import (
    Host,
    Lab,
    configure,
    open_device,
    route,
    set_kernel,
    settle,
    stop,
)
from capture_services import (
    CLIENT,
    CLIENT_6,
    GATEWAY,
    GATEWAY_6,
    NAME_SERVER,
    NAME_SERVER_6,
    WEB,
    WEB_6,
)
from capture_tunnels import TUNNELS, tagged_port

if TYPE_CHECKING:
    from collections.abc import Callable

DERIVED = capture_owners.DERIVED | capture_damage.DERIVED
CAPTURES = Path(__file__).resolve().parent.parent / "captures"
_CURL = ("curl", "-sS", "-k", "-m", "10", "-A", "portcall-lab", "-o", "/dev/null")


def office(lab: Lab, out: Path) -> None:
    """A desk's three seconds: a music stream, a bank login meanwhile, news, DNS, SSH, databases, NTP, mDNS, pings."""
    client, server = _two_hosts(lab)
    services.start_names(lab, server)
    services.start_ssh(lab, server)
    services.start_redis(lab, server)
    services.start_postgres(lab, server)
    raw = lab.folder / "office.pcap"
    with ExitStack() as running:
        running.enter_context(services.web(lab, server, 80))
        running.enter_context(services.web(lab, server, 443, tls=True))
        running.enter_context(services.udp_answers(server, NAME_SERVER, 123, ntp=True))
        running.enter_context(lab.record(client, "lan0", raw))
        _say_mdns(client)
        music = client.start(*_CURL, "https://music.example.net/stream")
        client.run(
            *_CURL,
            "http://www.example.com/pages/9000",
            "http://www.example.com/pages/3000",
        )
        client.run(*_CURL, "-d", "user=kim&password=made-up", "https://bank.example.org/login")
        services.use_ntp(client)
        client.run("ping", "-n", "-c", "2", "-i", "0.2", WEB)
        client.run(
            *_CURL,
            "https://news.example.org/pages/12000",
            "https://news.example.org/pages/4000",
        )
        services.use_postgres(client)
        services.use_redis(client)
        services.use_ssh(lab, client, "head -c 6000 /dev/urandom")
        client.run("ping", "-n", "-c", "2", "-i", "0.2", WEB_6)
        client.run(*_CURL, "https://bank.example.org/pages/2500")
        music.wait(20)
        stop(music)
    client.run("editcap", "-F", "pcapng", str(raw), str(out))


def dns(lab: Lab, out: Path) -> None:
    """DNS over UDP and TCP, IPv4 and IPv6: A, AAAA, CNAME, a name that is not there, an answer too long for UDP."""
    client, server = _two_hosts(lab)
    services.start_names(lab, server)
    with lab.record(client, "lan0", out):
        for name_server in (NAME_SERVER, NAME_SERVER_6):
            for question in (
                "www.example.com A",
                "www.example.com AAAA",
                "shop.example.com A",
                "no.example.com A",
            ):
                client.run("dig", f"@{name_server}", *question.split())
            client.run("dig", f"@{name_server}", "long.example.com", "TXT")
        client.run("dig", "+tcp", f"@{NAME_SERVER}", "music.example.net", "A")


def database(lab: Lab, out: Path) -> None:
    """Queries to PostgreSQL, MariaDB and Redis, unencrypted."""
    client, server = _two_hosts(lab)
    services.start_postgres(lab, server)
    services.start_mariadb(lab, server)
    services.start_redis(lab, server)
    with lab.record(client, "lan0", out):
        services.use_postgres(client)
        services.use_mariadb(client)
        services.use_redis(client)


def ssh(lab: Lab, out: Path) -> None:
    """Two SSH sessions with a key, one short and one that fetches 8 kB; nanosecond times."""
    client, server = _two_hosts(lab)
    services.start_ssh(lab, server)
    with lab.record(client, "lan0", out, "--time-stamp-precision=nano"):
        services.use_ssh(lab, client, "true")
        services.use_ssh(lab, client, "head -c 8000 /dev/urandom")


def ipv6(lab: Lab, out: Path) -> None:
    """IPv6 with hop-by-hop and destination options before UDP and TCP, fragments of ICMPv6 and UDP, neighbours."""
    client, server = _two_hosts(lab)
    padding = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # next header (the kernel's), length, PadN of 4: RFC 8200 §4.2
    with ExitStack() as running:
        running.enter_context(services.udp_answers(server, WEB_6, 7777))
        running.enter_context(services.web(lab, server, 80))
        running.enter_context(lab.record(client, "lan0", out))
        client.run("ping", "-n", "-c", "2", "-i", "0.2", "-s", "3000", GATEWAY_6)
        client.run(*_CURL, f"http://[{WEB_6}]/pages/3000")
        for options in (
            (),
            (socket.IPV6_HOPOPTS,),
            (socket.IPV6_HOPOPTS, socket.IPV6_DSTOPTS),
        ):
            for payload in (100, 4000):
                with closing(client.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as talking:
                    _set_options(talking, options, padding)
                    talking.sendto(bytes(payload), (WEB_6, 7777))
                    talking.recv(100)
        with closing(client.socket(socket.AF_INET6)) as talking:
            _set_options(talking, (socket.IPV6_DSTOPTS,), padding)
            talking.connect((WEB_6, 80))
            talking.send(b"GET /pages/100 HTTP/1.1\r\nHost: six.example.com\r\nConnection: close\r\n\r\n")
            _drain(talking)


def vlan(lab: Lab, out: Path) -> None:
    """One trunk: untagged, 802.1Q tags 10 and 20, 802.1ad tag 100 around tag 30: a ping and a page in each."""
    client, server = _two_hosts(lab)
    tags = {
        "blue": ((0x8100, 10),),
        "green": ((0x8100, 20),),
        "stacked": ((0x88A8, 100), (0x8100, 30)),
    }
    for number, (name, stack) in enumerate(tags.items(), 1):
        for host, end in ((client, 2), (server, 1)):
            device = open_device(host, name, f"10.30.{number}.{end}/24", tap=True)
            lab.pump(tagged_port(host, device, *stack))
    with services.web(lab, server, 8080), lab.record(client, "lan0", out):
        client.run("ping", "-n", "-c", "1", GATEWAY)
        for number in range(1, len(tags) + 1):
            client.run("ping", "-n", "-c", "1", f"10.30.{number}.1")
            client.run(*_CURL, f"http://10.30.{number}.1:8080/pages/2500")


def fragments(lab: Lab, out: Path) -> None:
    """IPv4 fragments of UDP and ICMP: in order, backwards, two datagrams mixed, and some whose first never came."""
    from scapy.layers.inet import IP, UDP, fragment

    client, server = _two_hosts(lab)
    with (
        services.udp_answers(server, WEB, 7777),
        lab.record(client, "lan0", out),
        closing(client.socket(kind=socket.SOCK_DGRAM)) as talking,
        closing(client.socket(kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW)) as sending,
    ):
        client.run("ping", "-n", "-c", "1", "-s", "3000", WEB)
        talking.bind((CLIENT, 40000))

        def pieces(identification: int, payload: int) -> list[bytes]:
            whole = IP(src=CLIENT, dst=WEB, id=identification) / UDP(sport=40000, dport=7777) / bytes(payload)
            return [bytes(piece) for piece in fragment(whole, 1480)]

        talking.sendto(bytes(4000), (WEB, 7777))
        talking.recv(100)
        mixed = [piece for pair in zip(pieces(101, 4100), pieces(102, 4200), strict=True) for piece in pair]
        for answers, order in (
            (1, pieces(100, 5000)[::-1]),
            (2, mixed),
            (0, pieces(103, 4300)[1:]),
        ):
            for piece in order:
                sending.sendto(piece, (WEB, 0))
            for _ in range(answers):
                talking.recv(100)


def tunnels(lab: Lab, out: Path) -> None:
    """A page through each tunnel: IPv4 in IPv4, IPv6 in IPv4, GRE, VXLAN (the kernel's), GENEVE and GTP-U."""
    client, server = _two_hosts(lab)
    outer = ((client, CLIENT, GATEWAY, 2), (server, GATEWAY, CLIENT, 1))
    for host, here, there, end in outer:
        words = ("vxlan", "id", "77", "local", here, "remote", there, "dstport", "4789")
        host.run("ip", "link", "add", "vxlan", "mtu", "1400", "type", *words)
        configure(host, "vxlan", f"10.40.9.{end}/24")
        for number, (name, make) in enumerate(TUNNELS.items(), 1):
            inside = f"2001:db8:40::{end}/64" if name == "sixinfour" else f"10.40.{number}.{end}/24"
            device = open_device(host, name, inside, tap=name == "geneve")
            lab.pump(make(host, device, here, there))
    with services.web(lab, server, 80), lab.record(client, "lan0", out):
        for number in (1, 3, 4, 5, 9):
            client.run(*_CURL, f"http://10.40.{number}.1/pages/2500")
        client.run(*_CURL, "http://[2001:db8:40::1]/pages/2500")


def reuse(lab: Lab, out: Path) -> None:
    """One TCP 4-tuple used for four connections: ended by FIN, FIN, RST and not at all."""
    client, server = _two_hosts(lab)
    with (
        closing(server.socket()) as listening,
        ExitStack() as last,  # the last connection outlives the recording
        lab.record(client, "lan0", out),
    ):
        listening.bind((GATEWAY, 9000))
        listening.listen()
        for ending in ("fin", "fin", "rst", "open"):
            talking = last.enter_context(closing(client.socket()))
            talking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            talking.bind((CLIENT, 40000))
            talking.connect((GATEWAY, 9000))
            accepted = last.enter_context(closing(listening.accept()[0]))
            talking.send(b"hello, this ends by " + ending.encode())
            accepted.recv(100)
            if ending == "fin":  # by the server, so that TIME_WAIT is there and the port free here
                accepted.close()
                talking.recv(100)
                talking.close()
            elif ending == "rst":
                talking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                talking.close()
            time.sleep(0.2)


def loopback(lab: Lab, out: Path) -> None:
    """A page, UDP and a ping over lo, IPv4 and IPv6: both ends local, frames up to the loopback's MTU of 65536."""
    host = lab.host("alone")
    with (
        services.web(lab, host, 8080),
        services.udp_answers(host, "127.0.0.1", 7777),
        lab.record(host, "lo", out),
    ):
        host.run(*_CURL, "http://127.0.0.1:8080/pages/20000", "http://[::1]:8080/pages/3000")
        host.run("ping", "-n", "-c", "1", "127.0.0.1")
        with closing(host.socket(kind=socket.SOCK_DGRAM)) as talking:
            talking.sendto(b"hello", ("127.0.0.1", 7777))
            talking.recv(100)


def cooked(lab: Lab, out: Path) -> None:
    """Recorded on any: a section of link type SLL2, one of SLL; each a page over the wire, one over loopback."""
    client, server = _two_hosts(lab)
    sections = []
    with services.web(lab, server, 80), services.web(lab, client, 8080):
        for link_type in ("LINUX_SLL2", "LINUX_SLL"):
            part, section = lab.folder / link_type, lab.folder / f"{link_type}.pcapng"
            with lab.record(client, "any", part, "-y", link_type):
                client.run(
                    *_CURL,
                    f"http://{WEB}/pages/3000",
                    "http://127.0.0.1:8080/pages/100",
                )
            client.run("editcap", "-F", "pcapng", str(part), str(section))
            sections.append(section.read_bytes())
    out.write_bytes(b"".join(sections))  # mergecap would write this machine's kernel into it


def ech(lab: Lab, out: Path) -> None:
    """Encrypted Client Hello (RFC 9849) by Go: DNS offers it for one name, which is then asked for behind a cover."""
    client, server = _two_hosts(lab)
    cover, hidden = "cover.example.net", "bank.example.org"
    program, config = services.encrypted_hellos(lab, server, 443, cover)
    # SVCB priority 1, target ".", and the parameter ech (5): RFC 9460 §2.2, RFC 9848 §3
    record = f"000100{5:04x}{len(config) // 2:04x}{config}"
    addresses = f"--host-record={cover},{services.BANK}"
    services.start_names(lab, server, f"--dns-rr={hidden},65,{record}", addresses)
    with lab.record(client, "lan0", out):
        for question in ("HTTPS", "A"):
            client.run("dig", f"@{NAME_SERVER}", hidden, question)
        client.run(program, "ask", f"{services.BANK}:443", hidden, config)
        client.run("dig", f"@{NAME_SERVER}", cover, "A")
        client.run(program, "ask", f"{services.BANK}:443", cover)


def scan(lab: Lab, out: Path) -> None:
    """Ports open, closed, silent and prohibited (ICMP), TCP and UDP; a half-open probe; a connection left open."""
    from scapy.layers.inet import IP, TCP

    client, server = _two_hosts(lab)
    set_kernel(server, "ipv4/ip_forward", 1)
    silent, prohibited = "203.0.113.200", "203.0.113.201"
    route(server, "blackhole", silent)
    route(server, "prohibit", prohibited)
    with (
        services.web(lab, server, 80),
        ExitStack() as last,
        lab.record(client, "lan0", out),
    ):
        for address in (GATEWAY, silent, prohibited):
            for port in (80, 81, 443):
                with closing(client.socket()) as probe:
                    probe.settimeout(1.3)  # one retransmission after a second
                    _ignore_refusal(probe, address, port)
        for address in (GATEWAY, silent):
            with closing(client.socket(kind=socket.SOCK_DGRAM)) as probe:
                probe.sendto(b"anyone?", (address, 7777))
        with closing(client.socket(kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW)) as sending:
            half = IP(src=CLIENT, dst=GATEWAY) / TCP(sport=40001, dport=80, seq=7)
            sending.sendto(bytes(half), (GATEWAY, 0))  # the kernel resets what it did not ask for
        last.enter_context(closing(client.socket())).connect((GATEWAY, 80))


RECORDED: dict[str, Callable[[Lab, Path], None]] = {
    "office.pcapng": office,
    "dns.pcap": dns,
    "database.pcap": database,
    "ssh.pcap": ssh,
    "ipv6.pcap": ipv6,
    "vlan.pcap": vlan,
    "fragments.pcap": fragments,
    "tunnels.pcap": tunnels,
    "reuse.pcap": reuse,
    "loopback.pcap": loopback,
    "cooked.pcapng": cooked,
    "scan.pcap": scan,
    "ech.pcap": ech,
}


def names() -> list[str]:
    """Every file of the catalogue, in its order."""
    return [*RECORDED, *DERIVED]


def main(wanted: list[str]) -> None:
    """Record the captures named, or all of them; make the derived ones; write the catalogue."""
    if unknown := set(wanted) - set(RECORDED):
        sys.exit(f"record_captures: no such recording: {', '.join(sorted(unknown))}. There are: {', '.join(RECORDED)}")
    if os.geteuid():
        sys.exit("record_captures: needs root, for network namespaces. Try: sudo python3 tools/record_captures.py")
    if packages := catalogue.missing_packages():
        sys.exit(f"record_captures: programs are missing. Try: apt install {' '.join(packages)}")
    entries = catalogue.read(CAPTURES)
    for name in wanted or RECORDED:
        entries[name] = _record(name)
        sys.stderr.write(f"{name}: {entries[name]['frames']} frames\n")
    for name, make in DERIVED.items():
        path = CAPTURES / name
        path.parent.mkdir(exist_ok=True)
        make(CAPTURES, path)
        plain = CAPTURES / capture_damage.SOURCE if name.startswith("compressed/") else path
        made = [f"tools/{make.__module__}.py: {make.__name__}"]
        entries[name] = catalogue.describe(path, make.__doc__ or "", made, plain)
    catalogue.write(CAPTURES, {name: entries[name] for name in names() if name in entries})


def _record(name: str) -> dict[str, Any]:
    with Lab() as lab:
        RECORDED[name](lab, CAPTURES / name)
        log = [line.replace(str(lab.folder), "LAB").replace(str(CAPTURES), "captures") for line in lab.log]
    made = [f"sudo python3 tools/record_captures.py {name}", *log]
    return catalogue.describe(CAPTURES / name, RECORDED[name].__doc__ or "", made)


def _two_hosts(lab: Lab) -> tuple[Host, Host]:
    client, server = lab.host("client", nameserver=NAME_SERVER), lab.host("server")
    lab.wire(client, [f"{CLIENT}/24", f"{CLIENT_6}/64"], server, services.SERVER_ADDRESSES)
    route(client, "default", "via", GATEWAY)
    route(client, "default", "via", GATEWAY_6)
    settle(client, server, GATEWAY_6)
    return client, server


def _say_mdns(client: Host) -> None:
    question = b"\0\0\0\0\0\1\0\0\0\0\0\0" + b"\4_ipp\4_tcp\5local\0" + b"\0\x0c\0\1"  # PTR, IN: RFC 6762
    with closing(client.socket(kind=socket.SOCK_DGRAM)) as talking:
        talking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(CLIENT))
        talking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        talking.bind((CLIENT, 5353))
        talking.sendto(question, ("224.0.0.251", 5353))


def _set_options(talking: socket.socket, options: tuple[int, ...], header: bytes) -> None:
    for option in options:
        talking.setsockopt(socket.IPPROTO_IPV6, option, header)


def _drain(talking: socket.socket) -> None:
    while talking.recv(65536):
        pass


def _ignore_refusal(probe: socket.socket, address: str, port: int) -> None:
    try:
        probe.connect((address, port))
    except OSError:
        return  # refused, silent and prohibited is what the scan is for


if __name__ == "__main__":
    main(sys.argv[1:])
