"""The dialect's own words. What it shares with chat (stops, errors, usage) is chat's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import terms as chat
from dragoman.ir import Extra

NAME: Final = "openai_completions"
PATH: Final = "/completions"
OBJECT: Final = "text_completion"

PROMPTS: Final = "prompts"
"""A Native of several prompts in one request."""
TOKENS: Final = "tokens"
"""A Native of a prompt, or several, in numbers of tokens."""
SUFFIX: Final = "suffix"
"""A Native of what follows the text that is to be written."""


def leftovers(wire: Mapping[str, Any], known: frozenset[str], within: str = "") -> Extra:
    """The members of one wire object that no field carries, as our `extra`."""
    return chat.leftovers(wire, known, within, NAME)


def restore(out: dict[str, Any], extra: Extra, report: Report, where: str) -> None:
    """Put our own leftovers back in their places; name those of other dialects as lost."""
    chat.restore(out, extra, report, where, NAME)
