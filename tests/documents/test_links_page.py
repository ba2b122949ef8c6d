"""docs/links.md says what the layers declare."""

from __future__ import annotations

import document_layers
from layer_declarations import layers


def test_the_page_of_links_is_what_the_layers_declare():
    assert document_layers.page() == document_layers.PAGE.read_text(encoding="utf-8"), "run: make docs"


def test_every_layer_has_its_section():
    sections = {line for line in document_layers.page().splitlines() if line.startswith("### ")}

    assert sections == {f"### {layer.name}" for layer in layers()}
