r"""``--where``: an expression over output columns → a test of one row.

    expression  =  term {"or" term}        term  =  factor {"and" factor}
    factor      =  "not" factor | "(" expression ")" | COLUMN operator value
    operator    =  "=" "!=" "<" "<=" ">" ">=" "~" (regular expression, anywhere in the text)
    value       =  number [kB MB GB TB KiB MiB GiB TiB ns us ms s min h] | word | "quoted" | 'quoted' | null

    bytes > 1MB and not service ~ '^(https|dns)$'        server_ip = 10.0.0.0/8        app = null

A number without a unit is in the column's own unit, see ``schema``; the derived ``duration`` is in seconds. Addresses
are compared with addresses and networks, names of hosts in any case and with or without the last dot (RFC 4343), a list
with each of its texts. Null equals only ``null``.
pyparsing is imported when there is an expression to read.
"""

from __future__ import annotations

import ipaddress
import operator
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from portcall.errors import UsageError
from portcall.queries.row_tests import (
    SIGNS,
    Comparison,
    Every,
    Failing,
    NullTest,
    Read,
    Some,
    TextTest,
    number_test,
)
from portcall.queries.typed_patterns import compile_pattern
from portcall.records.schema import LISTS, Column, columns, did_you_mean, directions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from portcall.queries.row_tests import RowTest


_UNITS: dict[str, tuple[str, int]] = {
    "B": ("bytes", 1),
    **{f"{prefix}B": ("bytes", 1000 ** (power + 1)) for power, prefix in enumerate("kMGT")},
    **{f"{prefix}iB": ("bytes", 1024 ** (power + 1)) for power, prefix in enumerate("KMGT")},
    "ns": ("ns", 1),
    "us": ("ns", 1000),
    "ms": ("ns", 10**6),
    "s": ("ns", 10**9),
    "min": ("ns", 60 * 10**9),
    "h": ("ns", 3600 * 10**9),
}
_NAMES_OF_HOSTS = frozenset({"host", "hostname", "top_host", "tls_server_name", "http_host", "query"})
_MEASURED_IN = {"s": "ns"}  # duration is counted in ns here, so that comparisons are exact
_DEFAULT_FACTOR = {"s": 10**9}
_NUMBER = re.compile(r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,2})?)([A-Za-z]*)", re.ASCII)
_EXAMPLE = "Write it like: bytes>1MB and service=https"
_MAX_LENGTH = 4096  # deeper nesting than fits in here would exhaust the parser's stack


def compile_where(text: str, by: str, also: Sequence[Column] = ()) -> RowTest:
    """A test of one row of the grouping ``by``; UsageError says what in the expression cannot be understood.

    ``also`` are other columns that may be named.
    """
    known = {**{column.name: (column, Read(column.name)) for column in also}, **_columns(by)}

    def comparison(tokens: Any) -> RowTest:  # Any: pyparsing's ParseResults, imported only below
        name, sign, (value, is_quoted) = tokens
        if name not in known:
            raise UsageError(f"--where: no column '{name}' by {by}{did_you_mean(name, tuple(known))}")
        column, read = known[name]
        return _comparison(column, read, sign, None if value == "null" and not is_quoted else value)

    if len(text) > _MAX_LENGTH:
        raise UsageError(f"--where: longer than {_MAX_LENGTH} characters. {_EXAMPLE}")
    return _parsed(text, comparison)


def _parsed(text: str, comparison: Callable[[Any], RowTest]) -> RowTest:
    import pyparsing as pp  # 80 ms that only an expression needs

    keyword = pp.CaselessKeyword
    reserved = keyword("and") | keyword("or") | keyword("not")
    quoted = pp.QuotedString("'", esc_quote="''") | pp.QuotedString('"', esc_quote='""')
    quoted.add_parse_action(lambda tokens: (tokens[0], True))
    word = ~reserved + pp.Regex(r"[^\s()'\"=!<>~]+").add_parse_action(lambda tokens: (tokens[0], False))
    sign = pp.one_of([*SIGNS, "~"])
    leaf = (~reserved + pp.Regex(r"[A-Za-z_]\w*") + sign + (quoted | word)).add_parse_action(comparison)
    expression, factor = pp.Forward(), pp.Forward()
    negated = (keyword("not").suppress() + factor).add_parse_action(lambda tokens: Failing(tokens[0]))
    factor <<= negated | pp.Suppress("(") + expression + pp.Suppress(")") | leaf
    term = factor + (keyword("and").suppress() + factor)[...]
    term.add_parse_action(lambda tokens: Every(tuple(tokens)))
    expression <<= term + (keyword("or").suppress() + term)[...]
    expression.add_parse_action(lambda tokens: Some(tuple(tokens)))
    try:
        predicate: RowTest = expression.parse_string(text, parse_all=True)[0]
    except pp.ParseBaseException as error:
        place = text[error.loc :][:20]
        raise UsageError(
            f"--where: cannot read it {f'from {place!r}' if place else 'to its end'}. {_EXAMPLE}"
        ) from error
    except RecursionError as error:
        raise UsageError(f"--where: too deeply nested. {_EXAMPLE}") from error
    return predicate


def comparable(by: str) -> dict[str, Column]:
    """What an expression about these rows may name: the output columns, and some that are derived from them."""
    return {name: column for name, (column, _) in _columns(by).items()}


def _columns(by: str) -> dict[str, tuple[Column, Read]]:
    """The same, with how each is read from a row."""
    known: dict[str, tuple[Column, Read]] = {column.name: (column, Read(column.name)) for column in columns(by)}
    if by in LISTS:
        if "bytes_sent" in known:
            both = Read("bytes_sent", operator.add, "bytes_received")
            known["bytes"] = (Column("bytes", "integer", "bytes", "both ways"), both)
        return known
    out, back = directions(by)
    for count in ("bytes", "packets", "payload"):
        unit = known[f"{count}_{out}"][0].unit
        known[count] = (
            Column(count, "integer", unit, "both ways"),
            Read(f"{count}_{out}", operator.add, f"{count}_{back}"),
        )
    duration = Read("last_ns", operator.sub, "first_ns")
    known["duration"] = (Column("duration", "integer", "s", "from the first frame to the last"), duration)
    return known


def _comparison(column: Column, read: Read, sign: str, value: str | None) -> Comparison:
    if value is None:
        if sign not in ("=", "!="):
            raise UsageError(f"--where: {column.name} {sign} null: null is only = or !=")
        return Comparison(read, NullTest(is_null=sign == "="))
    if column.type in ("integer", "integers"):
        if sign == "~":
            raise UsageError(f"--where: {column.name} is a number, and ~ is for texts")
        return Comparison(read, number_test(sign, _number(column, value)))
    if sign not in ("=", "!=", "~"):
        raise UsageError(f"--where: {column.name} is text; compare it with =, != or ~")
    holds = _text_test(column, value, is_pattern=sign == "~")
    return Comparison(read, TextTest(holds, is_negated=sign == "!="))


def _number(column: Column, text: str) -> int | Fraction:
    match = _NUMBER.fullmatch(text)
    kind, factor = _UNITS.get(match[2], ("", 0)) if match and match[2] else ("", _DEFAULT_FACTOR.get(column.unit, 1))
    if not match or not factor or (kind and kind != _MEASURED_IN.get(column.unit, column.unit)):
        raise UsageError(f"--where: {column.name} is a number{_units_for(column)}, which '{text}' is not")
    import fractions

    return fractions.Fraction(match[1]) * factor


def _units_for(column: Column) -> str:
    kind = _MEASURED_IN.get(column.unit, column.unit)
    units = [unit for unit, (measured, _) in _UNITS.items() if kind and measured == kind]
    return f" in {', '.join(units)}" if units else ""


def _text_test(column: Column, value: str, *, is_pattern: bool) -> Callable[[str], bool]:
    if is_pattern:
        return compile_pattern(value, f"--where: {column.name} ~ {value}")
    if column.type == "address":
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            pass
        else:
            return lambda text: _is_within(text, network)
    if column.name in _NAMES_OF_HOSTS or column.name.endswith("_reverse_name"):
        return partial(_is_host, value.lower().removesuffix("."))
    return partial(operator.eq, value)


def _is_host(name: str, text: str) -> bool:
    return text.lower().removesuffix(".") == name


def _is_within(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(text) in network
    except ValueError:  # a name: hosts have either
        return False
