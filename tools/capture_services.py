"""The servers of a capture lab: real ones from Debian, and Python's own web server for the web."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capture_lab import Host, Lab

CLIENT, CLIENT_6 = "10.20.0.10", "2001:db8:20::10"
GATEWAY, GATEWAY_6 = "10.20.0.1", "2001:db8:20::1"
NAME_SERVER, NAME_SERVER_6 = "192.0.2.53", "2001:db8:53::53"
WEB, WEB_6 = "192.0.2.80", "2001:db8:80::80"
MUSIC, BANK = "198.51.100.20", "203.0.113.30"
SERVER_ADDRESSES = [
    f"{GATEWAY}/24",
    f"{GATEWAY_6}/64",
    *(f"{address}/32" for address in (NAME_SERVER, WEB, MUSIC, BANK)),
    *(f"{address}/128" for address in (NAME_SERVER_6, WEB_6)),
]
NAMES = {
    "www.example.com": f"{WEB},{WEB_6}",
    "news.example.org": f"{WEB},{WEB_6}",
    "music.example.net": MUSIC,
    "bank.example.org": BANK,
    "time.example.net": NAME_SERVER,
}


class Pages(http.server.BaseHTTPRequestHandler):
    """``/pages/N`` is N bytes long, ``/stream`` drips for three seconds, every POST is accepted."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "example", ""

    def do_GET(self) -> None:
        """Answer with as much as the path asks for."""
        if self.path == "/stream":
            self._answer("audio/ogg", 40 * 1000)
            for _ in range(40):
                self.wfile.write(b"\x00" * 1000)
                time.sleep(0.08)
        else:
            length = int(self.path.rpartition("/")[2] or 2000)
            self._answer("text/html", length)
            self.wfile.write(b"<p>made for portcall</p>".ljust(length, b"."))

    def do_POST(self) -> None:
        """Read the form and accept it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("application/json", 11)
        self.wfile.write(b'{"ok":true}')

    def log_message(self, *words: object) -> None:
        """Keep quiet."""

    def _answer(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()


class _Listener(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6  # the wildcard takes IPv4 as well
    daemon_threads = True


def start_names(lab: Lab, host: Host, *records: str) -> None:
    """Run dnsmasq with our made-up names; ``long.example.com`` has texts that only TCP can carry.

    ``records`` are options of dnsmasq that tell more.
    """
    texts = ",".join(f"text {number} " + "x" * 180 for number in range(12))
    lab.daemon(
        host,
        *(
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--user=root",
        ),
        *("--pid-file=", "--local=/#/", "--cname=shop.example.com,www.example.com"),
        f"--txt-record=long.example.com,{texts}",
        *(f"--host-record={name},{addresses}" for name, addresses in NAMES.items()),
        *records,
        ready=(NAME_SERVER, 53),
    )


def encrypted_hellos(lab: Lab, host: Host, port: int, cover: str) -> tuple[str, str]:
    """Answer TLS with ECH at BANK behind a cover; gives the program, which also asks, and its ECHConfigList."""
    program = str(lab.folder / "ech_lab")
    source = str(Path(__file__).with_name("ech_lab.go"))
    subprocess.run(["go", "build", "-o", program, source], check=True, timeout=600)
    made = subprocess.run([program, "config", cover], check=True, capture_output=True, text=True, timeout=60)
    config, key = made.stdout.split()
    lab.daemon(host, program, "serve", f"{BANK}:{port}", config, key, ready=(BANK, port))
    return program, config


@contextmanager
def web(lab: Lab, host: Host, port: int, *, tls: bool = False) -> Iterator[None]:
    """Serve :class:`Pages` at a port of every address, with a certificate of its own where ``tls`` is set."""
    with host.inside():
        server = _Listener(("::", port), Pages)
    if tls:
        server.socket = _tls_context(lab.folder).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def udp_answers(host: Host, address: str, port: int, *, ntp: bool = False) -> Iterator[None]:
    """Answer each datagram: with a small receipt, or as an NTP server of stratum 2 would (RFC 5905 §7.3)."""
    receiver = host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((address, port))
    receiver.settimeout(0.1)
    ended = threading.Event()

    def answer() -> None:
        while not ended.is_set():
            try:
                question, sender = receiver.recvfrom(65536)
            except TimeoutError:
                continue
            receiver.sendto(
                _ntp_answer(question) if ntp else b"got %d bytes" % len(question),
                sender,
            )

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        receiver.close()


def start_ssh(lab: Lab, host: Host) -> None:
    """Run OpenSSH's server with keys of its own; only the lab's key opens it."""
    for name in ("host", "user"):
        subprocess.run(
            [
                "ssh-keygen",
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-C",
                "lab",
                "-f",
                lab.folder / name,
            ],
            check=True,
        )
    Path("/run/sshd").mkdir(exist_ok=True)
    options = {
        "HostKey": lab.folder / "host",
        "AuthorizedKeysFile": lab.folder / "user.pub",
        "StrictModes": "no",  # the folder belongs to the lab, not to a home
        "PidFile": "none",
        "PrintMotd": "no",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    lab.daemon(
        host,
        "/usr/sbin/sshd",
        "-D",
        "-e",
        "-f",
        "/dev/null",
        *words,
        ready=(GATEWAY, 22),
    )


def use_ssh(lab: Lab, client: Host, command: str) -> None:
    """Run a command over SSH, as the lab's user."""
    options = (
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
    )
    client.run(
        "ssh",
        "-F",
        "/dev/null",
        "-i",
        str(lab.folder / "user"),
        *options,
        f"root@{GATEWAY}",
        command,
    )


def start_redis(lab: Lab, host: Host) -> None:
    """Run Redis, nothing kept."""
    words = (
        "--save",
        "",
        "--protected-mode",
        "no",
        "--bind",
        GATEWAY,
        "--dir",
        str(lab.folder),
    )
    lab.daemon(host, "redis-server", *words, ready=(GATEWAY, 6379))


def use_redis(client: Host) -> None:
    """Set, get and count in Redis."""
    for command in ("PING", "SET basket:7 apples", "GET basket:7", "INCR visits"):
        client.run("redis-cli", "-h", GATEWAY, *command.split())


def start_postgres(lab: Lab, host: Host) -> None:
    """Run PostgreSQL with a database of its own, as the user ``postgres``."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = lab.folder / "postgres"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    setup = (
        "-A",
        "trust",
        "-U",
        "accountant",
        "--locale=C",
        "--no-sync",
        "-D",
        str(data),
    )
    subprocess.run(
        [*as_postgres, programs / "initdb", *setup],
        check=True,
        capture_output=True,
        cwd="/",
    )
    (data / "pg_hba.conf").write_text("host all all 10.20.0.0/24 trust\n")
    words = ("-D", str(data), "-h", GATEWAY, "-k", "", "-c", "fsync=off")
    lab.daemon(host, *as_postgres, str(programs / "postgres"), *words, ready=(GATEWAY, 5432))


def use_postgres(client: Host) -> None:
    """Make a table and ask it, unencrypted."""
    statements = (
        "create table invoice (id int, euro int); insert into invoice values (1, 40), (2, 2)",
        "select sum(euro) from invoice",
        "drop table invoice",
    )
    address = f"host={GATEWAY} user=accountant dbname=postgres sslmode=disable"
    client.run(
        "psql",
        "-X",
        "-q",
        address,
        *(word for statement in statements for word in ("-c", statement)),
    )


def start_mariadb(lab: Lab, host: Host) -> None:
    """Run MariaDB without passwords."""
    data = f"--datadir={lab.folder / 'mariadb'}"
    setup = (
        "mariadb-install-db",
        "--no-defaults",
        "--user=root",
        data,
        "--auth-root-authentication-method=normal",
    )
    subprocess.run(
        [*setup, "--skip-test-db", "--skip-name-resolve"],
        check=True,
        capture_output=True,
    )
    words = (
        "--user=root",
        data,
        "--skip-grant-tables",
        "--skip-name-resolve",
        f"--bind-address={GATEWAY}",
    )
    lab.daemon(
        host,
        *(
            "mariadbd",
            "--no-defaults",
            *words,
            f"--socket={lab.folder / 'mariadb.socket'}",
        ),
        f"--pid-file={lab.folder / 'mariadb.pid'}",
        ready=(GATEWAY, 3306),
    )


def use_mariadb(client: Host) -> None:
    """Ask MariaDB two questions, unencrypted."""
    words = ("--no-defaults", "-h", GATEWAY, "-u", "accountant", "--skip-ssl")
    client.run("mariadb", *words, "-e", "select 40 + 2; show databases")


def use_ntp(client: Host) -> None:
    """Ask the time as an NTP client of version 4 does."""
    with closing(client.socket(kind=socket.SOCK_DGRAM)) as asking:
        asking.connect((NAME_SERVER, 123))
        asking.send(b"\x23".ljust(40, b"\0") + os.urandom(8))  # RFC 9109 and 8915: a random transmit time
        asking.recv(100)


def _ntp_answer(question: bytes) -> bytes:
    now = int((time.time() + 2208988800) * 2**32).to_bytes(8, "big")  # NTP counts from 1900, RFC 5905 §6
    return bytes([0x24, 2, 6, 0xE9]) + bytes(8) + b"LAB." + now + question[40:48] + now + now


def _tls_context(folder: Path) -> ssl.SSLContext:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not certificate.exists():
        words = (
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=lab",
        )
        subprocess.run(
            ["openssl", "req", *words, "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
