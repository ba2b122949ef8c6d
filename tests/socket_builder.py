"""Sockets for tests, written as people write ends."""

from __future__ import annotations

import ipaddress

from portcall.records.ownership import Owner, Program
from portcall.records.sockets import Holding, InterfaceNetwork, SocketListing, SystemSocket

NETWORKS = tuple(
    InterfaceNetwork(name, ipaddress.ip_interface(address))
    for name, address in (
        ("lo", "127.0.0.1/8"),
        ("lo", "::1/128"),
        ("eth0", "192.168.1.5/24"),
        ("eth0", "fe80::5/64"),
        ("wg0", "10.8.0.2/32"),
    )
)


def owner(name="server", pid=100, start_ns=10, **program):
    return Owner(pid, start_ns, Program(name, **program), "anna", ((1, "init"),))


def system_socket(local, remote=None, *, protocol="tcp", state=None, owners=(), **fields):
    """The socket with those ends; without a remote one it listens."""
    local_ip, local_port = split(local)
    remote_ip, remote_port = split(remote) if remote else (None, None)
    listening = "LISTEN" if protocol == "tcp" else "UNCONN"
    return SystemSocket(
        protocol=protocol,
        ip_version=6 if ":" in local_ip else 4,
        local_ip=local_ip,
        local_port=local_port,
        remote_ip=remote_ip,
        remote_port=remote_port,
        state=state or ("ESTAB" if remote else listening),
        holders=tuple(owners),
        **{"holding": Holding.PROCESS if owners else Holding.HIDDEN, **fields},
    )


def listing(*sockets, time_ns=1_000_000_000, networks=NETWORKS):
    return SocketListing(sockets, time_ns, {0: networks})


def split(end):
    address, _, port = end.rpartition(":")
    return address.strip("[]"), int(port)
