"""Moves tagged reasoning (`<think>…</think>`) at the beginning of assistant messages into thinking blocks."""

from __future__ import annotations

import msgspec

from dragoman import ir
from dragoman.dialects.prompted.reading import Thought
from dragoman.dialects.prompted.thoughts import OPENING, ThoughtReader


def apart(request: ir.Request) -> ir.Request:
    """Return a copy of the request. If an assistant message begins with a text block that begins with
    `<think>`, this block becomes a thinking block and, if text follows `</think>`, a text block. Without
    `</think>`, the whole text is reasoning. All other content stays unchanged.
    """
    messages = tuple(
        msgspec.structs.replace(message, blocks=_divided(message.blocks))
        if message.role == "assistant"
        else message
        for message in request.messages
    )
    return msgspec.structs.replace(request, messages=messages)


def _divided(blocks: tuple[ir.Block, ...]) -> tuple[ir.Block, ...]:
    if not blocks or not isinstance(first := blocks[0], ir.Text) or not first.text.startswith(OPENING):
        return blocks
    reader = ThoughtReader(None, inside=False)
    pieces = [*reader.feed(first.text), *reader.close()]
    thought = "".join(piece.text for piece in pieces if isinstance(piece, Thought))
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    said = (msgspec.structs.replace(first, text=text),) if text else ()
    return (ir.Thinking(thought), *said, *blocks[1:])
