"""Hedged requests: when the first attempt is late, a second deployment is asked while the first attempt goes
on.

An attempt is late after a time that the operator states, or after the 95th percentile of the times that its
deployment has taken before. A budget bounds the share of requests that are asked twice: when all answers
become slow because a provider is overloaded, twice as many requests would make it worse.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Final

import msgspec

WINDOW: Final = 200
"""How many of the latest times are remembered for one deployment, separately for streams and complete
answers.
"""
FEW: Final = 20
"""With fewer times than this, the percentile is unknown. Of 20 answers, one is slower than the 95th
percentile.
"""
QUANTILE: Final = 0.95
SAVED: Final = 10.0
"""The most second attempts that a model can save up while its answers come in time."""
_MOST: Final = 1_024
"""The most budgets of models, and the most `Times` (up to two of a deployment), that are remembered. One more
makes the memory forget all of its kind.
"""


class Hedge(msgspec.Struct, frozen=True):
    """How the requests for one configured model are hedged. model: its name, by which `HedgeMemory` finds its
    budget; its aliases share the budget. after: seconds without content after which an attempt is late; None
    = the 95th percentile of the deployment's times. share: the fraction of requests (0 to 1) that may have a
    second attempt in the long run (`Budget`).
    """

    model: str
    after: float | None = None
    share: float = 0.05


class Times:
    """The latest times, in seconds, that one deployment took for its answers: streams to their first content,
    other answers to their end. An object has times of only one of the two kinds, and at most `WINDOW` times.
    """

    __slots__ = ("_latest", "_sorted")

    def __init__(self) -> None:
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """Add the seconds that an answer took. For a call that was given up before, add the seconds until
        then: a lower bound.
        """
        self._latest.append(seconds)
        insort(self._sorted, seconds)
        if len(self._latest) > WINDOW:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]

    def late(self) -> float | None:
        """Return the seconds within which about 95 of 100 of these answers have come; None = fewer than
        `FEW` (20) times are known.
        """
        count = len(self._sorted)
        return None if count < FEW else self._sorted[min(count - 1, int(count * QUANTILE))]


class Budget:
    """How many second attempts the requests for one model may make now: a token bucket. It begins with one;
    each request adds the share of the model's `Hedge`, up to `SAVED` (10) in all, and each second attempt
    takes one.
    """

    __slots__ = ("saved",)

    def __init__(self) -> None:
        self.saved = 1.0

    def earn(self, share: float) -> None:
        """Add the share of a request that begins. share: `Hedge.share`."""
        self.saved = min(SAVED, self.saved + share)

    def spend(self) -> bool:
        """Take one second attempt from the budget. Returns False, and takes nothing, if less than one is
        left.
        """
        if self.saved < 1.0:
            return False
        self.saved -= 1.0
        return True


class HedgeMemory:
    """What hedging remembers between requests, for one process: how long answers took (recorded only for
    requests that may be hedged), and the models' budgets. It outlives configurations.
    """

    def __init__(self) -> None:
        self._times: dict[tuple[str, bool], Times] = {}
        self._budgets: dict[str, Budget] = {}

    def times(self, deployment: str, *, streamed: bool) -> Times:
        """Return the times of a deployment (`provider/model`): of its streams, or of its answers that are not
        streamed. The caller adds to this object.
        """
        kind = (deployment, streamed)
        found = self._times.get(kind)
        if found is None:
            if len(self._times) >= _MOST:
                self._times.clear()
            found = self._times[kind] = Times()
        return found

    def budget(self, model: str) -> Budget:
        """Return the budget of a configured model; at the first call, a new one. model: `Hedge.model`."""
        found = self._budgets.get(model)
        if found is None:
            if len(self._budgets) >= _MOST:
                self._budgets.clear()
            found = self._budgets[model] = Budget()
        return found

    def revive(self) -> None:
        """Forget how long answers took. Budgets stay."""
        self._times.clear()

    def late(self, hedge: Hedge, deployment: str, *, streamed: bool) -> float | None:
        """Return the seconds after which an attempt at this deployment is late: `hedge.after`, or else the
        95th percentile of its times. None = too few times are known yet.
        """
        return hedge.after if hedge.after is not None else self.times(deployment, streamed=streamed).late()
