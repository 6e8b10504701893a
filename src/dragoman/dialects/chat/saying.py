"""The base class of the classes that write assistant messages of the chat family, and functions for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.repair.turn import Piece


class Saying:
    """The base of the classes that collect blocks and write one assistant message from them. _say: type of a
    block -> the method that adds such a block. spaced: True = another block or message came after the last
    text, so the next text may need a blank line before it (`separated`).
    """

    __slots__ = ("draft", "spaced")
    _say: ClassVar[Mapping[type, Callable[..., None]]]

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.spaced = False

    def add(self, blocks: Sequence[ir.Block], where: str) -> None:
        """Add the blocks of one message or candidate to the message that is written. Sets `spaced` first,
        unless `draft.chunked`. where: the IR path of the message or candidate.
        """
        self.spaced = self.spaced or not self.draft.chunked
        for index, block in enumerate(blocks):
            self.say(block, f"{where}.blocks[{index}]")

    def add_piece(self, piece: Piece) -> None:
        """Add a piece of the repaired history to the message that is written. Sets `spaced` first; if
        `draft.chunked`, only if a medium that was moved away stood before this piece (`Piece.apart`).
        """
        self.spaced = self.spaced or piece.apart or not self.draft.chunked
        for index, block in enumerate(piece.blocks):
            self.say(block, piece.place(index))

    def say(self, block: ir.Block, where: str) -> None:
        self._say[type(block)](self, block, where)


def lose_unsaid(block: ir.Block, draft: Draft, where: str) -> None:
    """Report as lost a block that an assistant message of the written dialect cannot hold. The reason depends
    on the kind of block. where: the block's IR path.
    """
    if isinstance(block, ir.ToolCall):
        draft.report.lose(where, "a call of the provider's own tool is not returned to the client", "hint")
    elif isinstance(block, ir.ToolResult):
        draft.report.lose(where, "a result of the provider's own tool is not returned to the client", "hint")
    elif isinstance(block, ir.Native):
        draft.report.lose(where, no_form(block.dialect, block.kind), "quality")
    else:
        kind = block.kind if isinstance(block, ir.Media) else type(block).__name__
        draft.report.lose(where, f"a response of this protocol cannot contain a {kind}")


def separated(before: str, text: str) -> str:
    """Return `text` with a blank line before it; or unchanged if `before` or `text` is empty, if `before`
    ends with white space, or if `text` begins with white space. before: the text that comes before `text`.
    """
    if not before or not text or before[-1].isspace() or text[0].isspace():
        return text
    return "\n\n" + text
