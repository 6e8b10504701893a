"""The name under which OpenAI's chat and operations keep unknown members, and functions that do it."""

from __future__ import annotations

from typing import Final

from dragoman.dialects.leftovers import Leftovers

NAME: Final = "openai_chat"
LEFTOVERS: Final = Leftovers(NAME)
leftovers: Final = LEFTOVERS.of
restore: Final = LEFTOVERS.restore
