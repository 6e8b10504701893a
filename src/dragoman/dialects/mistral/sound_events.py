"""Cuts Mistral's streams of sound and of transcripts into events.

Specification: the client mistralai 3.7.0 (`models/speechstreameventtypes.py`,
`models/transcriptionstreamevents.py`). Every event has its name in `type`.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from dragoman.dialects.mistral.errors import fault_of
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_object
from dragoman.wire.sse import ErrorFrame, SSESplitter

_DONE: Final = b"[DONE]"
_StructT = TypeVar("_StructT", bound=msgspec.Struct)


class Events:
    """Cuts a stream of server-sent events into events, each a decoded JSON object; `[DONE]` is left out.
    `feed` and `close` raise RequestFailed for an event that states an error, WireError for a malformed event
    and for one that is too large.
    """

    def __init__(self, most: int) -> None:
        """most: the most bytes that one event may have."""
        self._splitter = SSESplitter(most)

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        return [_event(frame) for frame in self._splitter.feed(data) if frame != _DONE]

    def close(self) -> list[dict[str, Any]]:
        return [_event(frame) for frame in self._splitter.close() if frame != _DONE]


def _event(frame: bytes) -> dict[str, Any]:
    event = decode_object(frame)
    if isinstance(frame, ErrorFrame) or event.get("type") == "error" or event.get("error") is not None:
        raise RequestFailed(fault_of(event))
    return event


def converted(event: Any, form: type[_StructT]) -> _StructT:
    """Convert an event to a struct of the class `form`. Members that the class does not have are ignored.
    Raises WireError if a required member is missing, or a member has the wrong type.
    """
    try:
        return msgspec.convert(event, form)
    except msgspec.ValidationError as error:
        raise WireError(str(error)) from error


def is_stream(kind: str) -> bool:
    """Whether a response with the media type `kind` is a stream of events."""
    return kind.startswith("text/event-stream")
