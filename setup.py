"""Build the compiled kernels; everything else is in pyproject.toml."""

from __future__ import annotations

import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

KERNELS = sorted(Path("src/portcall/kernels").glob("*.pyx"))


class BuildKernels(build_ext):
    """Say in one sentence what to install where there is no C compiler."""

    def build_extensions(self) -> None:
        try:
            super().build_extensions()
        except CompileError as error:
            sys.exit(
                f"portcall: its kernels need a working C compiler and the Python headers ({error}); "
                "install them with 'sudo apt install gcc python3-dev' (Debian) or 'xcode-select --install' (macOS)."
            )


setup(
    ext_modules=cythonize(
        [
            Extension(
                f"portcall.kernels.{source.stem}",
                [str(source)],
                extra_compile_args=[] if sys.platform == "win32" else ["-O3"],
            )
            for source in KERNELS
        ],
        include_path=["src"],
        compiler_directives={
            "language_level": 3,
            "boundscheck": True,  # hostile bytes are met with root's rights here
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            "embedsignature": True,
            "show_performance_hints": False,
        },
    ),
    cmdclass={"build_ext": BuildKernels},
)
