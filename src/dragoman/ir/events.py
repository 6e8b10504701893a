"""A streamed answer as events, and the grammar that the events of every codec obey.

A candidate is one of the alternative answers to a request. `index` numbers the blocks of one candidate from 0
without gaps; several blocks may be open at once. `Checker` checks the order of the events. The normal order
is:

Start Open delta* [Cite*] Close … Finish [Tally, More, late Cite] End

`Error` may end a stream at any point before `End`. A `Ping` may come anywhere before the end, also before
`Start`; `Tally`, `More` and `Raw` may come anywhere between `Start` and the end.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from dragoman.ir.blocks import Block, Citation, Extra, Logprob, Sealed, Value
from dragoman.ir.fault import Fault
from dragoman.ir.response import Stop
from dragoman.ir.usage import Usage


class Start(Value, frozen=True):
    """The answer begins. dialect: the protocol in which it is received. created: Unix seconds or RFC 3339
    text. tier: the service tier. usage: the token counts that are known at the beginning. status: the status
    of the answer in OpenAI's Responses API. echo: the fields of the request that the answer repeats. A field
    that is None was not stated.
    """

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
    """A block begins. block: the block as far as it is known: its names and ids, and sometimes content, even
    all of it; deltas are appended to this content. index: the number of the block in its candidate, from 0.
    """

    index: int
    block: Block
    candidate: int = 0


class TextDelta(Value, frozen=True):
    """Text to append to a Text block. logprobs: the log probabilities of this text, None = it has none."""

    index: int
    text: str
    candidate: int = 0
    logprobs: tuple[Logprob, ...] | None = None


class ArgsDelta(Value, frozen=True):
    """Text to append to the arguments of a ToolCall."""

    index: int
    text: str
    candidate: int = 0


class ThinkDelta(Value, frozen=True):
    """Text to append to a Thinking block. part: the number of the part of the summary to append to, None =
    the text belongs to the raw reasoning.
    """

    index: int
    text: str
    candidate: int = 0
    part: int | None = None


class RefusalDelta(Value, frozen=True):
    """Text to append to a Refusal block. logprobs: the log probabilities of this text, None = it has none."""

    index: int
    text: str
    candidate: int = 0
    logprobs: tuple[Logprob, ...] | None = None


class SealDelta(Value, frozen=True):
    """The seal (`Sealed`: a signature or encrypted reasoning) of an open block. It replaces an earlier seal
    of the block.
    """

    index: int
    sealed: Sealed
    candidate: int = 0


class MediaDelta(Value, frozen=True):
    """Content of a Media block. data: base64 to append to the block's `data`. transcript: words to append to
    the block's `transcript`. For both, None = nothing to append. expires: the new value of the block's
    `expires`, None = no change.
    """

    index: int
    data: str | None = None
    transcript: str | None = None
    candidate: int = 0
    expires: int | None = None


class Cite(Value, frozen=True):
    """A citation to append to a Text block. It may also follow the block's Close, because some providers send
    sources late.
    """

    index: int
    citation: Citation
    candidate: int = 0


class Close(Value, frozen=True):
    """A block ends. block: the final block, which replaces the block that Open and the deltas have built;
    None = the built block stays.
    """

    index: int
    block: Block | None = None
    candidate: int = 0


class Finish(Value, frozen=True):
    """A candidate ends. All its blocks were closed before. stop: why it ends, None = not stated."""

    stop: Stop | None
    candidate: int = 0
    extra: Extra = None


class Tally(Value, frozen=True):
    """The token counts of the whole answer so far. They replace the counts of an earlier Tally or Start."""

    usage: Usage


class More(Value, frozen=True):
    """Facts about the answer that come after Start. extra, echo: merged with those of earlier events; for the
    same key, the later value counts. tier, model: replace those of earlier events, None = no change.
    """

    extra: Extra = None
    tier: str | None = None
    model: str | None = None
    echo: dict[str, Any] | None = None


class Raw(Value, frozen=True):
    """An event of one dialect that carries no content (progress, for example). Encoders of other dialects
    leave it out. value: the decoded event. index: the number of the block that the event belongs to, None =
    no block.
    """

    dialect: str
    value: Any
    index: int | None = None


class End(Value, frozen=True):
    """The stream ends normally. status: the final status, None = the status in Start stays. error: why the
    answer failed, None = it did not fail. extra: merged with that of earlier events; for the same key, this
    value counts.
    """

    status: str | None = None
    error: Fault | None = None
    extra: Extra = None


class Error(Value, frozen=True):
    """The stream failed, and ends without an End: no other event follows."""

    fault: Fault


class Ping(Value, frozen=True):
    """A sign of life from the upstream, without content."""


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
"""The classes of events that belong to one block and begin, change or end it."""

_BESIDE: tuple[type, ...] = (Tally, More, Raw, Ping)

GRAMMAR: dict[str, dict[type, str]] = {
    "new": {Ping: "new", Start: "head", Error: "over"},
    "head": {Open: "body", Finish: "tail", End: "over", Error: "over"} | dict.fromkeys(_BESIDE, "head"),
    "body": {Open: "body", Cite: "body", Close: "body", Finish: "tail", End: "over", Error: "over"}
    | dict.fromkeys((*DELTAS, *_BESIDE), "body"),
    # After one candidate's Finish, other candidates may still send content; a late Cite names a closed block.
    "tail": {Open: "body", Cite: "tail", Close: "tail", Finish: "tail", End: "over", Error: "over"}
    | dict.fromkeys((*DELTAS, *_BESIDE), "tail"),
    "over": {},
}
"""GRAMMAR[state][event class] -> next state. An event that is missing from the table is illegal."""


class GrammarError(ValueError):
    """An event that GRAMMAR, or the state of its block or candidate, does not allow at this point."""


class Checker:
    """Checks the events of one stream against `GRAMMAR`, and against the blocks and candidates that were
    opened, closed and finished before. state: the state in `GRAMMAR` after the latest event.
    """

    def __init__(self) -> None:
        self.state = "new"
        self._opened: dict[int, list[Block]] = {}
        self._open: set[tuple[int, int]] = set()
        self._finished: set[int] = set()

    def add(self, event: Event) -> None:
        """Check the next event of the stream. Raises GrammarError if it is illegal here."""
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
