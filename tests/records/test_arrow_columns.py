"""A column is in Arrow what it is row by row, however often its words come again and whatever is null."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.records import arrow_columns
from portcall.records.column_values import Addresses, Columns, Numbers, Words
from portcall.records.report import Coverage, Report
from portcall.records.report_rows import Rows
from portcall.records.schema import column_names

WORDS = st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=9)
LISTS = st.lists(st.none() | st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=4), min_size=1)


def in_arrow(**values):
    """The columns of a report by flow, as Arrow has them."""
    count = len(next(iter(values.values()))[0])
    rows = Rows(column_names("flow"), [Columns(count, values)], np.arange(count))
    report = Report("flow", "here", None, Coverage(0, 0, {}, 0, None, 0), rows)
    return pa.table(report).to_pydict()


@given(WORDS, st.data())
def test_words_are_what_they_are_row_by_row(words, data):
    codes = data.draw(st.lists(st.integers(0, len(words) - 1), max_size=30))

    assert in_arrow(app=Words(np.array(codes, np.int64), words))["app"] == [words[code] for code in codes]


@given(LISTS, st.data())
def test_lists_are_what_they_are_row_by_row(lists, data):
    codes = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=30))

    assert in_arrow(said=Words(np.array(codes, np.int64), lists))["said"] == [lists[code] for code in codes]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=30))
def test_numbers_are_what_they_are_row_by_row(numbers):
    values = Numbers(np.array([one or 0 for one in numbers], np.int64), np.array([one is not None for one in numbers]))

    assert in_arrow(first_ns=values)["first_ns"] == numbers


@given(st.lists(st.ip_addresses(), max_size=30))
def test_addresses_are_what_they_are_row_by_row(addresses):
    halves = np.array([divmod(int(one), 1 << 64) for one in addresses], np.uint64).reshape(-1, 2)
    values = Addresses(halves[:, 0], halves[:, 1], np.array([one.version == 6 for one in addresses], np.bool_))

    assert in_arrow(client_ip=values)["client_ip"] == values.plain()


def test_texts_for_which_arrow_has_no_room_are_refused(monkeypatch):
    monkeypatch.setattr(arrow_columns, "_MOST_OFFSET", 9)

    with pytest.raises(pa.ArrowInvalid, match="no room for 10 bytes"):
        in_arrow(app=Words(np.zeros(2, np.int64), ["five5"]))


def test_arrows_module_of_functions_is_not_imported_which_takes_longer_than_most_reports(tmp_path):
    script = (
        "import sys; from portcall.cli import main\n"
        "main(['read', 'captures/office.pcapng', '--by', 'flow', '-o', sys.argv[1]])\n"
        "print('pyarrow.parquet' in sys.modules, 'pyarrow.compute' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "flows.parquet")],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.split() == ["True", "False"]
