"""The name under which OpenAI's chat, and the operations beside it, keep members that no field carries."""

from __future__ import annotations

from typing import Final

from dragoman.dialects.leftovers import Leftovers

NAME: Final = "openai_chat"
LEFTOVERS: Final = Leftovers(NAME)
leftovers: Final = LEFTOVERS.of
restore: Final = LEFTOVERS.restore
