"""The history of another protocol, brought into the order that a target accepts.

A client's history keeps the rules of its own protocol; one that was cut or cancelled keeps even fewer. What the
target asks for instead stands in its `Rules`:

    roles     the user and the assistant alternate, or messages stay as many as they are
    ids       calls get ids where they have none, and ids that the target refuses are written otherwise
    results   come first in the user's turn, or each in a message right after its call, or anywhere
              a call without a result gets one that says so
              a result without a call becomes the user's words, or is refused, or stays
    media     move to the user where a result, or the assistant's message, can hold none
    ends      somebody must have asked, and the last word may have to be the user's

The same history always gives the same turns, or prompt caches would never hit. Pure. The encoder writes the
turns in order, and tells the notes of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, TypeGuard

import msgspec

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.severity import Severity, of_field
from dragoman.dialects.waiting import Waiting
from dragoman.errors import WireError
from dragoman.ir.blocks import Value

replace = msgspec.structs.replace

CHUNKED: Final = frozenset({"gemini"})
"""Protocols whose clients keep each chunk of a streamed answer as a message of its own, as the chats of
https://github.com/googleapis/python-genai do: a word may begin in one and end in the next."""
CUT_OFF: Final = "The call was never answered: it was cancelled or its result was lost."
BEGIN: Final = "Please begin."
GO_ON: Final = "Please continue."
_BRIDGE: Final = "OK"
"""Clients write the same where the assistant must speak; an empty message is refused by some models."""
_SYSTEM: Final = frozenset({"system", "developer"})
_WORDS: Final = (ir.Text, ir.Refusal, ir.Json)
_MOST_OF_ID: Final = 40
"""Characters of an id that an error repeats."""

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]


class Why(NamedTuple):
    """How a repair is reported: where its outcome stands in the body that is written, and the reason.

    to: may name `{at}`, the index of the message that is written, and `{part}`, the index in it.
    """

    to: str
    reason: str


_NOT_CONTINUED: Final = (
    "the model does not support assistant prefill: it answers this message instead of continuing it"
)
_BY_ORDER: Final = (
    "no tool call has the name of this result; it is sent as the result of the first open tool call"
)
_SILENT: Final = Why("", "")


def _anything(_: ir.Block) -> bool:
    return True


class Rules(Value, frozen=True, kw_only=True):
    """What a protocol asks of a history.

    dialect: whose rules they are. order: "turns" = roles alternate, and a turn's results come first; "messages" = each result is a message
    right after its call; "items" = neighbours of one role stay, and results stand anywhere after their call.
    says: whether a block leaves anything in a message of this protocol.

    fit: an id of a call as the protocol takes it. mint: an id for a call without one, None = it needs none.
    It may name {index} of the message, {position} among its calls, {known} calls before it and {minted} ids.
    ids: "unique" = no two calls have the same; "shared" = one result answers all calls of an id; "any".
    renamed: why an id is another, reported where ids are unique. patient: a call waits for its result longer
    than its turn. named: results state the name of their call, "missing" = where they state none themselves.
    in_order: the results of a turn stand in the order of the calls.

    absent: the text of the result that an unanswered call gets, None = it may stay without. needs: which calls
    need one. orphans: what becomes of a result without its call: "words" of the user, an "error" or "kept";
    "any" = the calls of results are not looked for.
    words: what stands before its content then, with {name} and {text}; where {text} is not named, the content
    follows as it is.

    moves: which media of an assistant's message move to the user. takes_out: which media of results do.
    transcribed: why sound of the assistant is sent as its words, None = it is not.

    bridge: why the assistant says "OK" between a tool's result and the user, None = it need not.
    tagged: why a system message in the middle becomes tagged text of the user, None = it may stand there.
    between: some models take one between the user and the assistant (`Facts.mid_system`).
    opened: why the user is made to begin, None = anybody may. opens: when that is: before an "assistant",
    before an assistant's "calls", or in an "empty" history. asked: why the last of nothing but system messages
    becomes the user's. continued: why the user is made to ask for more after the assistant's last message.
    """

    dialect: str
    order: Literal["turns", "messages", "items"]
    says: Callable[[ir.Block], bool] = _anything

    fit: Callable[[str], str] = str
    mint: str | None = None
    ids: Literal["unique", "shared", "any"] = "any"
    renamed: Why = _SILENT
    patient: bool = False
    named: Literal["missing", "always"] | None = None
    in_order: bool = False

    absent: str | None = None
    added: Why = _SILENT
    needs: Callable[[ir.ToolCall], bool] = _anything
    orphans: Literal["words", "error", "kept", "any"] = "error"
    words: str = ""
    orphaned: Why = _SILENT

    moves: Callable[[ir.Media, ir.Message], bool] | None = None
    moved: Why = _SILENT
    takes_out: Callable[[ir.Media], bool] | None = None
    taken_out: Why = _SILENT
    transcribed: Why | None = None

    bridge: Why | None = None
    tagged: Why | None = None
    between: bool = False
    opened: Why | None = None
    opens: Literal["assistant", "calls", "empty"] = "empty"
    asked: Why | None = None
    continued: Why | None = None


class Note(NamedTuple):
    """One change or loss, for the report.

    where: the place in IR terms, None = something is added. to: as `Why.to`. severity: of a loss.
    """

    where: str | None
    to: str
    reason: str
    severity: Severity | None = None


class Piece(msgspec.Struct):
    """Blocks of one of the client's messages, which go into one turn.

    message: the client's, whose members beside its blocks belong here; None = they do not, or it has none.
    index: of that message, -1 = the request's own system text. places: of the blocks in IR terms, None = they
    are the message's own. tagged: it is system text, to be told from the user's. apart: something else stood
    between it and the piece before.
    """

    message: ir.Message | None
    index: int
    blocks: Sequence[ir.Block]
    places: Sequence[str] | None = None
    tagged: bool = False
    apart: bool = False

    def place(self, at: int) -> str:
        """A block's place in IR terms."""
        if self.places is not None:
            return self.places[at]
        return f"messages[{self.index}].blocks[{at}]" if self.index >= 0 else f"system[{at}]"

    def placed(self) -> list[tuple[ir.Block, str]]:
        """The blocks, each with its place in IR terms."""
        return [(block, self.place(at)) for at, block in enumerate(self.blocks)]


class Turn(msgspec.Struct):
    """One message of the target, or several items of it. A result that is a message of its own is a "tool"'s."""

    role: Role
    pieces: list[Piece] = []
    notes: list[Note] = []

    def tell(self, report: Report, at: int = 0) -> None:
        """Report what was changed. at: the index of the message in the body that is written."""
        for note in self.notes:
            to = note.to.replace("{at}", str(at))
            if note.where is None:
                report.add(to, note.reason)
            elif note.severity is None:
                report.change(note.where, to, note.reason)
            else:
                report.lose(note.where, note.reason, note.severity)


def tagged(text: str) -> str:
    """System text as it stands in a user's message."""
    return f"<system>\n{text}\n</system>"


def repaired(request: ir.Request, rules: Rules, facts: Facts = UNKNOWN) -> list[Turn]:
    """The history as turns of the target.

    Raises WireError for a result without its call, where the target takes none.
    """
    return _ORDERS[rules.order](request, rules, facts).turns


class _Call(msgspec.Struct, frozen=True, gc=False):
    """A call that waits for its result. id: as it is written."""

    id: str | None
    name: str
    kind: str
    number: int


class _Repair:
    """A history while it is put in order. moved: media that wait for the next turn of the user."""

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
        self.moved: list[tuple[ir.Media, str]] = []
        self.unique = rules.ids == "unique"
        self.shared = rules.ids == "shared"
        self.write()

    def write(self) -> None:
        """Write the turns."""
        raise NotImplementedError

    # --- What the assistant said -----------------------------------------------------------------

    def said(self, message: ir.Message, index: int, turn: Turn, first: int, position: int) -> int:
        """Add a message of the assistant's to a turn. first: the index of the turn's first message.

        position: how many calls the turn has so far; returns how many it has then.
        """
        if len(message.blocks) == 1 and type(message.blocks[0]) is ir.Text:
            turn.pieces.append(Piece(message, index, message.blocks))
            return position
        blocks: list[ir.Block] | None = None  # None = as the client wrote them
        places: list[str] = []
        apart = False
        for at, block in enumerate(message.blocks):
            kept: ir.Block | None = block
            if type(block) is ir.ToolCall:
                if block.by == "client":
                    kept = self._called(block, index, at, turn, first, position)
                    position += 1
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
        return position

    def _called(
        self, block: ir.ToolCall, index: int, at: int, turn: Turn, first: int, position: int
    ) -> ir.ToolCall:
        """A call with the id that is written; from here it waits for its result."""
        rules, stated = self.rules, block.id
        chosen = stated
        if stated:
            chosen = rules.fit(stated)
        elif rules.mint is not None:
            self.minted += 1
            chosen = rules.fit(
                rules.mint.format(index=first, position=position, known=len(self.ids), minted=self.minted)
            )
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
        """A medium of the assistant's, or its words; None where it moves to the user."""
        rules = self.rules
        if rules.transcribed is not None and block.transcript:
            turn.notes.append(Note(where, *rules.transcribed))
            return ir.Text(block.transcript)
        if rules.moves is None or not rules.moves(block, message):
            return block
        self.moved.append((block, where))
        return None

    def show(self, turn: Turn) -> Turn:
        """A turn of the user's with the media that wait for it."""
        to, reason = self.rules.moved
        blocks, places = [block for block, _ in self.moved], [where for _, where in self.moved]
        turn.pieces.append(Piece(None, 0, blocks, places))
        for part, where in enumerate(places):
            turn.notes.append(Note(where, to.replace("{part}", str(part)), reason))
        self.moved = []
        return turn

    # --- What its tools gave back ----------------------------------------------------------------

    def answer(
        self, block: ir.ToolResult, where: str, notes: list[Note]
    ) -> tuple[ir.ToolResult, _Call | None]:
        """A result with the id and the name of its call, and that call; None where it has none.

        Raises WireError for a result without its call, where the target takes none.
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
            f"This tool result belongs to a tool call{which} that does not come before it in the request. The "
            f"protocol of the model's provider ({self.rules.dialect}) requires the tool call.",
            where,
            "invalid_value",
        )

    def without_media(
        self, block: ir.ToolResult, where: str, *, noted: bool
    ) -> tuple[ir.ToolResult, list[tuple[ir.Media, str]]]:
        """A result without the media that it cannot hold, and these. noted: a word stands where each was."""
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
        """The result of a call that has none."""
        rules = self.rules
        return ir.ToolResult(
            call.id,
            (ir.Text(rules.absent or ""),),
            call.name if rules.named else None,
            error=True if rules.order == "turns" else None,
            kind="custom" if call.kind == "custom" else "function",
        )

    def as_words(self, block: ir.ToolResult, where: str) -> tuple[list[ir.Block], list[str]]:
        """What a result without its call gave back, as the user's words, and the places of these."""
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


def _has_results(message: ir.Message) -> bool:
    for block in message.blocks:  # noqa: SIM110 - each user's message comes here, and this is quicker
        if type(block) is ir.ToolResult:
            return True
    return False


def _is_bare(block: ir.Block) -> TypeGuard[ir.Text]:
    """Whether a block is a text that carries nothing else."""
    return type(block) is ir.Text and block == ir.Text(block.text)


# Roles that alternate ------------------------------------------------------------------------------


class _Turns(_Repair):
    """The user and the assistant alternate; the results of a turn's calls come first in the user's.

    results: those of the turn in hand, each with the number of its call.
    """

    def write(self) -> None:
        """Write the turns."""
        self.results: list[tuple[int, ir.Block, str]] = []
        self.turn = Turn("tool", [])  # none is open
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
                self.said(message, index, self.turn, index, 0)
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
        """Leave a turn of the user's: its results go to its front, and every call has one."""
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
            blocks = [block for _, block, _ in self.results]
            turn.pieces.insert(0, Piece(None, 0, blocks, [where for _, _, where in self.results]))
            self.results = []

    def _instruct(self, message: ir.Message, index: int) -> None:
        """System text: apart where it leads, in the user's turn elsewhere."""
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
        """Whether a system message stands between the user and the assistant, or ends the history."""
        if self.turn.role != "user" or self.turn.pieces[-1].tagged:
            return False
        following = (message.role for message in self.request.messages[index:])
        return next((role for role in following if role not in _SYSTEM), "assistant") == "assistant"

    def _hear(self, message: ir.Message, index: int) -> None:
        if not _has_results(message):
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
        self.turn.pieces.append(Piece(message, index, blocks, places))

    def _answered(self, block: ir.ToolResult, where: str, blocks: list[ir.Block], places: list[str]) -> None:
        """Put a result before everything else; one without its call stays in its place as words."""
        rules = self.rules
        block, call = self.answer(block, where, self.turn.notes)
        block, media = self.without_media(block, where, noted=False)
        self.turn.notes += [Note(place, *rules.taken_out) for _, place in media]
        if call is not None:
            self.results.append((call.number, block, where))
            self.results += [(call.number, medium, place) for medium, place in media]
            return
        words, its = self.as_words(block, where)
        blocks += [*words, *(medium for medium, _ in media)]
        places += [*its, *(place for _, place in media)]
        self.turn.notes.append(Note(where, *rules.orphaned))

    def _end(self) -> None:
        """The history has ended: its calls are answered, and its ends are what they must be."""
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
        """Let the user begin, where nobody else may."""
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
    return any(_is_call(block) for piece in turn.pieces for block in piece.blocks)


def _is_call(block: ir.Block) -> TypeGuard[ir.ToolCall]:
    """Whether a block is a call that the client answers."""
    return type(block) is ir.ToolCall and block.by == "client"


# Messages that stay apart --------------------------------------------------------------------------


class _Messages(_Repair):
    """Messages stay as many as they are, but for those that one turn of the assistant is spread over."""

    def write(self) -> None:
        """Write the turns."""
        self.last: Role = "system"
        if self.request.system:
            self._add(Turn("system", [Piece(None, -1, self.request.system)]))
        for index, group in self._groups():
            message = group[0]
            if message.role == "assistant":
                self._settle()
                turn, position = Turn("assistant", []), 0
                for offset, one in enumerate(group):
                    position = self.said(one, index + offset, turn, index, position)
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
        if self.rules.says is _anything or self._is_written(turn):
            self.last = turn.role

    def _is_written(self, turn: Turn) -> bool:
        """Whether the encoder writes a turn: it may leave out empty ones of the assistant's and system text."""
        if turn.role in {"user", "tool"} or turn.pieces[-1].message is None:
            return True
        says = self.rules.says
        return says is _anything or any(any(map(says, piece.blocks)) for piece in turn.pieces)

    def _settle(self, *, bridge: bool = False) -> None:
        """Write what must stand before the next message that is no result. bridge: it is no assistant's."""
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
        if rules.says is _anything or any(map(rules.says, message.blocks)):
            self._settle(bridge=True)
            holds_media = any(
                type(block) is ir.Media and block.text is None and block.blocks is None
                for block in message.blocks
            )
            if rules.tagged is not None and (self.last == "assistant" or holds_media):
                self._tag(turn)
        self._add(turn)

    def _tag(self, turn: Turn) -> None:
        """Give system text to the user."""
        assert self.rules.tagged is not None
        piece = turn.pieces[0]
        turn.role, piece.tagged = "user", True
        turn.notes.append(Note(_where(piece), *self.rules.tagged))

    def _hear(self, message: ir.Message, index: int) -> None:
        if not _has_results(message):
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
        """The history has ended: somebody must have asked, and system text may not come last."""
        rules = self.rules
        if self.turns and self.last not in _SYSTEM:
            return
        written = [turn for turn in self.turns if self._is_written(turn)]
        if not written:
            if rules.opened is not None:
                piece = Piece(None, 0, (ir.Text(BEGIN),), ("",))
                self._add(Turn("user", [piece], [Note(None, *rules.opened)]))
            return
        last = written[-1]
        if rules.asked is not None and all(turn.role in _SYSTEM for turn in written):
            last.role = "user"
            last.notes.append(Note(_where(last.pieces[0]), *rules.asked))
        elif rules.tagged is not None and last.role in _SYSTEM:
            self._tag(last)


def _where(piece: Piece) -> str:
    return f"messages[{piece.index}]" if piece.index >= 0 else "system"


def grouped(
    messages: Sequence[ir.Message], *, chunked: bool = False
) -> Iterator[tuple[int, Sequence[ir.Message]]]:
    """The messages in order, each with its index; the messages that one turn is spread over come together.

    A protocol of items has one message for a thought, one for each call and one for what is said between them.
    Neighbours that are words alone were said one after the other and stay apart, unless they are chunked.
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


# Items ---------------------------------------------------------------------------------------------


class _Items(_Repair):
    """Results stand anywhere after their calls."""

    def write(self) -> None:
        """Write the turns."""
        for index, message in enumerate(self.request.messages):
            if message.role == "assistant":
                turn = Turn("assistant", [])
                self.said(message, index, turn, index, 0)
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
        if not _has_results(message):
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
                block = result
            blocks.append(block)
            places.append(where)

    def _answer_all(self) -> None:
        """Write a result after each call that has none."""
        left = {call.id: call for call in self.waiting}
        for turn in self.turns:
            for piece in turn.pieces if turn.role == "assistant" else ():
                blocks: list[ir.Block] = []
                places: list[str] = []
                for block, where in piece.placed():
                    blocks.append(block)
                    places.append(where)
                    if _is_call(block) and block.id in left and self.rules.needs(block):
                        blocks.append(self.absent(left[block.id]))
                        places.append("")
                        turn.notes.append(Note(None, *self.rules.added))
                piece.blocks, piece.places = blocks, places


_ORDERS: Final = {"turns": _Turns, "messages": _Messages, "items": _Items}
