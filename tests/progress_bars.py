"""What programs print, without the bar that DuckDB draws in it where a query takes seconds, as on a busy machine.

It begins with a carriage return, which is the end of a line to who reads output as text.
"""

import re

_BAR = re.compile(r"[\r\n]?[ \d]*% ?▕[^▏]*▏[^\r\n]*[\r\n]?")


def without_bars(printed):
    """The same text without them."""
    return _BAR.sub("", printed)
