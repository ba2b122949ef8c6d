"""Every capture of the corpus that is read ahead, hostile ones too, says the same with any number of threads."""

from __future__ import annotations

from portcall.runs.stages import work_ahead
from portcall.sources import rooms
from runs.stages.test_work_ahead import told


def test_every_capture_of_the_corpus_says_the_same(corpus_folder, monkeypatch):
    monkeypatch.setattr(rooms, "WINDOW_BYTES", 1 << 13)
    monkeypatch.setattr(rooms, "HEAD_BYTES", 1 << 11)
    monkeypatch.setattr(rooms, "FRAMES_AT_ONCE", 1 << 6)
    least = work_ahead._LEAST_WINDOWS * rooms.WINDOW_BYTES  # smaller ones are read by one thread
    files = (path for path in corpus_folder.rglob("*") if path.is_file() and path.suffix != ".json")
    paths = sorted(path for path in files if path.stat().st_size >= least)

    assert len(paths) > 100
    with_one = {path: told(path, jobs=1) for path in paths}
    assert [(str(path), jobs) for path in paths for jobs in (2, 7) if told(path, jobs=jobs) != with_one[path]] == []
