"""Names of the completions dialect that several of its modules need."""

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
"""The kind of an ir.Native with several prompts."""
TOKENS: Final = "tokens"
"""The kind of an ir.Native with a prompt, or several prompts, of token ids."""
SUFFIX: Final = "suffix"
"""The kind of an ir.Native with `suffix`: the text that follows the model's answer."""
