"""A C compiler that does not optimise, for tests that build the kernels: it takes minutes else.

Nor is translated again from Cython what a build with the same CYTHON_CACHE_DIR has translated, as ``tests/run`` has.
"""

import os

SCRIPT = """#!/bin/sh
for word; do shift; [ "$word" = -O3 ] || set -- "$@" "$word"; done
exec cc -O0 "$@"
"""


def quick_compiler(folder):
    """The environment of a build that uses it; its script is written to the folder."""
    script = folder / "compiler"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    kept = {name: where for name, where in os.environ.items() if name == "CYTHON_CACHE_DIR"}
    return {"CC": str(script), "LDSHARED": f"{script} -shared", **kept}
