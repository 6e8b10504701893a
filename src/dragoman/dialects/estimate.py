"""What an answer cost where its upstream does not say: counted here, and marked as an estimate.

Servers of one's own and upstreams written in a few lines often state no usage, and most protocols insist on
it. It must never touch what an upstream did state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from dragoman import ir
from dragoman.tokens import Counter, count
from dragoman.tokens.vocabulary import BYTES_PER_TOKEN, size

ESTIMATED: Final = "estimated"
"""The member of an answer's counts that says that the gateway counted. No protocol has one of this name."""
_OVERHEARD: Final = 65_536


class Overheard:
    """The first bytes of a relayed stream, from which its usage is estimated if its provider states none."""

    __slots__ = ("_held", "_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._size = 0

    def hear(self, part: bytes) -> None:
        """More of the stream. What lies beyond the first 64 kB is only measured."""
        self._size += len(part)
        if self._held < _OVERHEARD:
            self._parts.append(part)
            self._held += len(part)

    def usage(
        self,
        request: ir.Request | None,
        model: str,
        asked: int,
        read: Callable[[bytes], Iterable[ir.Event]],
    ) -> ir.Usage:
        """The likely usage of the whole stream. request: None = it is too large to be counted, and `asked`,
        its size in bytes, stands for it. read: the events of these bytes.
        """
        counter = EstimateUsage(request or ir.Request("", model), model)
        for event in read(b"".join(self._parts)):
            if not isinstance(event, ir.End):
                counter.feed(event)
        usage = counter.said(self._size / max(1, self._held))
        return usage if request is not None else msgspec.structs.replace(usage, input=_tokens(asked))


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

    def said(self, share: float = 1.0) -> ir.Usage:
        """The likely usage by now. share: how much larger the answer is than what came by here."""
        said, thought = self._held
        said, thought = said + _tokens(self._said), thought + _tokens(self._thought)
        return self._usage(round(said * share), round(thought * share))

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
