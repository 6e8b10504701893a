"""Watches how long a streamed answer becomes, and reserves more when it outgrows what was expected.

An answer whose length the request or its model bounds is watched, too, because some providers do not keep the
bound. As the tokens are only estimated, such an answer may seem to be twice as long before more is reserved.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from dragoman.engine.delivery import Delivery

_NEAR: Final = 0.8
"""The share of the expected output from which on more is reserved."""
_BROKEN: Final = 2
"""How many times its bound an answer must seem to have, besides `_STEP` tokens, until the bound counts as
broken.
"""
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

    __slots__ = ("_bounded", "_deployment", "_meter", "_tokens", "at")

    def __init__(
        self, delivery: Delivery, deployment: str, tokens: Callable[[], int], *, first: float
    ) -> None:
        meter = self._meter = delivery.meter
        self._deployment = deployment
        self._tokens = tokens
        expected = None if meter is None else meter.expected
        self._bounded = meter is not None and not meter.open_ended
        if expected is None:
            self.at = inf
        elif self._bounded:  # nearly all of these streams end before anything has to be estimated
            self.at = first * (expected.output + _STEP) * _FASTEST
        else:
            self.at = first * expected.output * _NEAR

    async def look(self, length: int) -> None:
        """Look how many tokens the stream of this length has, and reserve more if they are nearly as many as
        were expected. Raises EndedByLimit if a hard limit refuses it.
        """
        meter = self._meter
        assert meter is not None
        assert meter.expected is not None
        said = max(1, self._tokens())
        while said >= self._enough(meter.expected.output):
            self._bounded = False
            before = meter.expected.output
            await meter.extend(max(_STEP, before // 2, said - before), self._deployment)
            if meter.expected.output <= before:  # the exchange is over
                self.at = inf
                return
        self.at = length * min(_FASTEST, max(1.1, self._enough(meter.expected.output) / said))

    def _enough(self, expected: int) -> float:
        """How many tokens an answer must have so that more is reserved."""
        return _BROKEN * expected + _STEP if self._bounded else _NEAR * expected
