"""A C compiler that does not optimise: for tests that build the kernels, which takes minutes else."""

SCRIPT = """#!/bin/sh
for word; do shift; [ "$word" = -O3 ] || set -- "$@" "$word"; done
exec cc -O0 "$@"
"""


def quick_compiler(folder):
    """The environment of a build that uses it; its script is written to the folder."""
    script = folder / "compiler"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    return {"CC": str(script), "LDSHARED": f"{script} -shared"}
