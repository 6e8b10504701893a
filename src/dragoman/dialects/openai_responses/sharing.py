"""Events that repeat a long text, as pieces that hold its bytes once.

The end of a text is told four times: as the text's, the part's, the item's and the response's. Each of these
events holds all of it, so that an answer of 100 MB would be 400 MB at its end, and its copies more.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman.wire.json import encode

LONG: Final = 65_536
"""Characters from which on a text is shared."""
_MARK: Final = b"\x01"
"""Stands for a long text. JSON escapes control characters, so it can stand for nothing else."""


class Shared:
    """The long texts of one stream, each encoded once."""

    __slots__ = ("_encoded",)

    def __init__(self) -> None:
        self._encoded: dict[str, bytes] = {}

    def parts(self, value: Any) -> list[bytes]:
        """The JSON of a value in pieces, every second of which is a long text; one piece without any."""
        found: list[bytes] = []
        marked = self._marked(value, found)
        body = encode(marked)
        if not found:
            return [body]
        parts: list[bytes] = []
        for around, text in zip(body.split(_MARK), [*found, b""], strict=True):
            parts += [around, text]
        return parts[:-1]

    def _marked(self, value: Any, found: list[bytes]) -> Any:
        """The value with a mark for each long text, which are added to `found` in the order of the JSON."""
        if type(value) is str:
            if len(value) < LONG:
                return value
            encoded = self._encoded.get(value)
            if encoded is None:
                encoded = self._encoded[value] = encode(value)
            found.append(encoded)
            return msgspec.Raw(_MARK)
        if type(value) is dict:
            return {key: self._marked(one, found) for key, one in value.items()}
        if type(value) is list:
            return [self._marked(one, found) for one in value]
        return value
