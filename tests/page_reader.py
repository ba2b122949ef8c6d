"""Reads an HTML page of portcall's with what others made: html.parser, json, zlib, base64."""

from __future__ import annotations

import base64
import json
import zlib
from html.parser import HTMLParser


class PageReader(HTMLParser):
    """Elements in order as (name, attributes, text directly in them)."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self._is_inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))
        self._is_inside = True

    def handle_endtag(self, _tag):
        self._is_inside = False

    def handle_data(self, data):
        if self._is_inside:
            self.elements[-1][2].append(data)

    def named(self, tag, **attributes):
        return [
            (having, "".join(text))
            for name, having, text in self.elements
            if name == tag and attributes.items() <= having.items()
        ]

    def text_of(self, identity):
        (text,) = ["".join(text) for _, having, text in self.elements if having.get("id") == identity]
        return text

    @property
    def report(self):
        return json.loads(self.text_of("report"))

    def table(self, by):
        """What the page says of a grouping, and its rows as dictionaries."""
        table = json.loads(zlib.decompress(base64.b64decode(self.text_of(f"rows-{by}"))))
        rows = [{} for _ in range(table["rows"])]
        for column in table["columns"]:
            values = column.get("numbers")
            if values is None:
                values = column["words"]
                values = [values[code] for code in column.get("codes", range(len(values)))]
            for row, value in zip(rows, values, strict=True):
                row[column["name"]] = value
        return table, rows
