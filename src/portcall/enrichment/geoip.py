"""Whose network an address is in, and in which country: from local files in MaxMind's format, never from the network.

Files differ in what they know (one has countries, another has autonomous systems) and in how they name it; what several
of them say of an address is put together, and the first that knows something wins. The database is somebody's claim and
may be damaged or hostile, and is read with root's rights by ``live``: so the reader is the one in Python, since the
compiled one dies of some damage; and values of other types than expected are not known. This is the home of
``maxminddb``, which is optional.

    MaxMind, DB-IP   country.iso_code · autonomous_system_number · autonomous_system_organization
    IPinfo           country_code (older: country) · asn "AS64500" · as_name (older: name)

Sources: maxmind.github.io/MaxMind-DB (format 2.0), dev.maxmind.com/geoip/docs/databases, ipinfo.io/developers.
"""

from __future__ import annotations

import ipaddress
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError
from portcall.records.report import Origin
from portcall.records.schema import ADDRESS_ENDS
from portcall.system.remedies import pip_install

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maxminddb.reader import Reader

    from portcall.records.column_values import Columns, ColumnValues

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_REMEMBERED = 1 << 16  # addresses whose origin is kept: of a million conversations most share theirs
_MOST_ASN = 0xFFFFFFFF  # RFC 6793
_OF_DAMAGE = (ValueError, TypeError, LookupError, RecursionError, struct.error)
"""What the reader raises, besides its own error, where bytes are not what it takes for granted."""


class Origins:
    """Several databases as one. PortcallError where one cannot be opened, or is found to be damaged when it is read."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._readers = [(path, _opened(path)) for path in paths]
        self.look_up: Callable[[str], Origin] = lru_cache(maxsize=_REMEMBERED)(self._look_up)
        """The origin of an address in text; one without country and network where no database knows it."""

    def completed(self, row: Row) -> Row:
        """A report row with the columns of country and network that its addresses stand for."""
        found: Row = {}
        for column, end in ADDRESS_ENDS.items():
            if row.get(column):
                origin = self.look_up(row[column])
                found |= {f"{end}_country": origin.country, f"{end}_network": origin.network}
        return {**row, **found}

    def completed_columns(self, columns: Columns) -> Columns:
        """The same with columns for what ``completed`` adds to a row."""
        from portcall.records.column_values import Columns, Words  # NumPy, which rows and single addresses do not need

        found: dict[str, ColumnValues] = {}
        for name, end in ADDRESS_ENDS.items():
            if name in columns.by_name:
                texts = columns.by_name[name].plain()
                origins = [self.look_up(text) if text else Origin() for text in texts]
                found[f"{end}_country"] = Words.each(origin.country for origin in origins)
                found[f"{end}_network"] = Words.each(origin.network for origin in origins)
        return Columns(len(columns), {**columns.by_name, **found})

    def _look_up(self, text: str) -> Origin:
        address = _plain_address(text)
        if address is None:
            return Origin()
        records = [record for path, reader in self._readers for record in [_record(path, reader, address)] if record]
        asn_and_name = [(asn, name) for asn, name in map(_autonomous_system, records) if asn or name]
        asn, organisation = asn_and_name[0] if asn_and_name else (None, None)
        return Origin(next(filter(None, map(_country, records)), None), asn, organisation)


def _opened(path: str) -> Reader:
    try:
        import maxminddb
    except ModuleNotFoundError as error:
        install = pip_install("portcall[geo]")
        raise PortcallError(f"--geo needs the package maxminddb. Install it: {install}") from error
    try:
        return maxminddb.open_database(path, maxminddb.MODE_MMAP)
    except OSError as error:
        raise PortcallError(f"--geo {path}: cannot be opened: {error.strerror or error}") from error
    except (maxminddb.InvalidDatabaseError, *_OF_DAMAGE) as error:
        raise PortcallError(f"--geo {path}: not a database in MaxMind's format (.mmdb): {error}") from error


def _plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address without its zone, IPv4 where it is mapped into IPv6; None for what is no address, such as a name."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _record(
    path: str, reader: Reader, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> dict[str, Any] | None:  # Any: whatever the database holds
    import maxminddb

    try:
        if address.version > reader.metadata().ip_version:
            return None  # a database of IPv4 alone
        record = reader.get(address)
    except (maxminddb.InvalidDatabaseError, *_OF_DAMAGE) as error:
        raise PortcallError(f"--geo {path}: damaged: {error}. Download it again") from error
    return record if isinstance(record, dict) else None


def _country(record: dict[str, Any]) -> str | None:
    """The two letters of ISO 3166, where the address is used, else where it is registered."""
    for key in ("country", "country_code", "registered_country"):
        found = record.get(key)
        code = found.get("iso_code") if isinstance(found, dict) else found
        if isinstance(code, str) and len(code) == 2:  # noqa: PLR2004 - letters
            return code.upper()
    return None


def _autonomous_system(record: dict[str, Any]) -> tuple[int | None, str | None]:
    number = record.get("autonomous_system_number", record.get("asn"))
    if isinstance(number, str) and number.upper().removeprefix("AS").isdecimal():
        number = int(number.upper().removeprefix("AS")[:10])
    is_number = isinstance(number, int) and 0 < number <= _MOST_ASN
    names = [record.get(key) for key in ("autonomous_system_organization", "as_name", "name")]
    return number if is_number else None, next((name for name in names if isinstance(name, str) and name), None)
