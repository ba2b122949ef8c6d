"""What the header layers declare of themselves → the tables that ``setup.py`` has written before it compiles.

A layer is a function ``cdef inline int NAME(Cursor *cursor)`` in a family's file of ``kernels/layers``. Its docstring
says what it is, draws its header, and ends with the numbers that announce it, a line a registry:

    link type: 166 (pppd), 204
    ethertype: 0x8100, 0x88A8

From this follow ``numbers.pxd``, a constant for each layer and a look-up for each registry, and ``steps.pxd``, which
calls the layer of a constant. ``tools/document_layers.py`` writes docs/links.md from the same.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

LAYERS = Path(__file__).resolve().parents[1] / "src" / "portcall" / "kernels" / "layers"


class Registry(NamedTuple):
    """Numbers that announce layers."""

    source: str
    otherwise: str
    """The layer, or the end of a walk, that all other numbers lead to."""


REGISTRIES = {
    "link type": Registry("tcpdump.org/linktypes.html", "UNSUPPORTED"),
    "hardware type": Registry("IANA arp-parameters, Linux if_arp.h", "NOTHING"),
    "ethertype": Registry("IEEE 802 numbers, IANA", "NOTHING"),
    "access points": Registry("IEEE 802.2, target and source", "NOTHING"),
    "NLPID": Registry("ISO/IEC TR 9577, RFC 2427", "NOTHING"),
    "PPP protocol": Registry("IANA ppp-numbers", "NOTHING"),
    "address family": Registry("the systems' headers", "NOTHING"),
    "IP protocol": Registry("IANA protocol-numbers", "OTHER_PROTOCOL"),
    "GRE protocol": Registry("where they differ from ethertypes", "NOTHING"),
    "next protocol": Registry("RFC 8300 §2.2, which VXLAN-GPE shares", "NOTHING"),
    "UDP port": Registry("IANA service names", "FINISHED"),
}

_HEAD = re.compile(r"^cdef inline int ([a-z]\w*)\(Cursor \*cursor\) noexcept nogil:$", re.MULTILINE)
_LAYER = re.compile(_HEAD.pattern + r'\n    """(.*?)"""', re.MULTILINE | re.DOTALL)
_NUMBERS = re.compile(rf"^    ({'|'.join(REGISTRIES)}): (.+)\n", re.MULTILINE)
_NOTE = re.compile(r" \([^)]*\)")
_WRITTEN = ("numbers", "steps")
_COLUMNS = 128


class Announcement(NamedTuple):
    """Numbers of a registry that announce a layer."""

    registry: str
    text: str
    """As it is declared, with notes."""
    ranges: tuple[range, ...]


class Layer(NamedTuple):
    """One header, as its function declares it."""

    name: str
    family: str
    drawing: str
    announcements: tuple[Announcement, ...]

    @property
    def constant(self) -> str:
        """Its name in ``numbers.pxd``."""
        return self.name.upper()


def layers(folder: Path = LAYERS) -> list[Layer]:
    """All that are declared, by family. ValueError where one has no docstring, or a number leads to two."""
    found = []
    for path in sorted(folder.glob("*.pxd")):
        if path.stem in (*_WRITTEN, "cursor"):
            continue
        text = path.read_text(encoding="utf-8")
        declared = [_layer(path.stem, *match.groups()) for match in _LAYER.finditer(text)]
        if silent := set(_HEAD.findall(text)) - {layer.name for layer in declared}:
            raise ValueError(f"{path.name}: no docstring says what these layers are: {', '.join(sorted(silent))}")
        found += declared
    for registry in REGISTRIES:
        _check(registry, found)
    return found


def announced(registry: str, found: list[Layer]) -> list[tuple[range, Layer]]:
    """The numbers of a registry, and the layer that each leads to."""
    return [
        (numbers, layer)
        for layer in found
        for announcement in layer.announcements
        if announcement.registry == registry
        for numbers in announcement.ranges
    ]


def write_tables(folder: Path = LAYERS) -> None:
    """Write both files, if they would differ: a newer file is compiled anew."""
    found = layers(folder)
    for name, text in (("numbers", numbers_text(found)), ("steps", steps_text(found))):
        path = folder / f"{name}.pxd"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def numbers_text(found: list[Layer]) -> str:
    """The constants, and a look-up for each registry."""
    constants = "\n".join(f"    {layer.constant}" for layer in found[1:])
    look_ups = [_look_up(registry, found) for registry in REGISTRIES]
    return f"""\
# Written by setup.py from what the layers declare: do not edit. The layers, and the numbers that announce them.
from libc.stdint cimport uint32_t

from portcall.kernels.layers.cursor cimport FINISHED, NOTHING, UNSUPPORTED


cdef enum:
    {found[0].constant} = FINISHED + 1
{constants}


{"".join(look_ups).rstrip()}
"""


def steps_text(found: list[Layer]) -> str:
    """The call of each layer by its constant."""
    families = dict.fromkeys(layer.family for layer in found)
    functions = {family: [layer.name for layer in found if layer.family == family] for family in families}
    imports = [_import(family, names) for family, names in functions.items()]
    cases = [f"if layer == {layer.constant}:\n        return {layer.name}(cursor)\n" for layer in found]
    return f"""\
# Written by setup.py from what the layers declare: do not edit. One step of a walk.
from portcall.kernels.layers.cursor cimport BROKEN, Cursor
{"".join(imports)}{_import("numbers", [layer.constant for layer in found])}

cdef inline int step(Cursor *cursor, int layer) noexcept nogil:
    \"\"\"Read the header at the cursor, which is that layer's; gives the layer behind it.\"\"\"
    {"    el".join(cases)}    return BROKEN
"""


def _layer(family: str, name: str, docstring: str) -> Layer:
    announcements = tuple(
        Announcement(registry, text, tuple(map(_range, _NOTE.sub("", text).split(", "))))
        for registry, text in _NUMBERS.findall(docstring)
    )
    drawing = _NUMBERS.sub("", docstring).strip()
    return Layer(name, family, re.sub(r"^    ", "", drawing, flags=re.MULTILINE), announcements)


def _range(numbers: str) -> range:
    first, _, last = numbers.partition(" to ")
    return range(int(first, 0), int(last or first, 0) + 1)


def _check(registry: str, found: list[Layer]) -> None:
    leads: dict[int, Layer] = {}
    for numbers, layer in announced(registry, found):
        for number in numbers:
            if number in leads:
                raise ValueError(f"{registry} {number:#x} leads to {leads[number].name} and to {layer.name}")
            leads[number] = layer


def _look_up(registry: str, found: list[Layer]) -> str:
    name = registry.lower().replace(" ", "_")
    single, several = [], []  # the compiler makes a table of tests for single numbers, if nothing else is among them
    for layer in found:
        ranges = [numbers for numbers, other in announced(registry, found) if other is layer]
        ones = [f"number == {numbers.start:#x}" for numbers in ranges if len(numbers) == 1]
        if ones:
            single.append(f"if {' or '.join(ones)}:\n        return {layer.constant}\n")
        several += [
            f"    if {numbers.start:#x} <= number <= {numbers[-1]:#x}:\n        return {layer.constant}\n"
            for numbers in ranges
            if len(numbers) > 1
        ]
    return f"""\
cdef inline int by_{name}(uint32_t number) noexcept nogil:
    \"\"\"The layer that this {registry} announces ({REGISTRIES[registry].source}).\"\"\"
    {"    el".join(single)}{"".join(several)}    return {REGISTRIES[registry].otherwise}


"""


def _import(module: str, names: list[str]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > _COLUMNS - 8:
            lines.append("")
        lines[-1] += f" {name},"
    listed = "\n".join(f"   {line}" for line in lines)
    return f"from portcall.kernels.layers.{module} cimport (\n{listed}\n)\n"


if __name__ == "__main__":
    write_tables()
