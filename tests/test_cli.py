"""The command line: options become one library call; what goes wrong becomes one line and an exit status.

The pipeline is replaced here, so that these tests know what the report is; the captures' tests run it for real.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import types
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import portcall.runs
from flow_builder import flow, tallies_of
from portcall.attribution.attribution import Attribution
from portcall.cli import COMMANDS, main
from portcall.errors import CaptureError, PortcallError, UsageError
from portcall.runs.streaming.stream_options import StreamOptions

if TYPE_CHECKING:
    from portcall.records.report import Report

SOURCE = Path(portcall.__file__).parents[1]
CAPTURE = Path(__file__).parents[1] / "captures" / "office.pcapng"


@dataclass
class Outcome:
    """What the pipeline answers."""

    report: Report
    problems: list[CaptureError] = field(default_factory=list)
    interrupted: bool = False
    expecting: None = None

    @property
    def noted_report(self) -> Report:
        return self.report


@pytest.fixture
def report() -> Report:
    flows = flow("192.168.1.5 40000", "93.184.216.34 443")
    attribution = Attribution("app")
    attribution.add(flows)
    return attribution.report(tallies_of(flows), "capture.pcap")


@pytest.fixture
def offline(monkeypatch, report):
    """A pipeline that keeps what it was asked and answers ``outcome``, or raises it."""
    fake = types.ModuleType("portcall.runs.offline")
    fake.asked = None
    fake.outcome = Outcome(report)

    def read(paths, **options):
        fake.asked = {"paths": paths, **options}
        if isinstance(fake.outcome, BaseException):
            raise fake.outcome
        return fake.outcome

    fake.read = read
    monkeypatch.setitem(sys.modules, "portcall.runs.offline", fake)
    monkeypatch.setattr(portcall.runs, "offline", fake, raising=False)
    return fake


def shell(*arguments: str, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False, **options
    )


def test_options_reach_the_library_under_their_own_names(offline):
    options = (
        "--by host --layer inner --filter tcp --where bytes>1 --top 3 --local 10.0.0.0/8 --local fd00::/8 --no-names "
        "--geo one.mmdb --deduplicate --from 2024-05-01 --to 2024-05-02 --bucket 1s "
        "--idle-timeout 15 --active-timeout 1800 --memory 1GB --jobs 2 --tls-keys keys.txt"
    )

    main(["read", "a.pcap", "-", *options.split()])

    progress = offline.asked.pop("progress")
    del offline.asked["before_parsing"]  # it confines the command's own process, which this is not
    assert progress is None  # as nobody would see it
    assert offline.asked == {
        "paths": ["a.pcap", "-"], "by": "host", "layer": "inner", "filter": "tcp", "where": "bytes>1", "top": 3,
        "local": ["10.0.0.0/8", "fd00::/8"], "names": False, "geo": ["one.mmdb"], "deduplicate": True,
        "from_": "2024-05-01", "to": "2024-05-02", "bucket": "1s", "logs": False, "checksums": False, "page": False,
        "stream": StreamOptions(15.0, 1800.0, 10**9), "jobs": 2, "tls_keys": ["keys.txt"], "expect": None,
    }  # fmt: skip


def test_logs_are_of_conversations_and_want_what_was_said(offline):
    main(["read", "a.pcap", "--format", "zeek"])

    assert (offline.asked["by"], offline.asked["logs"], offline.asked["checksums"]) == ("flow", True, False)


def test_checksums_are_judged_for_logs_alone(offline, capsys):
    assert main(["read", "a.pcap", "--checksums"]) == 2
    assert "--format zeek" in capsys.readouterr().err

    main(["read", "a.pcap", "--format", "zeek", "--checksums"])
    assert offline.asked["checksums"]


def test_a_page_wants_all_groupings_of_one_pass(offline):
    status = main(["read", "a.pcap", "--format", "html"])

    assert status == 1  # what the fake answers was not counted for one
    assert (offline.asked["by"], offline.asked["page"]) == ("app", True)


def test_defaults_are_those_of_the_interface(offline):
    main(["read", "a.pcap"])

    del offline.asked["progress"], offline.asked["before_parsing"]
    assert offline.asked == {
        "paths": ["a.pcap"], "by": "app", "layer": "outer", "filter": None, "where": None, "top": None, "local": [],
        "names": True, "geo": [], "deduplicate": False, "from_": None, "to": None, "bucket": None,
        "logs": False, "checksums": False, "page": False, "stream": StreamOptions(), "jobs": None, "tls_keys": [],
        "expect": None,
    }  # fmt: skip


@pytest.mark.usefixtures("offline")
def test_a_table_is_the_default_and_goes_to_stdout(capsys):
    status = main(["read", "a.pcap"])

    shown = capsys.readouterr()
    assert (status, shown.err) == (0, "")
    assert "https" in shown.out


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("format_name", ["json", "jsonl", "csv"])
def test_formats_put_data_alone_on_stdout(capsys, format_name):
    status = main(["read", "a.pcap", "--format", format_name])

    assert status == 0
    assert capsys.readouterr().out.startswith({"json": "{", "jsonl": "{", "csv": "app,"}[format_name])


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("format_name", "is_told"), [("json", False), ("jsonl", True), ("csv", True), ("table", False)]
)
def test_what_was_degraded_is_told_on_stderr_where_the_format_cannot(capsys, format_name, is_told):
    main(["read", "a.pcap", "--format", format_name])

    assert ("--local CIDR" in capsys.readouterr().err) is is_told


def test_damaged_input_is_status_3_with_what_was_read(offline, capsys):
    offline.outcome.problems.append(CaptureError("a.pcap", 81204, "ends inside a record", "Try pcapfix"))

    status = main(["read", "a.pcap"])

    shown = capsys.readouterr()
    assert status == 3
    assert "https" in shown.out
    assert shown.err == "portcall: a.pcap: at byte 81 204 ends inside a record. Try pcapfix\n"


def test_an_interrupted_run_prints_what_was_counted_and_is_status_130(offline, capsys):
    offline.outcome.interrupted = True

    status = main(["read", "a.pcap"])

    assert status == 130
    assert "https" in capsys.readouterr().out


def test_an_interrupt_outside_of_reading_is_status_130(offline):
    offline.outcome = KeyboardInterrupt()

    assert main(["read", "a.pcap"]) == 130


@pytest.mark.parametrize(("error", "status"), [(PortcallError, 1), (UsageError, 2)])
def test_an_expected_failure_is_one_harmless_line_and_its_status(offline, capsys, error, status):
    offline.outcome = error("no such \x1b[31mfile\n")

    assert main(["read", "a.pcap"]) == status
    assert capsys.readouterr().err == "portcall: no such \\x1b[31mfile\\n\n"


@pytest.mark.parametrize("names", [["gone.pcap"], ["gone.pcap", "gone-too.pcap"]])
def test_captures_that_are_not_there_are_one_line_and_status_1(capsys, tmp_path, monkeypatch, names):
    monkeypatch.chdir(tmp_path)

    assert main(["read", *names]) == 1

    shown, sent = capsys.readouterr()
    assert shown == ""
    assert sent == "portcall: gone.pcap: no such file\n"


def test_of_captures_that_are_there_and_not_the_rest_is_read(capsys, tmp_path):
    office = Path(__file__).parents[1] / "captures" / "office.pcapng"

    assert main(["read", str(tmp_path / "gone.pcap"), str(office), "--format", "json"]) == 3

    shown, sent = capsys.readouterr()
    assert json.loads(shown)["coverage"]["frames"] == 345
    assert "gone.pcap: no such file" in sent


@pytest.mark.parametrize(("options", "status"), [([], 0), (["--where", "app=x"], 1), (["--filter", "tcp"], 1)])
def test_finding_nothing_is_status_1_only_where_something_was_sought(offline, options, status):
    offline.outcome = Outcome(Attribution("app").report({}, "empty.pcap"))

    assert main(["read", "a.pcap", *options]) == status


@pytest.mark.parametrize(
    "options", [["--top", "0"], ["--top", "x"], ["--by", "colour"], ["--format", "xml"], ["--colour"], ["--loc", "::1"]]
)
def test_wrong_options_are_status_2(options):
    with pytest.raises(SystemExit) as left:
        main(["read", "a.pcap", *options])

    assert left.value.code == 2


@pytest.mark.parametrize("argv", [[], ["read"], ["paint"]])
def test_half_a_command_line_is_status_2(argv):
    with pytest.raises(SystemExit) as left:
        main(argv)

    assert left.value.code == 2


def test_no_command_at_all_shows_the_commands(capsys):
    with pytest.raises(SystemExit) as left:
        main([])

    said = capsys.readouterr()
    assert (left.value.code, said.out) == (2, "")
    assert all(f"\n    {command}" in said.err for command in COMMANDS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["read"], "portcall read: error: the following arguments are required: CAPTURE (portcall read --help)\n"),
        (["who", "22", "--top"], "portcall who: error: argument --top: expected one argument\n"),
    ],
)
def test_what_is_missed_or_wrong_is_told_in_one_line_without_the_whole_usage(capsys, words, said):
    with pytest.raises(SystemExit):
        main(words)

    assert capsys.readouterr().err == said


def refusal(capsys, *words):
    """What is said of a command line that is refused with status 2, its last line."""
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["raed"], "Did you mean 'portcall read'?"),
        (["raed", "a b.pcap"], "Did you mean 'portcall read 'a b.pcap''?"),
        (["lvie", "-i", "lo"], "Did you mean 'portcall live -i lo'?"),
        (["capture.pcap"], "Did you mean 'portcall read capture.pcap'?"),
        ([str(CAPTURE), "--by", "flow"], f"Did you mean 'portcall read {CAPTURE} --by flow'?"),
        (["capture.pcapng.gz"], "Did you mean 'portcall read capture.pcapng.gz'?"),
        (["paint"], "Choose from: read, live,"),
        (["\x1b[2J"], "no command '\\\\x1b[2J'"),
        (["x" * 5000], "Choose from: read, live,"),
        (["read", "a.pcap", "--topp", "3"], "read has no option --topp. Did you mean '--top'?"),
        (["read", "a.pcap", "--layr=inner"], "Did you mean '--layer'?"),
        (["read", "a.pcap", "--zzz"], "'portcall read --help' says what it takes"),
        (["who", "1", "--netsn", "all"], "Did you mean '--netns'?"),
        (["ports", "443"], "ports takes no '443'"),
        (["live", "--"], "behind -- stands a command"),
    ],
)
def test_what_is_no_command_or_option_is_told_what_may_have_been_meant(capsys, words, hint):
    assert hint in refusal(capsys, *words)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["captures/dns.pcap"], "Did you mean 'portcall read captures/dns.pcap'?"),
        ([str(CAPTURE)], f"Did you mean 'portcall read {CAPTURE}'?"),
        (["lo"], "Did you mean 'portcall live -i lo'?"),
        (["true", "x"], "Did you mean 'portcall live -- true x'?"),
        (["true", "--", "false"], "only what stands behind -- is a command"),
    ],
)
def test_live_runs_only_what_stands_behind_two_dashes(capsys, words, hint):
    assert main(["live", *words]) == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-3", "nan", "inf", "-inf", "1e999", "0.0", "-0"])
@pytest.mark.parametrize(
    "option", [["live", "--duration"], ["ports", "--interval"], ["check", "::1", "1", "--timeout"]]
)
def test_a_time_that_is_none_is_a_usage_error(capsys, option, text):
    said = refusal(capsys, *option, text)

    assert said.rstrip().endswith(
        ("must be above 0, and at most 2000000", "expected one argument")
    )  # of check, -3 is like its option -4


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "first"), [("a.json", '{"schema":1,'), ("a.jsonl", '{"app"'), ("a.csv", "app,"), ("a.txt", "2 packets")]
)
def test_an_output_file_has_the_format_of_its_suffix(capsys, tmp_path, name, first):
    status = main(["read", "a.pcap", "-o", str(tmp_path / name)])

    assert status == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(first)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("offline")
def test_a_format_that_is_named_beats_the_suffix(tmp_path):
    main(["read", "a.pcap", "-o", str(tmp_path / "a.out"), "--format", "json"])

    assert json.loads((tmp_path / "a.out").read_text())["schema"] == 1


def test_an_unknown_suffix_is_refused_before_anything_is_read(offline, capsys, tmp_path):
    status = main(["read", "a.pcap", "-o", str(tmp_path / "a.jsn")])

    assert (status, offline.asked) == (2, None)
    assert "Did you mean '.json'" in capsys.readouterr().err


def test_a_missing_directory_is_told_before_anything_is_read(offline, capsys, tmp_path):
    status = main(["read", "a.pcap", "-o", str(tmp_path / "none" / "a.json")])

    assert (status, offline.asked) == (1, None)
    assert "there is no directory" in capsys.readouterr().err


def test_an_output_file_is_replaced_only_when_the_new_one_is_complete(offline, tmp_path):
    (tmp_path / "a.json").write_text("old")
    offline.outcome = replace(offline.outcome, report=replace(offline.outcome.report, rows=[{"not": object()}]))

    with pytest.raises(TypeError):
        main(["read", "a.pcap", "-o", str(tmp_path / "a.json")])

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


@pytest.mark.usefixtures("offline")
def test_an_output_that_cannot_be_written_is_status_1(capsys, tmp_path):
    (tmp_path / "a.json").mkdir()

    status = main(["read", "a.pcap", "-o", str(tmp_path / "a.json")])

    assert status == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.usefixtures("offline")
def test_an_output_may_be_a_device():
    assert main(["read", "a.pcap", "-o", os.devnull, "--format", "json"]) == 0
    assert not Path(os.devnull).is_file()


def test_a_closed_pipe_is_silent_and_ends_as_by_sigpipe():
    program = (
        "import sys; from portcall import cli; from portcall.commands import read\n"
        "def run(options):\n    for _ in range(100_000): print('x' * 80)\n    return 0\n"
        "read.run = run; sys.exit(cli.main(['read', 'a']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        process.stdout.read(100)
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.wait(), complaint) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize("arguments", [["read", str(CAPTURE)], ["read", str(CAPTURE), "--format", "json"], ["ports"]])
def test_an_output_without_room_is_one_sentence_and_status_1(arguments):
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "portcall", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert answer.returncode == 1
    assert answer.stderr == "portcall: the output cannot be written: no space left on device\n"


def test_who_closes_stdout_is_told_that_nothing_could_be_printed():
    words = shlex.join([sys.executable, "-m", "portcall", "read", str(CAPTURE)])

    answer = subprocess.run(["sh", "-c", f"{words} >&-"], stderr=subprocess.PIPE, text=True, check=False)

    assert (answer.returncode, answer.stderr) == (1, "portcall: the output cannot be written: stdout is closed\n")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ["read", "-"],
            1,
            "portcall: -: at byte 0 the file is empty. Was the capture stopped before its first frame?",
        ),
        (["explain", "--quiz"], 0, ""),
        (["ports"], 0, ""),
    ],
)
def test_a_closed_stdin_is_one_without_bytes(arguments, status, said):
    words = shlex.join([sys.executable, "-m", "portcall", *arguments])

    answer = subprocess.run(["sh", "-c", f"{words} <&-"], capture_output=True, text=True, check=False)

    assert (answer.returncode, answer.stderr.rstrip("\n")) == (status, said)


def test_who_closes_stdout_and_names_a_file_gets_that(tmp_path):
    words = shlex.join([sys.executable, "-m", "portcall", "read", str(CAPTURE), "-o", str(tmp_path / "rows.csv")])

    answer = subprocess.run(["sh", "-c", f"{words} >&-"], stderr=subprocess.PIPE, text=True, check=False)

    assert answer.returncode == 0
    assert (tmp_path / "rows.csv").stat().st_size


def test_all_that_was_printed_arrives_before_the_process_ends(tmp_path):
    (tmp_path / "rows.csv").write_text(shell("-m", "portcall", "read", str(CAPTURE), "--format", "csv").stdout)

    main(["read", str(CAPTURE), "-o", str(tmp_path / "expected.csv")])

    assert (tmp_path / "rows.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


@pytest.mark.parametrize("arguments", [["--help"], ["read", "--help"]])
def test_help_has_a_worked_example(arguments):
    answer = shell("-m", "portcall", *arguments)

    assert answer.returncode == 0
    assert "example:\n  portcall read " in answer.stdout


def test_help_imports_nothing_heavy():
    program = "import sys; from portcall.cli import COMMANDS, parser_of; parser_of(COMMANDS); print(*sys.modules)"

    modules = set(shell("-c", program).stdout.split())

    assert not modules & {"numpy", "rich", "pyparsing", "scapy", "pyshark", "psutil", "json", "csv"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere psutil lists sockets")
@pytest.mark.parametrize("command", ["ports", "who 1", "conns", "check 127.0.0.1:1", "explain 443 --format json"])
def test_commands_about_sockets_import_neither_numpy_nor_psutil_and_rich_only_for_terminals(command):
    program = "import sys; from portcall.cli import main; main(sys.argv[1:]); print('imported', *sys.modules)"

    modules = set(shell("-c", program, *command.split()).stdout.split("imported ")[-1].split())

    assert f"portcall.runs.{command.split()[0]}" in modules or "portcall.runs.toolbox" in modules
    assert not modules & {"numpy", "rich", "psutil", "fractions"}


def test_a_command_imports_no_other():
    program = "import sys; from portcall.cli import parser_of; parser_of(['read']); print(*sys.modules)"

    modules = set(shell("-c", program).stdout.split())

    assert {name for name in COMMANDS if f"portcall.commands.{name}" in modules} == {"read"}


def test_the_version_is_one_line():
    answer = shell("-m", "portcall", "--version")

    assert answer.returncode == 0
    assert answer.stdout.startswith("portcall ")
