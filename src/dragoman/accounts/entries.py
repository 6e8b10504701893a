r"""The bytes of a journal's segment: a head, then entries, each with a checksum. Pure.

A segment begins with 32 bytes, of which 12 say up to where the database has its records: the position in the
file (8 bytes) and the CRC-32 of these 8 bytes. Then come the entries. An entry is a mark (`\xff\xfeJ\x01`),
the CRC-32 of the entry with 0 in its place, the length of its body, its kind (1 byte), and the body. Numbers
are little-endian and unsigned. The mark cannot stand in UTF-8, so nobody can put one into a name. After
damage, reading goes on at the next mark whose checksum is right.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple
from zlib import crc32

OPENED: Final = 1
"""The kind of an entry that has the record of an exchange that is about to call a provider."""
CLOSED: Final = 2
"""The kind of an entry that has the whole record of an exchange."""
STORED: Final = 3
"""The kind of an entry that has the id of an exchange whose record went to the database another way."""
END: Final = 4
"""The kind of the last entry of a process that has ended in good order; it has no body."""

HEAD: Final = 32
"""The size of a segment's head in bytes."""
PREFIX: Final = 13
"""The bytes of an entry before its body."""
LARGEST: Final = 64_000_000
"""The most bytes of a body. An entry that states more is damaged."""
_new: Final = tuple.__new__
"""Makes an `Entry` without a call of Python code."""
_MARK: Final = b"\xff\xfeJ\x01"
_PREFIX: Final = struct.Struct("<4sIIB")
_pack_prefix: Final = _PREFIX.pack
_pack_checked: Final = struct.Struct("<IB").pack
_CHECKED: Final = 8
"""Where the part of an entry begins that follows the checksum."""
_BEFORE: Final = crc32(_MARK + bytes(4))
"""The checksum of the bytes before that part: the mark, and four zeros in the place of the checksum itself.
"""
_NAME: Final = b"DRAGOMAN"
_POSITION: Final = struct.Struct("<QI")


class Entry(NamedTuple):
    """One entry. end: where it ends in the data that was read."""

    kind: int
    body: bytes
    end: int


class Found(NamedTuple):
    """What was found in some data. entries: the whole entries. end: where reading has to go on: at the end of
    the last whole entry, or at the end of the data if nothing more can follow. damaged: how many stretches of
    bytes between the entries are not entries. torn: how many bytes at the end belong to an entry that will
    never be whole.
    """

    entries: list[Entry]
    end: int
    damaged: int = 0
    torn: int = 0


def entry_of(kind: int, body: bytes = b"") -> bytes:
    """A whole entry."""
    size = len(body)
    return _pack_prefix(_MARK, crc32(body, crc32(_pack_checked(size, kind), _BEFORE)), size, kind) + body


def head(position: int = HEAD) -> bytes:
    """The head of a segment. position: up to where the database has its records."""
    return (_NAME + position_of(position)).ljust(HEAD, b"\0")


POSITION_AT: Final = len(_NAME)
"""Where the position is in a segment."""


def position_of(position: int) -> bytes:
    """The bytes of a position in a segment's head."""
    number = position.to_bytes(8, "little")
    return number + crc32(number).to_bytes(4, "little")


def position_in(read: bytes) -> int:
    """The position that a segment's head states; `HEAD` if it is damaged or too short, so that everything is
    read again. read: the first bytes of the segment.
    """
    if len(read) < POSITION_AT + _POSITION.size:
        return HEAD
    position, checksum = _POSITION.unpack_from(read, POSITION_AT)
    right = crc32(read[POSITION_AT : POSITION_AT + 8]) == checksum
    return max(HEAD, position) if right else HEAD


def read(data: bytes, *, final: bool) -> Found:
    """Find the entries in `data`, which begins with an entry. final: True = nothing will ever follow the
    data, so an entry that is not whole at its end is torn.
    """
    found: list[Entry] = []
    at = damaged = 0
    size, view = len(data), memoryview(data)
    while at < size:
        if size - at >= PREFIX:
            mark, checksum, length, kind = _PREFIX.unpack_from(data, at)
            end = at + PREFIX + length
            # As `_end`, without its call: under load there are thousands of entries a second.
            if mark == _MARK and end <= size and crc32(view[at + _CHECKED : end], _BEFORE) == checksum:
                found.append(_new(Entry, (kind, data[at + PREFIX : end], end)))
                at = end
                continue
        following = _following(data, at + 1)
        if following is None:
            break
        damaged += 1
        at = following
    if final:
        return Found(found, size, damaged, size - at)
    return Found(found, at, damaged)


def closed_in(data: bytes) -> tuple[int, int]:
    """How many entries of the kind `CLOSED` are in `data`, which begins with an entry; and where the first
    one begins that is not whole, or has no mark. Checks no checksum, so it takes a fraction of `read`.
    """
    at = closed = 0
    size = len(data)
    while size - at >= PREFIX:
        mark, _, length, kind = _PREFIX.unpack_from(data, at)
        end = at + PREFIX + length
        if mark != _MARK or end > size:
            break
        closed += kind == CLOSED
        at = end
    return closed, at


def _end(data: bytes, at: int) -> int | None:
    """Where the entry at `at` ends; None = there is no whole entry."""
    if len(data) - at < PREFIX:
        return None
    mark, checksum, length, _ = _PREFIX.unpack_from(data, at)
    end: int = at + PREFIX + length
    if mark != _MARK or length > LARGEST or end > len(data):
        return None
    return end if crc32(data[at + _CHECKED : end], _BEFORE) == checksum else None


def _following(data: bytes, at: int) -> int | None:
    """Where the next whole entry begins, at `at` or later; None = there is none."""
    while (at := data.find(_MARK, at)) >= 0:
        if _end(data, at) is not None:
            return at
        at += 1
    return None
