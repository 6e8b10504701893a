"""Decides which of a provider's keys is asked next: a pure state machine that remembers the results of each
key.

After a rate limit (429) that says how long to wait, a key rests: it is not asked for the same model before
that time is over. It is asked for other models, because most limits are a model's. If an answer says that a
limit is used up and when it is renewed, the key is spent for this model until then, or until a later request
with it is answered. That is a forecast, not a refusal: other keys are asked first, but if there is none, the
spent key is asked. A key that the provider refuses (mostly 401), or whose quota is used up (mostly 402), is
retired for ten minutes. A key that may not use a model (mostly 403) is barred from that model for the same
time. An answered request ends both earlier. Retired and barred keys are asked only if a request has no other
keys, also none that are resting or spent; after the ten minutes they are asked at their usual place again, so
that a key that works again is noticed.

Times are monotonic seconds that the caller gives, so tests can check the machine as transcripts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from math import inf
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from dragoman.routing.outcome import Outcome

Choice: TypeAlias = Literal["health_aware", "round_robin", "least_used"]
"""How a pool spreads requests over the keys that can be asked. `health_aware`: the first key in the
configured order that can be asked, so that the provider's prompt cache stays warm. `round_robin`: in turns.
`least_used`: the key with the fewest running requests; equal ones in turns.
"""

Fact: TypeAlias = Literal["rests", "spent", "barred", "retired"]
"""What can be known against a key: it rests for a model, it is spent for a model (a limit is used up), it is
barred from a model (it may not use it), or it is retired (refused).
"""

Standing: TypeAlias = Literal["ready", "resting", "refused", "barred", "disabled"]
"""The state of a key in one word: an operator has disabled it ("disabled"); the provider has refused it
("refused"); it rests, or is spent, for some model ("resting"); it may not use some model ("barred"); or
nothing is known against it ("ready").
"""
STANDINGS: Final[tuple[Standing, ...]] = get_args(Standing)

REFUSED: Final = 600.0
"""Seconds for which a refused key is asked only if no other can be, because a person has to repair it."""
SHORTEST: Final = 0.1
"""Seconds. A key whose limit is used up for a shorter time does not count as spent: the next request rarely
comes sooner.
"""
_NEWS: Final = 0.25
"""Seconds. If a key is spent already, a later end counts as new only if it is at least so much later."""
_MODELS: Final = 1_024
"""The most models for which a key remembers one kind of fact. If a fact is found while there are so many, the
key first forgets this kind of fact for all models.
"""


class Key:
    """What is known of one key. id: does not change while the key is configured, also over reloads. tail: the
    last characters of the key, for people; None = they are not known. disabled: whether an operator has
    disabled it, or it cannot be used at all. retired: why the provider has refused it; None = it is not
    retired. The text may stay when the time as retired is over (`retired_for`). running: how many requests of
    this process run with it. lent: True = a client has sent the key itself, so its failures cause no events
    about keys.
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
        """When the key's retirement is over."""
        self._asked = float("-inf")
        self._rests: dict[str, float] = {}
        """By model, until when the key is not asked."""
        self._spent: dict[str, float] = {}
        """By model, until when the key's limit is used up."""
        self._told: dict[str, float] = {}
        """By model of `_spent`, when an answer last said that the limit is used up."""
        self._barred: dict[str, float] = {}
        """By model that the key may not use, until when the key is barred."""

    @property
    def asked(self) -> float:
        """When the latest request with this key began (monotonic seconds); -inf = there was none."""
        return self._asked

    def begin(self, now: float) -> None:
        """Record that a request with this key begins. `end` must follow. now: monotonic seconds."""
        self.running += 1
        self._asked = now

    def end(self) -> None:
        """Record that a request with this key has ended."""
        self.running -= 1

    def works(self, model: str, began: float = inf) -> None:
        """Record that the provider has accepted the key for a model, in an attempt that began at `began`
        (monotonic seconds; inf = after all answers so far). The key is no longer retired, for any model, and
        no longer barred from this model. It is no longer spent for this model if the last answer that said so
        came before `began`. A rest goes on.
        """
        self.retired = None
        self._barred.pop(model, None)
        if self._spent and self._told.get(model, inf) < began:
            del self._spent[model], self._told[model]

    def spends(self, model: str, pause: float, now: float) -> bool:
        """Record that an answer says: nothing is left for a model for `pause` seconds. A pause below
        `SHORTEST` does not make the key spent. Returns whether this is news: the key was not spent for the
        model, or this end is clearly later than the known one; otherwise the known end stays. now: monotonic
        seconds.
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
        """Record a failed request. An outcome KEY_PERMANENT (the key was refused, or its quota is used up)
        retires the key for `REFUSED` seconds. KEY_MODEL (the key may not use the model) bars it from the
        model for as long. KEY_TRANSIENT (a rate limit) lets it rest for the model. Other outcomes change
        nothing. pause: the seconds to rest, as the provider states them; None = it stated none, so the key
        does not rest. A longer rest that is known stays. Returns True if this failure has retired the key and
        `retired` was None before. now: monotonic seconds.
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
        """Whether the key is asked for a model only if no other can be: it is retired, or barred from the
        model. now: monotonic seconds.
        """
        return (self.retired is not None and self._until > now) or self._barred.get(model, now) > now

    def rests_until(self, model: str, now: float) -> float | None:
        """Return the time (monotonic seconds) before which the key is not asked for a model, because a 429
        has said how long to wait; None = the key does not rest. now: monotonic seconds.
        """
        if not self._rests or (until := self._rests.get(model)) is None:
            return None
        if until > now:
            return until
        del self._rests[model]
        return None

    def spent_until(self, model: str, now: float) -> float | None:
        """Return until when (monotonic seconds) the key is spent for a model: an answer has said that a limit
        is used up until then, so other keys are asked first. None = it is not spent. now: monotonic seconds.
        """
        until = self._spent.get(model, now) if self._spent else now
        return until if until > now else None

    def resting(self, now: float) -> dict[str, float]:
        """Return {model: seconds} for the models for which the key still rests (is not asked for a while) or
        is spent (its limit is used up); the longer of the two if both. That the key is retired, disabled or
        barred from a model is not part of it. now: monotonic seconds.
        """
        ends = {**self._spent}
        for model, until in self._rests.items():
            ends[model] = max(until, ends.get(model, until))
        return {model: until - now for model, until in ends.items() if until > now}

    def barred(self, now: float) -> dict[str, float]:
        """Return {model that the key may not use: the seconds for which it remains barred from this model}.
        now: monotonic seconds.
        """
        return {model: until - now for model, until in self._barred.items() if until > now}

    def retired_for(self, now: float) -> float | None:
        """Return the seconds for which the key remains retired; None = it is not retired, or its time is
        over. now: monotonic seconds.
        """
        return None if self.retired is None or self._until <= now else self._until - now

    def standing(self, now: float, *, shut: bool = False) -> Standing:
        """Return the state of the key in one word, over all models (see the function `standing`). now:
        monotonic seconds. shut: whether its provider is disabled.
        """
        return standing(
            disabled=shut or self.disabled,
            retired=None if self.retired_for(now) is None else self.retired,
            resting=self.resting(now),
            barred=self.barred(now),
        )

    def unblemished(self, now: float) -> bool:
        """Whether nothing is known against the key for any model, and no operator has disabled it. Facts
        whose time is over are forgotten. now: monotonic seconds.
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
        """Yield what is recorded against the key, also if its time is over: (fact, model); the model "" = all
        models.
        """
        yield from (("rests", model) for model in self._rests)
        yield from (("spent", model) for model in self._spent)
        yield from (("barred", model) for model in self._barred)
        if self.retired is not None:
            yield "retired", ""

    def until(self, fact: Fact, model: str) -> float:
        """Return when a fact about the key and this model ends (monotonic seconds, perhaps in the past); 0 =
        the fact is not recorded. model: not used for "retired".
        """
        if fact == "retired":
            return self._until if self.retired is not None else 0.0
        return self._known(fact).get(model, 0.0)

    def _known(self, fact: Fact) -> dict[str, float]:
        return self._rests if fact == "rests" else self._spent if fact == "spent" else self._barred

    def hear(self, fact: Fact, model: str, until: float, why: str, at: float = 0.0) -> None:
        """Record a fact that another process has found, in place of what is known of it: the caller has made
        sure that it is newer. model: the model for which it holds; not used for "retired". until: when the
        fact ends (monotonic seconds), 0 = it no longer holds. why: the reason, for "retired". at: when the
        fact was found (monotonic seconds); used only for "spent".
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
            if fact == "spent":
                self._told.pop(model, None)
        elif model in known or len(known) < _MODELS:
            known[model] = until

    def revive(self) -> None:
        """Forget what is known against the key, for all models. A disabled key stays disabled."""
        self.retired = None
        self._rests.clear()
        self._spent.clear()
        self._told.clear()
        self._barred.clear()


def standing(
    *, disabled: bool, retired: str | None, resting: Mapping[str, float], barred: Mapping[str, float]
) -> Standing:
    """Return the state of a key in one word: the first of "disabled", "refused", "resting" and "barred" that
    holds, else "ready". disabled: whether an operator has disabled the key or its provider. retired: why the
    provider has refused the key, None = it has not. resting: {model: seconds for which the key still rests or
    is spent}. barred: {model: seconds for which the key remains barred from it}.
    """
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
    """The keys of a provider for one request, by their index; disabled keys are in none of the lists. ready:
    keys to ask one after another. spent: keys to ask after those in `ready`; the one whose limit is renewed
    first comes first. resting: keys that may be asked only later, as (the time in monotonic seconds, index),
    the soonest first. refused: retired and barred keys that do not rest, to ask only if no provider of the
    request has a key in one of the other lists; the one that was asked longest ago comes first.
    """

    ready: Sequence[int] = ()
    resting: Sequence[tuple[float, int]] = ()
    refused: Sequence[int] = ()
    spent: Sequence[int] = ()


class Pool:
    """The keys of one provider, and the choice among them."""

    def __init__(self, keys: Sequence[Key], choice: Choice = "health_aware") -> None:
        self.keys = tuple(keys)
        self.choice = choice
        self._turn = -1

    def calm(self, now: float) -> bool:
        """Whether every request may simply ask the first key: the keys do not take turns (or there is only
        one), and none of them is disabled or has anything known against it. Facts whose time is over may be
        forgotten. now: monotonic seconds.
        """
        if self.choice != "health_aware" and len(self.keys) > 1:
            return False
        return all(key.unblemished(now) for key in self.keys)

    def able(self, model: str, now: float) -> bool:
        """Whether there is a key with nothing against asking it for a model now: one that is neither resting,
        spent, refused, barred nor disabled. now: monotonic seconds.
        """
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
        """Return the keys to ask for a model; disabled keys are left out. places: the indexes of all keys,
        best first; None = the pool's own `choice` decides this order, and if it takes turns, this call takes
        one. now: monotonic seconds.
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
        """Whether each key is disabled, refused, barred from this model or resting for it. A spent key can
        still be asked. now: monotonic seconds.
        """
        return all(
            key.disabled or key.comes_last(model, now) or key.rests_until(model, now) is not None
            for key in self.keys
        )

    def _places(self) -> Sequence[int]:
        """Return the indexes of all keys, in the order that the pool's `choice` gives. Unless it is
        `health_aware`, each call begins the turn of the next key.
        """
        count = len(self.keys)
        if self.choice == "health_aware":
            return range(count)
        self._turn = (self._turn + 1) % count
        places = [*range(self._turn, count), *range(self._turn)]
        if self.choice == "least_used":
            places.sort(key=lambda place: self.keys[place].running)
        return places

    def renewed(self, keys: Sequence[Key], choice: Choice) -> Pool:
        """Return a copy of the pool with these keys and this choice. If this pool has a key with the same id,
        the copy gets that object, so all that is known of it stays, for both pools. Running requests go on
        with this pool, because they know its keys by their index.
        """
        pool = copy(self)
        pool.exchange(keys)
        pool.choice = choice
        return pool

    def exchange(self, keys: Sequence[Key]) -> None:
        """Replace the keys of this pool by these, also for running requests. Of a key with the same id as an
        old one, the old object stays, with all that is known of it.
        """
        known = {key.id: key for key in self.keys}
        self.keys = tuple(known.get(key.id, key) for key in keys)
