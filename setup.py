"""Build the compiled kernels; everything else is in pyproject.toml."""

from __future__ import annotations

import gzip
import os
import runpy
import subprocess
import sys
import sysconfig
import tarfile
import time
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist
from setuptools.errors import CompileError

SANITIZERS = os.environ.get("PORTCALL_SANITIZE", "")
"""What sanitizers the kernels are built with, as ``-fsanitize=`` takes them; docs/fuzzing.md says how to use it."""
SANITIZED = [f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=all", "-fno-wrapv"] if SANITIZERS else []
PLAIN = [] if sys.platform == "win32" else ["-O3", "-g0"]
ARGUMENTS = ["-O1", "-g1", "-fno-omit-frame-pointer", *SANITIZED] if SANITIZERS else PLAIN
ALWAYS_INLINE = {"headers"}
"""Kernels whose inline functions the compiler must inline: its own guess costs decoding a quarter of its speed."""
KERNELS = sorted(Path("src/portcall/kernels").rglob("*.pyx"))
SHARED = "portcall.kernels._memoryviews"
"""What Cython knows of memoryviews, which takes longer to compile than most kernels: once, and not in each of them."""

LIMITED = (
    sys.implementation.name == "cpython"
    and sys.version_info >= (3, 11)  # which has buffers in it
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
"""Whether a wheel can keep to what later Pythons promise of their C interface: one for all of them, from 3.11 on."""
LIMITED_TO = ("Py_LIMITED_API", "0x030B0000")

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": True,  # hostile bytes are met with root's rights here
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
    "show_performance_hints": False,
}


class BuildKernels(build_ext):
    """Compile on all processors at once; where there is no compiler, say in one sentence what to install."""

    def finalize_options(self) -> None:
        """On all of them, unless somebody said on how many."""
        super().finalize_options()
        self.parallel = self.parallel or True
        if LIMITED and not (self.inplace or self.editable_mode):
            for extension in self.extensions:
                extension.py_limited_api = True
                extension.define_macros.append(LIMITED_TO)

    def build_extensions(self) -> None:
        """Compile them all, or leave with that sentence."""
        self._translate()
        try:
            super().build_extensions()
        except CompileError as error:
            sys.exit(
                f"portcall: its kernels need a working C compiler and the Python headers ({error}); "
                "install them with 'sudo apt install gcc python3-dev' (Debian) or 'xcode-select --install' (macOS)."
            )

    def _translate(self) -> None:
        """To C, which no other command needs; what CYTHON_CACHE_DIR holds from an earlier build is taken from there."""
        kernels = [extension for extension in self.extensions if extension.name != SHARED]
        translated = cythonize(
            kernels,
            nthreads=os.cpu_count() or 1,
            include_path=["src"],
            compiler_directives=DIRECTIVES,
            cache=os.environ.get("CYTHON_CACHE_DIR"),
            shared_utility_qualified_name=SHARED,
        )
        for extension, in_c in zip(kernels, translated, strict=True):
            extension.sources = in_c.sources
        for extension in self.extensions:
            if extension.name == SHARED:
                extension.sources = [_shared_in_c()]


class SourceArchive(sdist):
    """The same bytes from the same tree, wherever and by whomever it is made, if SOURCE_DATE_EPOCH says when."""

    def make_archive(self, base_name: str, *_: object, base_dir: str, **__: object) -> str:
        """Write it: names in order, one time for all, no user, and of modes only whether a file is a program."""
        made_s = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())

        def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = made_s, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            return entry

        path = f"{base_name}.tar.gz"
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with (
            Path(path).open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=made_s) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for each in [Path(base_dir), *sorted(Path(base_dir).rglob("*"))]:
                archive.add(each, recursive=False, filter=plain)
        return path


def _shared_in_c() -> str:
    """The C file of SHARED, made where there is none of this Cython."""
    path = Path("src", *SHARED.split(".")).with_suffix(".c")
    if not path.exists() or f"Generated by Cython {Cython.__version__}" not in path.read_text(encoding="utf-8")[:99]:
        subprocess.run([sys.executable, "-m", "cython", f"--generate-shared={path}"], check=True)  # noqa: S603
    return str(path)


def _macros(kernel: str) -> list[tuple[str, str | None]]:
    if sys.platform == "win32" or kernel not in ALWAYS_INLINE:
        return []
    return [("CYTHON_INLINE", "inline __attribute__((always_inline))")]


if __name__ == "__main__":  # and not in the processes that translate, where these are spawned
    os.umask(0o022)  # archives keep modes, and theirs are the same whoever builds
    runpy.run_path("tools/layer_declarations.py")["write_tables"]()
    setup(
        data_files=runpy.run_path("tools/manual_pages.py")["write_share"](),
        ext_modules=[
            Extension(
                ".".join(source.with_suffix("").parts[1:]),
                [str(source)],
                extra_compile_args=ARGUMENTS,
                extra_link_args=SANITIZED,
                define_macros=_macros(source.stem),
            )
            for source in KERNELS
        ]
        + [Extension(SHARED, [], extra_compile_args=ARGUMENTS, extra_link_args=SANITIZED)],
        cmdclass={"build_ext": BuildKernels, "sdist": SourceArchive},
        options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED else {},
    )
