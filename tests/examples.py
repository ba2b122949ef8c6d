"""How many generated examples a test tries: some in every run, a hundred times as many in ``make deep``."""

import os

DEEPER = int(os.environ.get("PORTCALL_DEEPER", "1"))


def examples(number):
    """So many, or as many times more as PORTCALL_DEEPER says."""
    return number * DEEPER
