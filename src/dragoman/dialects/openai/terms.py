"""The dialect name of OpenAI's chat, under which chat and the operations keep leftovers; functions for
leftovers.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.leftovers import Leftovers

NAME: Final = "openai_chat"
LEFTOVERS: Final = Leftovers(NAME)
leftovers: Final = LEFTOVERS.of
restore: Final = LEFTOVERS.restore
