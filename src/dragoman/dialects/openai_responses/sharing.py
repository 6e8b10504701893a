"""Events that repeat a long text, as pieces that hold its bytes once.

The end of a text is told four times: as the text's, the part's, the item's and the response's. Each of these
events holds all of it, so that an answer of 100 MB would be 400 MB at its end, and its copies more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from dragoman.wire.json import encode

LONG: Final = 65_536
"""Characters from which on a text is shared."""
_MARK: Final = b"\x01"
"""Stands for a long text. JSON escapes control characters, so it can stand for nothing else."""


class Shared:
    """The long texts of one stream, each encoded once. Events are written with marks, and cut there."""

    __slots__ = ("_encoded", "_found")

    def __init__(self) -> None:
        self._encoded: dict[str, bytes] = {}
        self._found: list[bytes] = []
        """What the marks that have been written stand for."""

    def json(self, value: Any) -> bytes:
        """The JSON of a value with a mark for each long text. What is written first is to be cut first."""
        return encode(self._marked(value))

    @property
    def marked(self) -> bool:
        """Whether something has been written that is to be cut."""
        return bool(self._found)

    def size(self, value: Any) -> int:
        """Bytes of a value's JSON."""
        return sum(map(len, self.cut(self.json(value))))

    def cut(self, written: bytes) -> list[bytes]:
        """What has been written, in pieces, every second of which is a long text; one piece without any."""
        if not self._found:
            return [written]
        found, self._found = self._found, []
        pieces: list[bytes] = []
        for around, text in zip(written.split(_MARK), [*found, b""], strict=True):
            pieces += [around, text]
        return pieces[:-1]

    def events(self, written: bytes, end: bytes) -> list[list[bytes]]:
        """Events that have been written, each in pieces. end: what each ends with."""
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
    """Whether a long text is among these values."""
    return any(type(one) is str and len(one) >= LONG for one in values)
