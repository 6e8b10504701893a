"""Watches how long a streamed answer becomes, and reserves more when it outgrows what was expected."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from dragoman.engine.delivery import Delivery

_NEAR: Final = 0.8
"""The share of the expected output from which on more is reserved."""
_STEP: Final = 512
"""The fewest tokens that are reserved in one step; otherwise half of what was expected."""
_FASTEST: Final = 8.0
"""The most by which a stream may grow until it is looked at again."""


class Growth:
    """Watches one stream. at: its length from which on `look` has to be called; infinity = never.

    delivery: has the meter of the exchange. deployment: who answers, `provider/model`. tokens: estimates the
    tokens of output so far. first: the length at which they can first be as many as were expected, for each
    of these tokens.
    """

    __slots__ = ("_deployment", "_meter", "_tokens", "at")

    def __init__(
        self, delivery: Delivery, deployment: str, tokens: Callable[[], int], *, first: float
    ) -> None:
        meter = self._meter = delivery.meter
        self._deployment = deployment
        self._tokens = tokens
        expected = None if meter is None or not meter.open_ended else meter.expected
        self.at = inf if expected is None else first * expected.output * _NEAR

    async def look(self, length: int) -> None:
        """Look how many tokens the stream of this length has, and reserve more if they are nearly as many as
        were expected. Raises EndedByLimit if a hard limit refuses it.
        """
        meter = self._meter
        assert meter is not None
        assert meter.expected is not None
        said = max(1, self._tokens())
        while said >= _NEAR * meter.expected.output:
            before = meter.expected.output
            await meter.extend(max(_STEP, before // 2, said - before), self._deployment)
            if meter.expected.output <= before:  # the exchange is over
                self.at = inf
                return
        self.at = length * min(_FASTEST, max(1.1, _NEAR * meter.expected.output / said))
