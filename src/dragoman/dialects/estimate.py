"""Estimates the usage of a response whose upstream states none, or states only a part of it, by counting
tokens. An estimate is marked as such (`ir.Usage.estimated`).

Self-hosted servers and small custom upstreams often state no usage, but most protocols require it. The counts
that an upstream stated usually stay as they are. Exceptions are impossible counts, and counts that describe
only the stream's beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, Final, Generic, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.tool_units import ToolUses
from dragoman.ir.units import units_of
from dragoman.tokens import Counter, count
from dragoman.tokens.vocabulary import BYTES_PER_TOKEN, size

ESTIMATED: Final = "estimated"
"""The JSON member that marks an estimate. It is written into the usage object, or in Ollama's protocol into
the response itself. No protocol defines it."""
_Part = TypeVar("_Part", bound=Sized)


class Overheard(Generic[_Part]):
    """The beginning of a provider's stream, kept to estimate the stream's usage if the provider states none.

    parts: the kept parts of the stream. A part is a chunk of bytes or a list of events. most: once the stream
    is this long, no further part is kept. length: the length of the stream so far. Lengths are numbers of
    bytes or of events.
    """

    __slots__ = ("length", "most", "parts")

    def __init__(self, most: int) -> None:
        self.parts: list[_Part] = []
        self.most = most
        self.length = 0

    def hear(self, part: _Part) -> None:
        """Add the next part of the stream to `length`, and keep the part if the stream was shorter than
        `most` before it.
        """
        if self.length < self.most:
            self.parts.append(part)
        self.length += len(part)

    @property
    def share(self) -> float:
        """The length of the stream so far divided by the length of its kept parts (by 1, if this is 0): 1 or
        more; 0 = the stream has no bytes or events yet.
        """
        return self.length / max(1, sum(map(len, self.parts)))


def is_unstated(usage: ir.Usage | None) -> bool:
    """Whether the usage must be estimated: it states neither input, output nor reasoning tokens, or it has an
    impossible count (`ir.Usage.plausible`). True for None, the usage of an upstream that stated none.
    """
    return usage is None or not usage.stated or not usage.plausible()


def lacks_prompt(usage: ir.Usage) -> bool:
    """Whether a usage states no tokens of the prompt: `input`, `cache_read` and `cache_write` are None."""
    return usage.input is usage.cache_read is usage.cache_write is None


def lacks_answer(usage: ir.Usage) -> bool:
    """Whether a usage does not state the visible tokens of the answer."""
    return usage.output is None


def is_incomplete(usage: ir.Usage | None) -> bool:
    """Whether the usage has to be estimated: all of it, or the tokens of the prompt or of the answer. True
    for None.
    """
    return usage is None or is_unstated(usage) or lacks_prompt(usage) or lacks_answer(usage)


def whole_cost(
    request: ir.Request | int,
    model: str,
    events: Iterable[ir.Event],
    share: float,
    stated: ir.Usage | None = None,
) -> ir.Usage:
    """Return the usage of a complete stream: the stated one, with an estimate of the tokens that it lacks, of
    the prompt or of the answer. It is marked as estimated if a part of it is estimated. If the stream stated
    no usage, or one with an impossible count (`is_unstated`), input, output and reasoning are estimated.

    request: the request, or its size in bytes if the request is too large for counting its tokens. model: the
    upstream's name for the model. events: the events of the stream's beginning. share: the length of the
    whole stream divided by the length of this beginning; the counted output is multiplied by it. stated: the
    latest usage in the stream; None = the stream stated none.
    """
    if stated is not None and not (is_unstated(stated) or lacks_answer(stated)):
        return _with_prompt(stated, request, model)
    counter = EstimateUsage(ir.Request("", model), model)
    for event in events:
        if not isinstance(event, (ir.End, ir.Start, ir.Tally)):
            counter.feed(event)
    said, thought = counter.tokens(share)
    if stated is not None and not is_unstated(stated):
        return _with_prompt(_with_answer(stated, said, thought), request, model)
    return _estimated(stated, _prompt(request, model), said, thought)


def cost_so_far(
    request: ir.Request | int, model: str, events: Iterable[ir.Event], share: float, stated: ir.Usage | None
) -> ir.Usage:
    """Return the usage of a stream that broke off. It is marked as estimated if tokens in it are estimated.

    If the stream stated its final output tokens, the stated usage is returned, with an estimate of the tokens
    that it lacks. Otherwise the output is estimated, and the input too if the stream did not state it; calls
    of provider tools in `events` count if they are more than the stated ones. A usage with an impossible
    count states no tokens.

    request: the request, or its size in bytes. model: the upstream's name for the model. events: the events
    of the stream's beginning. share: the length of the stream so far divided by the length of this beginning;
    the counted output is multiplied by it. stated: the latest usage in the stream; None = the first Tally in
    `events` states the usage, if there is one. Output counts that are the same as in the stream's Start event
    are not final (Anthropic sends such counts).
    """
    begun = _answered(None)
    counter, uses = EstimateUsage(ir.Request("", model), model), ToolUses()
    for event in events:
        if isinstance(event, ir.Start):
            begun = _answered(event.usage)
        elif isinstance(event, ir.Tally):
            stated = stated or event.usage
        elif not isinstance(event, ir.End):
            if isinstance(event, ir.Open):
                uses.note(event.block)
            counter.feed(event)
    stated = _possible(stated)
    said, thought = counter.tokens(share)
    if stated is not None and _answered(stated) not in {(None, None), begun}:
        return _with_prompt(_with_answer(stated, said, thought), request, model)
    if stated is not None and stated.input is not None:
        cost = msgspec.structs.replace(stated, output=said, reasoning=thought or None, estimated=True)
    else:
        cost = _estimated(stated, _prompt(request, model), said, thought)
    return _with_uses(cost, uses.counts)


def said_so_far(model: str, events: Iterable[ir.Event], share: float) -> int:
    """Return the estimated number of output tokens, thinking included, of a running stream; or the largest
    number in a Tally without impossible counts, if it is more.

    model: the upstream's name for the model. events: the events of the stream's beginning. share: the length
    of the stream so far divided by the length of this beginning; the counted tokens are multiplied by it.
    """
    counter, stated = EstimateUsage(ir.Request("", model), model), 0
    for event in events:
        if isinstance(event, ir.Tally):
            if event.usage.plausible():
                stated = max(stated, event.usage.output_total)
        elif not isinstance(event, (ir.Start, ir.End)):
            counter.feed(event)
    return max(stated, sum(counter.tokens(share)))


def _answered(usage: ir.Usage | None) -> tuple[int | None, int | None]:
    return (None, None) if usage is None else (usage.output, usage.reasoning)


def _estimated(stated: ir.Usage | None, prompt: int, said: int, thought: int) -> ir.Usage:
    """Return an estimated usage. prompt: the tokens of the whole prompt. said, thought: the tokens of text
    and of thinking in the answer.

    stated: the usage that the upstream stated. Its counts other than input, output and reasoning stay, as far
    as `_possible` keeps them. Its cached tokens are a part of `prompt`, so `input` gets the rest of `prompt`.
    """
    stated = _with_input(_possible(stated) or _NO_USAGE, prompt)
    return msgspec.structs.replace(stated, output=said, reasoning=thought or None)


def _possible(usage: ir.Usage | None) -> ir.Usage | None:
    """Return the usage itself, or if it has an impossible count, only the amounts in its `detail` that do not
    count tokens; None = there is nothing to return.
    """
    if usage is None or usage.plausible():
        return usage
    detail = usage.detail or {}
    kept = {name: amount for name, amount in detail.items() if units_of(ir.Usage(detail={name: amount}))}
    return ir.Usage(detail=kept) if kept else None


def _with_uses(usage: ir.Usage, counts: Mapping[str, int]) -> ir.Usage:
    """Return the usage with the larger number of uses of each provider tool: the one in its `detail`, or the
    one in `counts` (unit -> number).
    """
    detail = usage.detail or {}
    more = {unit: count for unit, count in counts.items() if _number(detail.get(unit)) < count}
    return msgspec.structs.replace(usage, detail={**detail, **more}) if more else usage


def _number(value: Any) -> int:
    return value if type(value) is int else 0


def _with_prompt(stated: ir.Usage, request: ir.Request | int, model: str) -> ir.Usage:
    return _with_input(stated, _prompt(request, model)) if lacks_prompt(stated) else stated


def _with_input(stated: ir.Usage, prompt: int) -> ir.Usage:
    """Return the usage with an estimated `input`. prompt: the tokens of the whole prompt; the stated tokens
    of caches are a part of it.
    """
    fresh = max(0, prompt - (stated.cache_read or 0) - (stated.cache_write or 0))
    return msgspec.structs.replace(stated, input=fresh, estimated=True)


def _with_answer(stated: ir.Usage, said: int, thought: int) -> ir.Usage:
    """Return the usage, with estimated tokens of the answer if it lacks them and the answer has any. Some
    providers leave out a count that is 0.
    """
    if not lacks_answer(stated):
        return stated
    reasoning = stated.reasoning if stated.reasoning is not None else thought or None
    if not said and reasoning == stated.reasoning:
        return stated
    return msgspec.structs.replace(stated, output=said, reasoning=reasoning, estimated=True)


def _prompt(request: ir.Request | int, model: str) -> int:
    return _tokens(request) if isinstance(request, int) else count(request, model).tokens


class EstimateUsage:
    """A step that adds an estimated usage to one response whose upstream states none, and an estimate of the
    prompt's or of the answer's tokens to a usage without them. The step gets either the whole response
    (`whole`) or each of its events in order (`feed`).

    request: the request as the upstream received it. model: the upstream's name for the model.
    """

    __slots__ = (
        *(
            "_asked",
            "_held",
            "_latest",
            "_model",
            "_prompted",
            "_request",
            "_said",
            "_stated_beside",
            "_thought",
        ),
        "takes",
    )

    def __init__(self, request: ir.Request, model: str) -> None:
        self._request = request
        self._model = model
        self._stated_beside: ir.Usage | None = None  # the latest usage without the prompt's tokens
        self._latest: ir.Usage | None = None  # the latest usage, if it lacks only the answer's tokens
        self._prompted: ir.Usage | None = None  # the latest usage with the prompt's tokens
        self._asked: int | None = None  # the tokens of the prompt, once they are counted
        self._held = (0, 0)  # tokens of text and of thinking in whole blocks
        self._said = self._thought = 0  # bytes of text and of thinking in deltas
        self.takes: frozenset[type] = _COUNTED
        """The kinds of events to feed. They become fewer when the stream states its usage."""

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        """Return the events that take the place of this event: for most events, the event itself. Once a
        Tally has stated the tokens of the prompt and of the answer, all events are returned unchanged. Before
        that, a Tally without the prompt's tokens gets them, a Tally with impossible counts, or without input,
        output and reasoning, is left out, and a Start loses a usage with impossible counts. If the answer's
        tokens were not stated, a Tally with the estimated ones is inserted before the End, unless it adds
        nothing.
        """
        if type(event) not in self.takes:
            return (event,)
        if isinstance(event, _SAYS):
            self._said += size(event.text)
        elif isinstance(event, ir.ThinkDelta):
            self._thought += size(event.text)
        elif isinstance(event, ir.Open):
            said, thought = self._weighed((event.block,))
            self._held = self._held[0] + said, self._held[1] + thought
        elif isinstance(event, (ir.Tally, ir.Start)):
            return self._stated(event)
        elif isinstance(event, ir.End):
            if self._latest is None:
                return ir.Tally(self.so_far()), event
            usage = _with_answer(self._latest, *self.tokens())
            return (event,) if usage is self._latest else (ir.Tally(usage), event)
        return (event,)

    def _stated(self, event: ir.Tally | ir.Start) -> Sequence[ir.Event]:
        usage = event.usage
        if usage is None:
            return (event,)
        if not usage.plausible():
            self._stated_beside = _possible(usage) or self._stated_beside
            return () if isinstance(event, ir.Tally) else (msgspec.structs.replace(event, usage=None),)
        if not usage.stated:
            self._stated_beside = usage
            return () if isinstance(event, ir.Tally) else (event,)
        if lacks_prompt(usage) and isinstance(event, ir.Start):
            self._stated_beside = usage
            return (event,)
        known = self._completed(usage)
        if not lacks_prompt(usage):
            self._prompted = usage
        if lacks_answer(known):
            self._latest = known
        else:
            self._latest = None
            final = known is usage and isinstance(event, ir.Tally)
            self.takes = _NOTHING if final else _TALLIES
        return (event,) if known is usage else (ir.Tally(known),)

    def _completed(self, usage: ir.Usage) -> ir.Usage:
        """Return the stated usage. If it lacks the prompt's tokens, it gets those that the stream has stated
        before, or else an estimate.
        """
        if not lacks_prompt(usage):
            return usage
        if self._prompted is not None:
            return usage.after(self._prompted, final=False)
        return _with_input(usage, self._prompt())

    def _prompt(self) -> int:
        if self._asked is None:
            self._asked = _prompt(self._request, self._model)
        return self._asked

    def so_far(self) -> ir.Usage:
        """Return an estimated usage: the tokens of the request, and of the output in all events that were
        fed. Other counts that the stream stated may stay, and so may the output of a Start, if it is more
        than the estimated one.
        """
        said, thought = self.tokens()
        stated = self._stated_beside
        if stated is not None and stated.output_total > said + thought:
            return self._completed(stated)
        return self._usage(said, thought)

    def tokens(self, share: float = 1.0) -> tuple[int, int]:
        """Return (tokens of text, calls and refusals; tokens of thinking) of all events that were fed, each
        multiplied by `share`.
        """
        said, thought = self._held
        said, thought = said + _tokens(self._said), thought + _tokens(self._thought)
        return round(said * share), round(thought * share)

    def whole(self, response: ir.Response) -> ir.Response:
        """Return the response with an estimated usage if it states none, or a usage with impossible counts.
        If its usage lacks the tokens of the prompt or of the answer, these are estimated; an estimate of 0
        for the answer is not added. Otherwise the response is returned unchanged.
        """
        stated = None if is_unstated(response.usage) else response.usage
        if stated is not None and not lacks_answer(stated):
            usage = self._completed(stated)
            return response if usage is stated else msgspec.structs.replace(response, usage=usage)
        self._stated_beside = response.usage
        said, thought = self._weighed([block for one in response.candidates for block in one.blocks])
        if stated is not None:
            usage = self._completed(_with_answer(stated, said, thought))
            return response if usage is stated else msgspec.structs.replace(response, usage=usage)
        return msgspec.structs.replace(response, usage=self._usage(said, thought))

    def _weighed(self, blocks: Sequence[ir.Block]) -> tuple[int, int]:
        counter = Counter(self._model)
        thoughts = [block for block in blocks if isinstance(block, ir.Thinking)]
        thought = counter.blocks(thoughts)
        return counter.blocks(blocks) - thought, thought

    def _usage(self, said: int, thought: int) -> ir.Usage:
        return _estimated(self._stated_beside, self._prompt(), said, thought)


_NO_USAGE: Final = ir.Usage()
_SAYS = (ir.TextDelta, ir.ArgsDelta, ir.RefusalDelta)
_COUNTED: Final = frozenset({*_SAYS, ir.ThinkDelta, ir.Open, ir.Tally, ir.Start, ir.End})
_TALLIES: Final = frozenset({ir.Tally})
_NOTHING: Final[frozenset[type]] = frozenset()


def _tokens(held: int) -> int:
    return -(-held // BYTES_PER_TOKEN)
