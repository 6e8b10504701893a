"""Encodes events that repeat a long text without copying it: as lists of byte strings that share the text's
bytes.

At the end of a text, several events each hold the whole text: the end of the text, of the part, of the item
and of the response. If each event had a copy, an answer of 100 MB would need 400 MB at its end, and more
while it is encoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from dragoman.wire.json import encode

LONG: Final = 65_536
"""The number of characters from which a text counts as long."""
_MARK: Final = b"\x01"
"""Stands for a long text. JSON escapes control characters, so this byte cannot come from a value."""


class Shared:
    """The long texts of one stream. Equal texts are encoded once. An event is first encoded with a mark in
    place of each long text (`json`), and then cut at these marks (`cut`, `events`).
    """

    def __init__(self) -> None:
        self._encoded: dict[str, bytes] = {}
        self._found: list[bytes] = []
        """The texts of the marks so far, in order."""

    def json(self, value: Any) -> bytes:
        """Return the JSON of a value, with a mark (one byte) in place of each long text. The results of
        several calls must be given to `cut` together, joined in the order of these calls.
        """
        return encode(self._marked(value))

    @property
    def marked(self) -> bool:
        """Whether `json` has written a mark since the last cut."""
        return bool(self._found)

    def size(self, value: Any) -> int:
        """Return the size of a value's JSON in bytes, with the long texts in it. Must not be called while
        `marked` is true.
        """
        return sum(map(len, self.cut(self.json(value))))

    def cut(self, written: bytes) -> list[bytes]:
        """Cut JSON at its marks. written: the results of all calls of `json` since the last cut, joined in
        order; other bytes may stand between them. The result begins and ends with a piece of the JSON around
        the long texts; every second piece is a long text, as JSON. Without marks, the result is [written].
        """
        if not self._found:
            return [written]
        found, self._found = self._found, []
        pieces: list[bytes] = []
        for around, text in zip(written.split(_MARK), [*found, b""], strict=True):
            pieces += [around, text]
        return pieces[:-1]

    def events(self, written: bytes, end: bytes) -> list[list[bytes]]:
        """Cut `written` into events; each event is a list of pieces, as `cut` makes them. written: as for
        `cut`: the results of all calls of `json` since the last cut, with other bytes between them. end: the
        bytes at the end of every event; `written` must end with them.
        """
        events: list[list[bytes]] = []
        event: list[bytes] = []
        for place, piece in enumerate(self.cut(written)):
            if place % 2:
                event.append(piece)
                continue
            *ended, begun = piece.split(end)
            for rest in ended:
                events.append([*event, rest + end])
                event = []
            if begun:
                event.append(begun)
        return events

    def _marked(self, value: Any) -> Any:
        if type(value) is str:
            if len(value) < LONG:
                return value
            encoded = self._encoded.get(value)
            if encoded is None:
                encoded = self._encoded[value] = encode(value)
            self._found.append(encoded)
            return msgspec.Raw(_MARK)
        if type(value) is dict:
            return {key: self._marked(one) for key, one in value.items()}
        if type(value) is list:
            return [self._marked(one) for one in value]
        return value


def any_long(values: Iterable[Any]) -> bool:
    """Whether one of the values is a text of at least `LONG` characters."""
    return any(type(one) is str and len(one) >= LONG for one in values)
