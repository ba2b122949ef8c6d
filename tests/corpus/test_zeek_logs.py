"""Our logs are Zeek's, field by field, but for what the page on them says."""

import json
import os
import re
from pathlib import Path

import pytest
from zeek_agreement import Agreement, compare, judges_checksums, of_baselines, our_logs, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "zeek.md"
TABLES = re.compile(r"(?<=<!-- agreement -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)
LEAST = {"ssl": 0.99, "dns": 0.97, "http": 0.96, "quic": 1.0, "conn": 0.97}
"""Of the values that both tools have, so many agree."""


@pytest.fixture(scope="module")
def agreement(corpus_folder, zeek_logs):
    result = Agreement()
    captures = corpus_folder / "captures"
    for capture, of_capture in zeek_logs.items():
        ours = [our_logs(captures / capture, checksums=judged) for judged in (False, True)]
        for log, tests in of_capture.items():
            for test in tests:
                compare(log, test["rows"], ours[judges_checksums(test["command"])][log], result, capture)
    for path in sorted((corpus_folder / "oracles_zeek").glob("*.json")):
        ours = [our_logs(captures / path.stem, checksums=judged) for judged in (False, True)]
        for judged, lines in of_baselines(json.loads(path.read_text())):
            compare("conn", lines, ours[judged]["conn"], result, path.stem)
    return result


def test_the_page_has_the_agreement_that_is_measured(agreement):
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("PORTCALL_WRITE_GOLDEN"):
        page = TABLES.sub(lambda _: table(agreement), page)
        PAGE.write_text(page, encoding="utf-8")

    assert TABLES.search(page)[0] == table(agreement)


@pytest.mark.parametrize("log", LEAST)
def test_what_both_tools_know_is_the_same(agreement, score, log):
    fields = [counts for name, counts in agreement.fields.items() if name[0] == log]
    same = sum(counts["same"] for counts in fields)
    differing = sum(counts["differs"] for counts in fields)

    score.append(f"zeek {log}.log: {same} of {same + differing} values the same")
    assert same >= LEAST[log] * (same + differing)


def test_nearly_every_line_of_zeeks_has_one_of_ours(agreement):
    for log in LEAST:
        assert agreement.lines[log, "other number"] <= 0.15 * agreement.lines[log, "zeek's"]
