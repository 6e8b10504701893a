"""The repair for protocols in which each tool result is a separate message directly after its call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dragoman import ir
from dragoman.dialects.repair.alternating import BEGIN
from dragoman.dialects.repair.calls import SYSTEM, Repair, has_results
from dragoman.dialects.repair.rules import anything
from dragoman.dialects.repair.turn import Note, Piece, Role, Turn

CHUNKED: Final = frozenset({"gemini"})
"""Protocols whose clients may keep each chunk of a streamed answer as a separate message, as the chats of
https://github.com/googleapis/python-genai do. A word may be cut between two messages."""
_BRIDGE: Final = "OK"
"""The text of the assistant between a result and a message of the user or system. Some models refuse an empty
text."""


class Messages(Repair):
    """Makes each result a separate message, and joins the assistant's messages of one answer (`grouped`),
    unless the client speaks the target's protocol. last: the role of the last turn so far of which the
    protocol writes anything; "system" before the first such turn.
    """

    def write(self) -> None:
        self.last: Role = "system"
        if self.request.system:
            self._add(Turn("system", [Piece(None, -1, self.request.system)]))
        for index, group in self._groups():
            message = group[0]
            if message.role == "assistant":
                self._settle()
                turn = Turn("assistant")
                self.first, self.position = index, 0
                for offset, one in enumerate(group):
                    self.said(one, index + offset, turn)
                self._add(turn)
            elif message.role == "user":
                self._hear(message, index)
            else:
                self._instruct(message, index)
        self._settle()
        self._end()

    def _groups(self) -> Iterator[tuple[int, Sequence[ir.Message]]]:
        messages, dialect = self.request.messages, self.request.dialect
        if dialect == self.rules.dialect:
            return ((index, (message,)) for index, message in enumerate(messages))
        return grouped(messages, chunked=dialect in CHUNKED)

    def _add(self, turn: Turn) -> None:
        self.turns.append(turn)
        if self.rules.says is anything or self._is_written(turn):
            self.last = turn.role

    def _is_written(self, turn: Turn) -> bool:
        if turn.role in {"user", "tool"} or turn.pieces[-1].message is None:
            return True
        says = self.rules.says
        return says is anything or any(any(map(says, piece.blocks)) for piece in turn.pieces)

    def _settle(self, *, bridge: bool = False) -> None:
        """Add the turns that must come before a turn that is not a result: results of calls that have none
        (unless `Rules.patient`), the assistant's "OK" after a result (if there is a rule `bridge`), and a
        turn of the user with the media in `moved`. bridge: True = the next turn is the user's or the
        system's.
        """
        rules = self.rules
        if self.waiting and not rules.patient:
            for call in self.waiting:
                piece = Piece(None, 0, (self.absent(call),), ("",))
                self._add(Turn("tool", [piece], [Note(None, *rules.added)]))
            self.waiting.clear()
        if rules.bridge is not None and (bridge or self.moved) and self.last == "tool":
            turn = Turn(
                "assistant", [Piece(None, 0, (ir.Text(_BRIDGE),), ("",))], [Note(None, *rules.bridge)]
            )
            self._add(turn)
        if self.moved:
            self._add(self.show(Turn("user", [])))

    def _instruct(self, message: ir.Message, index: int) -> None:
        rules = self.rules
        turn = Turn(message.role, [Piece(message, index, message.blocks)])
        if rules.says is anything or any(map(rules.says, message.blocks)):
            self._settle(bridge=True)
            holds_media = any(
                type(block) is ir.Media and block.text is None and block.blocks is None
                for block in message.blocks
            )
            if rules.tagged is not None and (self.last == "assistant" or holds_media):
                self._tag(turn)
        self._add(turn)

    def _tag(self, turn: Turn) -> None:
        assert self.rules.tagged is not None
        piece = turn.pieces[0]
        turn.role, piece.tagged = "user", True
        turn.notes.append(Note(_where(piece), *self.rules.tagged))

    def _hear(self, message: ir.Message, index: int) -> None:
        if not has_results(message):
            self._settle(bridge=True)
            self._add(Turn("user", [Piece(message, index, message.blocks)]))
            return
        blocks: list[ir.Block] = []
        places: list[str] = []
        for at, block in enumerate(message.blocks):
            where = f"messages[{index}].blocks[{at}]"
            if type(block) is ir.ToolResult:
                turn = Turn("tool", [])
                result, _ = self.answer(block, where, turn.notes)
                result, media = self.without_media(result, where, noted=True)
                self.moved += media
                turn.pieces.append(Piece(message, index, (result,), (where,)))
                self._add(turn)
            else:
                blocks.append(block)
                places.append(where)
        if blocks:
            self._settle(bridge=True)
            self._add(Turn("user", [Piece(message, index, blocks, places)]))

    def _end(self) -> None:
        rules = self.rules
        if self.turns and self.last not in SYSTEM:
            return
        written = [turn for turn in self.turns if self._is_written(turn)]
        if not written:
            if rules.opened is not None:
                piece = Piece(None, 0, (ir.Text(BEGIN),), ("",))
                self._add(Turn("user", [piece], [Note(None, *rules.opened)]))
            return
        last = written[-1]
        if rules.asked is not None and all(turn.role in SYSTEM for turn in written):
            last.role = "user"
            last.notes.append(Note(_where(last.pieces[0]), *rules.asked))
        elif rules.tagged is not None and last.role in SYSTEM:
            self._tag(last)


def _where(piece: Piece) -> str:
    return f"messages[{piece.index}]" if piece.index >= 0 else "system"


def grouped(
    messages: Sequence[ir.Message], *, chunked: bool = False
) -> Iterator[tuple[int, Sequence[ir.Message]]]:
    """Yield (index of the group's first message, the messages of the group). A group is one answer: adjacent
    messages of the assistant, but not two that both have nothing but text (Responses clients send a thought,
    each call and the text between them as separate messages). Every other message is a group of its own.
    chunked: True = all adjacent messages of the assistant are a group.
    """
    begin = 0
    for end in range(1, len(messages) + 1):
        if end == len(messages) or not _goes_on(messages[end - 1], messages[end], chunked=chunked):
            yield begin, messages[begin:end]
            begin = end


def _goes_on(before: ir.Message, after: ir.Message, *, chunked: bool) -> bool:
    if before.role != "assistant" or after.role != "assistant":
        return False
    return chunked or not (_is_words(before) and _is_words(after))


def _is_words(message: ir.Message) -> bool:
    return all(type(block) is ir.Text for block in message.blocks)
