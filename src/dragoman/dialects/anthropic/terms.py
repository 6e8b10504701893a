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
"""The API version in the header, unless a client of this protocol states another version. Version 2026-10-21
refuses every sampling parameter."""
THREADS = "thread_unsupported_request"
"""The error code for a request with a thread. After this error, the client sends the whole conversation."""
FOREIGN = (f'"{TAG}'.encode(), b'"signature":""', b'"signature": ""')
"""Byte strings by which a request body that has thinking of another dialect is recognised. Another body has
one of them only by chance."""

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
"""Stop reason of the IR -> `stop_reason`. For "broken", "error" and "other" there is none."""

STOPS.update(
    {
        "stop": Stop("end", raw="stop"),
        "tool_calls": Stop("tool", raw="tool_calls"),
        "length": Stop("length", raw="length"),
        "content_filter": Stop("filter", raw="content_filter"),
        "sensitive": Stop("filter", raw="sensitive"),
    }
)
"""`stop_reason` -> the stop of the IR. Compatible servers use some other words: OpenAI's, and one of Z.ai."""

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
