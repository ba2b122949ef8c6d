"""What an output column is, and the columns that may stand beside any address."""

from __future__ import annotations

from typing import Literal, NamedTuple

SCRIPT = "what an interpreter runs: module, class or file name of the script; null for other programs"

Unit = Literal["", "bytes", "ns", "s"]


class Column(NamedTuple):
    """One output column. Every column may be null."""

    name: str
    type: Literal["integer", "text", "address", "texts", "integers"]
    """``address`` is text that may be an IP address; ``texts`` and ``integers`` are lists, joined by ``;`` in csv."""
    unit: Unit
    meaning: str


def address_columns(end: str, whose: str) -> tuple[Column, ...]:
    """What only databases or DNS know of an address, and only tell who asks."""
    return (
        Column(f"{end}_country", "text", "", f"country of {whose}, two letters, as the files of --geo say"),
        Column(f"{end}_network", "text", "", f"owner of the network of {whose}, as the files of --geo say"),
        Column(f"{end}_reverse_name", "text", "", f"name of {whose} in reverse DNS, where --resolve asked"),
    )
