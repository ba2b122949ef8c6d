"""Real handshakes: what OpenSSL and aioquic say, and the speech that dissectors hear of it."""

import datetime as dt
import random
import ssl
from contextlib import suppress
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portcall.records.detections import NO_PAYLOAD, TCP, UDP, WAIT, Detection, Ends, Payload

HTTPS = Ends(TCP, 50_000, 443)
ODD_PORT = Ends(TCP, 50_000, 12_345)
QUIC_ENDS = Ends(UDP, 50_000, 443)


def inspected(data, *, is_ended=False):
    """The speech of an end that has said this over TCP."""
    return Payload(data, is_ended=is_ended)


def inspected_datagrams(*datagrams, is_ended=False):
    """The speech of an end that has said these over UDP."""
    return Payload(datagrams[-1], datagrams, is_ended=is_ended)


@cache
def certificate(common_name, alternative_names):
    """A self-signed certificate and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=20_000))
    )
    if alternative_names:
        names = [x509.DNSName(alternative) for alternative in alternative_names]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    return signed.public_bytes(encoding), key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@cache
def certificate_files(folder, common_name="www.example.org", alternative_names=("example.org",)):
    """The files that hold such a certificate and its key."""
    paths = folder / "certificate.pem", folder / "key.pem"
    for path, content in zip(paths, certificate(common_name, alternative_names), strict=True):
        path.write_bytes(content)
    return paths


def client_hello(server_name="example.org", protocols=("h2", "http/1.1")):
    """What OpenSSL's client says first."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    with suppress(ssl.SSLWantReadError):  # of a server, which is not there
        client.do_handshake()
    return outgoing.read()


def handshake(files, version=ssl.TLSVersion.TLSv1_3, server_name="example.org"):
    """All that a client and a server of OpenSSL's say until both have done, and one line of data each."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(*files)
    for context in (client_context, server_context):
        context.maximum_version = version
        context.set_alpn_protocols(["http/1.1"])
    client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    client = client_context.wrap_bio(client_in, client_out, server_hostname=server_name)
    server = server_context.wrap_bio(server_in, server_out, server_side=True)
    ends = ((client, client_out, server_in), (server, server_out, client_in))
    sent = {client: b"", server: b""}
    for action in ("do_handshake", "do_handshake", "write"):
        for end, outgoing, incoming in ends:
            with suppress(ssl.SSLWantReadError):  # then it is the other end's turn
                getattr(end, action)(*([b"a line\n"] if action == "write" else []))
            data = outgoing.read()
            sent[end] += data
            incoming.write(data)
    return sent[client], sent[server]


def records_of(message, sizes, version=0x0301):
    """A handshake message cut over records of these lengths, the last one taking the rest."""
    records, rest = b"", message
    for size in (*sizes, len(message)):
        piece, rest = rest[:size], rest[size:]
        if piece:
            records += b"\x16" + version.to_bytes(2, "big") + len(piece).to_bytes(2, "big") + piece
    return records


def detections_at_every_cut(listen, data, ends, answered=NO_PAYLOAD):
    """What a dissector makes of each beginning of a stream: while more may come, and where nothing will."""
    for size in range(len(data) + 1):
        sent = inspected(data[:size])
        yield listen(sent, answered, ends), listen(sent._replace(is_ended=True), answered, ends)


def is_sound(result):
    """Whether a dissector may answer so."""
    if isinstance(result, Detection):
        texts = [name.text for name in result.names] + [text for detail in result.details for text in detail]
        return all(text.isascii() for text in texts) and all(0 < len(name.text) <= 1024 for name in result.names)
    return result is None or result is WAIT


def damaged(data, seed):
    """The data with some bytes changed, taken out or put in, as the seed has it."""
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            changed[at : at + 1] = bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))])
        elif kind == 1:
            del changed[at : at + chance.randint(1, 40)]
        elif kind == 2:
            changed[at:at] = chance.randbytes(chance.randint(1, 40))
        else:
            changed[at:at] = changed[at : at + chance.randint(1, 200)]
    return bytes(changed)
