"""Write docs/links.md: every header that is walked over, as the layers declare it."""

from __future__ import annotations

from pathlib import Path

from layer_declarations import REGISTRIES, Layer, announced, layers

PAGE = Path(__file__).resolve().parents[1] / "docs" / "links.md"

_HEAD = """\
# Links, tags, networks, tunnels

Written by `make docs` from the functions in `src/portcall/kernels/layers`, which read these headers; a test compares
the two. A frame begins with the layer that its link type announces, and each layer names the next one. What no number
here announces is no error: its frames count, with a verdict. Tunnels over UDP are opened by `--layer inner` alone.

In a drawing `12 kind:16` is a field of 16 bits at byte 12, and what stands in parentheses is not always there.
"""
_FAMILIES = {
    "links_cooked": "Link layers that a capturing system makes up",
    "links_wired": "Wired link layers",
    "tags": "Between link and network",
    "networks": "Networks",
    "transports": "Transports",
    "tunnels": "Packets in packets",
}


def page() -> str:
    """The whole page: the link types by number, then each family's layers."""
    found = layers()
    lines = [_HEAD, "## Link types", "", "| number | layer |", "|---|---|"]
    lines += [
        f"| {numbers.start} | [{layer.name}](#{layer.name}) |"
        for numbers, layer in sorted(announced("link type", found), key=lambda one: one[0].start)
    ]
    for family, title in _FAMILIES.items():
        lines += ["", f"## {title}"]
        lines += [line for layer in found if layer.family == family for line in _section(layer)]
    sources = [f"{name}: {registry.source}" for name, registry in REGISTRIES.items()]
    return "\n".join([*lines, "", "## Where the numbers come from", "", *(f"- {source}" for source in sources), ""])


def _section(layer: Layer) -> list[str]:
    numbers = [f"- {one.registry} {one.text}" for one in layer.announcements]
    return [
        "",
        f"### {layer.name}",
        "",
        "```text",
        *layer.drawing.splitlines(),
        "```",
        *([""] if numbers else []),
        *numbers,
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
