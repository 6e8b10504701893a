"""What an answer cost where its upstream does not say: counted here, and marked as an estimate.

Servers of one's own and upstreams written in a few lines often state no usage, and most protocols insist on
it. It must never touch what an upstream did state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import Final, Generic, TypeVar

import msgspec

from dragoman import ir
from dragoman.tokens import Counter, count
from dragoman.tokens.vocabulary import BYTES_PER_TOKEN, size

ESTIMATED: Final = "estimated"
"""The member of an answer's counts that says that the gateway counted. No protocol has one of this name."""
_Part = TypeVar("_Part", bound=Sized)


class Overheard(Generic[_Part]):
    """The beginning of a stream, from which its usage is estimated where its provider states none: bytes of
    one that is relayed, events of one that is translated. most: how many of them are kept.
    """

    __slots__ = ("_held", "_most", "_size", "parts")

    def __init__(self, most: int) -> None:
        self.parts: list[_Part] = []
        self._most = most
        self._held = 0
        self._size = 0

    def hear(self, part: _Part) -> None:
        """More of the stream. What lies beyond the beginning is only measured."""
        self._size += len(part)
        if self._held < self._most:
            self.parts.append(part)
            self._held += len(part)

    @property
    def share(self) -> float:
        """How much larger the stream is than what is kept of it."""
        return self._size / max(1, self._held)


def whole_cost(asked: ir.Request | int, model: str, events: Iterable[ir.Event], share: float) -> ir.Usage:
    """The likely usage of a stream that has ended without any. asked: the request, or its bytes where it is
    too large to be counted. events: the stream's beginning; share: how much larger all of it is.
    """
    counter = EstimateUsage(ir.Request("", model), model)
    for event in events:
        if not isinstance(event, ir.End):
            counter.feed(event)
    said, thought = counter.answered(share)
    return ir.Usage(input=_prompt(asked, model), output=said, reasoning=thought or None, estimated=True)


def cost_so_far(
    asked: ir.Request | int, model: str, events: Iterable[ir.Event], share: float, stated: ir.Usage | None
) -> ir.Usage:
    """What a stream that has broken off is likely to have cost by then, as far as its provider has not said.

    stated: what it has said. Counts of the answer that came with its beginning, as Anthropic's do, are none
    of it. The others: as above.
    """
    begun = _answered(None)
    counter = EstimateUsage(ir.Request("", model), model)
    for event in events:
        if isinstance(event, ir.Start):
            begun = _answered(event.usage)
        elif not isinstance(event, (ir.Tally, ir.End)):
            counter.feed(event)
    if stated is not None and _answered(stated) not in {(None, None), begun}:
        return stated
    said, thought = counter.answered(share)
    if stated is not None and stated.input is not None:
        return msgspec.structs.replace(stated, output=said, reasoning=thought or None, estimated=True)
    return ir.Usage(input=_prompt(asked, model), output=said, reasoning=thought or None, estimated=True)


def _answered(usage: ir.Usage | None) -> tuple[int | None, int | None]:
    return (None, None) if usage is None else (usage.output, usage.reasoning)


def _prompt(asked: ir.Request | int, model: str) -> int:
    return _tokens(asked) if isinstance(asked, int) else count(asked, model).tokens


class EstimateUsage:
    """Adds usage to one answer without any. request: as its upstream got it. model: its name there."""

    __slots__ = ("_held", "_model", "_request", "_said", "_stated", "_thought")

    def __init__(self, request: ir.Request, model: str) -> None:
        self._request = request
        self._model = model
        self._held = (0, 0)  # tokens said and thought that came whole
        self._said = self._thought = 0  # bytes that came in pieces
        self._stated = False

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        """The event; before the end of a stream without usage, what it is likely to be."""
        if self._stated:
            return (event,)
        if isinstance(event, _SAYS):
            self._said += size(event.text)
        elif isinstance(event, ir.ThinkDelta):
            self._thought += size(event.text)
        elif isinstance(event, ir.Open):
            said, thought = self._weighed((event.block,))
            self._held = self._held[0] + said, self._held[1] + thought
        elif isinstance(event, (ir.Tally, ir.Start)):
            self._stated = event.usage is not None and event.usage.stated
        elif isinstance(event, ir.End):
            return ir.Tally(self.said()), event
        return (event,)

    def said(self) -> ir.Usage:
        """The likely usage by now."""
        return self._usage(*self.answered())

    def answered(self, share: float = 1.0) -> tuple[int, int]:
        """The tokens that have been said and thought by now. share: how much larger the answer is than what
        came by here.
        """
        said, thought = self._held
        said, thought = said + _tokens(self._said), thought + _tokens(self._thought)
        return round(said * share), round(thought * share)

    def whole(self, response: ir.Response) -> ir.Response:
        """The answer with usage; the same value where there was some."""
        if response.usage is not None and response.usage.stated:
            return response
        said, thought = self._weighed([block for one in response.candidates for block in one.blocks])
        return msgspec.structs.replace(response, usage=self._usage(said, thought))

    def _weighed(self, blocks: Sequence[ir.Block]) -> tuple[int, int]:
        """The tokens of what was said and of what was thought."""
        counter = Counter(self._model)
        thoughts = [block for block in blocks if isinstance(block, ir.Thinking)]
        thought = counter.blocks(thoughts)
        return counter.blocks(blocks) - thought, thought

    def _usage(self, said: int, thought: int) -> ir.Usage:
        asked = count(self._request, self._model).tokens
        return ir.Usage(input=asked, output=said, reasoning=thought or None, estimated=True)


_SAYS = (ir.TextDelta, ir.ArgsDelta, ir.RefusalDelta)


def _tokens(held: int) -> int:
    return -(-held // BYTES_PER_TOKEN)
