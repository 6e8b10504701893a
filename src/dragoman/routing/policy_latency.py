"""The load of a deployment: its running requests, and how fast it answers.

The latency is a peak EWMA (exponentially weighted moving average): a slower answer raises it at once, faster
answers lower it gradually, and it decays while nothing is measured, so that a slow deployment is tried again.
Streams are measured to their first content and other answers to their end, in two separate averages: a
complete answer of a fast deployment takes longer than the first word of a slow one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

MEMORY: Final = 30.0
"""Seconds in which an average decays to 1/e (37 %). Models take seconds to answer, so a shorter memory would
have only one or two answers.
"""
FAILURE: Final = 30.0
"""The least seconds that a failure counts as. A failure after 5 ms is not a fast answer."""
UNMEASURED: Final = 3600.0
"""The cost, in seconds and without its running requests, of a deployment at which requests run but nothing
was measured: usually others are asked until one of the requests ends.
"""


class Latency:
    """A peak EWMA. value: the average in seconds at the time `at` (monotonic seconds); 0 = nothing was
    measured.
    """

    __slots__ = ("at", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.at = 0.0

    def read(self, now: float) -> float:
        """Return the average at the time `now`. now: monotonic seconds."""
        return self.value * math.exp(min(0.0, self.at - now) / MEMORY)

    def measure(self, took: float, now: float) -> None:
        """Add an answer that took `took` seconds until `now` (monotonic seconds)."""
        kept = math.exp(min(0.0, self.at - now) / MEMORY)
        self.value = max(took, self.value * kept + took * (1.0 - kept))
        self.at = now

    def exceed(self, took: float, now: float) -> None:
        """Add a request that was given up after `took` seconds. Its answer would have taken longer, so an
        average below `took` is raised to `took`; a higher average stays. now: monotonic seconds.
        """
        if took > self.read(now):
            self.value, self.at = took, now


class Load:
    """What is known of one deployment. running: the number of its running requests. whole: the latency of
    answers that are not streamed. first: the latency of streams, to their first content.
    """

    __slots__ = ("first", "running", "whole")

    def __init__(self) -> None:
        self.running = 0
        self.forget()

    def forget(self) -> None:
        """Forget all measurements. Running requests are still counted."""
        self.whole = Latency()
        self.first = Latency()

    def latency(self, *, streamed: bool) -> Latency:
        """Return the average for streams, or for answers that are not streamed."""
        return self.first if streamed else self.whole

    def cost(self, now: float, *, streamed: bool) -> float:
        """Return how long one more request would take, in seconds: the average (of streams, or of answers
        that are not streamed) times the number of all requests that would then run. If nothing was measured,
        it is a high number (above `UNMEASURED`) while requests are running, else 0. now: monotonic seconds.
        """
        expected = self.latency(streamed=streamed).read(now)
        if not expected and self.running:
            return UNMEASURED + self.running
        return expected * (self.running + 1)


def by_latency(costs: Sequence[float], uniform: Callable[[], float]) -> list[int]:
    """Return the indexes of `costs` in the order to ask: first the cheaper one of two that are drawn at
    random, then the others by their cost. uniform: returns a random number in [0, 1).

    The cheapest one is not always the first, because all requests before the next measurement would go there.
    """
    places = sorted(range(len(costs)), key=costs.__getitem__)
    if len(places) > 1:
        one = int(uniform() * len(places))
        other = int(uniform() * (len(places) - 1))
        other += other >= one
        first = _better(places[one], places[other], costs)
        places.remove(first)
        places.insert(0, first)
    return places


def _better(one: int, other: int, costs: Sequence[float]) -> int:
    """Return the one of two indexes of `costs` whose cost is lower. If the costs are equal, return `one`, the
    index that was drawn first, so that each of the two is returned equally often.
    """
    return other if costs[other] < costs[one] else one
