"""How many tokens a prompt has. What is counted is a chat request."""

from __future__ import annotations

from dragoman.ir.blocks import Value
from dragoman.ir.usage import Usage


class TokenCount(Value, frozen=True):
    """tokens: of the whole prompt. model: the upstream's name of it, None = not told. usage: what counting
    itself cost; nobody charges for it.
    """

    tokens: int
    model: str | None = None
    usage: Usage | None = None
