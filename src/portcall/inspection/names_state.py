"""What a shard's traffic said of servers, in a form that merges and that can leave the process (``server_names``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.inspection.asked_questions import QuestionNumbers
from portcall.inspection.detection_table import DetectionTable
from portcall.inspection.dns_cache import DnsCache
from portcall.inspection.expected_flows import ExpectedFlows
from portcall.inspection.server_names import ServerNames
from portcall.records.plain_data import items, octets, text, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray


def merge_names(
    names: ServerNames, later: ServerNames, frames_before: int, places: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Take in what the shard that follows heard, whose rows have these places here.

    Gives the number here of each of its detections.
    """
    names.dns_cache.merge(later.dns_cache)
    names.expected_flows.merge(later.expected_flows, frames_before, places.tolist())
    names.note_secrets(later.key_log.items())
    names.bounds.count_more(later.bounds.counts())
    return names.detections.merge(later.detections)


def merge_questions(
    names: ServerNames, later: ServerNames, asked: NDArray[np.void], frames_before: int, places: NDArray[np.int64]
) -> NDArray[np.void]:
    """ASKED[m] of the shard that follows, as it is in the table that both have, whose rows have these places."""
    if not (names.questions and later.questions):
        return asked
    numbers = names.questions.merge(later.questions)[asked["question"]]
    moved: NDArray[np.void] = asked[numbers >= 0].copy()
    names.questions.left_out += len(asked) - len(moved)
    moved["question"], moved["row"] = numbers[numbers >= 0], places[moved["row"]]
    moved["number"] += np.uint64(frames_before)
    return moved


def arrays_of_names(names: ServerNames) -> dict[str, NDArray[Any]]:
    """The columns of what was heard."""
    return {"answers": names.dns_cache.answers()}


def plain_names(names: ServerNames) -> dict[str, Any]:
    """What belongs to the columns, as lists, texts and numbers."""
    return {
        "with_details": names.with_details,
        "questions": names.questions and names.questions.plain(),
        "detections": names.detections.plain(),
        "left_out": names.left_out,
        "unfinished": names.detections.unfinished,
        "beyond_bounds": names.bounds.counts(),
        "dns": names.dns_cache.plain(),
        "expected": names.expected_flows.plain(),
        "secrets": [[label, who.hex(), secret.hex()] for (label, who), secret in names.key_log.items()],
    }


def names_of_plain(plain: dict[str, Any], arrays: dict[str, NDArray[Any]], rows: int) -> ServerNames:
    """What gave these, of a table with so many rows. ValueError for what nothing can give."""
    questions = plain["questions"]
    names = ServerNames(with_details=bool(plain["with_details"]))
    names.questions = None if questions is None else QuestionNumbers.of_plain(questions)
    names.detections = DetectionTable.of_plain(plain["detections"], whole(plain["left_out"]))
    names.detections.unfinished = whole(plain["unfinished"])
    names.dns_cache = DnsCache.of_plain(plain["dns"], arrays["answers"], names.bounds)
    names.expected_flows = ExpectedFlows.of_plain(plain["expected"], rows, names.bounds)
    secrets = (items(one, 3) for one in items(plain["secrets"]))
    names.note_secrets(((text(label), octets(who)), octets(secret)) for label, who, secret in secrets)
    names.bounds.count_more(plain["beyond_bounds"])
    return names
