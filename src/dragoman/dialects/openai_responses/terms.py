"""The dialect's words, and what is done with members that no field carries. Knows no other protocol.

Specification: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers

OPEN_RESPONSES: Final = "openresponses-version"
"""The header by which a client says that it follows Open Responses instead of OpenAI's own description."""
NAME: Final = "openai_responses"
LEFTOVERS: Final = Leftovers(NAME, whole=True)
leftovers: Final = LEFTOVERS.of
restore: Final = LEFTOVERS.restore
PATH: Final = "/responses"

ENCRYPTED: Final = "reasoning.encrypted_content"
"""The `include` word for thoughts that come back sealed."""
LOGPROBS: Final = "message.output_text.logprobs"
"""The `include` word for log probabilities."""


def reasoning_event(request: ir.Request) -> str:
    """What the events of reasoning text are called before `.delta` and `.done`: the descriptions differ."""
    follows_open = (request.forms or {}).get("events") == "open"
    return "response.reasoning" if follows_open else "response.reasoning_text"
