"""Which of a provider's keys comes next: a pure state machine that remembers what became of each.

After 429 a key rests: it is not asked again for that model before the rest is over. Other models go on,
because most limits are a model's. If an answer says that a limit is used up, and when there is more, the key
is spent until then. That is a forecast, not a refusal: another key is asked instead, but where there is no
other, the spent one is. A key that the provider refuses (401), or whose money is gone (402, quota), is
retired for ten minutes. A key that may not use a model (403) is barred from that model for as long. Retired
and barred keys are asked only where nobody else can be; afterwards they are asked in their own place again,
so that a key that works again is noticed.

Times are monotonic seconds that the caller gives, so that every policy is tested as a transcript.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from math import inf
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from dragoman.routing.outcome import Outcome

Choice: TypeAlias = Literal["health_aware", "round_robin", "least_used"]
"""How a pool spreads requests over the keys that can take them. `health_aware`: the first one in the
configured order, so that the provider's prompt cache stays warm; the next one while it rests. `round_robin`:
in turns. `least_used`: the one with the fewest running requests.
"""

Fact: TypeAlias = Literal["rests", "spent", "barred", "retired"]
"""What can be known against a key: it rests for a model, is spent for a model (nothing is left), may not use
a model, or is refused.
"""

Standing: TypeAlias = Literal["ready", "resting", "refused", "barred", "disabled"]
"""The state of a key in one word: an operator has disabled it; the provider refuses it; it rests, or has
nothing left, for some model; it may not use some model; or nothing is known against it (`ready`).
"""
STANDINGS: Final[tuple[Standing, ...]] = get_args(Standing)

REFUSED: Final = 600.0
"""Seconds for which a refused key is asked only where nobody else can be: people have to mend it."""
SHORTEST: Final = 0.1
"""Seconds. A key that has nothing left for a shorter time is not spent: the next request rarely comes sooner.
"""
_NEWS: Final = 0.25
"""Seconds by which the end of a limit has to be later than the known end, to be told again."""
_MODELS: Final = 1_024
"""The most models of which a key remembers one kind of things; one more makes it forget all of them."""


class Key:
    """What is known of one key. id: the same as long as the key is, also over reloads. tail: its last
    characters, for people. disabled: an operator has disabled it. retired: why the provider has refused it;
    None = it is not retired. running: how many requests run with it. lent: it is a client's own, for one
    request, so it is not the operator's business.
    """

    __slots__ = (
        *("_asked", "_barred", "_rests", "_spent", "_told", "_until"),
        *("disabled", "id", "lent", "retired", "running", "tail"),
    )

    def __init__(self, id_: str, tail: str | None = None) -> None:
        self.id = id_
        self.tail = tail
        self.disabled = False
        self.lent = False
        self.retired: str | None = None
        self.running = 0
        self._until = 0.0
        """When its retirement is over."""
        self._asked = float("-inf")
        self._rests: dict[str, float] = {}
        """By model, until when it is not asked."""
        self._spent: dict[str, float] = {}
        """By model, until when it has nothing left."""
        self._told: dict[str, float] = {}
        """By model of `_spent`, when an answer has said so."""
        self._barred: dict[str, float] = {}
        """By model that it may not use, until when it is barred."""

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

    def works(self, model: str, began: float = inf) -> None:
        """Note that the provider has accepted the key for a model, in an attempt that began at `began`. If an
        answer had said before that time that nothing was left, this is forgotten.
        """
        self.retired = None
        self._barred.pop(model, None)
        if self._spent and self._told.get(model, inf) < began:
            del self._spent[model], self._told[model]

    def spends(self, model: str, pause: float, now: float) -> bool:
        """An answer has said that nothing is left for a model for `pause` seconds. Returns whether this is
        news.
        """
        until = now + pause
        if pause < SHORTEST or until - self._spent.get(model, now) < min(_NEWS, pause):
            if model in self._spent:
                self._told[model] = now
            return False
        self._spend(model, until, now)
        return True

    def _spend(self, model: str, until: float, now: float) -> None:
        if len(self._spent) >= _MODELS:
            self._spent.clear()
            self._told.clear()
        self._spent[model], self._told[model] = until, now

    def fails(self, model: str, outcome: Outcome, pause: float | None, now: float) -> bool:
        """Learn from a failed request. pause: the seconds that the provider wants us to wait; None = it has
        stated none, so the key does not rest. Returns whether this failure has retired the key.
        """
        if outcome is Outcome.KEY_PERMANENT:
            before, self.retired = self.retired, outcome.value
            self._until = now + REFUSED
            return before is None
        if outcome is Outcome.KEY_MODEL:
            _note(self._barred, model, now + REFUSED)
        elif outcome is Outcome.KEY_TRANSIENT and pause is not None:
            _note(self._rests, model, now + pause)
        return False

    def comes_last(self, model: str, now: float) -> bool:
        """Whether the key is asked for a model only if nobody else can be: it is retired, or barred from the
        model.
        """
        return (self.retired is not None and self._until > now) or self._barred.get(model, now) > now

    def rests_until(self, model: str, now: float) -> float | None:
        """When its rest for a model is over; None = it does not rest."""
        if not self._rests or (until := self._rests.get(model)) is None:
            return None
        if until > now:
            return until
        del self._rests[model]
        return None

    def spent_until(self, model: str, now: float) -> float | None:
        """Until when it has nothing left for a model; None = nothing is known of that, or it is over."""
        until = self._spent.get(model, now) if self._spent else now
        return until if until > now else None

    def resting(self, now: float) -> dict[str, float]:
        """The seconds that it still rests, or has nothing left, by model."""
        ends = {**self._spent}
        for model, until in self._rests.items():
            ends[model] = max(until, ends.get(model, until))
        return {model: until - now for model, until in ends.items() if until > now}

    def barred(self, now: float) -> dict[str, float]:
        """The models that it may not use, and the seconds for which each remains barred."""
        return {model: until - now for model, until in self._barred.items() if until > now}

    def retired_for(self, now: float) -> float | None:
        """The seconds for which it remains retired; None = it is not, or its time is over."""
        return None if self.retired is None or self._until <= now else self._until - now

    def standing(self, now: float, *, shut: bool = False) -> Standing:
        """Its state in one word. shut: its whole provider is disabled."""
        return standing(
            disabled=shut or self.disabled,
            retired=None if self.retired_for(now) is None else self.retired,
            resting=self.resting(now),
            barred=self.barred(now),
        )

    def unblemished(self, now: float) -> bool:
        """Whether nothing is known against the key for any model, and no operator has disabled it. Forgets
        what is over.
        """
        if self._rests:
            self._rests = {model: until for model, until in self._rests.items() if until > now}
        if self._spent:
            self._spent = {model: until for model, until in self._spent.items() if until > now}
            self._told = {model: at for model, at in self._told.items() if model in self._spent}
        if self._barred:
            self._barred = {model: until for model, until in self._barred.items() if until > now}
        if self.retired is not None and self._until <= now:
            self.retired = None
        return not (self.disabled or self.retired or self._rests or self._spent or self._barred)

    def facts(self) -> Iterator[tuple[Fact, str]]:
        """What may be known against it: the fact, and the model ("" = all models)."""
        yield from (("rests", model) for model in self._rests)
        yield from (("spent", model) for model in self._spent)
        yield from (("barred", model) for model in self._barred)
        if self.retired is not None:
            yield "retired", ""

    def until(self, fact: Fact, model: str) -> float:
        """Until when (monotonic seconds) a fact holds for the key and this model; 0 = it does not hold."""
        if fact == "retired":
            return self._until if self.retired is not None else 0.0
        return self._known(fact).get(model, 0.0)

    def _known(self, fact: Fact) -> dict[str, float]:
        return self._rests if fact == "rests" else self._spent if fact == "spent" else self._barred

    def hear(self, fact: Fact, model: str, until: float, why: str, at: float = 0.0) -> None:
        """Take over a fact that another process has found at the time `at`. until: as `until` returns it, 0 =
        the fact no longer holds. why: the reason, if the key is retired.
        """
        if fact == "retired":
            self.retired, self._until = (why, until) if until else (None, 0.0)
            return
        if fact == "spent" and until:
            self._spend(model, until, at)
            return
        known = self._known(fact)
        if not until:
            known.pop(model, None)
        elif model in known or len(known) < _MODELS:
            known[model] = until

    def revive(self) -> None:
        """Forget what is known against it. Who has disabled it must enable it."""
        self.retired = None
        self._rests.clear()
        self._spent.clear()
        self._told.clear()
        self._barred.clear()


def standing(
    *, disabled: bool, retired: str | None, resting: Mapping[str, float], barred: Mapping[str, float]
) -> Standing:
    """The state of a key in one word, the worst of what is known. The arguments: as `Key` tells them."""
    if disabled:
        return "disabled"
    if retired is not None:
        return "refused"
    if resting:
        return "resting"
    return "barred" if barred else "ready"


def _note(known: dict[str, float], model: str, until: float) -> None:
    if len(known) >= _MODELS:
        known.clear()
    known[model] = max(until, known.get(model, until))


class Order(msgspec.Struct, frozen=True):
    """The keys of a provider for one request, by their index. ready: to be asked one after another. resting:
    the keys that may be asked only later, each with the time (monotonic seconds), the soonest first. refused:
    to be asked if no key of any provider can be; the longest unasked first. spent: to be asked after those
    that are ready; first the key that will have more again soonest.
    """

    ready: Sequence[int] = ()
    resting: Sequence[tuple[float, int]] = ()
    refused: Sequence[int] = ()
    spent: Sequence[int] = ()


class Pool:
    """The keys of one provider."""

    def __init__(self, keys: Sequence[Key], choice: Choice = "health_aware") -> None:
        self.keys = tuple(keys)
        self.choice = choice
        self._turn = -1

    def calm(self, now: float) -> bool:
        """Whether every request may simply ask the first key: the keys do not take turns, and nothing is
        known against any of them. Forgets what is over.
        """
        if self.choice != "health_aware" and len(self.keys) > 1:
            return False
        return all(key.unblemished(now) for key in self.keys)

    def able(self, model: str, now: float) -> bool:
        """Whether some key can be asked for a model: one that is not resting, spent, refused or disabled."""
        return any(
            not (
                key.disabled
                or key.comes_last(model, now)
                or key.rests_until(model, now) is not None
                or key.spent_until(model, now) is not None
            )
            for key in self.keys
        )

    def order(self, model: str, now: float, places: Sequence[int] | None = None) -> Order:
        """The keys to ask for a model, without those that are disabled. places: the indexes of all keys, best
        first; None = the pool's own `choice` decides this order.
        """
        keys = self.keys
        ready: list[int] = []
        resting: list[tuple[float, int]] = []
        refused: list[int] = []
        spent: list[tuple[float, int]] = []
        for place in self._places() if places is None else places:
            key = keys[place]
            if key.disabled:
                continue
            if (until := key.rests_until(model, now)) is not None:
                resting.append((until, place))
            elif key.comes_last(model, now):
                refused.append(place)
            elif (until := key.spent_until(model, now)) is not None:
                spent.append((until, place))
            else:
                ready.append(place)
        refused.sort(key=lambda place: keys[place].asked)
        return Order(ready, sorted(resting), refused, [place for _, place in sorted(spent)])

    def exhausted(self, model: str, now: float) -> bool:
        """Whether no key can be asked for a model, or only such as were refused."""
        return all(
            key.disabled or key.comes_last(model, now) or key.rests_until(model, now) is not None
            for key in self.keys
        )

    def _places(self) -> Sequence[int]:
        """The indexes of all keys, in the order that the pool's `choice` gives."""
        count = len(self.keys)
        if self.choice == "health_aware":
            return range(count)
        self._turn = (self._turn + 1) % count
        places = [*range(self._turn, count), *range(self._turn)]
        if self.choice == "least_used":
            places.sort(key=lambda place: self.keys[place].running)
        return places

    def renewed(self, keys: Sequence[Key], choice: Choice) -> Pool:
        """A copy of the pool with these keys and this choice. A key that has the same id as one of this pool
        keeps all that is known of it. Running requests go on with this pool, because they know its keys by
        their index.
        """
        pool = copy(self)
        pool.exchange(keys)
        pool.choice = choice
        return pool

    def exchange(self, keys: Sequence[Key]) -> None:
        """Put these keys in the places of the present ones, also for running requests. What is known of one
        with the same id stays.
        """
        known = {key.id: key for key in self.keys}
        self.keys = tuple(known.get(key.id, key) for key in keys)
