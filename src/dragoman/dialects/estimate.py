"""What an answer cost where its upstream does not say: counted here, and marked as an estimate.

Servers of one's own and upstreams written in a few lines often state no usage, and most protocols insist on
it. It must never touch what an upstream did state.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman import ir
from dragoman.tokens import Counter, count
from dragoman.tokens.vocabulary import BYTES_PER_TOKEN, size


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
        if isinstance(event, _SAYS):
            self._said += size(event.text)
        elif isinstance(event, ir.ThinkDelta):
            self._thought += size(event.text)
        elif isinstance(event, ir.Open):
            said, thought = self._weighed((event.block,))
            self._held = self._held[0] + said, self._held[1] + thought
        elif isinstance(event, (ir.Tally, ir.Start)):
            self._stated = self._stated or event.usage is not None
        elif isinstance(event, ir.End) and not self._stated:
            said, thought = self._held
            tally = self._usage(said + _tokens(self._said), thought + _tokens(self._thought))
            return ir.Tally(tally), event
        return (event,)

    def whole(self, response: ir.Response) -> ir.Response:
        """The answer with usage; the same value where there was some."""
        if response.usage is not None:
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
