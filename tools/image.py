"""``make image``: build packaging/Dockerfile where no registry of images is, and read a capture in what comes of it.

    mmdebstrap → a root like that of Debian's slim image, under the name that the Dockerfile says after FROM
    → buildah, of the wheel that release-check left → the program as the user of the image, beside captures/

Needs root, Debian's packages buildah and mmdebstrap, and Debian's mirror. pip asks the index that it asks here, with
the certificates of this machine: they are there while the image is built, and not in it. The image is left as
build/image/portcall.tar, for ``docker load`` or ``podman load``.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

from release_tools import ROOT, ReleaseError, run

PLACE = ROOT / "build" / "image"
DOCKERFILE = ROOT / "packaging" / "Dockerfile"
NAME = "localhost/portcall"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
INSIDE = "/usr/local/share/certificates-of-the-builder.crt"
"""Not the place of Debian's own, which are installed while the image is built."""
UNNEEDED = ("doc", "man", "locale", "info", "lintian")
"""Folders of /usr/share that Debian leaves out of its slim images too."""
CAPTURE = "office.pcapng"
READ = ("read", CAPTURE, "--format", "json")


def main() -> int:
    """Build it and try it; 1 where something of that fails."""
    try:
        _need()
        shutil.rmtree(PLACE, ignore_errors=True)
        PLACE.mkdir(parents=True)
        base = base_of(DOCKERFILE.read_text(encoding="utf-8"))
        _bring(base)
        _build()
        _try()
        _tell(base)
        _buildah("push", NAME, f"docker-archive:{PLACE / 'portcall.tar'}:portcall:latest")
    except ReleaseError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    finally:
        for folder in ("store", "run"):
            shutil.rmtree(PLACE / folder, ignore_errors=True)
    print("build/image/portcall.tar: to load by docker or podman")
    return 0


def base_of(text: str) -> str:
    """The image that a Dockerfile begins with, as its ARG BASE says."""
    found = re.search(r"^ARG BASE=(debian:[a-z]+-slim)$", text, re.MULTILINE)
    if not found:
        raise ReleaseError("the Dockerfile begins with no slim image of Debian")
    return found[1]


def suite_of(base: str) -> str:
    """The release of Debian that such an image is of."""
    return base.removeprefix("debian:").removesuffix("-slim")


def pip_settings(listed: str) -> str:
    """Of what ``pip config list`` says, the index that is asked; and the certificates of who builds."""
    found = re.search(r"^global\.index-url='(.+)'$", listed, re.MULTILINE)
    index = f"index-url = {found[1]}\n" if found else ""
    return f"[global]\ncert = {INSIDE}\n{index}"


def _need() -> None:
    for program in ("buildah", "mmdebstrap"):
        if not shutil.which(program):
            raise ReleaseError(f"this needs {program}. On Debian: apt install buildah mmdebstrap")
    if not list((ROOT / "build" / "release").glob("portcall-*-abi3-manylinux*.whl")):
        raise ReleaseError("there is no wheel yet. First: make release-check")


def _bring(base: str) -> None:
    root = PLACE / "root.tar"
    without = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in UNNEEDED]
    run("mmdebstrap", "--quiet", "--variant=minbase", *without, suite_of(base), str(root))
    container = _buildah("from", "scratch").strip()
    _buildah("add", "--quiet", container, str(root), "/")
    _buildah("commit", "--quiet", "--rm", container, f"docker.io/library/{base}")
    root.unlink()


def _build() -> None:
    settings = PLACE / "pip.conf"
    settings.write_text(pip_settings(run(sys.executable, "-m", "pip", "config", "list")), encoding="utf-8")
    there = [f"--volume={settings}:/etc/pip.conf:ro", f"--volume={CERTIFICATES}:{INSIDE}:ro"]
    of = (f"--file={DOCKERFILE}", f"--tag={NAME}", str(ROOT / "build" / "release"))
    _buildah("build", "--isolation=chroot", "--pull-never", *there, *of)


def _try() -> None:
    container = _buildah("from", "--pull-never", NAME).strip()
    captures = f"--volume={ROOT / 'captures'}:/captures:ro"
    inside = ("run", "--isolation=chroot", captures, container, "--")
    if (user := _buildah(*inside, "id", "-u").strip()) != "65534":
        raise ReleaseError(f"it runs as user {user}, not as nobody")
    said = _buildah(*inside, "/opt/portcall/bin/portcall", *READ)
    here = run(sys.executable, "-m", "portcall", *READ, cwd=ROOT / "captures")
    if json.loads(said)["rows"] != json.loads(here)["rows"]:
        raise ReleaseError(f"in the image, {CAPTURE} is read otherwise than it is read here")
    print(f"read in it, as nobody: {CAPTURE}, the same rows as here")
    _buildah("rm", container)


def _tell(base: str) -> None:
    sizes = {
        name.rpartition("/")[2]: image["size"]
        for image in json.loads(_buildah("images", "--json"))
        for name in image["names"] or ()
    }
    print(f"{sizes['portcall:latest']}, of which {sizes[base]} are {base}")


def _buildah(*words: str) -> str:
    store = (f"--root={PLACE / 'store'}", f"--runroot={PLACE / 'run'}", "--storage-driver=vfs")
    return run("buildah", *store, *words)


if __name__ == "__main__":
    sys.exit(main())
