"""A streamed answer as events, and the grammar that every codec's stream obeys.

One class per event. `index` numbers the blocks of one candidate densely from 0; several may be open.
The sequence is checked by `Checker`, which tests and a debug switch wrap round every codec:

    Start  Open delta* [Cite*] Close  …  Finish  [Tally, More, late Cite]  End

`Error` ends a stream at any time. Source of the shape: a study over recorded traffic of four dialects.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from dragoman.ir.blocks import Block, Citation, Extra, Logprob, Sealed, Value
from dragoman.ir.fault import Fault
from dragoman.ir.response import Stop
from dragoman.ir.usage import Usage


class Start(Value, frozen=True):
    """The answer begins. Fields as in `Response`; usage: what is known of the input so far."""

    dialect: str
    id: str | None = None
    model: str | None = None
    created: int | float | str | None = None
    tier: str | None = None
    usage: Usage | None = None
    status: str | None = None
    extra: Extra = None
    echo: dict[str, Any] | None = None


class Open(Value, frozen=True):
    """A block begins. `block` holds all that is known: names and ids; whole content where it comes whole."""

    index: int
    block: Block
    candidate: int = 0


class TextDelta(Value, frozen=True):
    """More of a Text block."""

    index: int
    text: str
    candidate: int = 0
    logprobs: tuple[Logprob, ...] | None = None


class ArgsDelta(Value, frozen=True):
    """More of a ToolCall's arguments, as exact text."""

    index: int
    text: str
    candidate: int = 0


class ThinkDelta(Value, frozen=True):
    """More of a Thinking block: of its raw text, or of summary part `part`."""

    index: int
    text: str
    candidate: int = 0
    part: int | None = None


class RefusalDelta(Value, frozen=True):
    """More of a Refusal block."""

    index: int
    text: str
    candidate: int = 0
    logprobs: tuple[Logprob, ...] | None = None


class SealDelta(Value, frozen=True):
    """The seal of an open block; replaces an earlier one."""

    index: int
    sealed: Sealed
    candidate: int = 0


class MediaDelta(Value, frozen=True):
    """More of a Media block: base64 that is appended, or words of its transcript; `expires` replaces."""

    index: int
    data: str | None = None
    transcript: str | None = None
    candidate: int = 0
    expires: int | None = None


class Cite(Value, frozen=True):
    """A citation of a Text block; may come after the block's Close (grounding arrives late)."""

    index: int
    citation: Citation
    candidate: int = 0


class Close(Value, frozen=True):
    """A block ends. `block`, where given, is authoritative and replaces what the deltas added up to."""

    index: int
    block: Block | None = None
    candidate: int = 0


class Finish(Value, frozen=True):
    """A candidate ends; its blocks are closed. extra: the candidate's leftover keys."""

    stop: Stop | None
    candidate: int = 0
    extra: Extra = None


class Tally(Value, frozen=True):
    """Usage so far: cumulative, replaces any earlier one."""

    usage: Usage


class More(Value, frozen=True):
    """Late facts about the answer: leftover keys and echo (merged), tier, model (replace)."""

    extra: Extra = None
    tier: str | None = None
    model: str | None = None
    echo: dict[str, Any] | None = None


class Raw(Value, frozen=True):
    """A wire event that only its dialect knows and that holds no content (progress). A loss elsewhere."""

    dialect: str
    value: Any
    index: int | None = None


class End(Value, frozen=True):
    """The answer is complete. status, error: as in `Response`."""

    status: str | None = None
    error: Fault | None = None
    extra: Extra = None


class Error(Value, frozen=True):
    """The stream broke; nothing follows."""

    fault: Fault


class Ping(Value, frozen=True):
    """The upstream is alive and says nothing."""


Event: TypeAlias = (
    Start
    | Open
    | TextDelta
    | ArgsDelta
    | ThinkDelta
    | RefusalDelta
    | SealDelta
    | MediaDelta
    | Cite
    | Close
    | Finish
    | Tally
    | More
    | Raw
    | End
    | Error
    | Ping
)

DELTAS: tuple[type, ...] = (TextDelta, ArgsDelta, ThinkDelta, RefusalDelta, SealDelta, MediaDelta)
CONTENT: frozenset[type] = frozenset({Open, *DELTAS, Cite, Close})
"""The events that carry content. The first of them is what commits an answer to its attempt."""

_BESIDE: tuple[type, ...] = (Tally, More, Raw, Ping)

GRAMMAR: dict[str, dict[type, str]] = {
    "new": {Ping: "new", Start: "head", Error: "over"},
    "head": {Open: "body", Finish: "tail", End: "over", Error: "over"} | dict.fromkeys(_BESIDE, "head"),
    "body": {Open: "body", Cite: "body", Close: "body", Finish: "tail", End: "over", Error: "over"}
    | dict.fromkeys((*DELTAS, *_BESIDE), "body"),
    # In the tail only another candidate still talks; a late Cite belongs to a closed block.
    "tail": {Open: "body", Cite: "tail", Close: "tail", Finish: "tail", End: "over", Error: "over"}
    | dict.fromkeys((*DELTAS, *_BESIDE), "tail"),
    "over": {},
}
"""GRAMMAR[state][event class] -> next state. What is not in the table is illegal."""


class GrammarError(ValueError):
    """A codec emitted an event that GRAMMAR does not allow here."""


class Checker:
    """Follows one stream and raises GrammarError at the first illegal event."""

    def __init__(self) -> None:
        self.state = "new"
        self._opened: dict[int, list[Block]] = {}
        self._open: set[tuple[int, int]] = set()
        self._finished: set[int] = set()

    def add(self, event: Event) -> None:
        """Check one event and move on."""
        kind = type(event)
        after = GRAMMAR[self.state].get(kind)
        if after is None:
            raise GrammarError(f"{kind.__name__} is illegal in state {self.state!r}: {event!r}")
        if kind in CONTENT:
            self._content(event)
        elif isinstance(event, Finish):
            if event.candidate in self._finished:
                raise GrammarError(f"candidate {event.candidate} finishes twice")
            if still := [i for c, i in self._open if c == event.candidate]:
                raise GrammarError(f"candidate {event.candidate} finishes with blocks {still} open")
            self._finished.add(event.candidate)
        elif isinstance(event, End) and self._open:
            raise GrammarError(f"the stream ends with blocks {sorted(self._open)} open")
        self.state = after

    def _content(self, event: Any) -> None:
        candidate, index = event.candidate, event.index
        blocks = self._opened.setdefault(candidate, [])
        if isinstance(event, Cite):
            if index >= len(blocks):
                raise GrammarError(f"Cite of block {index}, which was never opened")
            return
        if candidate in self._finished:
            raise GrammarError(f"{type(event).__name__} for candidate {candidate} after its Finish")
        if isinstance(event, Open):
            if index != len(blocks):
                raise GrammarError(
                    f"block {index} opened where {len(blocks)} was due (candidate {candidate})"
                )
            blocks.append(event.block)
            self._open.add((candidate, index))
        elif (candidate, index) not in self._open:
            raise GrammarError(f"{type(event).__name__} for block {index}, which is not open")
        elif isinstance(event, Close):
            self._open.discard((candidate, index))
        elif type(blocks[index]).__name__ not in _TAKES[type(event)]:
            raise GrammarError(f"{type(event).__name__} for a {type(blocks[index]).__name__} block")


_TAKES: dict[type, tuple[str, ...]] = {
    TextDelta: ("Text",),
    ArgsDelta: ("ToolCall",),
    ThinkDelta: ("Thinking",),
    RefusalDelta: ("Refusal",),
    MediaDelta: ("Media",),
    SealDelta: ("Text", "Thinking", "ToolCall", "Media", "Native"),
}
"""Which kinds of block each delta may extend."""
