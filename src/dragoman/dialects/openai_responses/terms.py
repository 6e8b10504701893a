"""The dialect's name, path and words, and its functions for leftovers (members that have no field in the IR).

Specification: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers

OPEN_RESPONSES: Final = "openresponses-version"
"""The header of clients that follow Open Responses instead of OpenAI's specification."""
NAME: Final = "openai_responses"
LEFTOVERS: Final = Leftovers(NAME, whole=True)
leftovers: Final = LEFTOVERS.of
restore: Final = LEFTOVERS.restore
PATH: Final = "/responses"
ID_PREFIX: Final = "resp_"
SHOWN: Final = ("previous_response_id", "store", "background", "conversation")
"""Members of a response object that repeat the request. If the client's request has one of them, the client
gets its own value (for `store`, what the gateway does) instead of the provider's, because the gateway stores
and continues responses itself.
"""
TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})

ENCRYPTED: Final = "reasoning.encrypted_content"
"""The `include` value for encrypted reasoning."""
LOGPROBS: Final = "message.output_text.logprobs"
"""The `include` value for log probabilities."""


def reasoning_event(request: ir.Request) -> str:
    """Return the beginning of the names of the events with the raw text of reasoning (not with its summary)
    for this client; `.delta` or `.done` follows. It is "response.reasoning" for a client of Open Responses,
    else "response.reasoning_text". request: the client's request.
    """
    follows_open = (request.forms or {}).get("events") == "open"
    return "response.reasoning" if follows_open else "response.reasoning_text"
