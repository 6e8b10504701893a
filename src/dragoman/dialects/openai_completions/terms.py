"""The dialect's own words. What it shares with chat (stops, errors, usage) is chat's."""

from __future__ import annotations

from typing import Final

from dragoman.dialects.leftovers import Leftovers

NAME: Final = "openai_completions"
_own: Final = Leftovers(NAME)
leftovers: Final = _own.of
restore: Final = _own.restore
PATH: Final = "/completions"
OBJECT: Final = "text_completion"
ID_PREFIX: Final = "cmpl-"

PROMPTS: Final = "prompts"
"""A Native of several prompts in one request."""
TOKENS: Final = "tokens"
"""A Native of a prompt, or several, in numbers of tokens."""
SUFFIX: Final = "suffix"
"""A Native of what follows the text that is to be written."""
