"""Base classes of the dialects' relays: for chat, and for operations that never stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec

from dragoman import ir
from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE, decode_head, encode_head

UNREADABLE: Final = (
    *UNDECODABLE,
    *(KeyError, TypeError, AttributeError),  # JSON of an unknown shape
)
"""The exceptions, besides WireError, that may be raised when a relay reads a malformed body or frame of a
provider.
"""
_decode = msgspec.json.Decoder().decode


class BodyRelay(ABC):
    """The base class of the relays of chat (`relay.Relay`); it has no state. member: the name of the
    response's top-level member that holds the usage. place: the names of the members that lead to the service
    tier in a response, the outermost first.
    """

    member: ClassVar[str] = "usage"
    place: tuple[str, ...] = ("service_tier",)

    def request(self, head: Mapping[str, Any], edits: Mapping[str, Any]) -> bytes:
        body = {**head, **edits}
        for key, value in edits.items():
            if value is msgspec.UNSET:
                del body[key]
        return encode_head(body)

    def ask_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return {}: no edit is needed. A relay of a protocol whose streams state their usage only when asked
        overrides this method.
        """
        return {}

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        head = decode_head(body)
        if self.member in head and _decode(head[self.member]):
            return body
        return encode_head({**head, self.member: self._counts(usage)})

    def tier(self, body: bytes) -> str | None:
        """Return the service tier that a response body states, in the provider's words; None = the body
        states none, or cannot be read.
        """
        try:
            value: Any = decode_head(body).get(self.place[0])
            return stated_at(_decode(value), self.place[1:]) if value is not None else None
        except (WireError, *UNREADABLE):
            return None

    @abstractmethod
    def _counts(self, usage: ir.Usage) -> Any:
        """Return this usage in the form of the response's `member`."""


def stated_at(value: Any, place: Sequence[str]) -> str | None:
    """Return the text at a place of a decoded JSON value; None = there is no text. place: the names of the
    members that lead to it, the outermost first.
    """
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


class WholeAnswerRelay:
    """The base class of the `OperationRelay`s for operations that never stream."""

    def seen(self, frame: bytes) -> ir.Usage | None:
        """Return None for every frame, because these operations have no events."""
        return None
