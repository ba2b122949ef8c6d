"""The columns of rows of sockets: those that listen, those with a peer, and counts of these."""

from __future__ import annotations

from portcall.records.columns import SCRIPT, Column, address_columns

COUNTS = {by: f"conns by {by}" for by in ("app", "host", "service", "state")}
"""What ``conns --by`` accepts → the list of such counts."""

_PROTOCOL = Column("protocol", "text", "", "tcp or udp")
_STATE = Column("state", "text", "", "state of the socket, in the words of ss")
_PIDS = Column("pids", "integers", "", "ids of all processes that have it open")
_SCRIPT = Column("script", "text", "", SCRIPT)
_HOLDER = (
    Column("process", "text", "", "name of the process that has it open, of several the oldest"),
    Column("pid", "integer", "", "id of that process"),
    _PIDS,
    Column("exe", "text", "", "executable of that process"),
    Column("cmdline", "texts", "", "command line of that process, an argument each"),
    Column("user", "text", "", "user of that process, else who made the socket"),
    Column("container", "text", "", "container or unit of that process"),
    Column(
        "holding",
        "text",
        "",
        "process; hidden: one that may not be looked at; unfound: none; nobody: not yet or no more",
    ),
)
_PLACE = (
    Column("interface", "text", "", "the only interface that it uses; null for all"),
    Column("inode", "integer", "", "number of the socket, as in /proc/PID/fd; null where no process has it"),
    Column("namespace", "text", "", "network namespace, by name or path; null for one's own"),
)
_EXPOSURE = (
    Column("exposure", "text", "", "machine, network, everywhere, group or nowhere: who can reach it by its address"),
    Column("exposed_to", "text", "", "the same in plain words"),
    Column("outside", "text", "", "yes where other machines can reach it if no firewall refuses them, else no"),
    Column("published_for", "text", "", "address and port of the container that docker passes it on to"),
)
PORTS = (
    _PROTOCOL,
    Column("address", "address", "", "address that it listens on; 0.0.0.0 and :: are all"),
    Column("port", "integer", "", "port that it listens on"),
    *_EXPOSURE,
    Column("service", "text", "", "service that usually lives on that port"),
    Column("port_class", "text", "", "well-known, registered or ephemeral"),
    *_HOLDER,
    _STATE,
    *_PLACE,
    _SCRIPT,
)
"""What ``ports`` says of a socket that listens."""
_WITH_PEER = (
    _PROTOCOL,
    _STATE,
    Column("state_meaning", "text", "", "that state in plain words"),
    Column("local_ip", "address", "", "address of this machine's end"),
    Column("local_port", "integer", "", "port of this machine's end"),
    Column("remote_ip", "address", "", "address of the other end"),
    Column("remote_port", "integer", "", "port of the other end"),
    Column("direction", "text", "", "in: the other end opened it; out: this one did; null where not known"),
    Column("opener_evidence", "text", "", "why that is so: state, listener, remote-listener or a rule about ports"),
    Column("service", "text", "", "service that usually lives on the port of the end that was called"),
    Column("local_port_class", "text", "", "well-known, registered or ephemeral"),
    Column("remote_port_class", "text", "", "well-known, registered or ephemeral"),
    *_HOLDER,
    Column("since_ns", "integer", "ns", "when it was established, since 1970 UTC; null unless the kernel still knows"),
    Column("age_ns", "integer", "ns", "how long it has been established; null unless the kernel still knows"),
    Column("bytes_sent", "integer", "bytes", "payload sent, each byte once; null for other protocols than TCP"),
    Column("bytes_received", "integer", "bytes", "payload received; null for other protocols than TCP"),
    Column("bytes_sent_again", "integer", "bytes", "payload that had to be sent again"),
    Column("bytes_to_send", "integer", "bytes", "what the other end has not confirmed yet"),
    Column("bytes_to_read", "integer", "bytes", "what the process has not read yet"),
    Column("round_trip_ns", "integer", "ns", "smoothed round-trip time"),
    Column("round_trip_variation_ns", "integer", "ns", "how much it varies"),
    *_PLACE,
    *address_columns("remote", "the other end"),
)
CONVERSATIONS = (*_WITH_PEER, _SCRIPT)
"""What ``conns`` says of a socket with a peer."""
HELD = (
    Column("relation", "text", "", "local: the socket is on the port; connected to: its peer is"),
    *_WITH_PEER,
    *_EXPOSURE,
    Column("process_since_ns", "integer", "ns", "when the process began, since 1970 UTC"),
    Column("started_by", "texts", "", "the processes above it, nearest first, each as name(pid)"),
    Column("meant_as", "texts", "", "what the words were taken for that mean the socket: end, service, process"),
    Column("also_held_by", "texts", "", "the other processes that have it open, each as name(pid)"),
    _SCRIPT,
)
"""What ``who`` says of a socket."""
COUNTED_BY = {
    "app": Column("app", "text", "", "name of the process; null where none is known"),
    "host": Column("host", "address", "", "address of the other end"),
    "service": Column("service", "text", "", "service that usually lives on the port of the end that was called"),
    "state": _STATE,
}
"""The first column of a count, by what is counted."""
COUNTED_CONVERSATIONS = (
    Column("conversations", "integer", "", "sockets with a peer"),
    Column("established", "integer", "", "of them, those in state ESTAB"),
    Column("opened_in", "integer", "", "of them, those that the other end opened"),
    Column("opened_out", "integer", "", "of them, those that this end opened"),
    Column("hosts", "integer", "", "addresses of other ends"),
    Column("bytes_sent", "integer", "bytes", "payload sent over TCP"),
    Column("bytes_received", "integer", "bytes", "payload received over TCP"),
    _PIDS,
)
"""What follows the first column of a count."""
