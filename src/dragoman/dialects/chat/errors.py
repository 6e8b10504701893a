"""Finds errors of the chat family in responses with status 200 and in stream chunks."""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.failure import only_tells
from dragoman.dialects.typed import an_object

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
"""MiniMax's error code, sent with status 200 -> OpenAI's error code.
https://platform.minimax.io/docs/api-reference/errorcode"""


def failure(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the body that describes the error in a response or a chunk, for the decoder of errors; None if
    there is no error. It may be a new body with only the member `error`. Raises WireError if the first choice
    is not an object.

    Vendors' forms: an `error` member that is not empty; `object: "error"`; an `error` in Groq's `x_groq`; an
    `error` in the first choice. Without `choices`, also MiniMax's `base_resp` with an error code, and a body
    that has a message (`message` or `detail`, for example) and no `usage`.
    """
    if body.get("error") or body.get("object") == "error":
        return body
    if type(groq := body.get("x_groq")) is dict and groq.get("error"):
        return {"error": groq["error"]}
    choices = body.get("choices")
    if choices and type(choices) is list:
        error = an_object(choices[0], "choices[0]").get("error")
        return {"error": error} if error else None
    if choices is None and (failed := _minimax(body.get("base_resp"))) is not None:
        return failed
    return body if only_tells(body, "choices") else None


def _minimax(status: Any) -> dict[str, Any] | None:
    """Return MiniMax's `base_resp` (`status`) as an error body; None if it is not an object, or if its
    `status_code` is missing or 0, which means success.
    """
    number = status.get("status_code") if type(status) is dict else None
    if not number:
        return None
    return {"error": {"message": status.get("status_msg"), "code": _MINIMAX.get(number), "base_resp": status}}
