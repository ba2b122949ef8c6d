"""An engine of this process: tasks one after the other; if asked, twice, as where a worker was lost after its work."""

from __future__ import annotations

import json

from portcall.engines.staging import Store, parts
from portcall.engines.tasks import LakeWork, gather_names, make_rows_of_bucket, make_rows_of_over, read_range

_TASKS = {"range": read_range, "names": gather_names, "over": make_rows_of_over}


class EngineHere:
    def __init__(self, times=1):
        self._times = times

    def map(self, work, kind, tasks):
        return [self._run(_TASKS[kind], work, task) for task in tasks]

    def reduce(self, work, ranges, tasks):
        told = {}
        for one in reversed(ranges):  # a shuffle keeps no order
            for bucket, data in parts(Store(work.work), one["range"], 0, work.options.buckets):
                told.setdefault((one["sensor"], bucket), []).append((one["number"], data))
        return [self._run(make_rows_of_bucket, work, tasks[of], some) for of, some in told.items()]

    def _run(self, run, work, *asked):
        words = json.dumps(work.words())
        answers = [run(LakeWork.of_words(json.loads(words)), *asked) for _ in range(self._times)]
        assert answers[0] == answers[-1]
        return answers[0]
