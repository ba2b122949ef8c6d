r"""Text from outside as text that anybody may be shown: what is not printable is written as in Python, ``\x1b``.

That is what formats have in common, before each adds the escapes of its own. Only the standard library.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text, with controls, bidi and zero-width characters, line breaks, NUL and surrogates as ``\x1b``."""
    return text if text.isprintable() else "".join(map(shown, text))


def shown(character: str) -> str:
    """One character of it."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()
