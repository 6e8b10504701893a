"""Counts exchanges and attempts for `/metrics`, in memory that the workers of a gateway share.

What a metric is called and means stands in `families`. Values of labels come from tables of known names, so
that no client can add sets of labels: another name of a model counts as `other`. What runs with each request
is written for speed: one look-up of all cells that a kind of request counts in, and plain additions.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias, TypeVar

from dragoman import ir
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.observe import exposition
from dragoman.observe.cells import NOWHERE, Cells, Key
from dragoman.observe.families import (
    BOUNDS,
    BY_NAME,
    CALLS,
    COUNTED,
    ERRORS,
    FAILOVERS,
    FAMILIES,
    FIRST_TOKEN,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    LOSSES,
    OTHER,
    OUTCOMES,
    OVERHEAD,
    REQUEST_ERRORS,
    REQUESTS,
    SENT,
    TOKENS,
    Family,
)

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WS"})
_NONE: Final = "none"
_ENDS: Final = {name: place for place, name in enumerate(REQUESTS.parts)}
_REMEMBERED: Final = 1_000
"""The most entries of a cache of cells; one more empties the cache."""
_CHARACTERS: Final = 100
"""The most characters of a label's value, and of a name in a cache."""

_K = TypeVar("_K")
_V = TypeVar("_V")
_WHOLE, _FIRST, _OWN = HTTP_SECONDS.bounds, FIRST_TOKEN.bounds, OVERHEAD.bounds
_WHOLE_SUM, _FIRST_SUM, _OWN_SUM = (len(bounds) + 1 for bounds in (_WHOLE, _FIRST, _OWN))

_Kind: TypeAlias = tuple[str, str, int | None, str, str | None, str | None, str | None, str]
"""Method, path, status, operation, asked, answered, mode and who ended it: what decides where an exchange is
counted.
"""


class Sample(NamedTuple):
    """A value of the present. labels: their values."""

    family: Family
    value: float
    labels: tuple[str, ...] = ()


class _Row(NamedTuple):
    """The cells in which exchanges of one kind are counted: the first one of each metric, NOWHERE = not
    counted there.
    """

    requests: int
    seconds: int
    asked: int
    overhead: int
    first: int
    tokens: int


class Metrics:
    """The counts of one process, in `cells`. outcome: names what a failure means for the next attempt."""

    def __init__(self, outcome: Callable[[ir.Fault], str]) -> None:
        self._outcome = outcome
        self._models: Collection[str] = ()
        self._providers: Collection[str] = ()
        self._deployments: Collection[str] = ()
        self._paths: frozenset[str] = frozenset()
        self._rows: dict[_Kind, _Row] = {}
        self._calls: dict[tuple[str, int | None, str], tuple[int, int]] = {}
        self._sent: dict[str | None, int] = {}
        self.share(Cells(), 1)

    def share(self, cells: Cells, number: int) -> None:
        """Count in these cells from now on, as the worker of this number; before the first request."""
        self.cells = cells
        self._part = cells.parts[number]
        self._numbers = self._part.numbers
        self._sets = Counter(series.key[0] for series in self._part.series())
        for family in COUNTED:
            other = (family.name, *[OTHER] * family.stored)
            if self._part.first(other) is None:
                self._part.add(other, family.width)
        self._forget()

    def know(self, models: Collection[str], providers: Collection[str], deployments: Collection[str]) -> None:
        """The names that labels may have from now on: as clients ask for models, of providers, and of
        `provider/model`.
        """
        self._models, self._providers = frozenset(models), frozenset(providers)
        self._deployments = frozenset(deployments)
        self._forget()

    def serve(self, paths: Iterable[str]) -> None:
        """Paths are known from now on, by their templates."""
        self._paths |= frozenset(paths)
        self._forget()

    def _forget(self) -> None:
        self._rows.clear()
        self._calls.clear()
        self._sent.clear()

    # What runs with each request ---------------------------------------------------------------------

    def sent(self, deployment: str | None) -> None:
        """Count a request to a provider that is about to be sent."""
        self._numbers[self._sent.get(deployment) or self._sent_at(deployment)] += 1

    def note(self, exchange: Exchange) -> None:
        """Count a finished exchange and its attempts."""
        numbers = self._numbers
        ended = exchange.ended or exchange.began
        outcome = "done" if exchange.end == "done" else (exchange.end or "").partition("/")[0]
        kind = (
            exchange.method,
            exchange.path,
            exchange.status,
            exchange.operation,
            exchange.asked,
            exchange.answered,
            exchange.mode,
            outcome,
        )
        row = self._rows.get(kind) or self._row(kind)
        requests, seconds, asked, overhead, first, tokens = row
        took = ended - exchange.began
        numbers[requests] += 1
        numbers[seconds + bisect_left(_WHOLE, took)] += 1
        numbers[seconds + _WHOLE_SUM] += took
        numbers[asked] += 1
        if overhead:
            own = took - exchange.waited
            numbers[overhead + bisect_left(_OWN, own)] += 1
            numbers[overhead + _OWN_SUM] += own if own > 0 else 0.0
            if exchange.first is not None and exchange.streamed:
                wait = exchange.first - exchange.attempts[-1].started
                numbers[first + bisect_left(_FIRST, wait)] += 1
                numbers[first + _FIRST_SUM] += wait
            if (usage := exchange.usage) is not None:
                self._spend(tokens, usage)
            for attempt in exchange.attempts:
                good = attempt.fault is None and outcome == "done"
                became = "answered" if good else self._became(attempt)
                ended_so = (attempt.deployment, attempt.status, became)
                call, meant = self._calls.get(ended_so) or self._call(ended_so)
                numbers[call] += 1
                numbers[meant] += 1
        if exchange.fault is not None or len(exchange.attempts) > 1:
            self._note_failures(exchange)
        if exchange.losses:
            for loss in exchange.losses:
                numbers[self._find(LOSSES, loss.severity)] += 1

    def _spend(self, tokens: int, usage: ir.Usage) -> None:
        numbers = self._numbers
        if usage.input or usage.tool_input:
            numbers[tokens] += (usage.input or 0) + (usage.tool_input or 0)
        if usage.output:
            numbers[tokens + 3] += usage.output
        if usage.cache_read:
            numbers[tokens + 1] += usage.cache_read
        if usage.cache_write:
            numbers[tokens + 2] += usage.cache_write
        if usage.reasoning:
            numbers[tokens + 4] += usage.reasoning

    # What runs when a kind of request comes for the first time, or fails ------------------------------

    def reached(self, bound: str) -> None:
        """Count that a bound was reached. bound: one of our own names."""
        self._numbers[self._find(BOUNDS, bound)] += 1

    def _note_failures(self, exchange: Exchange) -> None:
        numbers = self._numbers
        if (fault := exchange.fault) is not None:
            numbers[self._find(REQUEST_ERRORS, fault.blame, fault.code or fault.kind)] += 1
        last = len(exchange.attempts) - 1
        for place, attempt in enumerate(exchange.attempts):
            if attempt.fault is None:
                continue
            provider = self._provider(attempt.deployment)
            numbers[self._find(ERRORS, provider, attempt.fault.kind)] += 1
            if place != last:
                numbers[self._find(FAILOVERS, provider, self._outcome(attempt.fault))] += 1

    def _became(self, attempt: AttemptRecord) -> str:
        """What became of an attempt that failed, or whose exchange did."""
        if attempt.fault is not None:
            return self._outcome(attempt.fault)
        return "answered" if attempt.first is not None else "abandoned"

    def _row(self, kind: _Kind) -> _Row:
        method, path, status, operation, asked, answered, mode, outcome = kind
        method = method if method in _METHODS else OTHER
        named = path if path in self._paths else OTHER
        requests = self._find(HTTP_REQUESTS, method, named, _NONE if status is None else str(status))
        seconds = self._find(HTTP_SECONDS, method, named)
        by_model = overhead = first = tokens = NOWHERE
        if asked is not None:
            model = asked if asked in self._models else OTHER
            by_model = self._find(REQUESTS, operation, model) + _ENDS.get(outcome, _ENDS["gateway"])
        if answered is not None:
            deployment = self._deployment(answered)
            overhead = self._find(OVERHEAD, mode or _NONE)
            first = self._find(FIRST_TOKEN, deployment[0])
            tokens = self._find(TOKENS, *deployment)
        row = _Row(requests, seconds, by_model, overhead, first, tokens)
        if len(path) + len(asked or "") + len(answered or "") <= 3 * _CHARACTERS:  # else it is no usual name
            _remember(self._rows, kind, row)
        return row

    def _call(self, ended_so: tuple[str, int | None, str]) -> tuple[int, int]:
        deployment, status, became = ended_so
        provider = self._provider(deployment)
        cells = (
            self._find(CALLS, provider, _NONE if status is None else str(status)),
            self._find(OUTCOMES, provider, became),
        )
        if len(deployment) <= _CHARACTERS:
            _remember(self._calls, ended_so, cells)
        return cells

    def _sent_at(self, deployment: str | None) -> int:
        cell = self._find(SENT, *self._deployment(deployment or ""))
        if deployment is not None and len(deployment) <= _CHARACTERS:
            _remember(self._sent, deployment, cell)
        return cell

    def _deployment(self, name: str) -> tuple[str, str]:
        """The values of the labels `provider` and `model` for `provider/model`."""
        provider, _, model = name.partition("/")
        if provider not in self._providers:
            return OTHER, OTHER
        return provider, (model if name in self._deployments else OTHER)

    def _provider(self, deployment: str) -> str:
        return self._deployment(deployment)[0]

    def _find(self, family: Family, *labels: str) -> int:
        """The first cell of these labels; of `OTHER` if there are too many sets of labels already."""
        key = (family.name, *[label[:_CHARACTERS] for label in labels])
        part = self._part
        if (found := part.first(key)) is not None:
            return found
        if self._sets[family.name] < family.most and (added := part.add(key, family.width)) is not None:
            self._sets[family.name] += 1
            return added
        other = part.first((family.name, *[OTHER] * family.stored))
        return NOWHERE if other is None else other

    # The page -----------------------------------------------------------------------------------------

    def publish(self, samples: Iterable[Sample], now: float) -> None:
        """Write what this process has now; the values of all workers are added up. now: monotonic seconds."""
        for family, value, labels in samples:
            key = (family.name, *labels)
            cell = self._part.first(key)
            if cell is None:
                cell = self._part.add(key, 1)
            if cell is not None:
                self._numbers[cell] = value
        self._part.beat(os.getpid(), now)

    def processes(self, now: float) -> Mapping[int, int]:
        """The ids of the processes that work now, by their numbers. now: monotonic seconds."""
        living = {number: part.living(now) for number, part in enumerate(self.cells.parts)}
        return {number: process for number, process in living.items() if process is not None}

    def page(self, stated: Iterable[Sample], now: float) -> bytes:
        """The page: what all processes have counted, what the living ones have now, and what this process
        states for all of them. now: monotonic seconds.
        """
        sets: dict[Key, list[float]] = {}
        for part in self.cells.parts:
            lives = part.living(now) is not None
            for key, first, width in part.series():
                if not lives and BY_NAME[key[0]].now:
                    continue
                numbers = list(part.numbers[first : first + width])
                if (before := sets.get(key)) is not None:
                    numbers = [one + other for one, other in zip(before, numbers, strict=True)]
                sets[key] = numbers
        for family, value, labels in stated:
            sets[family.name, *labels] = [value]
        by_family: dict[str, dict[tuple[str, ...], list[float]]] = {}
        for (name, *values), numbers in sets.items():
            if any(numbers) or OTHER not in values:  # nothing was counted as `other`
                by_family.setdefault(name, {})[tuple(values)] = numbers
        return exposition.page((family, by_family.get(family.name, {})) for family in FAMILIES)


def _remember(cache: dict[_K, _V], key: _K, cells: _V) -> None:
    """Keep the cells of a kind of request. Clients can send any names, so the cache has a bound."""
    if len(cache) >= _REMEMBERED:
        cache.clear()
    cache[key] = cells
