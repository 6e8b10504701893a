"""What the workers of one gateway tell each other about keys and deployments, as a pure state machine.

A worker can learn these facts: a key rests, is spent or is barred for a model; a key is retired (refused);
the breaker of a deployment is open; a provider did not answer a check. Each fact about one key, deployment or
provider is a register. A mark is a message that states what a worker has found the value of a register to be,
and when. The latest mark of a register is valid, whichever worker made it. So marks may be lost, doubled or
arrive in another order: processes that have received the same latest marks know the same. That a fact's time
is over needs no mark, because all processes have the same monotonic clock.

Times are monotonic seconds that the caller gives.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from math import inf, nextafter
from typing import Final, Literal, TypeAlias

import msgspec

from dragoman.routing.breaker import State
from dragoman.routing.health import Calling, Health
from dragoman.routing.pool import Fact, Key

Kind: TypeAlias = Fact | Literal["open", "down"]

_MOST: Final = 8_192
"""The most registers that are remembered. One more makes a process forget the older half of its marks."""
_OVER: Final = 600.0
"""Seconds. A mark is forgotten so long, plus the longest pause of a breaker, after its time is over: by then,
a late mark from before it has arrived.
"""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The value that a worker has found a register to have. kind: which fact. who: the id of a key, or the
    name of a deployment or a provider. model: the model for which the fact holds for a key; "" = all models,
    or the fact is not about a key. at: when it was found. until: when the fact ends (for "open": when the
    breaker's pause ends), 0 = it does not hold. pause: the latest pause of an open breaker, in seconds. why:
    the reason why a key is retired. Times are monotonic seconds.
    """

    kind: Kind
    who: str
    model: str
    at: float
    until: float = 0.0
    pause: float = 0.0
    why: str = ""

    @property
    def register(self) -> tuple[Kind, str, str]:
        return (self.kind, self.who, self.model)


_OF_DEPLOYMENTS: Final = frozenset[Kind]({"open", "down"})
"""The facts that are not about a key."""
Register: TypeAlias = tuple[Kind, str, str]
_Found: TypeAlias = tuple[float, float, str]
"""The values of a register: the last three fields of a mark."""
_NOTHING: Final[_Found] = (0.0, 0.0, "")


class Sharing:
    """The registers of one process. health: what this process remembers of keys, deployments and providers.
    What it has learnt itself is read from there, and facts from other processes are recorded there.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._marks: dict[Register, Mark] = {}

    def learnt(self, calling: Calling | None, now: float) -> list[Mark]:
        """Record a new mark for each fact that `health` knows otherwise than the latest marks say, because
        this process has just learnt it. Return these marks, to be sent to the other processes; [] = nothing
        is new. calling: the attempt from which it has learnt; only its key (for the attempt's model),
        deployment and provider are compared. None = compare all registers, as after `revive`. now: monotonic
        seconds.
        """
        found: list[Mark] = []
        registers = self._all() if calling is None else _touched(calling)
        keys: Mapping[str, Key] = {}
        if calling is None:
            keys = self._keys()
        elif calling.key is not None:
            keys = {calling.key.id: calling.key}
        for register in registers:
            if register[0] not in _OF_DEPLOYMENTS and register[1] not in keys:
                continue  # this process does not have the key, so it has learnt nothing about it
            fact, before = self._found(register, keys, now), self._marks.get(register)
            if fact != (_NOTHING if before is None else _in_force(before, now)):
                # Later than the mark that it replaces, also if the clock has not moved.
                at = now if before is None else max(now, nextafter(before.at, inf))
                self._marks[register] = mark = Mark(*register, at, *fact)
                found.append(mark)
        if len(self._marks) > _MOST:
            self._forget(now)
        return found

    def state(self, now: float, lately: float = inf) -> list[Mark]:
        """Return the marks for another process: those whose time is not over, and those that were made at
        most `lately` seconds ago, even if their time is over. The default for `lately` gives all marks that
        are not forgotten (`_forget`). now: monotonic seconds.
        """
        self._forget(now)
        return [mark for mark in self._marks.values() if mark.until > now or now - mark.at <= lately]

    def hear(self, marks: Iterable[Mark], now: float) -> None:
        """Record the marks of other processes, and put their facts into `health`. A mark is ignored if a
        later mark of the same register is known, or the same one. now: monotonic seconds.
        """
        keys = self._keys()
        for mark in marks:
            before = self._marks.get(mark.register)
            if before is None or (before.at, before.until) < (mark.at, mark.until):
                self._marks[mark.register] = mark
                self._apply(mark, keys, now)
        self._health.settle(now)
        if len(self._marks) > _MOST:
            self._forget(now)

    def recall(self, now: float) -> None:
        """Put the facts about keys whose time is not over into `health` once more, because new keys have
        become known. now: monotonic seconds.
        """
        keys = self._keys()
        for mark in self._marks.values():
            if mark.until > now and mark.kind not in _OF_DEPLOYMENTS:
                self._apply(mark, keys, now)

    def _apply(self, mark: Mark, keys: Mapping[str, Key], now: float) -> None:
        breakers = self._health.breakers
        match mark.kind:
            case "open" if mark.until:
                state = breakers.states.setdefault(mark.who, State())
                state.failed = max(state.failed, breakers.limits.failures)
                state.until, state.pause, state.latest = mark.until, mark.pause, mark.at
                state.trying = False
            case "open":
                breakers.states.pop(mark.who, None)
            case "down" if mark.until > now:
                breakers.goes_down(mark.who, mark.until, mark.at)
            case "down":
                breakers.down.pop(mark.who, None)
            case fact if (key := keys.get(mark.who)) is not None:
                key.hear(fact, mark.model, mark.until, mark.why, mark.at)

    def _found(self, register: Register, keys: Mapping[str, Key], now: float) -> _Found:
        """Return (until, pause, why) of a register now, as far as this process knows; `_NOTHING` = the fact
        does not hold.
        """
        kind, who, model = register
        if kind == "open":
            state = self._health.breakers.states.get(who)
            return _NOTHING if state is None or not state.until else (state.until, state.pause, "")
        if kind == "down":
            until = self._health.breakers.down_until(who)
            return (until, 0.0, "") if until > now else _NOTHING
        key = keys.get(who)
        if key is None or (until := key.until(kind, model)) <= now:
            return _NOTHING
        return until, 0.0, key.retired or "" if kind == "retired" else ""

    def _all(self) -> Iterator[Register]:
        """Iterate over every register that has a mark (of this or another process), or about which `health`
        has anything, each once.
        """
        found: dict[Register, None] = dict.fromkeys(self._marks)
        for key in self._keys().values():
            found.update((((fact, key.id, model), None) for fact, model in key.facts()))
        found.update((("open", name, ""), None) for name in self._health.breakers.states)
        found.update((("down", provider, ""), None) for provider in self._health.breakers.down)
        return iter(found)

    def _keys(self) -> Mapping[str, Key]:
        known = {key.id: key for pool in self._health.pools.values() for key in pool.keys}
        return ChainMap(known, *self._health.own.values())  # type: ignore[arg-type]  # it is only read

    def _forget(self, now: float) -> None:
        """Forget old marks: those for which `_OVER` and the longest pause of a breaker have passed since
        their time was over, or since they were made, whichever is later. So a mark that says that a fact
        does not hold (`until` is 0) is kept as long after it was made. If more than `_MOST // 2` marks are
        left, keep only the latest `_MOST // 2`. now: monotonic seconds.
        """
        pause_max = self._health.breakers.limits.pause_max
        kept = [mark for mark in self._marks.values() if now - max(mark.at, mark.until) < _OVER + pause_max]
        kept.sort(key=lambda mark: mark.at)
        self._marks = {mark.register: mark for mark in kept[-_MOST // 2 :]}


def _in_force(mark: Mark, now: float) -> _Found:
    """Return (until, pause, why) that a mark gives its register now. If the mark's time is over, the fact no
    longer holds (`_NOTHING`); but an open breaker stays open until its trial.
    """
    if mark.until <= now and mark.kind != "open":
        return _NOTHING
    return mark.until, mark.pause, mark.why


def _touched(calling: Calling) -> Iterator[Register]:
    """Yield the registers that an attempt can change."""
    deployment, key = calling.deployment, calling.key
    yield ("open", deployment.name, "")
    yield ("down", deployment.provider, "")
    if key is not None:
        yield ("rests", key.id, deployment.model)
        yield ("spent", key.id, deployment.model)
        yield ("barred", key.id, deployment.model)
        yield ("retired", key.id, "")
