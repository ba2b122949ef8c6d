"""The captures that the project ships: their catalogue tells the truth about them."""

import gzip
import hashlib
import io
import lzma
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from scapy.utils import RawPcapNgReader, RawPcapReader

import capture_catalogue
import capture_damage
import record_captures

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT / "captures"

CATALOGUE = capture_catalogue.read(CAPTURES)
HEALTHY = [name for name in CATALOGUE if not name.startswith("broken/")] + ["broken/names-with-escapes.pcap"]
READ_TO_THE_DAMAGE = {
    "broken/bad-length.pcap": 5,
    "broken/block-claims-4-gigabytes.pcapng": 5,
    "broken/cut-in-a-frame.pcap": 10,
    "broken/cut-in-a-header.pcap": 10,
    "broken/empty.pcap": 0,
    "broken/no-frames.pcap": 0,
    "broken/not-a-capture.txt": 0,
}


def _plain(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    if path.suffix == ".xz":
        return lzma.decompress(content)
    if path.suffix in (".zst", ".lz4"):
        program = {".zst": "zstd", ".lz4": "lz4"}[path.suffix]
        if not shutil.which(program):
            pytest.skip(f"needs {program}: apt install {program}")
        return subprocess.run([program, "-dc"], input=content, capture_output=True, check=True).stdout
    return content


def test_every_file_is_in_the_catalogue_and_every_entry_is_a_file():
    files = {str(path.relative_to(CAPTURES)) for path in CAPTURES.rglob("*") if path.is_file()}

    assert files == {*CATALOGUE, "CATALOGUE.toml"}


def test_the_recorder_makes_exactly_what_the_catalogue_lists():
    assert record_captures.names() == list(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_catalogue_describes_these_very_bytes(name):
    content = (CAPTURES / name).read_bytes()

    assert (CATALOGUE[name]["sha256"], CATALOGUE[name]["bytes"]) == (
        hashlib.sha256(content).hexdigest(),
        len(content),
    )


@pytest.mark.parametrize("name", HEALTHY)
def test_scapy_finds_the_frames_that_the_catalogue_counts(name):
    reader = RawPcapNgReader if ".pcapng" in name else RawPcapReader

    frames = sum(1 for _ in reader(io.BytesIO(_plain(CAPTURES / name))))

    assert frames == CATALOGUE[name]["frames"]


@pytest.mark.parametrize(("name", "frames"), READ_TO_THE_DAMAGE.items())
def test_the_catalogue_counts_frames_up_to_the_damage(name, frames):
    assert CATALOGUE[name]["frames"] == frames


@pytest.mark.parametrize("name", [*READ_TO_THE_DAMAGE, "broken/names-with-escapes.pcap", "owners.pcapng"])
def test_captures_made_from_others_are_what_their_recipe_makes_today(name, tmp_path):
    made = tmp_path / Path(name).name

    record_captures.DERIVED[name](CAPTURES, made)

    assert made.read_bytes() == (CAPTURES / name).read_bytes()


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name.startswith("compressed/")])
def test_compressed_captures_hold_the_plain_one(name):
    assert _plain(CAPTURES / name) == (CAPTURES / capture_damage.SOURCE).read_bytes()


def test_the_damaged_gzip_gives_the_frames_of_the_catalogue_and_then_an_error():
    damaged = (CAPTURES / "broken/damaged.pcap.gz").read_bytes()
    stream, plain = zlib.decompressobj(wbits=31), bytearray()  # 31: with a gzip header

    with pytest.raises(zlib.error):  # noqa: PT012 (what came before the damage is kept)
        for byte in damaged:
            plain += stream.decompress(bytes([byte]))

    assert _whole_frames(plain) == CATALOGUE["broken/damaged.pcap.gz"]["frames"]


def _whole_frames(content: bytes) -> int:
    frames, offset = 0, 24
    while offset + 16 <= len(content):
        offset += 16 + struct.unpack_from("<I", content, offset + 8)[0]
        frames += offset <= len(content)
    return frames


def test_captures_stay_small():
    assert max(entry["bytes"] for entry in CATALOGUE.values()) <= 200_000
    assert sum(entry["bytes"] for entry in CATALOGUE.values()) < 1_500_000


@pytest.mark.parametrize("name", record_captures.RECORDED)
def test_recordings_name_no_kernel_and_no_temporary_folder(name):
    content = (CAPTURES / name).read_bytes()

    assert not [word for word in (b"Linux ", b"portcall-lab-", b"/tmp/", b"/home/") if word in content]


LAYERS = {
    "office.pcapng": {
        "arp",
        "dns",
        "http",
        "tls",
        "ssh",
        "ntp",
        "mdns",
        "icmp",
        "icmpv6",
        "pgsql",
        "resp",
    },
    "dns.pcap": {"dns", "udp", "tcp", "ip", "ipv6"},
    "database.pcap": {"pgsql", "mysql", "resp"},
    "ipv6.pcap": {"ipv6.hopopts", "ipv6.dstopts", "ipv6.fraghdr"},
    "vlan.pcap": {"vlan", "ieee8021ad"},
    "tunnels.pcap": {"gre", "vxlan", "geneve", "gtp"},
    "cooked.pcapng": {"sll"},
}


@pytest.mark.parametrize("name", LAYERS)
def test_captures_hold_the_layers_that_they_are_for(name):
    assert set(CATALOGUE[name]["layers"]) >= LAYERS[name]


def test_the_recorder_refuses_names_it_does_not_know():
    with pytest.raises(SystemExit, match=r"no such recording: nothing\.pcap"):
        record_captures.main(["nothing.pcap"])
