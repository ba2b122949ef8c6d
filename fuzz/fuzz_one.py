"""One target under libFuzzer, by atheris: ``python fuzz/fuzz_one.py TARGET CORPUS… -max_total_time=60``.

``run_fuzzers`` starts it with the kernels that were built with sanitizers. portcall's Python is instrumented as it is
imported, so both kinds of code lead the fuzzer.
"""

from __future__ import annotations

import sys

import atheris


def main() -> None:
    """Fuzz until libFuzzer ends."""
    name = sys.argv.pop(1)
    hooks = atheris.instrument_imports(include=["portcall"])
    hooks.__enter__()  # and never left: what is heavy is imported where it is used
    from target_family import find_targets

    (target,) = find_targets([name])
    atheris.Setup(sys.argv, target.examine)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
