"""Joins the answers of further deployments to the beginning that a first deployment has written, event by
event.

`Joint` sees all events for the client. When the stream has broken off and another deployment continues, it
makes one answer of both: one start, one text without a gap or a repetition, one end, and the sum of both
usages. See docs/decisions/0045-continued-streams.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Sequence
from itertools import takewhile
from typing import Any, Final, Self

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.upstreams.several import added

_MANY: Final = 64
"""How many parts of the text are collected before they are joined."""
_SURE: Final = 16
"""Characters. If the beginning has at least this many, an answer that starts with all of them repeats the
beginning. A shorter beginning may come again by chance ("1" in "11"), so for it only `repeats` decides.
"""
_HARMLESS: Final = frozenset({ir.Start, ir.Tally, ir.More, ir.Raw, ir.Ping, ir.Error})
"""The types of events without content for the client, so that another deployment can continue after them."""
_NO_TEXT: Final = -1


class Announced:
    """Iterates over the batches (lists of events) of a stream that continues another one. announce: called
    once, before the first batch is returned that has content or ends the answer (`_speaks`).
    """

    def __init__(self, batches: AsyncIterable[Sequence[ir.Event]], announce: Callable[[], None]) -> None:
        self._batches = aiter(batches)
        self._announce: Callable[[], None] | None = announce

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[ir.Event]:
        batch = await anext(self._batches)
        if self._announce is not None and any(map(_speaks, batch)):
            self._announce()
            self._announce = None
        return batch


def _speaks(event: ir.Event) -> bool:
    """Whether this event has content of an answer, or ends a block or the answer. False for the types in
    `_HARMLESS`, and for a text or thinking block that opens without text.
    """
    if isinstance(event, ir.Open) and isinstance(event.block, (ir.Text, ir.Thinking)):
        return bool(event.block.text)
    return type(event) not in _HARMLESS


class _Seam:
    """Where a new answer meets the text that the client has. said: the beginning that the deployment was
    given to continue. tail: the white space at the end of the client's text, which the deployment was not
    given. echo: whether the answer may repeat `said`.
    """

    __slots__ = ("_at", "_held", "_said", "_tail", "comparing", "echo", "first", "places", "shut")

    def __init__(self, said: str, tail: str, *, echo: bool) -> None:
        self._said = said
        self._tail = tail
        self._at = 0
        """Characters of `said` that the answer has repeated so far."""
        self._held = ""
        """White space that may be a repetition of `tail`."""
        self.echo = echo
        self.comparing = echo or bool(tail)
        """Whether text may still be held back, to be compared with `said` or `tail`."""
        self.first: int | None = None
        """The index of the new answer's block that continues the text; `_NO_TEXT` = no block does; None = not
        known yet.
        """
        self.places: dict[int, int] = {}
        """The index of each further block in the joined answer, by its index in the new answer."""
        self.shut = False
        """Whether the block of the joined text is closed."""

    def fresh(self, text: str) -> str:
        """Return the part of the new answer, up to and including `text`, that was not returned before and
        does not repeat what the client has; "" = nothing yet. Text that may still prove to be a repetition is
        held back; if it is none, a later call of `fresh` or `rest` returns it.
        """
        if self.echo:
            said, at = self._said, self._at
            most = len(said) - at
            if text[:most] != said[at : at + len(text)]:
                self.echo = False
                text = said[:at] + text
            elif len(text) < most:
                self._at += len(text)
                return ""
            else:
                self.echo = False
                text = text[most:]
        self._held += text
        tail = self._tail
        if not self._held or (len(self._held) < len(tail) and tail.startswith(self._held)):
            return ""
        found = self._held[_alike(self._held, tail) :]
        self._tail = self._held = ""
        self.comparing = False
        return found

    def rest(self) -> str:
        """Return the text that is still held back when the block ends, without white space that repeats the
        end of the client's text.
        """
        held = ""
        if self.echo and self._at:
            self.echo = False
            held = self.fresh(self._said[: self._at])
        self.comparing = False
        return held


def _alike(one: str, other: str) -> int:
    """Return how many characters at the beginning of both texts are equal."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


class Joint:
    """Remembers what the client was told of one streamed answer. If the stream breaks off and another
    deployment goes on, it joins the new answer to the old one. It is the last step of each attempt's stream:
    `feed` gets every event before the client does.

    stream: writes the answer to the client; None = no attempt has begun the answer. report: gets the losses
    of the joined answer. stated: the usage that the running attempt has stated; None = it has stated none.
    earlier: the usage of the attempts before the running one; None = there were none, or it is unknown.
    """

    takes: frozenset[type] = frozenset({*ir.CONTENT, *_HARMLESS, ir.Finish, ir.End})

    def __init__(self) -> None:
        self.stream: Any = None
        self.report: Report | None = None
        self.stated: ir.Usage | None = None
        self.earlier: ir.Usage | None = None
        self.excluded = False
        """Whether the answer has, or may have, content that another deployment cannot continue."""
        self._parts: list[str] = []
        self._opened = 0
        self._seam: _Seam | None = None

    @property
    def text(self) -> str:
        """The text that the client has been told so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def begun(self) -> bool:
        """Whether the client has the beginning of one text (more than white space) that can be continued, and
        nothing else.
        """
        return self._opened == 1 and not self.excluded and bool(self.text.strip())

    def begin(self, *, excluded: bool) -> None:
        """Expect the first events of an answer, of which the client has been told nothing. The text of an
        attempt before, and its stated usage, are forgotten. excluded: True = the answer cannot be continued.
        """
        self._parts, self._opened, self.excluded, self.stated = [], 0, excluded, None

    def join(self, *, repeats: bool) -> str:
        """Expect an answer that continues the text. Returns the beginning that the deployment must be given:
        the text so far, without white space at its end, as some providers refuse that. repeats: True = the
        provider is known to repeat the beginning. False = a repetition is looked for only if the beginning
        has at least 16 characters.
        """
        text = self.text
        said = text.rstrip()
        self._seam = _Seam(said, text[len(said) :], echo=repeats or len(said) >= _SURE)
        self.stated = None
        return said

    def so_far(self) -> ir.Usage:
        """Return the usage of the attempts before the running one; without counts if there were none, or if
        it is unknown.
        """
        return self.earlier or ir.Usage()

    def total(self, usage: ir.Usage) -> ir.Usage:
        """Return the usage of the running attempt, `usage`, together with that of the attempts before it."""
        return usage if self.earlier is None else added([self.earlier, usage])

    # --- As a step -------------------------------------------------------------------------------------

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        """Return the events for the client in place of this event; empty = the client is told nothing.
        Remembers the text in them, and the usage that `event` states.
        """
        if isinstance(event, (ir.Start, ir.Tally)) and event.usage is not None:
            self.stated = event.usage.after(self.stated, final=False)
        events = (event,) if self._seam is None else self._joined(self._seam, event)
        for told in events:
            self._hear(told)
        return events

    def whole(self, response: ir.Response) -> ir.Response:
        """Return the answer unchanged, because only streams are continued."""
        return response

    def _hear(self, event: ir.Event) -> None:
        if type(event) is ir.TextDelta and event.index == event.candidate == 0:
            self._parts.append(event.text)
            if len(self._parts) >= _MANY:
                self._parts = ["".join(self._parts)]
        elif isinstance(event, ir.Open):
            self._opened += 1
            block = event.block
            if not isinstance(block, ir.Text) or block.citations or block.sealed or event.candidate:
                self.excluded = True
            elif block.text:
                self._parts.append(block.text)
        elif type(event) not in _HARMLESS:
            self.excluded = True  # among others the end of the text, after which nothing is missing of it

    # --- Joining ---------------------------------------------------------------------------------------

    def _joined(self, seam: _Seam, event: Any) -> Sequence[ir.Event]:
        match event:
            case ir.Start() | ir.Raw():
                return ()  # the answer has begun, and the wire events of another one mean nothing in it
            case ir.More():
                return () if event.extra is None else (ir.More(extra=event.extra),)
            case ir.Tally():
                return (ir.Tally(self.total(event.usage)),)
            case ir.Finish() | ir.End():
                return (*self._shut(seam), event)
            case ir.Ping() | ir.Error():
                return (event,)
            case ir.Open():
                return self._open(seam, event)
        if event.index == seam.first:
            return self._of_text(seam, event)
        if (place := seam.places.get(event.index)) is None:
            return ()
        return (msgspec.structs.replace(event, index=place),)

    def _open(self, seam: _Seam, event: ir.Open) -> Sequence[ir.Event]:
        block = event.block
        if isinstance(block, ir.Thinking):
            self._lose("the continuing model's thinking is not part of the answer that was begun")
            return ()
        if seam.first is None and isinstance(block, ir.Text):
            seam.first = event.index
            return self._said(seam, block.text)
        shut: Sequence[ir.Event] = ()
        if seam.first is None:
            seam.first, shut = _NO_TEXT, self._shut(seam)
        place = seam.places[event.index] = 1 + len(seam.places)
        return (*shut, msgspec.structs.replace(event, index=place))

    def _of_text(self, seam: _Seam, event: Any) -> Sequence[ir.Event]:
        """Return the events for the client in place of an event of the block that continues the text."""
        match event:
            case ir.TextDelta() if not seam.comparing:
                return (event if event.index == 0 else msgspec.structs.replace(event, index=0),)
            case ir.TextDelta():
                return self._said(seam, event.text)
            case ir.Close():
                return self._shut(seam)
        self._lose(f"a {type(event).__name__} of the continuing model does not fit the joined text")
        return ()

    def _said(self, seam: _Seam, text: str) -> Sequence[ir.Event]:
        fresh = seam.fresh(text) if text and seam.comparing else text
        return (ir.TextDelta(0, fresh),) if fresh else ()

    def _shut(self, seam: _Seam) -> Sequence[ir.Event]:
        """Return the events that end the joined text: first the text that is held back, then a `Close`. () =
        the text has ended already. The new answer's own `Close` is replaced, because its block has only the
        new answer's part of the text.
        """
        if seam.shut:
            return ()
        seam.shut = True
        held = seam.rest()
        return (ir.TextDelta(0, held), ir.Close(0)) if held else (ir.Close(0),)

    def _lose(self, reason: str) -> None:
        if self.report is not None:
            self.report.lose("", reason, "hint")
