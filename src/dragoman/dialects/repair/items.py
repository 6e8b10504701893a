"""The repair for protocols whose history is a list of items."""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.repair.calls import Repair, has_results, is_call
from dragoman.dialects.repair.turn import Note, Piece, Turn


class Items(Repair):
    """Keeps the order of the messages, because a result may come anywhere after its call. A missing result is
    added directly after its call, if the call needs one. Media that move come in a turn of the user directly
    after the assistant's message. A result without its call becomes a turn of the user.
    """

    def write(self) -> None:
        for index, message in enumerate(self.request.messages):
            if message.role == "assistant":
                turn = Turn("assistant", [])
                self.said(message, index, turn)
                self.turns.append(turn)
                if self.moved:
                    self.turns.append(self.show(Turn("user", [])))
            else:
                self._hear(message, index)
        if self.waiting:
            self._answer_all()

    def _hear(self, message: ir.Message, index: int) -> None:
        turn = Turn(message.role, [Piece(message, index, message.blocks)])
        self.turns.append(turn)
        if not has_results(message):
            return
        blocks: list[ir.Block] = []
        places: list[str] = []
        turn.pieces[0].blocks, turn.pieces[0].places = blocks, places
        for at, block in enumerate(message.blocks):
            where = f"messages[{index}].blocks[{at}]"
            if type(block) is ir.ToolResult and block.by == "client":
                result, call = self.answer(block, where, turn.notes)
                if call is None:
                    words, its = self.as_words(block, where)
                    notes = [Note(where, *self.rules.orphaned)]
                    blocks, places = [], []
                    self.turns.append(Turn("user", [Piece(None, 0, words, its)], notes))
                    self.turns.append(Turn(message.role, [Piece(None, 0, blocks, places)]))
                    continue
                blocks.append(result)
            else:
                blocks.append(block)
            places.append(where)

    def _answer_all(self) -> None:
        """Add a result directly after each call that needs one (`Rules.needs`) and has none: no result with
        its id comes in a later turn. The addition is noted in the call's turn.
        """
        left = {call.id: call for call in self.waiting}
        answered = {  # id -> the last turn with its result: an earlier call may have had the same id
            block.id: at
            for at, turn in enumerate(self.turns)
            for piece in turn.pieces
            for block in piece.blocks
            if type(block) is ir.ToolResult and block.by == "client"
        }
        for at, turn in enumerate(self.turns):
            for piece in turn.pieces if turn.role == "assistant" else ():
                blocks: list[ir.Block] = []
                places: list[str] = []
                for block, where in piece.placed():
                    blocks.append(block)
                    places.append(where)
                    if not is_call(block) or block.id not in left or answered.get(block.id, -1) > at:
                        continue
                    if self.rules.needs(block):
                        blocks.append(self.absent(left[block.id]))
                        places.append("")
                        turn.notes.append(Note(None, *self.rules.added))
                piece.blocks, piece.places = blocks, places
