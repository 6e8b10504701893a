"""Content of a kind that nobody here knows: its own protocol's servers decide about it.

A model that is asked without it would answer half a question, so it is refused before anything is sent. What
an earlier answer holds of that kind is a loss instead, or no conversation could change its provider. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import ir
from dragoman.errors import WireError

_ASKED = frozenset({"user", "system", "developer"})
_PROMPTS = "openai_completions"
"""Its prompts are no messages; what cannot be said of them is refused by its own rules."""
_ITEMS = "openai_responses"
"""It has items beside messages, each a message of its own in the IR; they are no parts."""


def refuse_unknown(request: ir.Request) -> None:
    """Raise WireError, with a place in IR terms, for the first part of the question of an unknown kind.

    For requests that are asked in another protocol than their own.
    """
    if request.dialect == _PROMPTS:
        return
    _look(request.system, request.dialect, "system")
    for index, message in enumerate(request.messages):
        if message.role in _ASKED and not _is_item(message, request.dialect):
            _look(message.blocks, request.dialect, f"messages[{index}].blocks")


def _is_item(message: ir.Message, dialect: str) -> bool:
    return dialect == _ITEMS and message.form is None and len(message.blocks) == 1 and _is_native(message)


def _is_native(message: ir.Message) -> bool:
    return type(message.blocks[0]) is ir.Native


def _look(blocks: Sequence[ir.Block], dialect: str, where: str) -> None:
    for index, block in enumerate(blocks):
        if type(block) is ir.Text:
            continue
        if isinstance(block, ir.Native):
            if block.dialect == dialect and block.stands_for is None:
                text = (
                    f"content of the kind '{block.kind}' is unknown here and cannot be put into other words"
                )
                raise WireError(text, f"{where}[{index}]", "unsupported_value")
        elif isinstance(block, ir.ToolResult) and block.by == "client":
            _look(block.content, dialect, f"{where}[{index}].content")
