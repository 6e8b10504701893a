"""What the answers about sound have in common: what they cost, what their events tell, and failures in them.

Specification: https://platform.openai.com/docs/api-reference/audio. Costs are tokens or seconds of a
recording, by the model. Never withholds an answer because its counts cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.errors import failure
from dragoman.dialects.openai.errors import fault_of
from dragoman.dialects.openai.terms import NAME
from dragoman.errors import RequestFailed
from dragoman.wire.json import decode_object, encode

SECONDS: Final = "audio_seconds"
"""In `Usage.detail`: how long the recording is, where that is what is paid for."""
DONE: Final = b"data: [DONE]\n\n"
_DETAILS: Final = {"text_tokens": "input_text", "audio_tokens": "input_audio"}
_KNOWN: Final = frozenset(
    {"type", "total_tokens", "input_tokens", "input_token_details", "output_tokens", "seconds"}
)


def decode_usage(told: Any) -> ir.Usage | None:
    """What an answer cost; None where it does not say."""
    if not isinstance(told, dict):
        return None
    details = told.get("input_token_details")
    detail = {
        ours: count
        for theirs, ours in _DETAILS.items()
        if isinstance(details, dict) and (count := _count(details.get(theirs))) is not None
    }
    if (seconds := _count(told.get("seconds"))) is not None:
        detail[SECONDS] = seconds
    rest = {key: value for key, value in told.items() if key not in _KNOWN and value is not None}
    return ir.Usage(
        _whole(told.get("input_tokens")),
        output=_whole(told.get("output_tokens")),
        detail=detail or None,
        extra={NAME: rest} if rest else None,
    )


def _count(value: Any) -> float | None:
    return value if type(value) in {int, float} else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def encode_usage(usage: ir.Usage | None, duration: float | None) -> dict[str, Any] | None:
    """The same in OpenAI's words: tokens where they are known, else seconds, rounded up as they are billed;
    None where neither is. duration: of the recording, seconds.
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
        told = {theirs: detail[ours] for theirs, ours in _DETAILS.items() if ours in detail}
        if told:
            body["input_token_details"] = told
        return body | rest
    if (seconds := detail.get(SECONDS)) is None and duration is not None:
        seconds = -int(-duration // 1)
    return None if seconds is None else {"type": "duration", "seconds": seconds, **rest}


def refuse_failure(body: Mapping[str, Any]) -> None:
    """Raise RequestFailed where an answer or an event tells a failure."""
    if (told := failure(dict(body))) is not None:
        raise RequestFailed(fault_of(told))


def seen(frame: bytes) -> ir.Usage | None:
    """The usage that one event of a stream states. Raises RequestFailed where it tells a failure."""
    if b'"usage"' not in frame and b'"error"' not in frame:
        return None  # nearly all: pieces of sound and words
    event = decode_object(frame)
    if event.get("type") == "error" and "error" not in event:
        event = {"error": event}
    refuse_failure(event)
    return decode_usage(event.get("usage"))


def event(kind: str, **members: Any) -> bytes:
    """One event of a stream, framed."""
    return b"data: " + encode({"type": kind, **members}) + b"\n\n"


def object_of(data: bytes) -> dict[str, Any] | str:
    """A JSON answer: an object that tells no failure, or a text. Raises WireError and RequestFailed."""
    if data.lstrip()[:1] == b'"':
        try:
            return msgspec.json.decode(data, type=str)
        except msgspec.MsgspecError:
            pass  # told below, with the place
    body = decode_object(data)
    refuse_failure(body)
    return body


def is_json(kind: str) -> bool:
    """Whether a media type is JSON, or none at all."""
    named = kind.partition(";")[0].strip().lower()
    return not named or named == "application/json" or named.endswith("+json")
