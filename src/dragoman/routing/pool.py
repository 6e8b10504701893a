"""Which of a provider's keys comes next: a pure state machine that remembers what became of each.

A key is retired when the provider refuses it (401) or its money is gone (402, quota). It is then asked only
where no other can be, so that a key that works again is noticed. It rests for a model after 429, as most
limits are a model's, and is not asked for it before that is over. A model that it may not use (403) is
remembered as well.

Times are monotonic seconds that the caller gives, so that every policy is tested as a transcript.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from dragoman.routing.outcome import Outcome

Choice: TypeAlias = Literal["health_aware", "round_robin", "least_used"]
"""How a pool spreads requests over the keys that can take them. `health_aware`: the first one in the
configured order, so that the provider's prompt cache stays warm; the next one while it rests. `round_robin`:
in turns. `least_used`: the one with the fewest running requests.
"""

FORBIDDEN: Final = 600.0
"""Seconds for which a key is not asked for a model that it may not use: permissions change seldom."""
_MODELS: Final = 1_024
"""The most models whose rests a key remembers; one more makes it forget all of them."""


class Key:
    """What is known of one key. id: the same as long as the key is, also over reloads. tail: its last
    characters, for people. retired: why, None = it is not. running: how many requests run with it.
    """

    __slots__ = ("_asked", "_rests", "id", "retired", "running", "tail")

    def __init__(self, id_: str, tail: str | None = None) -> None:
        self.id = id_
        self.tail = tail
        self.retired: str | None = None
        self.running = 0
        self._asked = float("-inf")
        self._rests: dict[str, float] = {}

    @property
    def asked(self) -> float:
        """When a request with it began last."""
        return self._asked

    def begin(self, now: float) -> None:
        """A request with this key begins. `end` has to follow."""
        self.running += 1
        self._asked = now

    def end(self) -> None:
        """A request with this key is over."""
        self.running -= 1

    def works(self) -> None:
        """The provider has accepted it."""
        self.retired = None

    def fails(self, model: str, outcome: Outcome, pause: float | None, now: float) -> bool:
        """Learn from a failed request. pause: the seconds that the provider wants us to wait, None = not
        stated; then it does not rest. Returns whether this has retired it.
        """
        if outcome is Outcome.KEY_PERMANENT:
            before, self.retired = self.retired, outcome.value
            return before is None
        if outcome is Outcome.KEY_MODEL:
            pause = FORBIDDEN
        if pause is not None and outcome in _RESTS:
            if len(self._rests) >= _MODELS:
                self._rests.clear()
            self._rests[model] = max(now + pause, self._rests.get(model, 0.0))
        return False

    def rests_until(self, model: str, now: float) -> float | None:
        """When its rest for a model is over; None = it does not rest."""
        if not self._rests or (until := self._rests.get(model)) is None:
            return None
        if until > now:
            return until
        del self._rests[model]
        return None

    def resting(self, now: float) -> dict[str, float]:
        """The seconds that it still rests, by model. Forgets the rests that are over."""
        self._rests = {model: until for model, until in self._rests.items() if until > now}
        return {model: until - now for model, until in self._rests.items()}

    def revive(self) -> None:
        """Forget what is known against it."""
        self.retired = None
        self._rests.clear()


_RESTS: Final = frozenset({Outcome.KEY_TRANSIENT, Outcome.KEY_MODEL})


class Order(msgspec.Struct, frozen=True):
    """The keys for one request, by place. ready: to be asked one after another. resting: when (monotonic
    seconds) the others may be asked, soonest first.
    """

    ready: Sequence[int]
    resting: Sequence[tuple[float, int]] = ()


_ALONE: Final = Order((0,))


class Pool:
    """The keys of one provider."""

    def __init__(self, keys: Sequence[Key], choice: Choice = "health_aware") -> None:
        self.keys = tuple(keys)
        self.choice = choice
        self._turn = -1

    def calm(self, now: float) -> bool:
        """Whether the first key comes first, whatever is asked: nothing is known against any. Forgets the
        rests that are over.
        """
        if self.choice != "health_aware" and len(self.keys) > 1:
            return False
        return all(key.retired is None and not key.resting(now) for key in self.keys)

    def order(self, model: str, now: float) -> Order:
        """The keys to ask for a model, best first. The retired ones, longest unasked first, only if there is
        no other.
        """
        keys = self.keys
        if len(keys) == 1 and keys[0].rests_until(model, now) is None:
            return _ALONE
        ready: list[int] = []
        resting: list[tuple[float, int]] = []
        retired: list[int] = []
        for place in self._places():
            key = keys[place]
            if (until := key.rests_until(model, now)) is not None:
                resting.append((until, place))
            elif key.retired is None:
                ready.append(place)
            else:
                retired.append(place)
        if not ready and not resting:
            return Order(sorted(retired, key=lambda place: keys[place].asked))
        return Order(ready, sorted(resting))

    def _places(self) -> Sequence[int]:
        """All places in the order of the choice."""
        count = len(self.keys)
        if self.choice == "health_aware":
            return range(count)
        self._turn = (self._turn + 1) % count
        places = [*range(self._turn, count), *range(self._turn)]
        if self.choice == "least_used":
            places.sort(key=lambda place: self.keys[place].running)
        return places

    def renew(self, keys: Sequence[Key], choice: Choice) -> None:
        """Use these keys from now on. What is known of one with the same id stays."""
        known = {key.id: key for key in self.keys}
        self.keys = tuple(known.get(key.id, key) for key in keys)
        self.choice = choice
