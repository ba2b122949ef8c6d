"""What programs print, without the bar that DuckDB draws in it where a query takes seconds, as on a busy machine."""

import re

_BAR = re.compile(r"\r?[ \d]*% ?▕[^▏]*▏[^\r\n]*[\r\n]?")


def without_bars(printed):
    """The same text without them."""
    return _BAR.sub("", printed)
