"""The dialect name of OpenAI's chat, under which chat and the other operations keep leftovers (members for
which the IR has no field), and the functions that collect leftovers (`leftovers`) and write them back
(`restore`).
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.leftovers import Leftovers

NAME: Final = "openai_chat"
LEFTOVERS: Final = Leftovers(NAME)
leftovers: Final = LEFTOVERS.of
restore: Final = LEFTOVERS.restore
