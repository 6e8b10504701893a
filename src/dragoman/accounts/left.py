"""Reads what a process that has ended has left for the ledger in its journal: what it could not report to the
store of shared limits, and the records of its exchanges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from dragoman.accounts.bodies import decode, id_of
from dragoman.accounts.entries import CLOSED, HEAD, OPENED, STORED, UNREPORTED, Entry, read
from dragoman.state.usage import UsageRecord


def unreported(newest: Path) -> bytes:
    """Return what the process could not report (`Ledger.unreported`); b"" = nothing. newest: the last segment
    of its journal. Each segment begins with what was not reported then, so the others are not needed. Reads a
    file. Raises OSError.
    """
    report = b""
    for entry in _entries(newest):
        if entry.kind == UNREPORTED:
            report = entry.body
    return report


def records(segments: Sequence[Path]) -> Iterator[list[UsageRecord]]:
    """Yield the records that may have to be charged to limits: a list for each segment of the journal with
    those of ended exchanges, then a list of those that were open, with `cut` set. Records that charge no
    limit, or cannot be decoded, are left out; those that the database has already are not. segments: in their
    order; those that somebody has deleted are left out. Each step reads a file. Raises OSError.
    """
    opened: dict[str, bytes] = {}
    for segment in segments:
        with suppress(FileNotFoundError):
            yield _closed(_entries(segment), opened)
    cut = (_decoded(body) for body in opened.values())
    yield [msgspec.structs.replace(one, cut=True) for one in cut if one is not None]


def _closed(entries: Sequence[Entry], opened: dict[str, bytes]) -> list[UsageRecord]:
    """Return the records of exchanges that these entries end. opened: {id of an open exchange: body of its
    entry}, which is changed by the entries.
    """
    found: list[UsageRecord] = []
    for kind, body, _ in entries:
        if kind == OPENED:
            if (id_ := id_of(body)) is not None:
                opened[id_] = body
        elif kind == STORED:
            opened.pop(body.decode(errors="replace"), None)
        elif kind == CLOSED:
            if (id_ := id_of(body)) is not None:
                opened.pop(id_, None)
            if (record := _decoded(body)) is not None:
                found.append(record)
    return found


def _entries(segment: Path) -> Sequence[Entry]:
    return read(segment.read_bytes()[HEAD:], final=True).entries


def _decoded(body: bytes) -> UsageRecord | None:
    """Return the record in a body; None = it charges no limit, or cannot be decoded."""
    try:
        record = decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # the chain counts it as damage
        return None
    return record if record.settled else None
