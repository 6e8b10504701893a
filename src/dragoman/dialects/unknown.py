"""Refuses to translate a question with content of an unknown kind (an `ir.Native` block), because only
servers of the content's own protocol can interpret it.

If such content were left out of a question, the model would answer only half of the question. So the request
is refused before anything is sent. Such content in an earlier answer is only reported as a loss, because
otherwise no conversation could continue at a provider of another protocol. Content that only one protocol
has, but that a text can express (a reference to a found tool), becomes this text. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman import ir
from dragoman.errors import WireError

_ASKED = frozenset({"user", "system", "developer"})
_PROMPTS = "openai_completions"
"""A protocol whose prompts are not messages. Its `check_portable` refuses requests that cannot be
translated."""
_ITEMS = "openai_responses"
"""A protocol with items beside messages. In the IR, such an item is a separate message, which is not
checked."""


def in_words(request: ir.Request) -> ir.Request:
    """Return the request for a server of another protocol. In messages of the user, the system and the
    developer, a `Native` block that a text can express (`stands_for` is a text) becomes this text.

    Raises WireError, with an IR path, for the first block of an unknown kind (`Native` of the request's own
    dialect, without `stands_for`) in the system text or these messages, also in results of a client's tool.
    Requests for plain completions, and messages that are one item of the Responses API, are not checked.
    """
    if request.dialect == _PROMPTS or ir.Native not in ir.kinds(request):
        return request
    _look(request.system, request.dialect, "system")
    worded = False
    for index, message in enumerate(request.messages):
        if message.role in _ASKED and not _is_item(message, request.dialect):
            worded = _look(message.blocks, request.dialect, f"messages[{index}].blocks") or worded
    if not worded:
        return request
    messages = [
        msgspec.structs.replace(message, blocks=tuple(map(_worded, message.blocks)))
        if message.role in _ASKED
        else message
        for message in request.messages
    ]
    return msgspec.structs.replace(request, messages=tuple(messages))


def _is_item(message: ir.Message, dialect: str) -> bool:
    blocks = message.blocks
    return dialect == _ITEMS and message.form is None and len(blocks) == 1 and type(blocks[0]) is ir.Native


def _look(blocks: Sequence[ir.Block], dialect: str, where: str) -> bool:
    """Whether `blocks`, or a result of a client's tool in `blocks`, contains a `Native` block that a text can
    express. Raises WireError for a `Native` block there that has no `stands_for` and is of the protocol
    `dialect`. dialect: the request's. where: the IR path of the blocks.
    """
    worded = False
    for index, block in enumerate(blocks):
        if type(block) is ir.Text:
            continue
        if isinstance(block, ir.Native):
            worded = worded or isinstance(block.stands_for, ir.Text)
            if block.dialect == dialect and block.stands_for is None:
                text = f"content of the type '{block.kind}' is unknown and cannot be translated"
                raise WireError(text, f"{where}[{index}]", "unsupported_value")
        elif isinstance(block, ir.ToolResult) and block.by == "client":
            worded = _look(block.content, dialect, f"{where}[{index}].content") or worded
    return worded


def _worded(block: ir.Block) -> ir.Block:
    if isinstance(block, ir.Native) and isinstance(block.stands_for, ir.Text):
        return block.stands_for
    if isinstance(block, ir.ToolResult) and any(isinstance(part, ir.Native) for part in block.content):
        return msgspec.structs.replace(block, content=tuple(map(_worded, block.content)))
    return block
