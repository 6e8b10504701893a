"""Errors: what OpenAI and its compatible vendors answer with, and what our face answers with.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.failure import Body, read_body, retry_after
from dragoman.dialects.openai_chat.terms import NAME
from dragoman.dialects.openai_errors import WORDS, decode_fault, encode_answer, encode_fault
from dragoman.ir import Fault

_STATUS: Final = re.compile("[45][0-9]{2}")
_SHOWN: Final = frozenset({"innererror", "failed_generation"})
"""Members beside the usual four that clients read: Azure's filter results, Groq's failed output."""


# --- Upstream errors ---------------------------------------------------------------------------


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """The fault of an error answer. Never fails: whatever the body is, the status says something."""
    said = read_body(body, f"The provider answered with status {status}.")
    wait = retry_after(headers)
    return _fault(said, status, wait if wait is not None else _stated_delay(said))


def failure(body: dict[str, Any]) -> dict[str, Any] | None:
    """The error body inside an answer or a chunk, in any vendor's form; None where it tells no failure.

    An `error` member, `object: "error"`, an error in a choice, or an error's members and no answer.
    """
    if body.get("error") or body.get("object") == "error":
        return body
    choices = body.get("choices")
    if choices:
        error = choices[0].get("error")
        return {"error": error} if error else None
    told = choices is None and "usage" not in body and (body.get("message") or body.get("detail"))
    return body if told else None


def fault_of(frame: dict[str, Any]) -> Fault:
    """The fault of an error inside an answer or a stream; a number in `code` is its status."""
    said = read_body(frame)
    stated = (said.code, said.rest.get("status_code"), said.rest.get("status"), said.outer.get("status_code"))
    numbers = (int(text) for value in stated if _STATUS.fullmatch(text := str(value)[:4]))
    status = next(numbers, None)
    return _fault(said, status, None)


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
