"""``--explain``: chosen conversations explained instead of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.commands.output import NOTHING_FOUND, SUCCESS, say, say_degradations
from portcall.commands.output_file import write_out
from portcall.errors import UsageError
from portcall.records.schema import GROUPINGS

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    from portcall.explanation.flow_explanation import FlowExplanation
    from portcall.explanation.flow_selector import FlowChoice
    from portcall.runs.offline import Outcome

MOST_EXPLANATIONS = 5
FORMATS = ("table", "json", "jsonl")
_SCHEMA = 1


def add_explain_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        "--explain",
        metavar="FLOW",
        help="explain a conversation: 10.0.0.5:54823-192.0.2.1:443, :54823, ssh, or a row's number by flow",
    )


def flow_choice(options: argparse.Namespace, format_name: str) -> FlowChoice | None:
    """What is to be explained; UsageError beside options that it cannot go with: before anything is read."""
    if options.explain is None:
        return None
    if options.by not in (GROUPINGS[0], "flow"):
        raise UsageError(f"--explain is about conversations: leave out --by {options.by}")
    if options.bucket:
        raise UsageError("--explain is about whole conversations: leave out --bucket")
    if options.dissect:
        raise UsageError("--explain and --dissect print something else each: leave out one of them")
    if format_name not in FORMATS:
        raise UsageError(f"--explain writes sentences, which {format_name} has no place for: use {', '.join(FORMATS)}")
    from portcall.explanation.flow_selector import parse_choice

    return parse_choice(options.explain)


def show_explanations(outcome: Outcome, choice: FlowChoice, format_name: str, output: str | None) -> int:
    """Print the explanations of the conversations that are meant; 1 where there are none, after saying what is near."""
    from portcall.explanation.flow_selector import chosen, conversation_text, nearest

    rows = outcome.report.rows
    indexes = chosen(rows, choice)
    if not indexes:
        near = [conversation_text(rows[index]) for index in nearest(rows, choice)]
        there = f"Nearest: {', '.join(near)}" if near else "There are no conversations"
        say(f"--explain {choice.text}: no such conversation among {len(rows)} rows. {there}")
        return NOTHING_FOUND
    if choice.row_number is not None and choice.row_number > len(rows):
        say(f"--explain {choice.text}: there are only {len(rows)} rows, so it is taken for a port")
    explanations = [_explanation(outcome, index) for index in indexes[:MOST_EXPLANATIONS]]
    write_out(output, lambda stream: _write(explanations, choice, format_name, stream))
    say_degradations(outcome.report)
    if len(indexes) > MOST_EXPLANATIONS:
        say(f"--explain {choice.text}: {len(indexes)} conversations; these are the {MOST_EXPLANATIONS} with most bytes")
    return SUCCESS


def _explanation(outcome: Outcome, index: int) -> FlowExplanation:
    from portcall.explanation.flow_explanation import explain_flow

    row, names = outcome.report.rows[index], outcome.names
    if not (names and row["protocol"]):
        return explain_flow(row, index + 1, [])
    spoke = row["client_ip"], row["server_ip"], row["first_ns"]
    is_cover = str(row["hostname_source"]).endswith("-outer")
    hidden = names.hidden_behind(*spoke, row["tls_server_name"] or "") if is_cover else ()
    return explain_flow(row, index + 1, names.answered_before(*spoke), hidden)


def _write(explanations: list[FlowExplanation], choice: FlowChoice, format_name: str, stream: TextIO) -> None:
    if format_name == "table":
        from portcall.views.explained_flow import write_explained_flows

        write_explained_flows(explanations, stream)
        return
    import json
    from dataclasses import asdict

    objects = [json.dumps(asdict(explanation)) for explanation in explanations]
    if format_name == "jsonl":
        stream.writelines(f"{one}\n" for one in objects)
    else:
        told = ",\n".join(objects)
        stream.write(f'{{"schema": {_SCHEMA}, "explain": {json.dumps(choice.text)}, "stories": [\n{told}\n]}}\n')
