"""Puts the stored parts of one answer back into the messages that the client sends: thinking, seals, and
blocks of the provider's own tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from dragoman import ir
from dragoman.state.entry import Kept, Piece
from dragoman.state.marks import Marks, is_client_call

replace = msgspec.structs.replace


class Remembered:
    """One entry of the vault, while its blocks are put back into messages. kept: the entry's content. marks:
    makes the digests of the client that owns the entry. where: the path of the first message for which the
    entry was found (`messages[3]`). used: the indices in `kept.pieces` of the pieces that need no more work,
    because they are in a message already, were put back, or must not be put back.
    """

    def __init__(self, kept: Kept, where: str, marks: Marks) -> None:
        self.kept = kept
        self.where = where
        self.used: set[int] = set()
        self._marks = marks
        self._places: dict[object, list[int]] = {}
        for place, piece in enumerate(kept.pieces):
            identity = piece.digest if piece.thinking is None else piece.thinking.sealed
            self._places.setdefault(identity, []).append(place)
            if piece.bare not in {b"", identity}:
                self._places.setdefault(piece.bare, []).append(place)

    @property
    def lacks(self) -> bool:
        """Whether any piece that the provider needs back (`Piece.matters`) is not in `used`."""
        return any(piece.matters and place not in self.used for place, piece in enumerate(self.kept.pieces))

    def says(self, blocks: Sequence[ir.Block]) -> bool:
        """Return whether the blocks of a message count as a part of the entry's answer: all of them are texts
        or thinking, and at least one is found among the pieces that are not in `used`. If all blocks are
        thinking without a seal, it is enough that the entry has thinking. False if there are no blocks.
        """
        if not all(isinstance(block, ir.Text | ir.Thinking) for block in blocks):
            return False
        if self._matched(blocks)[0]:
            return True
        unsigned = [block for block in blocks if isinstance(block, ir.Thinking) and block.sealed is None]
        kept = any(piece.thinking is not None for piece in self.kept.pieces)
        return kept and bool(blocks) and len(unsigned) == len(blocks)

    def put_back(self, blocks: Sequence[ir.Block], later: frozenset[ir.Sealed]) -> tuple[ir.Block, ...]:
        """Return the blocks of one client message, in the order of the answer, together with the answer's
        stored parts that belong to this message: thinking, seals, empty texts, and blocks of the provider's
        own tools. The client's thinking without a seal is left out if stored thinking replaces it. Other
        blocks that are not found in the answer stay.

        Add to `used` the pieces that the returned blocks contain, and thinking that must not be put back. If
        the order of calls without ids would change, return `blocks` as a tuple instead and leave `used`
        unchanged: the order of such calls tells which result belongs to which call.

        later: the seals of the thinking that the client itself sends in later messages of the same answer;
        this thinking is not put back.
        """
        used, sent = set(self.used), tuple(blocks)
        blocks = self._without_copies(blocks)
        placed, rest = self._matched(blocks)
        words = [block for block in rest if isinstance(block, ir.Text)]
        out: list[ir.Block] = [block for block in rest if isinstance(block, ir.Thinking)]
        for place in range(self._reach(placed)):
            piece = self.kept.pieces[place]
            if place in self.used:
                continue
            if piece.kind == "text" and place not in placed and words:
                out.extend(words)  # the client has changed the text; its text takes this place
                words = []
            block = placed.get(place, piece.whole)
            if place not in placed and piece.thinking is not None and piece.thinking.sealed in later:
                continue
            if block is None and piece.kind == "text" and piece.size == 0:
                block = ir.Text("", sealed=piece.sealed)
            if block is not None:
                out.append(block)
                self.used.add(place)
        head = next((at for at, block in enumerate(out) if not isinstance(block, ir.Thinking)), len(out))
        others = [block for block in rest if not isinstance(block, ir.Text | ir.Thinking)]
        put = (*out[:head], *words, *out[head:], *others)
        if _without_ids(put) == _without_ids(sent):
            return put
        self.used = used
        return sent

    def _without_copies(self, blocks: Sequence[ir.Block]) -> Sequence[ir.Block]:
        """Return the client's blocks without thinking that has no seal: it counts as a copy that has lost its
        seal, and the stored thinking will replace it. If the blocks contain thinking, but the entry has none
        with a seal, or not each seal of the client's, return all blocks, and add the stored thinking to
        `used`, because it must not be put back.
        """
        own = [block for block in blocks if isinstance(block, ir.Thinking)]
        if not own:
            return blocks
        kept = {i: p.thinking for i, p in enumerate(self.kept.pieces) if p.thinking is not None}
        known = {block.sealed for block in kept.values()}
        if known <= {None} or any(block.sealed not in {*known, None} for block in own):
            self.used.update(kept)
            return blocks
        return [block for block in blocks if not isinstance(block, ir.Thinking) or block.sealed is not None]

    def _matched(self, blocks: Sequence[ir.Block]) -> tuple[dict[int, ir.Block], list[ir.Block]]:
        """Return the client's blocks in two groups. First, {index of the piece: block} of the blocks that are
        found among the pieces that are not in `used`, each with the seal of its piece (`_resealed`). Second,
        the list of the other blocks, which the client has changed or added.
        """
        placed: dict[int, ir.Block] = {}
        rest: list[ir.Block] = []
        texts = [block for block in blocks if isinstance(block, ir.Text)]
        cut = self._cut(texts[0]) if len(texts) == 1 and texts[0].sealed is None else {}
        placed.update(cut)
        ahead: dict[object, Iterator[int]] = {}
        for block in blocks:
            if cut and isinstance(block, ir.Text):
                continue
            place = self._place(block, placed, ahead)
            if place is None:
                rest.append(block)
            else:
                placed[place] = _resealed(block, self.kept.pieces[place])
        return placed, rest

    def _cut(self, text: ir.Text) -> dict[int, ir.Block]:
        """Return the client's only text, cut into those texts of the answer that are not in `used`: {index of
        the piece: text with its seal}. {} = the client's text does not consist of exactly these texts, in
        order. Some protocols join all texts of an answer, some of them with white space between the texts;
        this white space is dropped.
        """
        cut: dict[int, ir.Block] = {}
        left = text.text
        for place, piece in enumerate(self.kept.pieces):
            if not piece.size or place in self.used:
                continue
            while self._marks.block_digest(ir.Text(left[: piece.size])) != piece.digest:
                if not cut or not left[:1].isspace():
                    return {}
                left = left[1:]
            part, left = left[: piece.size], left[piece.size :]
            cut[place] = _resealed(ir.Text(part) if left else replace(text, text=part), piece)
        return {} if left else cut

    def _place(
        self, block: ir.Block, placed: Mapping[int, ir.Block], ahead: dict[object, Iterator[int]]
    ) -> int | None:
        """Return the index of the first piece with this block's digest (for thinking: with its seal) that is
        neither in `placed` nor in `used`; None = no such piece. A call without an id is found too.

        ahead: for each digest that was looked for in this message, the indices that were not looked at yet.
        Thus a message with many equal texts costs no more than the entry has pieces.
        """
        identity: object = None
        if isinstance(block, ir.Thinking):
            identity = block.sealed
        elif is_client_call(block):
            identity = self._marks.call_digest(block)
        elif isinstance(block, ir.Text | ir.Media):
            identity = self._marks.block_digest(block)
        if identity is None:
            return None
        places = ahead.get(identity)
        if places is None:
            places = ahead[identity] = iter(self._places.get(identity, ()))
        return next((place for place in places if place not in placed and place not in self.used), None)

    def _reach(self, placed: Mapping[int, ir.Block]) -> int:
        """Return the index before which pieces are put into this message: the index of the first unused call
        after the pieces in `placed`, because that call belongs to a later message; without such a call, the
        number of pieces. placed: the message's blocks, by the index of their piece.
        """
        last = max(placed, default=-1)
        for place in range(last + 1, len(self.kept.pieces)):
            if self.kept.pieces[place].kind == "call" and place not in self.used:
                return place
        return len(self.kept.pieces)


def _resealed(block: Any, piece: Piece) -> ir.Block:
    """Return the client's block with the seal of its piece, or unchanged if it has a seal itself or the piece
    has none. A client's thinking that has nothing but a text, a seal and `redacted` is replaced by the stored
    thinking, which may also have a summary and an id.
    """
    if piece.thinking is not None and isinstance(block, ir.Thinking):
        bare = ir.Thinking(block.text, sealed=block.sealed, redacted=block.redacted)
        return piece.thinking if block == bare else block
    if piece.sealed is None or block.sealed is not None:
        return block  # type: ignore[no-any-return]
    resealed: ir.Block = replace(block, sealed=piece.sealed)
    return resealed


def _without_ids(blocks: Iterable[ir.Block]) -> list[tuple[str, str]]:
    """Return the names and arguments of the calls of client tools that have no id, in order."""
    return [(block.name, block.arguments) for block in blocks if is_client_call(block) and block.id is None]
