"""Watches how long a streamed answer becomes, and reserves more tokens if the answer needs more than are
reserved for it.

There are two cases. If the answer has no bound, more is reserved shortly before it reaches the number of
reserved tokens. If it has a bound (of the request, or because the model writes at most `USUAL_OUTPUT`
tokens), more is reserved only when it seems to be about twice as long as the bound: the tokens are only
estimated, and some providers do not keep to the bound.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from dragoman.engine.accounting import Expected
from dragoman.engine.meter import Meter

_NEAR: Final = 0.8
"""The fraction of the expected output tokens from which on more is reserved, if the answer has no bound."""
_BROKEN: Final = 2
"""If an answer has a bound, more is reserved when it seems to have this many times the bound, and `_STEP`
tokens more.
"""
_STEP: Final = 512
"""The fewest tokens that are added to the reservation at once. More are added if half of what was expected
before, or what the answer has beyond it, is more.
"""
_FASTEST: Final = 8.0
"""The largest factor by which a stream may grow until it is checked again."""


class Growth:
    """Watches one stream. at: when the stream is longer than this, `look` has to be called; infinity = never.
    The caller measures the length, in bytes, in events, or in tokens.

    meter: accounts for the answer; None = nothing is accounted for. deployment: the deployment that answers
    (`provider/model`). tokens: returns the estimated output tokens so far. first: the least length of one
    token in the caller's measure, from which the first `at` is computed.
    """

    __slots__ = ("_bounded", "_deployment", "_meter", "_tokens", "at")

    def __init__(
        self, meter: Meter | None, deployment: str, tokens: Callable[[], int], *, first: float
    ) -> None:
        self._meter = meter
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
        """Estimate the tokens of the stream, and reserve more if they have reached the number of `_enough`.
        Sets `at` anew. length: of the stream so far, in the caller's measure. Must not be called without a
        meter. Raises EndedByLimit if a limit or a failing journal refuses the reservation.
        """
        meter = self._meter
        assert meter is not None
        assert meter.expected is not None
        said = max(1, self._tokens())
        while said >= self._enough(meter.expected.output):
            self._bounded = False
            before = meter.expected.output
            further = Expected(0, max(_STEP, before // 2, said - before), kinds=meter.expected.kinds)
            await meter.extend(further, self._deployment)
            if meter.expected.output <= before:  # the exchange is over
                self.at = inf
                return
        self.at = length * min(_FASTEST, max(1.1, self._enough(meter.expected.output) / said))

    def _enough(self, expected: int) -> float:
        """Return the number of output tokens from which on more is reserved. expected: the number that is
        reserved now.
        """
        return _BROKEN * expected + _STEP if self._bounded else _NEAR * expected
