"""Prometheus' text: what its own parser reads are the report's numbers, labels are bounded, and counters never fall."""

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

import portcall
from examples import examples
from portcall import exports
from portcall.cli import main
from portcall.errors import UsageError
from portcall.exports.prometheus import OTHER, Counters, metrics_text
from portcall.records.report import Coverage, Report
from portcall.records.schema import column_names

OFFICE = Path(__file__).parents[2] / "captures" / "office.pcapng"


def samples(text):
    """(name, labels) → value, as prometheus_client reads it."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in ("counter", "gauge")
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def total(found, name, **labels):
    return sum(value for (of, having), value in found.items() if of == name and labels.items() <= dict(having).items())


def row(by="app", name=None, out=0, into=0, **columns):
    counts = {
        **{f"{count}_out": out for count in ("packets", "bytes", "payload")},
        **{f"{count}_in": into for count in ("packets", "bytes", "payload")},
    }
    return dict.fromkeys(column_names(by)) | {by: name, "flows": 1, "app_source": "process"} | counts | columns


def of_rows(*rows, by="app"):
    counted = sum(one["bytes_out"] + one["bytes_in"] for one in rows)
    return Report(by, "made", None, Coverage(len(rows), counted, {"ok": len(rows)}, 0, 3, counted), list(rows))


@pytest.mark.parametrize("by", ["app", "service"])
def test_the_totals_are_the_reports(by):
    report = portcall.read(OFFICE, by=by)
    stream = io.StringIO()
    exports.write(report, "prometheus", stream)

    found = samples(stream.getvalue())

    for direction in ("out", "in"):
        for name, count in (("bytes", "bytes"), ("packets", "packets"), ("payload_bytes", "payload")):
            expected = sum(one[f"{count}_{direction}"] for one in report)
            assert total(found, f"portcall_{name}_total", direction=direction) == expected
    coverage = report.coverage
    assert total(found, "portcall_bytes_total") == coverage.bytes + coverage.bytes_credited_twice
    assert total(found, "portcall_captured_bytes_total") == coverage.bytes
    assert total(found, "portcall_frames_total") == coverage.frames
    assert total(found, "portcall_flows_total") == sum(one["flows"] for one in report)
    assert total(found, "portcall_bytes_moved") == 0


def test_what_has_no_app_has_its_reason():
    found = samples(metrics_text(of_rows(row(out=7, unattributed_reason="no-owner")), Counters()))

    assert total(found, "portcall_bytes_total", unattributed_reason="no-owner", direction="out") == 7
    assert total(found, "process_network_io_bytes_total") == 0


@pytest.mark.parametrize(
    ("by", "attribute"),
    [("app", "process_executable_name"), ("process", "process_executable_name"), ("user", "process_owner")],
)
def test_processes_also_have_opentelemetrys_name(by, attribute):
    rows = [row(by, "curl", 5, 3), row(by, "https", 9, 9, app_source="port")]

    found = samples(metrics_text(of_rows(*rows, by=by), Counters()))

    io_bytes = "process_network_io_bytes_total"
    assert total(found, io_bytes, **{attribute: "curl", "network_io_direction": "transmit"}) == 5
    assert total(found, io_bytes, **{attribute: "curl", "network_io_direction": "receive"}) == 3
    assert total(found, io_bytes) == 8


def test_processes_of_one_name_are_one_label_and_no_pid_is_told():
    text = metrics_text(
        of_rows(row("process", "curl", 5, pid=4711), row("process", "curl", 6), by="process"), Counters()
    )

    assert total(samples(text), "portcall_bytes_total", process="curl") == 11
    assert "4711" not in text


def test_those_who_come_late_count_as_other_and_early_ones_keep_their_label():
    counters = Counters(most_labels=2)
    metrics_text(of_rows(row(name="a", out=1), row(name="b", out=1)), counters)

    found = samples(metrics_text(of_rows(row(name="c", out=50), row(name="d", out=5), row(name="b", out=2)), counters))

    assert {dict(labels).get("app") for name, labels in found if name == "portcall_bytes_total"} == {"a", "b", OTHER}
    assert total(found, "portcall_bytes_total", app=OTHER) == 55
    assert total(found, "portcall_bytes_total", app="a") == 1


def test_a_report_of_many_apps_has_at_most_two_hundred_labels():
    found = samples(metrics_text(of_rows(*(row(name=f"app{number}", out=1) for number in range(1000))), Counters()))

    names = {dict(labels)["app"] for name, labels in found if name == "portcall_flows_total"}
    assert len(names) == 201
    assert total(found, "portcall_bytes_total", app=OTHER) == 800


def test_what_moves_to_its_owner_stays_told_and_is_said():
    counters = Counters()
    metrics_text(of_rows(row(out=10, unattributed_reason="no-owner")), counters)

    found = samples(metrics_text(of_rows(row(name="curl", out=12)), counters))

    assert total(found, "portcall_bytes_total", unattributed_reason="no-owner") == 10
    assert total(found, "portcall_bytes_total", app="curl") == 12
    assert total(found, "portcall_bytes_moved") == 10
    assert total(found, "portcall_bytes_total") == total(found, "portcall_captured_bytes_total") + 10


names = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "d", OTHER]), st.text(max_size=4))
reports = st.lists(
    st.builds(
        lambda name, out, into, source: row(
            name=name, out=out, into=into, app_source=source, unattributed_reason=None if name else "no-owner"
        ),
        names, st.integers(0, 99), st.integers(0, 99), st.sampled_from(["process", "name", None]),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=examples(60))
@given(st.lists(reports, min_size=1, max_size=4))
def test_no_counter_ever_falls_or_goes_away(told):
    counters, before = Counters(most_labels=3), Counter()

    for rows in told:
        found = samples(metrics_text(of_rows(*rows), counters))
        now = Counter({key: value for key, value in found.items() if key[0].endswith("_total")})
        assert all(key in now and now[key] >= value for key, value in before.items())
        labels = {dict(having).get("app") for name, having in found if name == "portcall_bytes_total"} - {None}
        assert len(labels) <= 4
        before = now


@settings(max_examples=examples(100))
@given(st.text(min_size=1, max_size=40))
def test_whatever_a_program_calls_itself_it_is_one_label_of_printable_text(name):
    text = metrics_text(of_rows(row(name=name, out=7)), Counters())

    assert all(character.isprintable() or character == "\n" for character in text)
    found = samples(text)
    assert total(found, "portcall_bytes_total", direction="out") == 7
    (label,) = {dict(labels).get("app") for key, labels in found if key == "portcall_flows_total"}
    assert label == "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


@pytest.mark.parametrize("name", ['say "hi"\\n{}', "\x1b[2J", "\udcff", "a\nportcall_bytes_total 1", "\u202e"])
def test_names_that_look_like_the_format_are_only_names(name):
    found = samples(metrics_text(of_rows(row(name=name, out=7)), Counters()))

    assert total(found, "portcall_bytes_total") == 7


@pytest.mark.parametrize("by", ["host", "flow", "query"])
def test_hosts_are_no_labels(by, capsys):
    with pytest.raises(UsageError, match="labels are bounded"):
        metrics_text(replace(of_rows(), by=by), Counters())
    assert main(["read", "not-there.pcap", "--by", by, "--format", "prometheus"]) == 2
    assert "Use --by app" in capsys.readouterr().err


def test_the_command_writes_it_by_its_suffix(tmp_path):
    main(["read", str(OFFICE), "-o", str(tmp_path / "office.prom")])

    assert samples((tmp_path / "office.prom").read_text())
