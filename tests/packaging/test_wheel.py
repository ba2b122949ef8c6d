"""What is published: a source archive that makes a wheel, and a wheel that needs no compiler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import manual_pages
import release_check
from archives import unpack
from quick_compiler import quick_compiler

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT / "captures" / "office.pcapng"
WITHOUT_COMPILER = {"PATH": "/nonexistent", "CC": "/nonexistent/cc"}

pytestmark = pytest.mark.slow


def run(*command, cwd, **environment):
    ran = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of an unpacked source archive."""
    folder = tmp_path_factory.mktemp("package")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("this is no git checkout, so what belongs to it is not known")
    source = folder / "source"
    for name in tracked:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    run("setup.py", "-q", "sdist", "--dist-dir", folder, cwd=source, SOURCE_DATE_EPOCH="1790000000")
    (archive,) = folder.glob("portcall-*.tar.gz")
    unpack(archive, folder / "unpacked")
    (unpacked,) = (folder / "unpacked").iterdir()
    arguments = ("--no-deps", "--no-build-isolation", "--wheel-dir", folder, ".")
    run("-m", "pip", "wheel", "-q", *arguments, cwd=unpacked, **quick_compiler(folder))
    (built,) = folder.glob("portcall-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel):
    """A folder with the wheel installed, on a machine without compiler."""
    target = wheel.parent / "installed"
    arguments = ("--no-deps", "--no-index", "--disable-pip-version-check", "--target", target, wheel)
    run("-m", "pip", "install", "-q", *arguments, cwd=wheel.parent, **WITHOUT_COMPILER)
    return target


def test_a_wheel_from_the_source_archive_reads_a_capture_without_a_compiler(installed, tmp_path):
    packages = os.pathsep.join([str(installed), *(path for path in sys.path if path.endswith("site-packages"))])
    said = run(
        *("-c", "import sys; from portcall.cli import main; sys.exit(main())"),
        *("read", CAPTURE, "--by", "app", "--format", "json"),
        cwd=tmp_path,
        PYTHONPATH=packages,
        **WITHOUT_COMPILER,
    )
    here = json.loads(run("-m", "portcall", "read", CAPTURE, "--by", "app", "--format", "json", cwd=ROOT))

    assert json.loads(said)["rows"] == here["rows"]
    where = run("-c", "import portcall; print(portcall.__file__)", cwd=tmp_path, PYTHONPATH=packages)
    assert Path(where.strip()).is_relative_to(installed)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="its limited interface has no buffers")
def test_the_wheel_is_for_all_later_pythons(wheel, installed):
    assert "-cp311-abi3-" in wheel.name
    kernels = (installed / "portcall" / "kernels").rglob("*.so")
    assert {path.name.partition(".")[2] for path in kernels} == {"abi3.so"}


def test_a_source_archive_of_other_times_modes_and_users_has_the_same_bytes(wheel, tmp_path):
    source = tmp_path / "elsewhere" / "source"
    shutil.copytree(wheel.parent / "source", source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    for path in filter(Path.is_file, source.rglob("*")):
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        if os.geteuid() == 0:
            os.chown(path, 12345, 12345)

    run("setup.py", "-q", "sdist", "--dist-dir", tmp_path, cwd=source, SOURCE_DATE_EPOCH="1790000000", TZ="Asia/Tokyo")

    (archive,), (other,) = (folder.glob("portcall-*.tar.gz") for folder in (wheel.parent, tmp_path))
    assert archive.read_bytes() == other.read_bytes()


def test_the_wheel_brings_manual_pages_and_completion(installed):
    assert (installed / "share/man/man1/portcall.1").is_file()
    for place in manual_pages.COMPLETIONS.values():
        assert (installed / "share" / place).is_file()


def test_what_no_wheel_may_have_in_it_is_found():
    names = [
        "portcall/cli.py",
        "portcall-1.dist-info/RECORD",
        "portcall/kernels/ends.c",
        "tests/test_cli.py",
        "portcall/x.pyc",
    ]

    assert release_check.unwanted_in(names) == names[2:]


def test_the_wheel_holds_kernels_data_and_types_but_no_source_of_kernels(installed):
    package = installed / "portcall"

    compiled = {
        path.name.partition(".")[0] for path in (package / "kernels").rglob("*") if path.suffix in {".so", ".pyd"}
    }
    assert compiled == {path.stem for path in (ROOT / "src/portcall/kernels").rglob("*.pyx")} | {"_memoryviews"}
    assert (package / "py.typed").is_file()
    assert (package / "data" / "services.toml").is_file()
    in_page = {path.name: path.read_bytes() for path in (ROOT / "src/portcall/data/page").iterdir()}
    assert {path.name: path.read_bytes() for path in (package / "data" / "page").iterdir()} == in_page
    assert [path.name for path in package.rglob("*") if path.suffix in {".pyx", ".pxd", ".c"}] == []
