"""Sockets and machines in one line each, for tests of what is said about them."""

from __future__ import annotations

import ipaddress

from portcall.explanation.facts import Machine
from portcall.records.ownership import Owner, Program
from portcall.records.sockets import Holding, InterfaceNetwork, SocketListing, SystemSocket
from portcall.system.port_ranges import PortSettings

SETTINGS = PortSettings((32768, 60999), "test", 1024)


def system_socket(local, remote=None, process=None, **fields):
    """``system_socket("127.0.0.1 80", "127.0.0.1 5000", "nginx 812")``; without a remote end it listens."""
    local_ip, local_port = local.split()
    remote_ip, remote_port = remote.split() if remote else (None, None)
    protocol = fields.pop("protocol", "tcp")
    state = "ESTAB" if remote else "LISTEN" if protocol == "tcp" else "UNCONN"
    return SystemSocket(
        protocol=protocol,
        ip_version=6 if ":" in local_ip else 4,
        local_ip=local_ip,
        local_port=int(local_port),
        remote_ip=remote_ip,
        remote_port=int(remote_port) if remote else None,
        state=fields.pop("state", state),
        holding=fields.pop("holding", Holding.PROCESS if process else Holding.NOBODY),
        holders=(owner(process),) if process else (),
        **fields,
    )


def owner(words):
    name, _, pid = words.rpartition(" ")
    return Owner(int(pid), None, Program(name))


def machine(*sockets, addresses=("192.168.1.5/24",), settings=SETTINGS, **known):
    networks = tuple(InterfaceNetwork("eth0", ipaddress.ip_interface(address)) for address in addresses)
    return Machine(SocketListing(sockets, 0, {1: networks}), settings, **known)
