"""Message histories of the chat family: messages and contents read; results as text; call ids shortened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.errors import WireError

_MAX_ID: Final = 40
"""OpenAI's limit for the length of a call id, in characters."""


def read_history(
    messages: Sequence[Any], plain: frozenset[str], read: Callable[[dict[str, Any], Any, str], ir.Message]
) -> tuple[ir.Message, ...]:
    """The decoded messages. plain: roles whose messages `read` need not decode if they have only a text.

    read: decodes any other message, from the message, its role and its path.
    """
    decoded: list[ir.Message] = []
    for index, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if len(message) == 2 and type(content) is str and role in plain:
            decoded.append(ir.Message(role, (ir.Text(content),)))
        else:
            decoded.append(read(message, role, f"messages[{index}]"))
    return tuple(decoded)


def read_content(
    content: Any, where: str, read: Callable[[Sequence[Any], str], Iterable[ir.Block]]
) -> tuple[ir.Block, ...]:
    """The blocks of a message's `content`: a text, a list for `read`, or null (no block); else WireError."""
    if type(content) is str:
        return (ir.Text(content),)
    if type(content) is list:
        return tuple(read(content, where + ".content"))
    if content is None:
        return ()
    raise WireError("expected a string or an array", where + ".content", "invalid_type")


def result_text(texts: Iterable[str], block: ir.ToolResult, draft: Draft, where: str) -> str:
    """The joined texts of a tool result; of a failed one with "Error" before them, a reported change."""
    text = "\n".join(texts)
    if not block.error:
        return text
    draft.report.change(where + ".error", where, "the error is written into the text of the tool result")
    return f"Error: {text}" if text else "Error"


def short_id(call_id: str) -> str:
    """The call id; one of more than 40 characters as a hash, always the same for the same id."""
    if len(call_id) <= _MAX_ID:
        return call_id
    return "call_" + sha256(call_id.encode()).hexdigest()[:32]
