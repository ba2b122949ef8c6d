"""What a user types is hostile input too: it is refused in one line, at once, whatever it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from portcall.errors import UsageError
from portcall.queries.row_filter import compile_where
from portcall.queries.typed_patterns import PATIENCE_S, compile_pattern

CAPTURE = str(Path(__file__).parents[2] / "captures" / "dns.pcap")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
LONG = "1" * 4301
DEADLINE_S = 30
SLOW = [
    "(a+)+$",
    "(a|a)*$",
    "(a|aa)+$",
    "(.*a){20}$",
    "(x+x+)+y",
    r"([a-z]+)*\.$",
    r"^(\w+\s?)*$",
    "(a*)*b",
    "(a+)+b|c",
]
FINE = [
    "^(https|dns)$",
    r"(\w+\.)+com",
    ".*foo.*bar.*baz.*",
    "[a-z0-9-]{1,63}",
    "(?i)GOOGLE",
    "a{1000}",
    r"^\d+\.\d+$",
    "é+",
]


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "portcall", *words],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )


@pytest.mark.parametrize(
    "where",
    [
        "app ~ 'a{4294967295}'",
        "app ~ '" + "(" * 2000 + "'",
        "app ~ 'a{99999999999999999999}'",
        "app ~ '" + "(a?){1,9}" * 200 + "$'",
        "bytes>1e999999999",
        "bytes>1e-999999999",
        f"bytes>{LONG[:4000]}e99999",
        "bytes>1e1000MB",
        f"bytes>{LONG}",
        *(f"app ~ '{pattern}'" for pattern in SLOW),
    ],
    ids=lambda where: where[:30],
)
def test_a_where_that_would_never_end_is_one_line(where):
    ran = run("read", CAPTURE, "--where", where)

    assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr
    assert ran.stderr.count("\n") == 1, ran.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("who", LONG),
        ("who", f"127.0.0.1:{LONG}"),
        ("who", f"{LONG}/tcp"),
        ("explain", LONG),
        ("explain", f"tcp/{LONG}"),
        ("explain", f"127.0.0.1:{LONG}"),
        ("check", "127.0.0.1", LONG),
        ("check", "127.0.0.1", f"1-{LONG}"),
        ("check", "127.0.0.1", "1", "--timeout", "1e300"),
        ("check", "127.0.0.1", "1", "--timeout", "nan"),
        ("check", "127.0.0.1", "1", "--concurrency", LONG),
        ("ports", "--watch", "--interval", "1e300"),
        ("ports", "--top", LONG),
        ("ports", "--top", "-1"),
        ("ports", "--netns", LONG),
        ("ports", "--netns", "/" + "a" * 4000),
        ("conns", "--state", LONG),
        ("read", CAPTURE, "--top", "0"),
        ("read", CAPTURE, "--local", LONG),
        ("read", CAPTURE, "--local", f"10.0.0.0/{LONG}"),
        ("read", CAPTURE, "--explain", LONG),
        ("read", CAPTURE, "--explain", f"10.0.0.1:{LONG}"),
        ("read", CAPTURE, "--filter", f"port {LONG}"),
        ("read", CAPTURE, "--filter", "(" * 20_000),
        ("explain", "--quiz", "--seed", LONG),
        ("live", "--duration", "0"),
        ("live", "--duration", "-3"),
        ("live", "--duration", "nan"),
        ("live", "--duration", "inf"),
        ("live", "-i", "a" * 5000),
    ],
    ids=lambda words: " ".join(words)[:40].replace(CAPTURE, "CAPTURE"),
)
def test_words_that_mean_nothing_are_a_usage_error(words):
    ran = run(*words)

    assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr
    assert "Traceback" not in ran.stderr
    assert "portcall" in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize("path", ["a" * 300, "a/" * 3000, "\udcff"])
def test_a_capture_with_an_impossible_name_is_one_line(path):
    ran = run("read", path)

    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("pattern", FINE)
def test_expressions_that_people_write_are_taken(pattern):
    assert compile_pattern(pattern, "--where") is not None


def test_an_expression_that_only_one_text_makes_slow_ends_at_that_text():
    is_in = compile_pattern("q(?:[^q]+)+q", "--where")

    began_s = time.monotonic()
    with pytest.raises(UsageError, match="takes too long"):
        is_in("q" + "-x" * 5000)
    assert time.monotonic() - began_s < 20 * PATIENCE_S


def test_many_quick_searches_are_no_long_one():
    is_in = compile_pattern("^a+$", "--where")
    ends_s = time.monotonic() + 3 * PATIENCE_S

    while time.monotonic() < ends_s:
        assert is_in("aaaa")


def wait_for_silence():
    """Until the timer is off; between a tick and its handler only the interval shows that it is on."""
    ends_s = time.monotonic() + DEADLINE_S
    while any(signal.getitimer(signal.ITIMER_REAL)):
        assert time.monotonic() < ends_s, "the alarm ticks without a search"


def test_the_alarm_is_given_back_when_there_are_no_more_searches():
    wait_for_silence()

    def somebody_elses(*_):
        pass

    before = signal.signal(signal.SIGALRM, somebody_elses)
    try:
        compile_pattern("^a+$", "--where")("aaa")
        wait_for_silence()
        given_back = signal.getsignal(signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert given_back is somebody_elses


def test_in_another_thread_expressions_work_as_well():
    found = []

    thread = threading.Thread(target=lambda: found.append(compile_pattern("^a+$", "--where")("aaa")))
    thread.start()
    thread.join(DEADLINE_S)

    assert found == [True]


def test_numbers_may_still_be_written_as_people_do():
    for number in ("1e9", "1.5MB", "+2e3", "18446744073709551615"):
        assert compile_where(f"bytes>{number}", "app") is not None
