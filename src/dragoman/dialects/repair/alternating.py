"""The repair for protocols in which the user and the assistant alternate."""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.dialects.repair.calls import SYSTEM, Repair, has_results, is_call
from dragoman.dialects.repair.turn import Note, Piece, Role, Turn, has_heading

BEGIN: Final = "Please begin."
GO_ON: Final = "Please continue."
_WORDS: Final = (ir.Text, ir.Refusal, ir.Json)
_NOT_CONTINUED: Final = (
    "the model does not support assistant prefill: it answers this message instead of continuing it"
)


class Alternating(Repair):
    """Joins messages so that user and assistant alternate; a system turn may stand at the beginning, or
    between them (`Rules.between`). In each turn of the user, the results of the calls before it come first.

    results: the tool results for the current turn so far, and the media that were taken out of them, as
    (number of the call, block, IR path).
    """

    def write(self) -> None:
        self.results: list[tuple[int, ir.Block, str]] = []
        self.turn = Turn("tool", [])  # stands for no turn
        if self.request.system:
            self.turns.append(Turn("system", [Piece(None, -1, self.request.system)]))
        for index, message in enumerate(self.request.messages):
            role = message.role
            if role == "user":
                if self.turn.role != "user":
                    self._begin("user")
                self._hear(message, index)
            elif role == "assistant":
                if self.turn.role != "assistant":
                    self._begin("assistant")
                self.said(message, index, self.turn)
            else:
                self._instruct(message, index)
        self._end()

    def _begin(self, role: Role) -> None:
        if self.turn.role == "user":
            self._close()
        self.turn = Turn(role, [])
        self.turns.append(self.turn)
        if role == "user" and self.moved:
            self.show(self.turn)

    def _close(self) -> None:
        """End the user's turn: put its results first, and add a result for each earlier call without one."""
        rules, turn = self.rules, self.turn
        if self.waiting:
            for call in self.waiting:
                self.results.append((call.number, self.absent(call), ""))
                which = rules.added.reason.format(id=call.id, name=call.name)
                turn.notes.append(Note(None, rules.added.to, which))
            self.waiting.clear()
        if self.results:
            if rules.in_order:
                self.results.sort(key=lambda result: result[0])
            _, blocks, places = zip(*self.results, strict=True)
            turn.pieces.insert(0, Piece(None, 0, blocks, places))
            self.results = []

    def _instruct(self, message: ir.Message, index: int) -> None:
        """Add a system message, as a system turn where the protocol and the model (`Facts.mid_system`) allow
        one, otherwise as tagged text in the user's turn. A message after the beginning that has no text which
        the protocol writes goes into the current turn. index: the message's position.
        """
        said = any(isinstance(block, _WORDS) and self.rules.says(block) for block in message.blocks)
        if self.turn.role == "tool" or (self.turn.role == "system" and said):
            if self.turn.role == "tool":
                self.turns.append(Turn("system", [Piece(message, index, message.blocks)]))
            else:
                self.turn.pieces.append(Piece(message, index, message.blocks))
            return
        piece = Piece(message, index, message.blocks, tagged=True)
        if not said:
            self.turn.pieces.append(piece)
        elif self.rules.between and self.facts.mid_system and self._ends_turn(index):
            self._begin("system")
            piece.tagged = False
            self.turn.pieces.append(piece)
        else:
            if self.turn.role != "user":
                self._begin("user")
            self.turn.pieces.append(piece)
            if self.rules.tagged is not None:
                self.turn.notes.append(Note(f"messages[{index}]", *self.rules.tagged))

    def _ends_turn(self, index: int) -> bool:
        pieces = self.turn.pieces
        if self.turn.role != "user" or (pieces and pieces[-1].tagged):
            return False
        following = (message.role for message in self.request.messages[index:])
        return next((role for role in following if role not in SYSTEM), "assistant") == "assistant"

    def _hear(self, message: ir.Message, index: int) -> None:
        if not has_results(message):
            self.turn.pieces.append(Piece(message, index, message.blocks))
            return
        blocks: list[ir.Block] = []
        places: list[str] = []
        for at, block in enumerate(message.blocks):
            where = f"messages[{index}].blocks[{at}]"
            if type(block) is ir.ToolResult and block.by == "client":
                self._answered(block, where, blocks, places)
            else:
                blocks.append(block)
                places.append(where)
        if blocks or has_heading(message):
            self.turn.pieces.append(Piece(message, index, blocks, places))

    def _answered(self, block: ir.ToolResult, where: str, blocks: list[ir.Block], places: list[str]) -> None:
        rules, notes = self.rules, self.turn.notes
        block, call = self.answer(block, where, notes)
        media: list[tuple[ir.Media, str]] = []
        if rules.takes_out is not None:
            block, media = self.without_media(block, where, noted=False)
            notes += [Note(place, *rules.taken_out) for _, place in media]
        if call is not None:
            self.results.append((call.number, block, where))
            self.results += [(call.number, medium, place) for medium, place in media]
            return
        words, its = self.as_words(block, where)
        blocks += [*words, *(medium for medium, _ in media)]
        places += [*its, *(place for _, place in media)]
        notes.append(Note(where, *rules.orphaned))

    def _end(self) -> None:
        rules = self.rules
        if self.moved or (self.waiting and self.turn.role == "assistant"):
            self._begin("user")
        if self.turn.role == "user":
            self._close()
        if self.turn.role == "assistant" and self.facts.prefill is False and self._speaks(self.turn):
            assert rules.continued is not None
            self._begin("user")
            self.turn.pieces.append(Piece(None, 0, (ir.Text(GO_ON),)))
            self.turn.notes.append(Note(None, *rules.continued))
            last = f"messages[{len(self.request.messages) - 1}]"
            self.turn.notes.append(Note(last, "", _NOT_CONTINUED, "quality"))
        self._open()

    def _open(self) -> None:
        rules = self.rules
        begin = 0
        for at, turn in enumerate(self.turns):
            if turn.role == "system" and begin == at:
                begin += 1
            elif self._speaks(turn):
                if turn.role == "assistant" and (rules.opens == "assistant" or _calls(turn)):
                    break
                return
        assert rules.opened is not None
        self.turns.insert(begin, Turn("user", [Piece(None, 0, (ir.Text(BEGIN),))]))
        self.turns[-1].notes.append(Note(None, *rules.opened))

    def _speaks(self, turn: Turn) -> bool:
        says = self.rules.says
        return any(any(map(says, piece.blocks)) for piece in turn.pieces)


def _calls(turn: Turn) -> bool:
    return any(is_call(block) for piece in turn.pieces for block in piece.blocks)
