"""What shells complete: their question is put as they put it, and each of them is typed into for real."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time

import pytest

from portcall.cli import COMMANDS, main, parser_of
from portcall.commands.shell.completion import SCRIPTS
from portcall.queries.row_filter import comparable

DEADLINE_S = 120
MODULE = (sys.executable, "-m", "portcall")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def answered(line, **more):
    """The words that a shell is told for a line that ends where the cursor is."""
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SUPPRESS_SPACE": "1", "COMP_TYPE": "9"}
    asked |= {"COMP_LINE": line, "COMP_POINT": str(len(line.encode())), **more}
    ran = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" 8>&1 >/dev/null', "sh", *MODULE],
        env=ENVIRONMENT | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    words = ran.stdout.split("\n")
    return [word for word in words if word]


def test_every_command_is_completed():
    assert answered("portcall ") == list(COMMANDS)


def test_every_option_of_a_command_is_completed():
    (commands,) = (action for action in parser_of(COMMANDS)._actions if isinstance(action.choices, dict))
    options = {option for option in commands.choices["live"]._option_string_actions if option.startswith("--")}

    assert set(answered("portcall live --")) == options


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("portcall read --by se", ["service"]),
        ("portcall read a.pcap --layer ", ["outer", "inner"]),
        ("portcall completion ", ["bash", "zsh", "fish"]),
        ("portcall doctor b", ["bpf", "btf"]),
        ("portcall live --netns al", ["all"]),
        ("portcall live -i l", ["lo"]),
        ("portcall ports --where 'outside=yes and pr", ["outside=yes and protocol=", "outside=yes and process="]),
        ("portcall read --where 'app=x and dur", ["app=x and duration>"]),
        ("portcall read --by flow --where 'tls_server", ["tls_server_name="]),
        ("portcall read --where 'app=", []),
        ("portcall read --filter ", []),
        ("portcall read capt", []),
    ],
)  # fmt: skip
def test_values_are_completed_where_they_are_known(line, words):
    assert answered(line) == words


def test_columns_are_those_of_the_rows_asked_for():
    assert answered("portcall read --by flow --where '") == [
        f"{name}{'>' if column.type == 'integer' else '='}" for name, column in comparable("flow").items()
    ]


def test_zsh_and_fish_are_told_what_words_mean():
    assert answered("portcall doc", _ARGCOMPLETE_DFS="\t") == [f"doctor\t{COMMANDS['doctor']}"]
    assert answered("portcall doc", _ARGCOMPLETE_SHELL="zsh") == [f"doctor:{COMMANDS['doctor']}"]


def test_half_a_question_asks_nothing():
    asked = {"_ARGCOMPLETE": "1"}
    ran = subprocess.run([*MODULE, "--version"], env=ENVIRONMENT | asked, capture_output=True, text=True, check=True)

    assert ran.stdout.startswith("portcall ")


def test_a_question_that_nobody_listens_to_ends():
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": "portcall ", "COMP_POINT": "9"}
    ran = subprocess.run(MODULE, env=ENVIRONMENT | asked, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "")


def test_an_unknown_shell_is_refused_with_those_that_are_known(capsys):
    with pytest.raises(SystemExit):
        main(["completion", "tcsh"])

    said = capsys.readouterr().err
    assert all(shell in said for shell in SCRIPTS)


@pytest.fixture
def typed(tmp_path):
    """A function: shell, and text before and behind a Tab → the words of the line as the shell then takes them."""
    place = tmp_path / "bin"
    place.mkdir()
    program = place / "portcall"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m portcall "$@"\n')
    program.chmod(0o755)
    (tmp_path / ".zshrc").write_text('autoload -Uz compinit; compinit -u -D; eval "$(portcall completion zsh)"\n')
    (tmp_path / ".bashrc").write_text('eval "$(portcall completion bash)"\n')
    folder = tmp_path / "fish" / "completions"
    folder.mkdir(parents=True)
    (folder / "portcall.fish").write_text(SCRIPTS["fish"])
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "capture.pcap").touch()
    commands = {"bash": ["bash", "--rcfile", tmp_path / ".bashrc"], "zsh": ["zsh", "-d"], "fish": ["fish"]}
    homes = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "TERM": "xterm"}

    def type_in(shell, text, behind):
        primary, secondary = pty.openpty()
        fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("4H", 24, 200, 0, 0))  # Python 3.10 has no other way
        environment = ENVIRONMENT | homes | {"PATH": f"{place}:{os.environ['PATH']}"}
        with subprocess.Popen(
            ["setsid", "--ctty", *commands[shell]], cwd=tmp_path / "words", env=environment,
            stdin=secondary, stdout=secondary, stderr=secondary,
        ) as process:  # fmt: skip
            os.close(secondary)
            os.write(primary, b"echo READ''Y\n")
            until(primary, "READY")
            # The line as completed becomes an argument of printf, which the shell takes apart.
            os.write(primary, f"{text}\t{behind}\x01printf '<%s>' BEG''IN \x05 EN''D\n".encode())
            try:
                shown = until(primary, r"<BEGIN>(.*)<END>")
            finally:
                os.close(primary)
                process.kill()
        return re.findall("<(.*?)>(?=<|$)", re.search(r"<BEGIN>(.*)<END>", shown)[1])

    return type_in


def until(descriptor, pattern):
    """All that a terminal shows until it shows this."""
    text, ends_s = "", time.monotonic() + DEADLINE_S
    while not re.search(pattern, text):
        assert time.monotonic() < ends_s, text
        if select.select([descriptor], [], [], 1)[0]:
            text += os.read(descriptor, 1 << 16).decode(errors="replace")
    return text


@pytest.mark.parametrize("shell", SCRIPTS)
@pytest.mark.parametrize(
    ("text", "behind", "words"),
    [
        ("portcall read --by proc", "", ["portcall", "read", "--by", "process"]),
        ("portcall ports --where 'port>1 and outs", "yes", ["portcall", "ports", "--where", "port>1 and outside=yes"]),
        ("portcall read cap", "", ["portcall", "read", "capture.pcap"]),
    ],
)
def test_a_real_shell_completes(shell, text, behind, words, typed):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")

    if shell != "bash" and "'" in text:
        behind += "'"  # bash closes the quotation by itself
    assert typed(shell, text, behind) == words
