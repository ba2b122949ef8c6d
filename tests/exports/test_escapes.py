"""One function a format makes hostile text harmless: what independent readers find is checked for any text."""

from __future__ import annotations

import csv
import io
import json
import shutil
import struct
import subprocess
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.exports import comma_separated, html_page
from portcall.recording.annotations import comment_option, process_lines
from portcall.records.ownership import Owner, Program
from portcall.records.printable_text import printable
from portcall.views.text import visible

HOSTILE = [
    *(
        "\x1b[2J",
        "\x9b2J",
        "\u202egnp",
        "\x00",
        "\r\n",
        "\u2028",
        "\ud800",
        "</script>",
        "<!--",
        "]]>",
        "&lt;",
        "'\"",
        "a,b",
    ),
    *("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "＝1", "\t=1", "\\", "\\x1b", '"', "\n# HELP", "{}", "-", "(empty)"),  # noqa: RUF001 - what spreadsheets take
]
TEXTS = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=6)), max_size=5).map("".join)


@given(TEXTS, st.one_of(st.none(), st.integers(0, 40)))
@settings(max_examples=examples(150))
def test_a_terminal_gets_printable_text_alone(text, width):
    shown = visible(text, width)

    assert shown.isprintable()
    assert width is not None or not text.isprintable() or len(shown) <= len(text)
    assert printable(text).isprintable()


@given(st.lists(TEXTS, min_size=1, max_size=4))
@settings(max_examples=examples(150))
def test_a_line_of_csv_has_the_cells_that_were_written_and_no_formula(texts):
    texts = ["first", *texts]  # an empty line would be none
    line = ",".join(map(comma_separated._encoded, texts))

    (cells,) = csv.reader(io.StringIO(line + "\n"))
    assert len(cells) == len(texts)
    assert [cell.removeprefix("'") for cell in cells] == [printable(text).removeprefix("'") for text in texts]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")) for cell in cells)  # noqa: RUF001 - as above


class Page(HTMLParser):
    """What elements a page has, and what stands in them."""

    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag, _):
        self.found.append(("element", tag))

    def handle_endtag(self, tag):
        self.found.append(("end", tag))

    def handle_data(self, data):
        self.found.append(("text", data))

    def handle_comment(self, data):
        self.found.append(("comment", data))


@given(st.dictionaries(TEXTS, TEXTS, max_size=4))
@settings(max_examples=examples(150))
def test_data_in_a_page_are_one_script_element_that_reads_back(value):
    page = Page()
    page.feed(f'<script type="application/json">{html_page._harmless(value)}</script><p>')
    page.close()

    assert [kind for kind, _ in page.found] == ["element", "text", "end", "element"]
    assert json.loads(page.found[1][1]) == value
    assert page.found[1][1].isascii()


@given(TEXTS)
@settings(max_examples=examples(60))
def test_metadata_of_parquet_read_back_and_are_printable(text):
    pa = pytest.importorskip("pyarrow")
    from portcall.records.arrow_columns import ENVELOPE, arrow_schema
    from portcall.records.schema import Listing

    schema = arrow_schema(Listing("doctor", text, []))
    there = pa.ipc.read_schema(pa.py_buffer(schema.serialize())).metadata[ENVELOPE]

    assert json.loads(there)["source"] == text
    assert there.isascii()
    assert printable(there.decode()) == there.decode()


def capture_with(comments):
    """A pcapng file with one frame for each comment, made without portcall's own writer of blocks."""

    def block(kind, body):
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    blocks = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), block(1, struct.pack("<HHI", 1, 0, 0))]
    for comment in comments:
        frame = struct.pack("<IIIII", 0, 0, 0, 60, 60) + bytes(60)
        blocks.append(block(6, frame + comment + bytes(4)))
    return b"".join(blocks)


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark: apt install tshark")
@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=20))
@settings(max_examples=examples(4), deadline=None)
def test_tshark_reads_one_comment_of_printable_lines_in_each_packet(names):
    owners = [Owner(1, None, Program(name, None, (name,))) for name in names]
    lines = [process_lines(owner, 1000, with_arguments=True, is_receiver=False) for owner in owners]

    capture = capture_with(map(comment_option, lines))
    command = ["tshark", "-n", "-r", "-", "-T", "json", "-e", "frame.comment"]
    told = json.loads(subprocess.run(command, input=capture, capture_output=True, check=True).stdout)

    read = [packet["_source"]["layers"]["frame.comment"] for packet in told]
    assert read == [["\n".join(of_one)] for of_one in lines]
    assert all(line.isprintable() for (comment,) in read for line in comment.split("\n"))
