"""Base classes of the relays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from dragoman import ir
from dragoman.wire.json import decode_head, encode_head

UNREADABLE: Final = (
    *(msgspec.MsgspecError, UnicodeDecodeError, RecursionError),  # no JSON
    *(KeyError, TypeError, AttributeError),  # JSON of an unknown shape
)
_decode = msgspec.json.Decoder().decode


class BodyRelay(ABC):
    """The base of the relays of chat. It holds no state. member: the name of the member with the usage."""

    member: ClassVar[str] = "usage"

    def request(self, head: Mapping[str, Any], edits: Mapping[str, Any]) -> bytes:
        """The body with its top-level keys set, replaced or, for UNSET, removed."""
        body = {**head, **edits}
        for key, value in edits.items():
            if value is msgspec.UNSET:
                del body[key]
        return encode_head(body)

    def ask_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """No edits: every stream states its usage."""
        return {}

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        """The body with this usage, unless it states a usage already."""
        head = decode_head(body)
        if self.member in head and _decode(head[self.member]):
            return body
        return encode_head({**head, self.member: self._counts(usage)})

    @abstractmethod
    def _counts(self, usage: ir.Usage) -> Any:
        """The usage in the protocol's form."""


class WholeAnswerRelay:
    """The base of the relays of operations without streamed answers."""

    def seen(self, frame: bytes) -> ir.Usage | None:
        """None: there are no events."""
        return None
