"""Our names, services and apps beside those that tshark, nDPI and Zeek found in the same captures.

Everything here takes flow rows (``portcall read --by flow``, as dictionaries) and an oracle's file, and adds up
sentences, one a flow, so that whatever differs can be read. Names of theirs are turned into words of ours by
``ndpi_names.toml``.
"""

from __future__ import annotations

import enum
import re
import sys
from argparse import Namespace
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from corpus_reports import compared_rows
from zeek_states import THEIR_ENDS, Comparison, by_ends, rows_by_ends

import portcall.dissectors
from portcall.sources.captures import open_capture

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CARRIERS = frozenset({"dns", "mdns", "llmnr", "dnscrypt"})
"""Services whose one conversation asks for many names, so that none of these is its app."""

_LABELS = ("sni", "host")
_NAMES = tomllib.loads(Path(__file__).with_name("ndpi_names.toml").read_text())
_PROTOCOLS, _APPS, _ZEEK = _NAMES["ndpi"]["protocols"], _NAMES["ndpi"]["apps"], _NAMES["zeek"]


# --- tshark: server names and Host


class AdditionalName(NamedTuple):
    """A name that tshark does not have, for somebody to judge."""

    capture: str
    flow: str
    name: str
    place: str
    """Packet and bytes."""

    def __str__(self):
        return f"{self.capture} {self.flow} {self.name!r}: {self.place}"


def judged_names():
    """(capture, name) of those that somebody has looked at and found to be there."""
    judged = tomllib.loads(Path(__file__).with_name("additional_names.toml").read_text())["name"]
    return {(entry["capture"], name) for entry in judged for name in entry["names"]}


@dataclass
class NameComparison(Comparison):
    """What the names of one or more captures came to; ``left_out`` has the flows that have no row."""

    additional: list[AdditionalName] = field(default_factory=list)
    """Names that tshark does not have."""

    def __str__(self):
        return (
            f"{len(self.same)} of {len(self.same) + len(self.different)} names are tshark's ({self.agreement:.2%}), "
            f"{len(self.additional)} more that it does not have"
        )


def compare_names(compare, entry, rows, view, result):
    """Add to ``result`` how SNI and Host of one capture's flow rows compare to tshark's, by compare.py's own rule."""
    options = Namespace(protos="all", bytes="none", times=False, tol=0, labels=True, strict_labels=False)
    ours = compared_rows(rows)
    compared = compare.compare(entry.oracle, ours, options, view)
    whys = dict(compared["wrong"]) | dict.fromkeys(compared["missing"], "no row")
    theirs = {compare.norm(flow)[0]: flow for flow in compare.view_of(entry.oracle, view) if not flow.get("noport")}
    for key, flow in theirs.items():
        for label in _LABELS:
            if flow.get(label) is not None:
                why = whys.get(key, "")
                differs = why == "no row" or f"{label} expected" in why
                line = f"{entry.name} {compare.fmtk(key)} {label} {flow[label]!r}"
                (result.different if differs else result.same).append(f"{line}: {why}")
    for row in ours:
        key, _ = compare.norm(row)
        for label in _LABELS:
            if row[label] is not None and theirs.get(key, {}).get(label) is None:
                place = where_sent(entry.path, row[label])
                flow = f"{compare.fmtk(key)} {label}"
                result.additional.append(AdditionalName(entry.name, flow, row[label], place))


def where_sent(path, name):
    """The first frame that holds a name as it is, with its bytes: for somebody who looks whether it is really there."""
    wanted = name.encode("ascii", "replace")
    for batch in open_capture(path).source.batches():
        for number, frame in enumerate(batch.frames, batch.first_number):
            start = int(frame["offset"])
            raw = batch.buffer[start : start + int(frame["captured"])].tobytes()
            at = raw.find(wanted)
            if at >= 0:
                return (
                    f"packet {number} byte {at}: {raw[max(at - 9, 0) : at].hex(' ')} | {raw[at : at + len(wanted)]!r}"
                )
    return "in no packet as it is: encrypted, compressed or in several packets"


# --- nDPI: protocol and app


class Verdict(enum.Enum):
    """What one flow of nDPI's came to."""

    SAME = "same"
    NO_APP = "we know its protocol and no app"
    """And nothing in the flow names one: nDPI goes by address lists."""
    OTHER_APP = "another app"
    OTHER_PROTOCOL = "another protocol"


@dataclass
class ServiceComparison:
    """What nDPI's flows of one or more captures came to."""

    verdicts: dict[bool, Counter] = field(default_factory=lambda: {True: Counter(), False: Counter()})
    """Whether its protocol has a dissector of ours → how many flows came to which verdict."""
    kinds: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """``nDPI's word, ours`` → the flows that differ so."""
    without_row: list[str] = field(default_factory=list)

    def agreement(self, *, dissected_only):
        """The share that is the same, or where we say no more than can be known."""
        counts = sum((self.verdicts[kind] for kind in ((True,) if dissected_only else (True, False))), Counter())
        agreed = counts[Verdict.SAME] + counts[Verdict.NO_APP]
        return agreed / counts.total() if counts else 1.0

    def __str__(self):
        counts = self.verdicts[True] + self.verdicts[False]
        told = [f"{counts[verdict]} {verdict.value}" for verdict in Verdict]
        return ", ".join([*told, f"{len(self.without_row)} without a row"])

    def lines(self):
        """The kinds of disagreement for people, most frequent first."""
        ordered = sorted(self.kinds.items(), key=lambda kind: -len(kind[1]))
        return [f"{len(flows):5} {kind}: {flows[0]}" for kind, flows in ordered]


def compare_with_ndpi(oracle, views, result):
    """Add to ``result`` how the flow rows of one capture compare to its ``oracles_ndpi`` file.

    ``views`` are lists of rows, preferred first: nDPI looks into some tunnels, so a key that the outer view lacks is
    looked up in the inner one. Only what nDPI read from the traffic counts (confidence "DPI").
    """
    ours = rows_by_ends(views)
    for flow in oracle["flows"]:
        if flow.get("confidence") != "DPI":
            continue
        (key,) = by_ends([flow], THEIR_ENDS)
        line = f"{oracle['source'].rpartition('/')[2]} {_ends_text(flow)} {flow.get('hostname') or ''}"
        if key not in ours:
            result.without_row.append(f"{line} {flow['ndpi_proto']}")
            continue
        verdict, row = best_verdict(flow, ours[key])
        result.verdicts[is_dissected(flow["ndpi_proto"])][verdict] += 1
        if verdict is not Verdict.SAME:
            ours_is = f"{row['application_protocol']}/{row['app']}" if row["application_protocol"] else "by port alone"
            result.kinds[f"{flow['ndpi_proto']}, ours {ours_is}, {verdict.value}"].append(line)


def best_verdict(flow, rows):
    """The best verdict that one of the rows on a key gets, and that row: nDPI counts a used-again key as one flow."""
    order = list(Verdict)
    return min(((verdict_of(flow, row), row) for row in rows), key=lambda judged: order.index(judged[0]))


def verdict_of(flow, row):
    """How nDPI's word for one flow compares to a row of ours."""
    protocol, app = parts_of(flow["ndpi_proto"])
    service = service_of(row)
    sent = {service, row["protocol"]} if service in CARRIERS else {service, row["protocol"], row["app"]}
    if protocol and not sent & words_for(protocol):
        return Verdict.OTHER_PROTOCOL
    if not app or service in CARRIERS or sent & words_for(app):
        return Verdict.SAME
    if protocol and row["app_source"] != "name" and not flow.get("hostname"):
        return Verdict.NO_APP
    return Verdict.OTHER_APP


def service_of(row):
    """What the traffic itself shows, else the service by port."""
    return row["application_protocol"] or row["service"]


def parts_of(ndpi_name):
    """nDPI's protocol and app, either None: ``TLS.Facebook``, ``TLS``, ``NetBIOS.SMBv1`` (two protocols), ``Viber``."""
    first, _, second = ndpi_name.partition(".")
    if second in _PROTOCOLS:
        return second, None
    if second:
        return first, second
    return (None, first) if first in _APPS else (first, None)


def words_for(ndpi_part):
    """The words of ours that mean the same as one of nDPI's."""
    return set(_PROTOCOLS.get(ndpi_part) or _APPS.get(ndpi_part) or [_plain(ndpi_part)])


def is_dissected(ndpi_name):
    """Whether a dissector of ours can say the protocol, or the app that nDPI treats as one."""
    protocol, app = parts_of(ndpi_name)
    return bool(words_for(protocol or app) & dissected_words())


@cache
def dissected_words():
    """Every word that stands in quotes in a dissector: all that they can say, and more that is no protocol's name."""
    folder = Path(portcall.dissectors.__file__).parent
    return {word for path in folder.glob("*.py") for word in re.findall(r'"([a-z0-9-]+)"', path.read_text())}


# --- Zeek: service


def compare_services(oracle, views, result):
    """Add to ``result`` how the services of one capture's flow rows compare to Zeek's, where it names one."""
    ours = rows_by_ends(views)
    for baseline in oracle["baselines"]:
        for key, logged in by_ends(baseline["flows"], THEIR_ENDS).items():
            for flow in logged:
                if not zeek_words(flow):
                    continue
                services = {service_of(row) for row in ours.get(key, ())}
                line = f"{oracle['capture']} {_ends_text(flow)} zeek {flow['service']}"
                line += f", ours {', '.join(sorted(map(str, services))) or 'no row'}"
                if not services:
                    result.left_out["no row on this key"].append(line)
                else:
                    (result.same if services & zeek_words(flow) else result.different).append(line)


def zeek_words(flow):
    """The words of ours for the services that Zeek found and did not take back (``-ftp``)."""
    named = [word for word in (flow.get("service") or "").split(",") if word and not word.startswith("-")]
    return {ours for word in named for ours in _ZEEK.get(word, [_plain(word)])}


def _ends_text(flow):
    return f"{flow['proto']} {flow['a_ip']}:{flow['a_port']} {flow['b_ip']}:{flow['b_port']}"


def _plain(name):
    return name.lower().replace("_", "-")
