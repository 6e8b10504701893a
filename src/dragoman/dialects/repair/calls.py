"""The repairs that several orders (`Rules.order`) share: of calls, of their results, and of media that must
move.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, TypeGuard

import msgspec

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.repair.rules import Rules
from dragoman.dialects.repair.turn import Note, Piece, Turn
from dragoman.dialects.severity import of_field
from dragoman.dialects.waiting import Waiting
from dragoman.errors import WireError

replace = msgspec.structs.replace

SYSTEM: Final = frozenset({"system", "developer"})
_MOST_OF_ID: Final = 40
"""The most characters of a call's id that an error message repeats."""
_BY_ORDER: Final = (
    "no tool call has the name of this result; it is sent as the result of the first open tool call"
)


class _Call(msgspec.Struct, frozen=True, gc=False):
    """A call that has no result yet. id: its id after the repair. name: of its tool. kind: as in
    `ir.ToolCall`. number: its position among the calls of the history (`Repair.count`).
    """

    id: str | None
    name: str
    kind: str
    number: int


class Repair(ABC):
    """Repairs one history as soon as the object is made. A subclass writes the result, `turns`.

    waiting: the calls that have no result so far. ids: the ids of all calls so far (only for "unique" ids).
    names: id -> tool name of the calls so far (only if results need a name, and not for "unique" ids). count:
    the number of calls so far; with "shared" ids, a call with the id of a waiting call does not count.
    minted: how many ids were made so far. moved: media that wait for the user's next turn, as (medium, IR
    path).

    first: the index of the first message in the assistant's current turn. position: the position of the next
    call in this turn. Only `Messages` sets these two for each turn.
    """

    def __init__(self, request: ir.Request, rules: Rules, facts: Facts) -> None:
        self.request = request
        self.rules = rules
        self.facts = facts
        self.turns: list[Turn] = []
        self.waiting: Waiting[_Call] = Waiting()
        self.ids: set[str] = set()
        self.names: dict[str, str] = {}
        self.count = 0
        self.minted = 0
        self.first = 0
        self.position = 0
        self.moved: list[tuple[ir.Media, str]] = []
        self.unique = rules.ids == "unique"
        self.shared = rules.ids == "shared"
        self.write()

    @abstractmethod
    def write(self) -> None:
        """Append the repaired history to `turns`."""

    # --- Messages of the assistant ---------------------------------------------------------------

    def said(self, message: ir.Message, index: int, turn: Turn) -> None:
        """Append a message of the assistant, repaired, to the pieces of `turn`, with notes in `turn`. Its
        calls go into `waiting`, and media that the message cannot hold into `moved`. index: the message's
        position.
        """
        if len(message.blocks) == 1 and type(message.blocks[0]) is ir.Text:
            turn.pieces.append(Piece(message, index, message.blocks))
            return
        blocks: list[ir.Block] | None = None  # None = as the client wrote them
        places: list[str] = []
        apart = False
        for at, block in enumerate(message.blocks):
            kept: ir.Block | None = block
            if type(block) is ir.ToolCall:
                if block.by == "client":
                    kept = self._called(block, index, at, turn)
            elif type(block) is ir.Media:
                kept = self._shown(block, message, f"messages[{index}].blocks[{at}]", turn)
            if blocks is None and kept is block:
                continue
            if blocks is None:
                blocks = list(message.blocks[:at])
                places = [f"messages[{index}].blocks[{before}]" for before in range(at)]
            if kept is not None:
                blocks.append(kept)
                places.append(f"messages[{index}].blocks[{at}]")
            else:
                if blocks:
                    turn.pieces.append(Piece(None, index, blocks, places, apart=apart))
                blocks, places, apart = [], [], True
        if blocks is None:
            turn.pieces.append(Piece(message, index, message.blocks))
        else:
            turn.pieces.append(Piece(message, index, blocks, places, apart=apart))

    def _called(self, block: ir.ToolCall, index: int, at: int, turn: Turn) -> ir.ToolCall:
        rules, stated = self.rules, block.id
        chosen = stated
        if stated:
            chosen = rules.fit(stated)
        elif rules.mint is not None:
            self.minted += 1
            counts = {"known": len(self.ids), "minted": self.minted}
            chosen = rules.fit(rules.mint.format(index=self.first, position=self.position, **counts))
        self.position += 1
        key = chosen
        if self.unique and chosen is not None:
            key = stated
            while chosen in self.ids:
                chosen = f"{chosen}_{len(self.ids)}"
            self.ids.add(chosen)
            if stated and chosen != stated:
                where = f"messages[{index}].blocks[{at}].id"
                turn.notes.append(Note(where, rules.renamed.to, f"{rules.renamed.reason} {chosen}"))
        elif rules.named is not None and chosen is not None:
            self.names[chosen] = block.name
        if not self.shared or key is None or not self.waiting.has(key):
            self.waiting.add(_Call(chosen, block.name, block.kind, self.count), key, block.name)
            self.count += 1
        return block if chosen == stated else replace(block, id=chosen)

    def _shown(self, block: ir.Media, message: ir.Message, where: str, turn: Turn) -> ir.Block | None:
        """Return the block that the assistant's turn has in place of a medium: the medium itself, or its
        transcript as text. None = the medium moves to the user: it is added to `moved`. message: contains the
        medium. where: the medium's IR path.
        """
        rules = self.rules
        if rules.transcribed is not None and block.transcript:
            turn.notes.append(Note(where, *rules.transcribed))
            return ir.Text(block.transcript, sealed=block.sealed, cache=block.cache, extra=block.extra)
        if rules.moves is None or not rules.moves(block, message):
            return block
        self.moved.append((block, where))
        return None

    def show(self, turn: Turn) -> Turn:
        """Append the media in `moved` to a turn of the user, with a note for each of them. Empty `moved`, and
        return the turn.
        """
        to, reason = self.rules.moved
        blocks, places = [block for block, _ in self.moved], [where for _, where in self.moved]
        turn.pieces.append(Piece(None, 0, blocks, places))
        for part, where in enumerate(places):
            turn.notes.append(Note(where, to.replace("{part}", str(part)), reason))
        self.moved = []
        return turn

    # --- Results of tools ------------------------------------------------------------------------

    def answer(
        self, block: ir.ToolResult, where: str, notes: list[Note]
    ) -> tuple[ir.ToolResult, _Call | None]:
        """Return (the result with the id and name that the target requires, its call), and take the call out
        of `waiting`. None as the call = no waiting call has this result, or calls are not looked up
        (`orphans` = "any"; the result is then returned unchanged).

        block: the client's result. where: its IR path. notes: gets a loss if the call is only guessed by its
        order, or if the result stays but has neither an id nor a call. Raises WireError for a result without
        its call, if the target refuses such results (`orphans` = "error").
        """
        rules = self.rules
        if rules.orphans == "any":
            return block, None
        key = block.id or None
        if key is not None and not self.unique:
            key = rules.fit(key)
        call = self.waiting.take(key, block.name)
        if call is not None and rules.named is None:
            return block if call.id == block.id else replace(block, id=call.id), call
        if call is None and key is None and rules.order == "messages":
            call = self.waiting.take(None)
            if call is not None:
                notes.append(Note(where, "", _BY_ORDER, "quality"))
        if call is None and rules.orphans == "error":
            raise self._missing(block, where)
        if call is None and rules.orphans == "kept" and key is None:
            notes.append(Note(where, "", "the tool result belongs to no tool call", of_field(where)))
        identity = key if call is None else call.id
        name = block.name
        if rules.named == "always" and call is not None:
            name = call.name
        elif rules.named == "always" or (rules.named is not None and name is None):
            name = self.names.get(identity or "", name)
        if rules.orphans == "kept" and identity is None:
            identity = block.name or "call"
        if identity == block.id and name == block.name:
            return block, call
        return replace(block, id=identity, name=name), call

    def _missing(self, block: ir.ToolResult, where: str) -> WireError:
        which = "" if block.id is None else f" with the id {block.id[:_MOST_OF_ID]!r}"
        return WireError(
            f"This tool result belongs to a tool call{which} that does not come before it in the "
            f"request. The protocol of the model's provider ({self.rules.dialect}) requires the tool "
            "call.",
            where,
            "invalid_value",
        )

    def without_media(
        self, block: ir.ToolResult, where: str, *, noted: bool
    ) -> tuple[ir.ToolResult, list[tuple[ir.Media, str]]]:
        """Return (the result without the media that it cannot hold (`Rules.takes_out`), [(one of these media,
        its IR path)]). where: the IR path of the result. noted: True = in place of each medium, the result
        has a text that says that the medium follows in the next message.
        """
        takes_out = self.rules.takes_out
        if takes_out is None or all(type(inner) is ir.Text for inner in block.content):
            return block, []
        media: list[tuple[ir.Media, str]] = []
        kept: list[ir.Block] = []
        for index, inner in enumerate(block.content):
            if type(inner) is not ir.Media or not takes_out(inner):
                kept.append(inner)
                continue
            media.append((inner, f"{where}.content[{index}]"))
            if noted:
                kept.append(ir.Text(f"(The {inner.kind} follows in the next message.)"))
        return replace(block, content=tuple(kept)) if media else block, media

    def absent(self, call: _Call) -> ir.ToolResult:
        """Make a result, with the text `Rules.absent`, for a call that has none. With the order "turns", it
        is marked as an error.
        """
        rules = self.rules
        return ir.ToolResult(
            call.id,
            (ir.Text(rules.absent or ""),),
            call.name if rules.named else None,
            error=True if rules.order == "turns" else None,
            kind="custom" if call.kind == "custom" else "function",
        )

    def as_words(self, block: ir.ToolResult, where: str) -> tuple[list[ir.Block], list[str]]:
        """Return (the blocks that stand in the user's message for a result without its call, the IR path of
        each of them): the text `Rules.words`, if there is one, then the rest of the result's content. where:
        the IR path of the result.
        """
        content = list(block.content)
        places = [f"{where}.content[{index}]" for index in range(len(content))]
        words = self.rules.words
        if not words:
            return content, places
        text = ""
        if "{text}" in words:
            bare = [inner.text for inner in content if _is_bare(inner)]
            text = "\n".join(bare)
            left = [at for at, inner in enumerate(content) if not _is_bare(inner)]
            content, places = [content[at] for at in left], [places[at] for at in left]
        said = words.format(name=block.name or "a tool", text=text)
        head = ir.Text(said, item=block.item, cache=block.cache, extra=block.extra)
        return [head, *content], [where, *places]


def has_results(message: ir.Message) -> bool:
    """Whether a message has tool results."""
    for block in message.blocks:  # noqa: SIM110 - called for every message of the user, and any() is slower
        if type(block) is ir.ToolResult:
            return True
    return False


def _is_bare(block: ir.Block) -> TypeGuard[ir.Text]:
    return type(block) is ir.Text and block == ir.Text(block.text)


def is_call(block: ir.Block) -> TypeGuard[ir.ToolCall]:
    """Whether a block is a call of a tool that the client runs."""
    return type(block) is ir.ToolCall and block.by == "client"
