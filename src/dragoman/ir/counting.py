"""The answer of the operation that counts the tokens of a prompt and generates nothing. The request of this
operation is a chat request.
"""

from __future__ import annotations

from dragoman.ir.blocks import Value
from dragoman.ir.usage import Usage


class TokenCount(Value, frozen=True):
    """The number of tokens of a whole prompt. model: the upstream's name for the model, None = not stated.
    usage: the tokens that the upstream stated with the count, None = not stated.
    """

    tokens: int
    model: str | None = None
    usage: Usage | None = None
