"""Build the compiled kernels; everything else is in pyproject.toml."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ALWAYS_INLINE = {"headers"}
"""Kernels whose inline functions the compiler must inline: its own guess costs decoding a quarter of its speed."""
KERNELS = sorted(Path("src/portcall/kernels").glob("*.pyx"))


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
        translated = cythonize(
            self.extensions,
            nthreads=os.cpu_count() or 1,
            include_path=["src"],
            compiler_directives=DIRECTIVES,
            cache=os.environ.get("CYTHON_CACHE_DIR"),
        )
        for extension, in_c in zip(self.extensions, translated, strict=True):
            extension.sources = in_c.sources


def _macros(kernel: str) -> list[tuple[str, str | None]]:
    if sys.platform == "win32" or kernel not in ALWAYS_INLINE:
        return []
    return [("CYTHON_INLINE", "inline __attribute__((always_inline))")]


if __name__ == "__main__":  # and not in the processes that translate, where these are spawned
    runpy.run_path("tools/layer_declarations.py")["write_tables"]()
    setup(
        ext_modules=[
            Extension(
                f"portcall.kernels.{source.stem}",
                [str(source)],
                extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-g0"],
                define_macros=_macros(source.stem),
            )
            for source in KERNELS
        ],
        cmdclass={"build_ext": BuildKernels},
    )
