"""Functions for the responses of the audio operations (speech and transcription): usage, stream events and
failures.

Specification: https://platform.openai.com/docs/api-reference/audio. Depending on the model, usage is in
tokens or in seconds of audio. Unreadable usage is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.errors import failure
from dragoman.dialects.openai.errors import fault_of
from dragoman.dialects.openai.operation import integer_of
from dragoman.dialects.openai.terms import NAME
from dragoman.errors import RequestFailed
from dragoman.wire.json import UNDECODABLE, decode_object, encode

SECONDS: Final = "audio_seconds"
"""The key in `ir.Usage.detail` for the seconds of audio, which some providers bill instead of tokens."""
DONE: Final = b"data: [DONE]\n\n"
_DETAILS: Final = {"text_tokens": "input_text", "audio_tokens": "input_audio"}
_KNOWN: Final = frozenset(
    {"type", "total_tokens", "input_tokens", "input_token_details", "output_tokens", "seconds"}
)


def decode_usage(wire: Any) -> ir.Usage | None:
    """Return the tokens and the seconds of audio that a response's `usage` (`wire`) states; None if `wire` is
    not an object. A count of a wrong type counts as not stated. Members of unknown names become leftovers.
    """
    if not isinstance(wire, dict):
        return None
    details = wire.get("input_token_details")
    detail = {
        ours: count
        for theirs, ours in _DETAILS.items()
        if isinstance(details, dict) and (count := _count(details.get(theirs))) is not None
    }
    if (seconds := _count(wire.get("seconds"))) is not None:
        detail[SECONDS] = seconds
    rest = {key: value for key, value in wire.items() if key not in _KNOWN and value is not None}
    return ir.Usage(
        integer_of(wire.get("input_tokens")),
        output=integer_of(wire.get("output_tokens")),
        detail=detail or None,
        extra={NAME: rest} if rest else None,
    )


def usage_of(body: Mapping[str, Any]) -> ir.Usage | None:
    """Return the usage of a whole transcript: the member `usage`, if it is an object, even if it
    has no known count (then `duration` is not used either); otherwise the duration of the audio in
    seconds, from the member `duration`. None = `usage` is not an object, and `duration` is not a
    number.
    """
    usage = decode_usage(body.get("usage"))
    if usage is None and (duration := _count(body.get("duration"))) is not None:
        return ir.Usage(detail={SECONDS: duration})
    return usage


def _count(value: Any) -> float | None:
    return value if type(value) in {int, float} else None


def encode_usage(usage: ir.Usage | None, duration: float | None) -> dict[str, Any] | None:
    """Return usage in OpenAI's form: the token counts if the usage has any, otherwise the seconds of audio.
    None = neither is known. usage: None = the provider stated none.

    duration: the length of the audio in seconds; None = unknown. It is used, rounded up to whole seconds,
    only if the usage states neither tokens nor seconds.
    """
    detail = usage.detail or {} if usage is not None else {}
    rest = (usage.extra or {}).get(NAME, {}) if usage is not None else {}
    if usage is not None and (usage.input is not None or usage.output is not None):
        body: dict[str, Any] = {
            "type": "tokens",
            "total_tokens": usage.total,
            "input_tokens": usage.input_total,
            "output_tokens": usage.output_total,
        }
        details = {theirs: detail[ours] for theirs, ours in _DETAILS.items() if ours in detail}
        if details:
            body["input_token_details"] = details
        return body | rest
    if (seconds := detail.get(SECONDS)) is None and duration is not None:
        seconds = -int(-duration // 1)
    return None if seconds is None else {"type": "duration", "seconds": seconds, **rest}


def refuse_failure(body: Mapping[str, Any]) -> None:
    """Raise RequestFailed if the JSON of a response or event states an error (`chat.errors.failure`)."""
    if (failed := failure(dict(body))) is not None:
        raise RequestFailed(fault_of(failed))


def seen(frame: bytes) -> ir.Usage | None:
    """Return the usage in one stream event; None = the event has none. frame: the event's data, JSON. Raises
    RequestFailed for an event with an error. Only events in which the word "usage" or "error" stands in
    quotation marks are decoded; WireError is raised if such an event is not a JSON object.
    """
    if b'"usage"' not in frame and b'"error"' not in frame:
        return None  # most events: audio or text
    event = decode_object(frame)
    if event.get("type") == "error" and "error" not in event:
        event = {"error": event}
    refuse_failure(event)
    return decode_usage(event.get("usage"))


def event(kind: str, **members: Any) -> bytes:
    """Return one stream event as an SSE frame. kind: the event's `type`. members: its other members."""
    return b"data: " + encode({"type": kind, **members}) + b"\n\n"


def object_of(data: bytes) -> dict[str, Any] | str:
    """Return the JSON value of a response: an object or a text. Raises RequestFailed for an error, WireError
    for any other value and for bytes that are not JSON.
    """
    if data.lstrip()[:1] == b'"':
        try:
            return msgspec.json.decode(data, type=str)
        except UNDECODABLE:
            pass  # reported below, with the position
    body = decode_object(data)
    refuse_failure(body)
    return body


def is_json(kind: str) -> bool:
    """Whether the media type `kind` means JSON: `application/json`, a type that ends in `+json`, or an empty
    one.
    """
    named = kind.partition(";")[0].strip().lower()
    return not named or named == "application/json" or named.endswith("+json")
