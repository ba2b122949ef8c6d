"""``python -m portcall`` is ``portcall``."""

from portcall.cli import run

run()
