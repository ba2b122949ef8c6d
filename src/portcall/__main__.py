"""``python -m portcall`` is ``portcall``."""

import sys

from portcall.cli import main

sys.exit(main())
