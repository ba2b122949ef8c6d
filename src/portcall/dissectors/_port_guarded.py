r"""The table of ``port_guarded``: what messages that could be something else's look like on their own ports.

Ports are IANA's or their makers'; the source of each shape stands beside it.
"""

from __future__ import annotations

from portcall.dissectors._rules import Length, Rule
from portcall.records.detections import TCP, UDP


def _on(*ports: int) -> frozenset[int]:
    return frozenset(ports)


RULES = (
    # Mobile cores: 3GPP TS 29.060 §6 and 29.281 §5.1 (version 1), 29.274 §5.1 (version 2), 29.244 §7.2.2 (PFCP).
    Rule("gtp-c", UDP, _on(2123), rb"[\x30-\x3f].", Length(2, 2, 8), 8),
    Rule("gtp-c", UDP, _on(2123), rb"[\x40-\x5f].", Length(2, 2, 4), 8),
    Rule("gtp-u", UDP, _on(2152), rb"[\x30-\x37][\x01\x02\x1a\x1f\xfe\xff]", Length(2, 2, 8), 8),
    Rule("gtp-prime", UDP, _on(3386), rb"[\x00-\x4f].", least=6),
    Rule("pfcp", UDP, _on(8805), rb"[\x20-\x3f].", Length(2, 2, 4), 8),
    # Routers and clocks: RFC 5880 §4.1 and 5881 §4, RFC 2281 §5 and Cisco's version 2, RFC 5036 §3.1, RFC 2453 §4,
    # RFC 2080 §2.1, IEEE 1588 §13.3, RFC 9301 §5, Cisco's GLBP, MikroTik's neighbour discovery.
    Rule("bfd", UDP, _on(3784, 4784), rb"[\x20-\x3f]..", Length(3, 1), 24),
    Rule("bfd", UDP, _on(3785), rb""),
    Rule("hsrp", UDP, _on(1985), rb"\x00[\x00-\x03]|[\x01-\x04][\x04\x24\x28\x2c]", least=6),
    Rule("hsrp", UDP, _on(2029), rb"[\x01-\x04][\x04\x24\x28\x2c]", least=6),
    Rule("ldp", UDP, _on(646), rb"\x00\x01", Length(2, 2, 4), 10),
    Rule("ldp", TCP, _on(646), rb"\x00\x01", Length(2, 2, 4), 10),
    Rule("rip", UDP, _on(520), rb"[\x01\x02][\x01\x02]\x00\x00", least=24),
    Rule("rip", UDP, _on(521), rb"[\x01\x02]\x01\x00\x00", least=24),
    Rule("ptp", UDP, _on(319, 320), rb".[\x02\x12]", least=34),
    Rule("lisp", UDP, _on(4341, 4342), rb"[\x10-\x4f\x70-\x8f]", least=12),
    Rule("lisp", TCP, _on(4342), rb"\x00[\x10-\x1f]", Length(2, 2), 8),
    Rule("glbp", UDP, _on(3222), rb"\x01[\x00\x01]", least=12),
    Rule("mndp", UDP, _on(5678), rb"..\x00.(?:\x00[\x01-\x11]\x00.)?", least=4),
    Rule("tacacs", TCP, _on(49), rb"[\xc0\xc1][\x01-\x03][\x01-\xff][\x00-\x07]", Length(8, 4, 12), 12),
    Rule("openflow", TCP, _on(6633, 6653), rb"[\x01-\x06][\x00-\x23]", Length(2, 2), 8),
    # Tunnels: RFC 2661 §3.1, RFC 4380 §5, RFC 7348 §5, RFC 8926 §3, RFC 5415 §4, RFC 6886 §3 (NAT-PMP), RFC 6887 §7.
    Rule("l2tp", UDP, _on(1701), rb"[\xc0-\xcf]\x02", Length(2, 2), 12),
    Rule("l2tp", UDP, _on(1701), rb"[\x00-\x4f]\x02", least=6),
    Rule("teredo", UDP, _on(3544), rb"\x60.{5}|\x00[\x00\x01]", least=8),
    Rule("vxlan", UDP, _on(4789, 8472), rb"[\x08\x88]\x00..", least=8),
    Rule("geneve", UDP, _on(6081), rb"[\x00-\x3f][\x00\x40\x80\xc0](?:\x65\x58|\x08\x00|\x86\xdd)", least=8),
    Rule("capwap", UDP, _on(5246, 5247), rb"[\x00\x01][\x00-\x7f]", least=8),
    Rule("nat-pmp", UDP, _on(5350, 5351), rb"\x00[\x00-\x02\x80-\x82]", least=2),
    Rule("pcp", UDP, _on(5350, 5351), rb"\x02[\x00-\x03\x80-\x83]", least=24),
    # Watching and waking: RMCP (ASF 2.0 §3.2), statsd's lines, XDMCP §2, collectd's signed and
    # encrypted parts.
    Rule("ipmi", UDP, _on(623, 664), rb"\x06\x00.[\x06-\x08\x86]", least=4),
    Rule("collectd", UDP, _on(25826), rb"\x02[\x00\x10]", Length(2, 2), 32),
    Rule("statsd", UDP, _on(8125), rb"[!-~]{1,250}?:[-+]?[0-9.]+\|(?:c|g|ms|h|s|d)\b"),
    Rule("xdmcp", UDP, _on(177), rb"\x00\x01\x00[\x01-\x0e]", Length(4, 2, 6), 6),
    # Files and desks: DSI of AFP 3.1, the r commands (RFC 1282), WHOIS (RFC 3912), ZooKeeper's ConnectRequest, Rx's
    # header (AFS), Notes' RPC, FLAP of OSCAR.
    Rule("afp", TCP, _on(548), rb"[\x00\x01][\x01-\x08].{10}\x00{4}", Length(8, 4, 16), 16),
    Rule("rsh", TCP, _on(514), rb"\d{1,5}\x00"),
    Rule("rlogin", TCP, _on(513), rb"\x00[ -~]{1,32}\x00[ -~]{1,32}\x00[ -~]{1,64}\x00"),
    Rule("whois", TCP, _on(43), rb"[ -~]{1,255}\r\n"),
    Rule("zookeeper", TCP, _on(2181), rb"\x00\x00\x00[\x2c\x2d]\x00{4}|(?:ruok|stat|srvr|mntr|conf|cons|envi|imok)"),
    Rule("nomachine", UDP, _on(4000), rb"[\x01-\x05]\x00[\x01-\x05]\x00.\x00", Length(4, 2, 0, "little"), 10),
    Rule("anydesk", UDP, _on(50001, 50002, 50003), rb"\x3e\xd1\x01"),
    Rule("steam", TCP, _on(*range(27014, 27051)), rb".{4}VT01", Length(0, 4, 8, "little")),
    Rule("afs", UDP, _on(*range(7000, 7010)), rb".{20}[\x01-\x0d][\x00-\x3f]", least=28),
    Rule("lotus-notes", TCP, _on(1352), rb"..\x00\x00", Length(0, 4, 4, "little"), 8),
    Rule("oscar", TCP, _on(5190), rb"\x2a[\x01-\x05]", Length(4, 2, 6), 6),
    # Voices: IAX2 (RFC 5456 §8.1, full frames), Skinny (station messages), Mumble's ping, Zoom's and Viber's and OICQ's
    # openings and libtgvoip's reflectors (a tag, then ones), as their clients send them.
    Rule("iax", UDP, _on(4569), rb"[\x80-\xff].[\x00-\x7f].{7}(?:\x06[\x01-\x28]|[\x01-\x0c].)", least=12),
    Rule("skinny", TCP, _on(2000), rb"..\x00\x00[\x00\x11-\x16]\x00\x00\x00..\x00\x00", Length(0, 4, 8, "little"), 12),
    Rule("mumble", UDP, _on(64738), rb"\x00{4}.{8}\Z|\x00[\x01-\x09].{22}\Z", least=12),
    Rule("zoom", UDP, _on(*range(8801, 8811)), rb"[\x01-\x05\x0f]", least=9),
    Rule("viber", UDP, _on(5243, 7985, 7987, 9785), rb"..[\x01-\x1f]\x00", least=11),
    Rule("viber", TCP, _on(4244, 5242, 5243), rb"", Length(0, 2, 0, "little"), 8),
    Rule("oicq", UDP, _on(8000), rb"\x02.*\x03\Z", least=7),
    Rule("telegram-voip", UDP, _on(*range(500, 600), 1400), rb".{16}\xff{12}", least=32),
    Rule(
        "whatsapp",
        TCP,
        _on(80, 443, 5222, 5223),
        rb"(?:ED\x00\x01)?...?WA[\x01-\x06][\x00-\x06]|WA[\x01-\x06][\x00-\x06]",
    ),
    # Homes: Dropbox's LAN sync, Ubiquiti's discovery, Weave (length, version 1, both ends), CoAP (RFC 7252 §3).
    Rule("dropbox-lan", UDP, _on(17500), rb'\{"[a-z_]+": '),
    Rule("ubiquiti-discovery", UDP, _on(10001), rb"[\x01\x02][\x00-\x0b]", Length(2, 2, 4), 4),
    Rule("weave", TCP, _on(11095), rb"..[\x00-\x10]\x13", Length(0, 2, 2, "little"), 20),
    Rule("coap", UDP, _on(5683), rb"[\x40-\x48\x50-\x58\x60-\x68\x70-\x78][\x00-\x1f\x40-\x5f\x80-\xbf]", least=4),
    # Works: IEC 61375-2-3 annex A (TRDP), SOME/IP PRS §4.1, ISO 13400-2, FieldComm's HART-IP, OMRON W421, SAIA's
    # Ether-S-Bus, PROFINET's context manager (DCE 1.1 §12.5.2), GE's EGD, IEEE 1278.1 §6.2 (DIS),
    # Modbus Messaging on TCP/IP §3.1.
    Rule("trdp", UDP, _on(17224, 17225), rb"....\x01.(?:P[dpre]|M[nrpqce])", least=40),
    Rule("trdp", TCP, _on(17225), rb"....\x01.M[nrpqce]", least=40),
    Rule(
        "someip", UDP, _on(30490, 30491, 30501), rb".{12}\x01.[\x00-\x02\x20-\x22\x80\x81\xa0\xa1]", Length(4, 4, 8), 16
    ),
    Rule("someip", TCP, _on(30490, 30501), rb".{12}\x01.[\x00-\x02\x20-\x22\x80\x81\xa0\xa1]", Length(4, 4, 8), 16),
    Rule("doip", UDP, _on(13400), rb"\x01\xfe|\x02\xfd|\x03\xfc|\xff\x00", Length(4, 4, 8), 8),
    Rule("doip", TCP, _on(13400), rb"\x01\xfe|\x02\xfd|\x03\xfc", Length(4, 4, 8), 8),
    Rule("hart-ip", UDP, _on(5094), rb"\x01[\x00-\x03][\x00-\x04]", Length(6, 2), 8),
    Rule("hart-ip", TCP, _on(5094), rb"\x01[\x00-\x03][\x00-\x04]", Length(6, 2), 8),
    Rule("fins", UDP, _on(9600), rb"[\x80\x81\xc0\xc1]\x00[\x00-\x07].{7}[\x01-\x26]", least=12),
    Rule("ether-s-bus", UDP, _on(5050), rb".{4}[\x00\x01]", Length(0, 4), 9),
    Rule("profinet-io", UDP, _on(34964), rb"\x04[\x00-\x0a]", least=80),
    Rule("egd", UDP, _on(18246), rb"\x0d\x01", least=32),
    Rule("dis", UDP, _on(3000), rb"[\x04-\x07].[\x01-\x48][\x01-\x0b]", Length(8, 2), 12),
    Rule("modbus", TCP, _on(502, 5020), rb"..\x00\x00\x00.", Length(4, 2, 6), 8),
    # Checkpoint's cluster (port 8116), UFTP 4 §2, the meter of Brazil's broadband, as nDPI has it.
    Rule("cpha", UDP, _on(8116), rb"\x1a\x90", least=20),
    Rule("uftp", UDP, _on(1044), rb"[\x30-\x50][\x01-\x0f]", least=16),
    Rule("eaq", UDP, _on(6000), rb"\x00\x00..\x00\x00..\x00...\x00\x00[\x60\x90]\x00\Z", least=16),
)
