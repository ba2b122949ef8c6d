"""RTM_GETADDR: the addresses that interfaces of a network namespace have, as Linux tells them.

    nlmsghdr    as in ``sock_diag``
    rtgenmsg    u8 family, 0 for all
    ifaddrmsg   u8 family · u8 bits of the network · u8 flags · u8 scope · u32 interface, then attributes

Source: include/uapi/linux/{rtnetlink,if_addr}.h.
"""

from __future__ import annotations

import ipaddress
import socket
import struct

from portcall.owners.sock_diag import attribute_of, messages_of
from portcall.records.sockets import InterfaceNetwork

_ROUTE = 0
_GET_ADDRESSES, _ADDRESS, _DONE, _ERROR = 22, 20, 3, 2
_REQUEST, _DUMP = 0x1, 0x300
_HEADER, _BODY = struct.Struct("=IHHII"), struct.Struct("=BBBBI")
_PEER, _OWN = 1, 2  # IFA_ADDRESS, which is the other end's where both are there, and IFA_LOCAL
_RECEIVE_BYTES = 1 << 18
_ANSWER_S = 2.0


def interface_networks() -> tuple[InterfaceNetwork, ...]:
    """The addresses of all interfaces of this thread's network namespace with their networks; OSError if none tells."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _ROUTE) as netlink:
        netlink.settimeout(_ANSWER_S)
        netlink.send(_HEADER.pack(_HEADER.size + 1, _GET_ADDRESSES, _REQUEST | _DUMP, 1, 0) + bytes(1))
        found: list[InterfaceNetwork] = []
        names = dict(socket.if_nameindex())
        while True:
            for kind, body in messages_of(netlink.recv(_RECEIVE_BYTES)):
                if kind in (_DONE, _ERROR):
                    return tuple(found)
                if kind == _ADDRESS and (network := _network(body, names)):
                    found.append(network)


def _network(body: bytes, names: dict[int, str]) -> InterfaceNetwork | None:
    family, bits, _, _, interface = _BODY.unpack_from(body)
    attributes = body[_BODY.size :]
    packed = attribute_of(attributes, _OWN) or attribute_of(attributes, _PEER)
    if family not in (socket.AF_INET, socket.AF_INET6) or not packed:
        return None
    address = ipaddress.ip_interface((packed, bits))
    return InterfaceNetwork(names.get(interface, str(interface)), address)
