"""Errors: what OpenAI and its compatible vendors answer with, and what our face answers with.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.failure import Body, read_body, retry_after, stated_status
from dragoman.dialects.openai_chat.terms import NAME
from dragoman.dialects.openai_errors import WORDS, decode_fault, encode_answer, encode_fault
from dragoman.ir import Fault

_SHOWN: Final = frozenset({"innererror", "failed_generation"})
"""Members beside the usual four that clients read: Azure's filter results, Groq's failed output."""
_MINIMAX: Final = {
    1001: "timeout",
    1002: "rate_limit_exceeded",
    1004: "invalid_api_key",
    1008: "insufficient_quota",
    1026: "content_filter",
    1027: "content_filter",
    1039: "rate_limit_exceeded",
    1041: "rate_limit_exceeded",
    2013: "invalid_request_error",
    2045: "rate_limit_exceeded",
    2049: "invalid_api_key",
    2056: "rate_limit_exceeded",
}
"""MiniMax's codes, which come with status 200, in OpenAI's words.
https://platform.minimax.io/docs/api-reference/errorcode
"""


# --- Upstream errors ---------------------------------------------------------------------------


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """The fault of an error answer. Never fails: whatever the body is, the status says something."""
    said = read_body(body, f"The provider answered with status {status}.")
    wait = retry_after(headers)
    return _fault(said, status, wait if wait is not None else _stated_delay(said))


def failure(body: dict[str, Any]) -> dict[str, Any] | None:
    """The error body inside an answer or a chunk, in any vendor's form; None where it tells no failure.

    An `error` member, `object: "error"`, an error in a choice, MiniMax's `base_resp`, or an error's members
    and no answer.
    """
    if body.get("error") or body.get("object") == "error":
        return body
    choices = body.get("choices")
    if choices:
        error = choices[0].get("error")
        return {"error": error} if error else None
    if choices is None and (failed := _minimax(body.get("base_resp"))) is not None:
        return failed
    told = choices is None and "usage" not in body and (body.get("message") or body.get("detail"))
    return body if told else None


def _minimax(status: Any) -> dict[str, Any] | None:
    """The error body for the `base_resp` of an answer without choices; its code 0 is a success."""
    number = status.get("status_code") if type(status) is dict else None
    if not number:
        return None
    return {"error": {"message": status.get("status_msg"), "code": _MINIMAX.get(number), "base_resp": status}}


def fault_of(frame: dict[str, Any]) -> Fault:
    """The fault of an error inside an answer or a stream."""
    said = read_body(frame)
    return _fault(said, stated_status(said), None)


def _fault(said: Body, status: int | None, wait: float | None) -> Fault:
    return decode_fault(NAME, said, _message(said), status, wait)


def _message(said: Body) -> str:
    """The message; a router's general one with what its provider really said."""
    metadata = said.rest.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str) or not raw:
        return said.message
    inner = read_body(raw.encode(), "").message
    return f"{said.message}: {inner}" if inner and inner not in said.message else said.message


def _stated_delay(said: Body) -> float | None:
    """Seconds to wait, where a body states them: Google's `RetryInfo`."""
    details = said.rest.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                return float(delay[:-1])
            except ValueError:
                continue
    return None


# --- Our face ------------------------------------------------------------------------------------


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an error answer."""
    return encode_answer(fault, request_id, error_member)


def error_member(fault: Fault) -> dict[str, Any]:
    """The error object of an answer, a whole body or a stream's frame."""
    error = encode_fault(fault, WORDS)
    kept = (fault.extra or {}).get(NAME, {})
    error.update({key: value for key, value in kept.items() if key in _SHOWN})
    return error
