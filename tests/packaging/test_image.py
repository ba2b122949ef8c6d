"""The Dockerfile keeps to what hadolint asks for, runs as nobody, and the page says which rights `live` needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import image
from release_tools import ReleaseError

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "packaging" / "Dockerfile").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
LINES = [line for line in TEXT.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
INSTRUCTIONS = [tuple(line.split(maxsplit=1)) for line in LINES]


def stages():
    """The instructions of each stage, from its FROM on; what stands before the first is not of any."""
    found = []
    for name, words in INSTRUCTIONS:
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, re.sub(r"\s+", " ", words)))
    return found


def test_only_instructions_of_images_are_in_it_and_no_file_comes_from_elsewhere():
    assert {name for name, _ in INSTRUCTIONS} <= {
        *("ARG", "CMD", "COPY", "ENTRYPOINT", "FROM", "LABEL", "RUN", "USER", "WORKDIR"),
    }
    assert not re.search(r"https?://|curl|wget|\bsudo\b", TEXT)


def test_its_base_has_a_tag():
    (base,) = (words.partition("=")[2] for name, words in INSTRUCTIONS if name == "ARG" and words.startswith("BASE"))

    assert re.fullmatch(r"debian:(?!latest)[a-z]+-slim", base)


def test_make_image_builds_on_the_release_of_debian_that_the_dockerfile_names():
    base = image.base_of(TEXT)

    assert f"ARG BASE={base}" in TEXT
    assert f"ARG BASE=debian:{image.suite_of(base)}-slim" in TEXT
    with pytest.raises(ReleaseError, match="no slim image of Debian"):
        image.base_of("ARG BASE=alpine:3\nFROM ${BASE}\n")


def test_it_asks_the_index_that_is_asked_here_with_certificates_that_stay_outside():
    said = image.pip_settings("global.index-url='https://index.example/simple'\nglobal.timeout='9'\n")

    assert said == f"[global]\ncert = {image.INSIDE}\nindex-url = https://index.example/simple\n"
    assert image.pip_settings("") == f"[global]\ncert = {image.INSIDE}\n"


def test_packages_are_installed_without_what_they_recommend_and_lists_are_left_in_no_last_stage():
    installs = [words for _, words in INSTRUCTIONS if "apt-get install" in words]

    assert len(installs) == 2
    assert all(re.search(r"apt-get update +&& +apt-get install --yes --no-install-recommends", one) for one in installs)
    (last,) = (words for name, words in stages()[-1] if name == "RUN")
    assert last.endswith("&& rm -rf /var/cache/apt/* /var/lib/apt/lists/*")


def test_it_runs_as_nobody_and_gets_signals_itself():
    *_, (user, number), (entry, program), (command, words) = stages()[-1]

    assert (user, number) == ("USER", "65534:65534")
    assert (entry, program) == ("ENTRYPOINT", '["/opt/portcall/bin/portcall"]')
    assert (command, words) == ("CMD", '["--help"]')


def test_nothing_of_the_folder_but_the_wheel_is_copied():
    copied = [words for name, words in INSTRUCTIONS if name == "COPY" and "--from=" not in words]
    ignored = (ROOT / "packaging" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()

    assert copied == ["portcall-*-abi3-manylinux*.whl /wheel/"]
    assert [line for line in ignored if not line.startswith("#")] == ["*", "!portcall-*-abi3-manylinux*.whl"]


def test_the_page_takes_all_rights_away_before_it_gives_some():
    (line,) = re.findall(r"(?m)^    docker run (.+portcall live.*)$", PAGE.replace("\\\n", ""))
    given = set(re.findall(r"--cap-add (\w+)", line))

    assert "--cap-drop ALL" in line
    assert {"--network host", "--pid host"} <= set(re.findall(r"--\w+ host", line))
    assert given == {"NET_RAW", "SYS_PTRACE", "SETUID", "SETGID", "SETPCAP"}
    assert {"NET_ADMIN", "BPF", "PERFMON"} <= set(re.findall(r"`([A-Z_]+)`", PAGE))
