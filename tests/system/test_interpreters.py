"""What an interpreter runs, out of command lines as people and systems write them."""

from __future__ import annotations

import shlex

import pytest

from portcall.system.interpreters import script_of

RUN = {
    "python3 -m http.server 8000 --bind 127.0.0.1": "http.server",
    "/usr/bin/python3.11 -Im http.server": "http.server",
    "python3 -mhttp.server": "http.server",
    "python3 -u -W ignore -X dev /opt/app/server.py --password hunter2": "server.py",
    "python -X utf8=1 -OO -- ./a.py": "a.py",
    "/venv/bin/python /venv/bin/gunicorn app:app": "gunicorn",
    "pypy3 app.zip": "app.zip",
    "node /p/node_modules/.bin/vite --port 3000": "vite",
    "/usr/bin/node --require ./x.js --inspect=0:9229 dist/server.mjs": "server.mjs",
    "node inspect index.js": "index.js",
    "java -Xmx1G -cp a.jar:b.jar -Dkey=value kafka.Kafka server.properties": "kafka.Kafka",
    "java -jar /opt/app.jar --password=hunter2": "app.jar",
    "java --add-opens java.base/java.lang=ALL-UNNAMED -p mods -m kafka/kafka.Kafka": "kafka.Kafka",
    "java @/etc/options Main": "Main",
    "ruby -w -I lib bin/rails server": "rails",
    "perl -w -MFoo=bar script.pl token": "script.pl",
    "perl -i.bak s.pl": "s.pl",
    "sh /etc/init.d/nginx start": "nginx",
    "-bash /root/deploy.sh": "deploy.sh",
    "bash -ex deploy.sh hunter2": "deploy.sh",
    "bash -o pipefail run.sh": "run.sh",
    "busybox sh /a/b.sh": "b.sh",
    "php -S 0.0.0.0:80 -t public router.php": "router.php",
    "php8.2 artisan serve": "artisan",
    "php -d memory_limit=1G -f x.php": "x.php",
    "deno run -A --allow-net=192.0.2.1 main.ts": "main.ts",
    "deno run https://anna:hunter2@example.com/x/mod.ts?token=hunter2#a": "mod.ts",
    "deno run npm:vite": "vite",
    "bun run dev": "dev",
    "bun server.ts": "server.ts",
    "lua5.4 -l socket a.lua": "a.lua",
    "/usr/lib/R/bin/exec/R --no-echo --file=x.R --args hunter2": "x.R",
    "tclsh8.6 s.tcl": "s.tcl",
    "dotnet exec --depsfile x.json app.dll": "app.dll",
    "pwsh -NoProfile -File x.ps1 hunter2": "x.ps1",
}
RUN_NO_SCRIPT = [
    "python3",
    "python3 -c 'import secrets' hunter2",
    "python3 - hunter2",
    "python3 -Ic code",
    "python3 /dev/fd/63",
    "node -e code hunter2",
    "node -pe 1",
    "ruby -rjson -e code",
    "perl -ne print hunter2",
    "bash",
    "-bash",
    "bash -c 'curl -u anna:hunter2 https://example.com'",
    "sh -ec 'echo hunter2'",
    "bash -s hunter2",
    "bash --rcfile x -i",
    "php -r code",
    "deno install npm:x",
    "bun install",
    "dotnet run",
    "awk 'BEGIN { hunter2 }' file",
    "java -version",
    "curl -u anna:hunter2 https://example.com",
    "python3-config --libs",
    "npm run dev",
]


@pytest.mark.parametrize(("command", "script"), RUN.items())
def test_an_interpreter_runs_what_its_command_line_says(command, script):
    assert script_of(shlex.split(command)) == script


@pytest.mark.parametrize("command", RUN_NO_SCRIPT)
def test_other_programs_and_code_that_is_an_argument_have_no_script(command):
    assert script_of(shlex.split(command)) is None


@pytest.mark.parametrize("command", [*RUN, *RUN_NO_SCRIPT])
def test_no_argument_of_a_script_is_told(command):
    assert "hunter2" not in (script_of(shlex.split(command)) or "")


def test_the_executable_tells_the_interpreter_whatever_the_process_calls_itself():
    assert script_of(["a title", "x.py"], "/usr/bin/python3.11") == "x.py"
    assert script_of(["a title that replaced the command line"], "/usr/bin/python3.11") is None


def test_a_script_with_an_executable_of_its_own_name_is_told_by_its_interpreter():
    assert script_of(["/usr/bin/python3", "/opt/tool"], "/opt/tool") == "tool"


def test_of_a_command_line_that_is_cut_the_last_argument_is_not_believed():
    assert script_of(["java", "-cp", "a.jar", "kafka.Kaf"], is_cut=True) is None
    assert script_of(["java", "-cp", "a.jar", "kafka.Kafka", "server.prop"], is_cut=True) == "kafka.Kafka"


def test_a_name_is_no_longer_than_a_file_name_can_be():
    assert len(script_of(["python3", "-m", "x" * 100_000])) == 255


def test_a_process_without_a_command_line_has_none():
    assert script_of([]) is None
    assert script_of([], "/usr/bin/python3") is None
