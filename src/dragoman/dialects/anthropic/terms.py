"""The names of the dialect, and tables between its values and those of the IR."""

from __future__ import annotations

from typing import Final

from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.seals import TAG
from dragoman.ir import Stop

NAME = "anthropic"
_own: Final = Leftovers(NAME, nulls=True)
leftovers: Final = _own.of
restore: Final = _own.restore
VERSION_HEADER = "anthropic-version"
BETA_HEADER = "anthropic-beta"
VERSION = "2023-06-01"
"""The API version if the client states none. Version 2026-10-21 refuses every sampling parameter."""
THREADS = "thread_unsupported_request"
"""The error code that tells clients that the server cannot keep a conversation."""
FOREIGN = (f'"{TAG}'.encode(), b'"signature":""', b'"signature": ""')
"""Parts of a request body that show thinking of another protocol's provider: a tagged signature, or the empty
signature of unsigned thinking.
"""

STOPS: dict[str, Stop] = {
    "end_turn": Stop("end"),
    "tool_use": Stop("tool"),
    "max_tokens": Stop("length"),
    "stop_sequence": Stop("sequence"),
    "refusal": Stop("filter"),
    "pause_turn": Stop("pause"),
    "model_context_window_exceeded": Stop("context"),
    "compaction": Stop("compaction"),
}
STOP_WORDS: dict[str, str] = {stop.reason: word for word, stop in STOPS.items()}
"""`stop_reason` for each reason of the IR; "broken", "error" and "other" have none."""

STOPS.update(
    {
        "stop": Stop("end", raw="stop"),
        "tool_calls": Stop("tool", raw="tool_calls"),
        "length": Stop("length", raw="length"),
        "content_filter": Stop("filter", raw="content_filter"),
        "sensitive": Stop("filter", raw="sensitive"),
    }
)
"""Decoded too: `stop_reason` of compatible servers, in OpenAI's words, and Z.ai's for a filter."""

TIERS = {"auto": "auto", "standard_only": "default"}
TIER_WORDS = {"auto": "auto", "default": "standard_only", "priority": "auto", "fast": "auto"}
ANSWER_TIERS = {"standard": "default"}
ANSWER_TIER_WORDS = {"default": "standard", "priority": "priority", "batch": "batch"}

CITATIONS = {
    "char_location": "document",
    "page_location": "page",
    "content_block_location": "block",
    "search_result_location": "search_result",
    "web_search_result_location": "url",
}
