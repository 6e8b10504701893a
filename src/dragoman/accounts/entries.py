r"""Encodes and decodes a segment of a journal: a head, then entries, each with a checksum. Pure.

The head has 32 bytes: the text `DRAGOMAN`, then the position up to which the database has the segment's
records (8 bytes), the CRC-32 of these 8 bytes, and zeros. An entry is a mark (`\xff\xfeJ\x01`), a CRC-32, the
length of the body in bytes (4 bytes), the entry's kind (1 byte), and the body. The CRC-32 is that of the
whole entry with four zero bytes in the place of the CRC-32. Numbers are little-endian and unsigned. The mark
is not valid UTF-8, so no text in a body can contain it. After damage, reading continues at the next entry
whose checksum is right and whose body is not larger than `LARGEST`.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple
from zlib import crc32

OPENED: Final = 1
"""The kind of an entry with the record of an exchange that is about to call a provider. The next segment
begins with those of all exchanges that are still open.
"""
CLOSED: Final = 2
"""The kind of an entry with the complete record of an exchange that has ended."""
STORED: Final = 3
"""The kind of an entry with the id of an exchange whose record the database has already got from the memory
of the process.
"""
END: Final = 4
"""The kind of the last entry of a process that has closed its journal while no exchange was open and the disk
worked; it has no body.
"""

UNREPORTED: Final = 5
"""The kind of an entry with what the ledger of the process has not been able to report to the store of shared
limits (`Ledger.unreported`). The latest one counts; no body = it has reported everything.
"""

HEAD: Final = 32
"""The size of a segment's head in bytes."""
PREFIX: Final = 13
"""The number of bytes of an entry before its body."""
LARGEST: Final = 64_000_000
"""The most bytes of a body of the entries that are searched for after damage (`_end`)."""
_new: Final = tuple.__new__
"""Makes an `Entry` without a call of Python code."""
_MARK: Final = b"\xff\xfeJ\x01"
_PREFIX: Final = struct.Struct("<4sIIB")
_pack_prefix: Final = _PREFIX.pack
_pack_checked: Final = struct.Struct("<IB").pack
_CHECKED: Final = 8
"""The position in an entry of the bytes after the checksum."""
_BEFORE: Final = crc32(_MARK + bytes(4))
"""The CRC-32 of an entry's first 8 bytes: the mark, and four zeros in the place of the checksum."""
_NAME: Final = b"DRAGOMAN"
_POSITION: Final = struct.Struct("<QI")


class Entry(NamedTuple):
    """One entry. kind: `OPENED`, `CLOSED`, `STORED`, `END` or `UNREPORTED`; another number = of a later
    version. body: of an opened or closed exchange its usage record (`accounts.bodies`), of a stored one its
    id, of `UNREPORTED` what the ledger has written, of `END` b"". end: the position after the entry, in the
    data that was read.
    """

    kind: int
    body: bytes
    end: int


class Found(NamedTuple):
    """The entries in some data. end: the position where reading has to continue: after the last complete
    entry (0 = there is none), or at the end of the data if the data is final. damaged: how many stretches of
    bytes before or between the entries are not entries. torn: how many bytes at the end of final data are not
    a complete entry.
    """

    entries: list[Entry]
    end: int
    damaged: int = 0
    torn: int = 0


def entry_of(kind: int, body: bytes = b"") -> bytes:
    """Return the bytes of an entry of this kind with this body."""
    size = len(body)
    return _pack_prefix(_MARK, crc32(body, crc32(_pack_checked(size, kind), _BEFORE)), size, kind) + body


def head(position: int = HEAD) -> bytes:
    """Return the head of a segment. position: up to where in the segment the database has the records, in
    bytes from the segment's start; `HEAD` = it has none of them.
    """
    return (_NAME + position_of(position)).ljust(HEAD, b"\0")


POSITION_AT: Final = len(_NAME)
"""The position in a segment of the head's field that states up to where the database has the records."""


def position_of(position: int) -> bytes:
    """Return the 12 bytes by which a segment's head states a position: the number, and its checksum."""
    number = position.to_bytes(8, "little")
    return number + crc32(number).to_bytes(4, "little")


def position_in(read: bytes) -> int:
    """Return the position that a segment's head states: up to where the database has the records. Returns
    `HEAD`, so that all records are read again, if the position's checksum is wrong, the position is inside of
    the head, or `read` is too short. read: the first bytes of the segment.
    """
    if len(read) < POSITION_AT + _POSITION.size:
        return HEAD
    position, checksum = _POSITION.unpack_from(read, POSITION_AT)
    right = crc32(read[POSITION_AT : POSITION_AT + 8]) == checksum
    return max(HEAD, position) if right else HEAD


def read(data: bytes, *, final: bool) -> Found:
    """Find the entries in `data`, which should begin with an entry; bytes that are no entry are skipped if a
    complete entry follows them. final: True = nothing will be appended to the data, so an incomplete entry at
    its end is torn; False = it may become complete.
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
    """Return (the number of entries of the kind `CLOSED`, the position where counting stopped). Counting
    begins at the start of `data`, and stops at the first entry that is incomplete or has no mark, or at the
    end. Checks no checksum, so it takes a fraction of the time of `read`.
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
    """Return the position after the entry that begins at `at`; None = no complete and undamaged entry begins
    there, or its body has more than `LARGEST` bytes.
    """
    if len(data) - at < PREFIX:
        return None
    mark, checksum, length, _ = _PREFIX.unpack_from(data, at)
    end: int = at + PREFIX + length
    if mark != _MARK or length > LARGEST or end > len(data):
        return None
    return end if crc32(data[at + _CHECKED : end], _BEFORE) == checksum else None


def _following(data: bytes, at: int) -> int | None:
    """Return the position of the next complete entry, at `at` or later; None = there is none."""
    while (at := data.find(_MARK, at)) >= 0:
        if _end(data, at) is not None:
            return at
        at += 1
    return None
