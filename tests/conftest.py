"""What all tests share: how they are spread over processors, which are quick, and that Ctrl-C means Ctrl-C.

``pytest`` starts a worker for each processor (pytest-xdist); the tests of one file stay on one worker, in order. Files
with tests that take long come first, or one worker would end with them while the others have nothing to do.
``pytest -n 0`` runs in one process, for a debugger.

``pytest --quick`` runs the first case of each test, and leaves out generated examples, what needs root, the corpus or
some seconds, and modules that start programs. No list names tests, so a new one is quick from its first day.
"""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

from examples import examples

NOT_QUICK = {"slow", "corpus", "root"}
LONGEST_FIRST = ("corpus", "slow", "root")

settings.register_profile("portcall", deadline=None, max_examples=examples(100))  # a busy neighbour is no fault of ours
settings.load_profile("portcall")
if not os.access(Path(__file__).parent.parent, os.W_OK):  # somebody else's: there is no place for failing examples
    settings.register_profile("portcall", settings.get_profile("portcall"), database=None)
    settings.load_profile("portcall")


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="run the first case of each test that takes no seconds")


def pytest_configure():
    # A job in the background has SIGINT ignored, and so would have the programs that tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests make tables of megabytes again and again. Mapped, as in a process that makes one, they cost what is touched;
    # but glibc, once it has freed one, takes the next from the heap and zeroes all of it. Workers start with this.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(1 << 17))


@pytest.hookimpl(trylast=True)  # once every test has its markers
def pytest_collection_modifyitems(config, items):
    if config.getoption("--quick"):
        first_cases, others = split_off_quick(items)
        config.hook.pytest_deselected(items=others)
        items[:] = first_cases
    items[:] = with_long_files_first(items)


def with_long_files_first(items):
    """The tests, those of one file together: files with a marker that says they take long before all others."""
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    return [item for file in sorted(files.values(), key=_rank) for item in file]


def _rank(items):
    """Of one file's tests; those that say nothing of their time are ranked by their number."""
    markers = {marker.name for item in items for marker in item.iter_markers()}
    return [name not in markers for name in LONGEST_FIRST], -len(items)


def split_off_quick(items):
    """The first case of each test without a marker that says it is not quick, and all the rest."""
    seen, quick, others = set(), [], []
    for item in items:
        test = item.nodeid.partition("[")[0]
        is_first = test not in seen and not is_hypothesis_test(item.obj) and not hasattr(item.module, "subprocess")
        is_quick = is_first and NOT_QUICK.isdisjoint(marker.name for marker in item.iter_markers())
        seen.add(test)
        (quick if is_quick else others).append(item)
    return quick, others
