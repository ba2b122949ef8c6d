"""Protocols whose first bytes alone tell them: the table behind ``signatures``.

A row is here only if its bytes are long and odd enough that nothing else begins so: four at least, no mere number.
Beside each block stands who says that these bytes open the protocol.
"""

from __future__ import annotations

from typing import NamedTuple

from portcall.records.detections import TCP, UDP, Role


class Signature(NamedTuple):
    """Bytes that tell a protocol."""

    protocol: str
    transport: int
    magic: bytes
    role: Role | None = None
    """Whose words they are, where only one end says them."""
    begins: Role | None = None
    """Where both ends say them, and only where they begin: which end does first, and the other one in answer."""
    may_upgrade: bool = False
    """Whether TLS may follow in the same stream."""


_SERVER, _CLIENT = Role.SERVER, Role.CLIENT

SIGNATURES = (
    # Files and versions: rsync's csprotocol.txt, Subversion's ra_svn protocol notes, syncthing BEP v1 and Local
    # Discovery v4, the Ceph messenger's documents, Lustre's LNet acceptor.
    Signature("rsync", TCP, b"@RSYNCD: "),
    Signature("svn", TCP, b"( success ( ", role=_SERVER),
    Signature("svn", TCP, b"( 2 ( edit-pipeline ", role=_CLIENT),
    Signature("syncthing", TCP, b"\x2e\xa7\xd9\x0b"),
    Signature("syncthing-discovery", UDP, b"\x2e\xa7\xd9\x0b"),
    Signature("lustre", TCP, b"\0\x71\xce\xac", role=_CLIENT),
    Signature("ceph", TCP, b"ceph v"),
    # Desks: RFC 6143 §7.1.1, the Citrix ICA and NoMachine greetings as Wireshark and nDPI have them, SPICE protocol
    # §2.2, MPD protocol, Canon's printers (BJNP).
    Signature("vnc", TCP, b"RFB 003.", begins=_SERVER, may_upgrade=True),  # VeNCrypt
    Signature("vnc", TCP, b"RFB 004.", begins=_SERVER),
    Signature("vnc", TCP, b"RFB 005.", begins=_SERVER),
    Signature("ica", TCP, b"\x7f\x7fICA\0", begins=_SERVER),
    Signature("nomachine", TCP, b"NXSH-", role=_CLIENT),
    Signature("nomachine", TCP, b"NXD-", role=_SERVER),
    Signature("spice", TCP, b"REDQ\x02\0\0\0", begins=_CLIENT),
    Signature("vmware", TCP, b"220 VMware Authentication Daemon", role=_SERVER, may_upgrade=True),
    Signature("bjnp", UDP, b"BJNP"),
    Signature("bjnp", UDP, b"BJNB"),
    Signature("mpd", TCP, b"OK MPD ", role=_SERVER),
    Signature("jetdirect", TCP, b"\x1b%-12345X", role=_CLIENT),
    # Messages and queues: AMQP 0-9-1 §4.2.2 and 1.0 §2.2, §5.2.1 (TLS), STOMP 1.2, NATS client protocol, ZMTP 3 §4,
    # Gearman's PROTOCOL, MLLP of HL7 v2, FIX session layer (with FIXT and FAST's compressed kin).
    Signature("amqp", TCP, b"AMQP\0\0\x09\x01", role=_CLIENT),
    Signature("amqp", TCP, b"AMQP\0\1\0\0", begins=_CLIENT),
    Signature("amqp", TCP, b"AMQP\2\1\0\0", begins=_CLIENT, may_upgrade=True),
    Signature("amqp", TCP, b"AMQP\3\1\0\0", begins=_CLIENT),
    Signature("amqp", TCP, b"AMQP\1\1\0"),
    Signature("stomp", TCP, b"STOMP\n", role=_CLIENT),
    Signature("stomp", TCP, b"STOMP\r\n", role=_CLIENT),
    Signature("stomp", TCP, b"CONNECT\naccept-version:", role=_CLIENT),
    Signature("stomp", TCP, b"CONNECT\nlogin:", role=_CLIENT),
    Signature("stomp", TCP, b"CONNECTED\n", role=_SERVER),
    Signature("nats", TCP, b'INFO {"server_id":', role=_SERVER, may_upgrade=True),
    Signature("nats", TCP, b'CONNECT {"', role=_CLIENT),
    Signature("gearman", TCP, b"\0REQ\0\0\0", role=_CLIENT),
    Signature("gearman", TCP, b"\0RES\0\0\0", role=_SERVER),
    Signature("hl7", TCP, b"\x0bMSH|^~\\&"),
    Signature("fix", TCP, b"8=FIX"),
    Signature("fix", TCP, b"8=O\0019=0"),
    # Calls to objects: CORBA 3.3 §9.4.1, UMIOP 1.0, the Java RMI wire protocol, ZeroC Ice protocol, Hadoop IPC.
    Signature("giop", TCP, b"GIOP\1"),
    Signature("giop", UDP, b"MIOP\x10"),
    Signature("java-rmi", TCP, b"JRMI\0\2", role=_CLIENT),
    Signature("ice", TCP, b"IceP\1\0\1\0\0", role=_CLIENT),
    Signature("ice", TCP, b"IceP\1\0\1\0\1", role=_CLIENT),
    Signature("ice", TCP, b"IceP\1\0\1\0\2", role=_SERVER),
    Signature("ice", TCP, b"IceP\1\0\1\0\3", role=_SERVER),  # it greets
    Signature("ice", TCP, b"IceP\1\0\1\0\4"),
    Signature("ice", UDP, b"IceP\1\0\1\0"),
    Signature("hadoop-rpc", TCP, b"hrpc\x09", role=_CLIENT),
    # Monitoring and logs: Zabbix's header, munin's and check_mk's and kismet's greetings, RIPE Atlas' probes,
    # Ookla's, Elasticsearch's transport, Bolt's handshake.
    Signature("zabbix", TCP, b"ZBXD"),
    Signature("munin", TCP, b"# munin node at ", role=_SERVER),
    Signature("checkmk", TCP, b"<<<check_mk>>>", role=_SERVER),
    Signature("kismet", TCP, b"*KISMET: ", role=_SERVER),
    Signature("ripe-atlas", UDP, b"MGLNDD_"),
    Signature("speedtest", TCP, b"HELLO 2.", role=_SERVER),
    Signature("elasticsearch-cluster", TCP, b"ES\0\0"),
    Signature("neo4j", TCP, b"\x60\x60\xb0\x17", role=_CLIENT),
    # Tunnels and overlays: Tailscale's disco, ZUG as nDPI has it.
    Signature("tailscale", UDP, b"TS\xf0\x9f\x92\xac"),
    Signature("zug", UDP, b"\0zUG\x10"),
    # Coins: levin of Monero (contrib/epee), bitcoin's four networks, whose first message is "version".
    Signature("monero", TCP, b"\x01\x21\x01\x01\x01\x01\x01\x01"),
    Signature("bitcoin", TCP, b"\xf9\xbe\xb4\xd9version\0", begins=_CLIENT),
    Signature("bitcoin", TCP, b"\x0b\x11\x09\x07version\0", begins=_CLIENT),
    Signature("bitcoin", TCP, b"\xfa\xbf\xb5\xdaversion\0", begins=_CLIENT),
    Signature("bitcoin", TCP, b"\x0a\x03\xcf\x40version\0", begins=_CLIENT),
    # Players and games: Spotify Connect, Valve's queries and Steam's remote play and relay pings, WoW, netcode.io,
    # Quake III's getinfo family, TeamSpeak 3's init, Nintendo Pia's magic,
    # NetEase's as nDPI has it.
    Signature("spotify-connect", UDP, b"SpotUdp0"),
    Signature("source-engine", UDP, b"\xff\xff\xff\xffTSource Engine Query", role=_CLIENT),
    Signature("steam-remote-play", UDP, b"\xff\xff\xff\xff\x21\x4c\x5f\xa0"),
    Signature("steam", UDP, b"VS01"),
    Signature("world-of-warcraft", TCP, b"\x30\0WORLD OF WARCRAFT CONNECTION", begins=_SERVER),
    Signature("netcode", UDP, b"\0NETCODE 1.0", role=_CLIENT),
    Signature("quake", UDP, b"\xff\xff\xff\xffgetinfo", role=_CLIENT),
    Signature("quake", UDP, b"\xff\xff\xff\xffgetstatus", role=_CLIENT),
    Signature("quake", UDP, b"\xff\xff\xff\xffgetservers", role=_CLIENT),
    Signature("quake", UDP, b"\xff\xff\xff\xffgetchallenge", role=_CLIENT),
    Signature("quake", UDP, b"\xff\xff\xff\xffinfoResponse", role=_SERVER),
    Signature("quake", UDP, b"\xff\xff\xff\xffstatusResponse", role=_SERVER),
    Signature("teamspeak", UDP, b"TS3INIT1"),
    Signature("nintendo", UDP, b"\x32\xab\x98\x64"),
    Signature("netease-games", UDP, b"\x07\x08\x08\x0c"),
    # Works and homes: Omron FINS/TCP §1, Ether-S-I/O, CAN over UDP, DDS-RTPS 2.5 §9.4, Meraki's and AliCloud's as nDPI
    # has them, TP-Link's ciphered {"system", RFC 3525 §7 (MEGACO).
    Signature("fins", TCP, b"FINS\0\0\0"),
    Signature("ether-s-io", UDP, b"ESIO\0"),
    Signature("can", UDP, b"ISO11898"),
    Signature("rtps", UDP, b"RTPS\1"),
    Signature("rtps", UDP, b"RTPS\2"),
    Signature("rtps", TCP, b"RTPS\2"),
    Signature("meraki-cloud", UDP, b"\xfe\xf7\x28\x91"),
    Signature("alicloud", TCP, b"\xce\xfa\xbe\xba"),
    Signature("tplink-smart-home", UDP, b"\xd0\xf2\x81\xf8\x8b\xff\x9a\xf7"),
    Signature("mms", TCP, b"\1\0\0\0\xce\xfa\x0b\xb0", role=_CLIENT),
    Signature("tivo-connect", UDP, b"TiVoConnect="),
    Signature("roughtime", UDP, b"ROUGHTIM"),
    Signature("megaco", UDP, b"!/1 "),
    Signature("megaco", UDP, b"MEGACO/"),
    Signature("megaco", TCP, b"MEGACO/"),
)
