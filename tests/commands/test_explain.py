"""``portcall explain`` for real: this machine's sockets, databases on disk, answers on stdin."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import portcall
from databases import write_database
from portcall.cli import main
from portcall.explanation.subject import End

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who has a socket is read from /proc")


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def conversation(listener):
    """(client's end, server's end), both of this process."""
    with ExitStack() as stack:
        client = stack.enter_context(socket.create_connection(listener.getsockname()))
        stack.enter_context(listener.accept()[0])
        yield End(*client.getsockname()), End(*listener.getsockname())


@pytest.fixture
def database(tmp_path):
    record = {"country": {"iso_code": "DE"}, "autonomous_system_number": 64500}
    return write_database(tmp_path / "one.mmdb", {"203.0.113.0/24": record, "127.0.0.0/8": record})


def explained(capsys, *words):
    assert main(["explain", *map(str, words)]) == 0
    return capsys.readouterr().out


def facts(capsys, *words):
    return json.loads(explained(capsys, *words, "--format", "json"))


def test_the_process_that_listens_here_now_is_named(capsys, listener):
    port = listener.getsockname()[1]

    found = facts(capsys, port)

    assert [(one["pid"], one["local"]) for one in found["here"] if one["state"] == "LISTEN"] == [
        (os.getpid(), f"127.0.0.1:{port}")
    ]
    assert found["here"][0]["exposed_to"] == "this machine only"


def test_a_port_that_was_closed_is_on_nobody_any_more(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert [one for one in facts(capsys, f"127.0.0.1:{port}")["here"] if one["state"] == "LISTEN"] == []


def test_both_ends_of_a_conversation_of_this_machine_are_shown_and_who_serves(capsys, conversation):
    client, server = conversation

    found = facts(capsys, f"{client}-{server}")

    assert {(one["local"], one["pid"]) for one in found["here"]} == {
        (str(client), os.getpid()),
        (str(server), os.getpid()),
    }
    assert found["roles"]["server"] == {"address": "127.0.0.1", "port": server.port}


def test_the_range_of_this_system_is_read_from_the_kernel(capsys):
    first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()

    assert f"{first}–{last}" in explained(capsys, "ephemeral")


def test_an_explanation_for_people_has_every_part(capsys):
    shown = explained(capsys, "443")

    for part in ("Port 443: HTTPS", "well-known (0–1023)", "tcp/443", "udp/443", "here now", "next"):
        assert part in shown


@pytest.mark.parametrize("words", [["443"], []])
def test_verbose_shows_the_classic_commands_on_stderr(capsys, words):
    told = []
    for options in ([], ["--verbose"]):
        main(["explain", *words, *options])
        told.append(capsys.readouterr())

    assert ["the classic command: " in each.err for each in told] == [False, True]
    assert "lsof" in told[1].err
    assert "lsof" not in told[1].out


def test_an_explanation_goes_into_a_file_in_the_format_of_its_suffix(capsys, tmp_path):
    path = tmp_path / "port.json"

    main(["explain", "443", "-o", str(path)])

    assert json.loads(path.read_text(encoding="utf-8"))["ports"][0]["port"] == 443
    assert capsys.readouterr().out == ""


def test_an_explanation_has_no_rows_to_put_into_csv(capsys, tmp_path):
    assert main(["explain", "443", "-o", str(tmp_path / "port.csv")]) == 2
    assert "no format has the suffix '.csv'" in capsys.readouterr().err


def test_network_and_country_of_an_address_come_from_the_file(capsys, database):
    (address,) = facts(capsys, "203.0.113.9", "--geo", database)["addresses"]

    assert (address["country"], address["network"]) == ("DE", "AS64500")
    assert "AS64500, DE" in explained(capsys, "203.0.113.9", "--geo", database)


def test_reverse_dns_is_asked_only_where_wanted(capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(socket, "getnameinfo", lambda end, flags: (asked.append(end[0]) or "name.example", "0"))

    without = facts(capsys, "203.0.113.9")["addresses"][0]["reverse_name"]
    asked_without = list(asked)
    with_it = facts(capsys, "203.0.113.9", "--resolve")["addresses"][0]["reverse_name"]

    assert (without, asked_without) == (None, [])
    assert (with_it, asked) == ("name.example", ["203.0.113.9"])


def test_names_of_others_cannot_steer_the_terminal(capsys, monkeypatch, tmp_path):
    evil = "\x1b[31m\x07\u202eevil"
    database = write_database(tmp_path / "evil.mmdb", {"203.0.113.0/24": {"autonomous_system_organization": evil}})
    monkeypatch.setattr(socket, "getnameinfo", lambda end, flags: (evil, "0"))

    shown = explained(capsys, "203.0.113.9", "--geo", database, "--resolve")

    assert r"\x1b[31m\x07\u202eevil" in shown.replace("\n          ", "")
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_a_process_that_calls_itself_something_evil_is_shown_harmless():
    program = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
    program += "open('/proc/self/comm', 'w').write('\\x1b[31mred'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True) as process:
        port = process.stdout.readline().strip()
        process.stdout.readline()
        environment = {**os.environ, "PYTHONPATH": str(Path(portcall.__file__).parents[1])}
        run = subprocess.run(
            [sys.executable, "-m", "portcall", "explain", port],
            capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
        process.stdin.close()

    assert r"\x1b[31mred" in run.stdout
    assert "\x1b" not in run.stdout


def test_the_whole_story_is_under_a_page_of_this_machine(capsys):
    lines = explained(capsys).splitlines()

    assert len(lines) <= 45
    assert max(map(len, lines)) <= 80


def test_the_story_counts_real_sockets(capsys, conversation):
    found = facts(capsys)

    assert found["states"]["ESTAB"] >= 2
    assert found["states"]["LISTEN"] >= 1
    assert len(conversation) == 2


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["nonsense!"], "no port, service, address or socket"),
        (["443", "--quiz"], "Leave out '443'"),
        (["443", "--seed", "3"], "Add --quiz"),
    ],
)
def test_what_cannot_be_explained_is_a_usage_error(capsys, words, hint):
    status = main(["explain", *words])

    assert status == 2
    assert hint in capsys.readouterr().err


def test_the_name_of_a_process_is_told_the_command_that_takes_it(capsys, listener):
    name = Path(sys.executable).name

    assert listener
    assert main(["explain", name]) == 2
    assert capsys.readouterr().err.endswith(f"Did you mean 'portcall who {name}'?\n")


def test_every_form_of_an_end_finds_who_has_it_here(capsys, listener):
    port = listener.getsockname()[1]
    places = ["", ":", "*:", "127.0.0.1:", "localhost:", "[::ffff:127.0.0.1]:"]

    for form in [f"{place}{port}" for place in places]:
        for words in (form, f"{form}/tcp", f"tcp/{form}"):
            found = facts(capsys, words)["here"]
            at = [one["local"] for one in found if one["state"] == "LISTEN"]
            assert (words, at) == (words, [f"127.0.0.1:{port}"])


@pytest.mark.parametrize("form", ["::1", "0:0:0:0:0:0:0:1", "0000::0001", "::1%lo"])
def test_long_forms_of_an_ipv6_address_find_the_same_sockets(capsys, form):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        at_address, at_port = (facts(capsys, words)["here"] for words in (form, f"[{form}]:{port}"))

    assert f"[::1]:{port}" in {one["local"] for one in at_address}
    assert f"[::1]:{port}" in {one["local"] for one in at_port}


@pytest.mark.parametrize("between", ["-", "->", " ↔ ", " "])
def test_a_conversation_is_understood_whatever_stands_between_its_ends(capsys, conversation, between):
    client, server = conversation

    found = facts(capsys, f"localhost:{client.port}{between}{server}/tcp")

    assert {one["local"] for one in found["here"]} == {str(client), str(server)}


def test_a_missing_database_is_one_sentence(capsys):
    assert main(["explain", "8.8.8.8", "--geo", "/nonexistent.mmdb"]) == 1
    assert "cannot be opened" in capsys.readouterr().err


# --- the quiz


def quiz(capsys, monkeypatch, answers, *options):
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    assert main(["explain", "--quiz", *options]) == 0
    return capsys.readouterr().out


def right_letters(shown):
    return re.findall(r"it is ([a-d])\)", shown)


@pytest.mark.usefixtures("conversation")
def test_a_quiz_has_five_questions_and_says_the_answer_after_each(capsys, monkeypatch):
    shown = quiz(capsys, monkeypatch, "", "--seed", "4")

    assert re.findall(r"^\d\.", shown, re.MULTILINE) == ["1.", "2.", "3.", "4.", "5."]
    assert len(right_letters(shown)) == 5
    assert shown.endswith("0 of 5 right\n")


def test_right_answers_a_line_each_are_counted(capsys, monkeypatch, conversation):
    letters = right_letters(quiz(capsys, monkeypatch, "", "--seed", "4"))

    shown = quiz(capsys, monkeypatch, "\n".join(letters) + "\n", "--seed", "4")

    assert len(conversation) == 2
    assert shown.count("   Right. ") == 5
    assert shown.endswith("5 of 5 right\n")


def test_a_wrong_answer_is_corrected(capsys, monkeypatch):
    letters = right_letters(quiz(capsys, monkeypatch, "", "--seed", "4"))
    wrong = next(letter for letter in "ab" if letter != letters[0])

    shown = quiz(capsys, monkeypatch, f"{wrong}\n", "--seed", "4")

    assert "   No: it is " in shown
    assert shown.count("No answer: ") == 4


def test_a_key_that_is_no_choice_may_be_tried_again(capsys, monkeypatch):
    letters = right_letters(quiz(capsys, monkeypatch, "", "--seed", "4"))

    shown = quiz(capsys, monkeypatch, "x\n\x1b[2J\n" + "\n".join(letters) + "\n", "--seed", "4")

    assert shown.endswith("5 of 5 right\n")
    assert "'x' is none of a, b, c, d" in shown
    assert "\x1b" not in shown


def test_where_a_terminal_ends_its_input_the_verdict_begins_on_a_line_of_its_own(capsys, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("a\n"))  # Enter has been echoed; then Ctrl-D, which prints nothing
    main(["explain", "--quiz", "--seed", "4"])

    first, second = re.findall(r"your answer \(a, b, c, d\): (\n?) *\S", capsys.readouterr().out)[:2]
    assert (first, second) == ("", "\n")


def test_keys_that_are_no_choices_without_end_are_no_answer(capsys, monkeypatch):
    assert quiz(capsys, monkeypatch, "x\n" * 1000).endswith("0 of 5 right\n")


def test_a_seed_asks_the_same_whatever_sockets_there_are(capsys, monkeypatch):
    before = quiz(capsys, monkeypatch, "", "--seed", "7")
    with socket.create_server(("127.0.0.1", 0)):
        assert quiz(capsys, monkeypatch, "", "--seed", "7") == before


@pytest.mark.parametrize("width", [30, 60])
def test_questions_break_between_words_at_the_width_of_the_terminal(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))

    lines = quiz(capsys, monkeypatch, "", "--seed", "4").splitlines()

    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() or line.startswith("   your answer") for line in lines)


def test_a_quiz_as_data_has_the_answers_and_asks_nobody(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    found = facts(capsys, "--quiz", "--seed", "4")

    assert len(found["questions"]) == 5
    assert all(0 <= one["right"] < len(one["choices"]) for one in found["questions"])
