"""Functions for the message histories of the chat family: they read messages and contents, write tool results
as text, and shorten the ids of calls.
"""

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
    """Return the decoded messages of a history.

    messages: JSON objects. plain: the roles whose messages become a text block without a call of `read`, if
    they have no members except `role` and a `content` that is a string. read: decodes every other message;
    its arguments are the message, its role and its path (`messages[0]`). What it raises (WireError for an
    unknown role, for example) is raised here, too.
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
    """Return the blocks of a message's `content`: a string is one text block, a list is decoded by `read`,
    null gives no block. Raises WireError for any other value. where: the message's path. read: decodes a
    list; its arguments are the list and the path of the list.
    """
    if type(content) is str:
        return (ir.Text(content),)
    if type(content) is list:
        return tuple(read(content, where + ".content"))
    if content is None:
        return ()
    raise WireError("expected a string or an array", where + ".content", "invalid_type")


def result_text(texts: Iterable[str], block: ir.ToolResult, draft: Draft, where: str) -> str:
    """Return the texts of a tool result, joined by line breaks. If the tool failed, "Error: " goes before
    them (without any text the result is "Error"), and this is reported as a change. where: the result's IR
    path.
    """
    text = "\n".join(texts)
    if not block.error:
        return text
    draft.report.change(where + ".error", where, "the error is written into the text of the tool result")
    return f"Error: {text}" if text else "Error"


def short_id(call_id: str) -> str:
    """Return the call's id, unchanged if it has at most 40 characters. A longer id is replaced by `call_` and
    a hash of the id, together 37 characters; equal ids give equal results.
    """
    if len(call_id) <= _MAX_ID:
        return call_id
    return "call_" + sha256(call_id.encode()).hexdigest()[:32]
