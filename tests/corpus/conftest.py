"""The corpus: several thousand flows of other projects' captures, with what other tools say of them.

It is taken from PORTCALL_CORPUS, or from ``../shared/corpus`` beside the repository; without it these tests skip, and
say so. Where it is named or lies there, they never skip: whoever has it must be able to trust a green run. The score is
printed at the end and kept in ``.pytest_cache/v/corpus/scores``, a file for each worker; ``tests/run`` empties that
folder first and looks there afterwards.
"""

import importlib.util
import json
import os
import tarfile
from pathlib import Path

import pytest
from corpus_reports import Corpus

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
SCORE = f"corpus/scores/{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("corpus")


def pytest_collection_finish(session):
    session.config.cache.set(SCORE, None)


def pytest_terminal_summary(terminalreporter, config):
    workers = sorted((config.cache._cachedir / "v" / SCORE).parent.glob("*"))
    lines = [line for worker in workers for line in json.loads(worker.read_text(encoding="utf-8")) or ()]
    if lines:
        terminalreporter.section("corpus")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def score(request):
    """Lines for the score: what is added here is printed at the end, and kept."""
    lines = []
    yield lines
    request.config.cache.set(SCORE, lines)


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory):
    """The public half, unpacked once a session."""
    named = os.environ.get("PORTCALL_CORPUS")
    archive = (Path(named) if named else BESIDE) / "public.tar.xz"
    if not archive.exists():
        absent = f"the capture corpus is not here: {archive} (name its folder in PORTCALL_CORPUS)"
        (pytest.fail if named or BESIDE.exists() else pytest.skip)(absent)
    folder = tmp_path_factory.mktemp("corpus")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "public"


@pytest.fixture(scope="session")
def zeek_logs():
    """Capture → log → what Zeek's own tests expect there."""
    beside = Path(os.environ.get("PORTCALL_CORPUS") or BESIDE)
    return json.loads((beside / "zeek_logs.json").read_text())


@pytest.fixture(scope="session")
def corpus(corpus_folder):
    """Its captures with their oracles, and what we read of them, read once."""
    index = json.loads((corpus_folder / "index.json").read_text())
    return Corpus(corpus_folder, index)


@pytest.fixture(scope="session")
def compare(corpus_folder):
    """The corpus's own comparison script."""
    spec = importlib.util.spec_from_file_location("compare", corpus_folder / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
