"""Shortcuts for histories that need no repair. Most histories need none."""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.repair.rules import Rules
from dragoman.dialects.repair.turn import Piece, Turn, has_heading


def kept(request: ir.Request, rules: Rules) -> list[Turn] | None:
    """Return the turns of a request's history, if it needs no repair by these rules; None = it may need one.
    Only common forms are recognised: user and assistant alternate, the user is first (after at most one
    system message) and last, and all calls of a message have their results, of text, in the next message.
    """
    turns: list[Turn] = []
    seen: set[str] = set()
    calls: list[str] = []
    before = "assistant"
    if request.system and rules.order != "items":
        turns.append(Turn("system", [Piece(None, -1, request.system)]))
    for index, message in enumerate(request.messages):
        role = message.role
        ids = _links(message, rules)
        if ids is None or role == before or (role not in {"user", "assistant"} and index > 0):
            return None
        if ids and role == "assistant":
            if not seen.isdisjoint(ids) or len(set(ids)) < len(ids):
                return None
            seen.update(ids)
            calls = ids
        elif calls or ids:
            if ids != calls or len(ids) != len(message.blocks) or has_heading(message):
                return None
            calls = []
            if rules.order == "messages":
                turns += _results(message, index)
                before = role
                continue
        turns.append(Turn(role, [Piece(message, index, message.blocks)]))
        before = role if role == "user" else "assistant"
    return None if before == "assistant" else turns


def only_texts(request: ir.Request) -> list[tuple[ir.Role, str]] | None:
    """Return (role, text) for each message of a history that needs no repair by any rules and has nothing but
    one text, not blank, in each message; None = the history may be of another form. User and assistant
    alternate, and the user is first (after at most one system message) and last. There is no top-level system
    text.
    """
    texts: list[tuple[ir.Role, str]] = []
    before = "assistant"
    if request.system:
        return None
    for message in request.messages:
        role, blocks = message.role, message.blocks
        if role == before or len(blocks) != 1 or type(blocks[0]) is not ir.Text:
            return None
        text = blocks[0].text
        if not text or text.isspace() or message != ir.Message(role, (ir.Text(text),), form=message.form):
            return None
        if role in {"user", "assistant"}:
            before = role
        elif role != "system" or texts:
            return None
        texts.append((role, text))
    return None if before == "assistant" else texts


def _links(message: ir.Message, rules: Rules) -> list[str] | None:
    """Return the ids of the calls, or of the results, in a message; [] = it has neither. None = the message
    may need a repair by these rules.
    """
    ids: list[str] = []
    role = message.role
    for block in message.blocks:
        if type(block) is ir.Text:
            if not block.text or block.text.isspace():
                return None
        elif type(block) is ir.ToolCall and role == "assistant" and block.by == "client":
            if not block.id or rules.fit(block.id) != block.id:
                return None
            ids.append(block.id)
        elif type(block) is ir.ToolResult and role == "user" and block.id and rules.named is None:
            if not all(type(inner) is ir.Text for inner in block.content):
                return None
            ids.append(block.id)
        elif type(block) is not ir.Thinking or role != "assistant":
            return None
    return ids if message.blocks and role != "developer" else None


def _results(message: ir.Message, index: int) -> list[Turn]:
    return [
        Turn("tool", [Piece(message, index, (block,), (f"messages[{index}].blocks[{at}]",))])
        for at, block in enumerate(message.blocks)
    ]
