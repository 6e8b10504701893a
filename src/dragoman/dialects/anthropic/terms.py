"""The dialect's words, as tables: what each stands for in IR terms, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.dialects.loss import Report
from dragoman.dialects.seals import TAG
from dragoman.ir import Extra, Stop

NAME = "anthropic"
VERSION_HEADER = "anthropic-version"
BETA_HEADER = "anthropic-beta"
VERSION = "2023-06-01"
"""The version asked for unless the client names one. 2026-10-21 refuses every sampling parameter."""
THREADS = "thread_unsupported_request"
"""The error code by which clients know that a conversation cannot be kept for them."""
FOREIGN = (f'"{TAG}'.encode(), b'"signature":""', b'"signature": ""')
"""What stands in a client's body that brings back thoughts of another protocol's provider: a tagged
signature, or the empty one of a thought that nobody signed.
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
"""The reasons "broken", "error" and "other" have no word."""

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


def leftovers(value: Mapping[str, Any], known: frozenset[str]) -> Extra:
    """The keys of one wire object that no field carries, as `extra`."""
    if value.keys() <= known:
        return None
    return {NAME: {key: kept for key, kept in value.items() if key not in known}}


def restore(out: dict[str, Any], extra: Extra, report: Report, where: str) -> None:
    """Put our own leftovers back in their place; name those of other dialects as lost."""
    for dialect, keys in (extra or {}).items():
        for key, value in keys.items():
            if dialect != NAME:
                if value is not None:
                    report.lose(f"{where}.{key}" if where else key, "has no counterpart here", "hint")
                continue
            head, _, tail = key.partition(".")
            inner = out.get(head) if tail else None
            if isinstance(inner, dict):
                inner[tail] = value
            else:
                out[key] = value
