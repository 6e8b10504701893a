"""Fake providers that refuse what the real ones refuse, in their own words.

A lenient stub proves that something arrived; a strict one also that the provider would have taken it. Each
knows the types of its official client, closed, and the rules that no type holds.
"""

from __future__ import annotations

from collections.abc import Callable

from dragoman.testing.provider import Answer, Script, Seen, Whole
from tests.e2e import stubs
from tests.e2e.strict import (
    anthropic,
    bedrock,
    cohere,
    gemini,
    mistral,
    ollama,
    openai_chat,
    openai_completions,
    openai_responses,
)
from tests.e2e.strict.typed import Refused

JUDGES: dict[str, Callable[[Seen], None]] = {
    "openai_chat": openai_chat.judge,
    "openai_responses": openai_responses.judge,
    "openai_completions": openai_completions.judge,
    "anthropic": anthropic.judge,
    "gemini": gemini.judge,
    "mistral": mistral.judge,
    "cohere": cohere.judge,
    "bedrock": bedrock.judge,
    "ollama": ollama.judge,
}


def held(dialect: str, script: Script) -> Script:
    """This answer, for requests that the provider of this dialect accepts; others get its error."""

    def answer(seen: Seen) -> Answer:
        try:
            JUDGES[dialect](seen)
        except Refused as refused:
            return worded(dialect, refused)
        return script(seen) if callable(script) else script

    return answer


def worded(dialect: str, refused: Refused) -> Whole:
    """A refusal as this provider states it."""
    place = f"{refused.path}: " if refused.path else ""
    if dialect in {"openai_chat", "openai_responses", "openai_completions"}:
        code = refused.code or "invalid_value"
        return stubs.refusal(dialect, refused.status, code, refused.message, refused.path or None)
    if dialect == "mistral" and refused.code is None and refused.status == 400:
        mistake = {"type": "value_error", "loc": ["body", refused.path], "msg": refused.message}
        error = {"message": {"detail": [mistake]}, "type": "invalid_request_error", "param": None}
        return Whole({"object": "error", **error, "code": None, "raw_status_code": 422}, 422)
    if dialect == "mistral" and refused.code is not None:
        kind = "invalid_function_call" if refused.code == "3280" else "invalid_request_message_order"
        said = {"message": refused.message, "type": kind, "param": None, "code": refused.code}
        return Whole({"object": "error", **said}, refused.status)
    if dialect == "mistral":
        return Whole({"detail": refused.message}, refused.status)
    if dialect == "cohere":
        return Whole({"id": "e-1", "message": place + refused.message}, refused.status)
    if dialect == "bedrock":
        return bedrock.error(refused.status, bedrock.EXCEPTIONS[refused.status], place + refused.message)
    if dialect == "ollama":
        return Whole({"error": place + refused.message}, refused.status)
    kinds = {401: "authentication_error", 404: "not_found_error"}
    kind = kinds.get(refused.status, "invalid_request_error")
    return stubs.refusal(dialect, refused.status, kind, place + refused.message)
