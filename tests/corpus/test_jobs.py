"""Every capture of the corpus, hostile ones too, says the same with any number of threads."""

from __future__ import annotations

import pytest

from portcall.sources import rooms
from runs.stages.test_work_ahead import told


@pytest.mark.parametrize("jobs", [2, 3, 7])
def test_every_capture_of_the_corpus_says_the_same(corpus_folder, monkeypatch, jobs):
    monkeypatch.setattr(rooms, "WINDOW_BYTES", 1 << 13)
    monkeypatch.setattr(rooms, "HEAD_BYTES", 1 << 11)
    monkeypatch.setattr(rooms, "FRAMES_AT_ONCE", 1 << 6)
    paths = sorted(path for path in corpus_folder.rglob("*") if path.is_file() and path.suffix != ".json")

    assert len(paths) > 100
    assert [str(path) for path in paths if told(path, jobs=jobs) != told(path, jobs=1)] == []
