"""Zeek's logs as JSON lines: what ``zeek`` says, as Zeek itself writes it with ``LogAscii::use_json``."""

from __future__ import annotations

from portcall.exports.zeek import write_json

write = write_json
