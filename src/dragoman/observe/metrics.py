"""Counts exchanges and attempts for `/metrics`, in memory that the workers of a gateway share.

`families` states the names and meanings of the metrics. Names that clients choose (methods, paths, models)
become label values only if they are known, so that clients cannot create sets of labels; other names count as
`other`. The code that runs with each request is written for speed: an exchange that was answered at the first
attempt usually counts in one block (`usual`).
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import add as add_up
from typing import Final, NamedTuple, TypeAlias, TypeVar

from dragoman import ir
from dragoman.exchange import OVERTAKEN, AttemptRecord, Exchange
from dragoman.observe import exposition, usual
from dragoman.observe.cells import NOWHERE, Cells
from dragoman.observe.families import (
    BOUNDS,
    BY_NAME,
    CALLS,
    COST,
    COUNTED,
    ERRORS,
    FAILOVERS,
    FAMILIES,
    FIRST_TOKEN,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    LIMITED,
    LOSSES,
    OTHER,
    OUTCOMES,
    OVERHEAD,
    RECORDED,
    REQUEST_ERRORS,
    REQUESTS,
    SENT,
    TOKENS,
    UNPRICED,
    Family,
)
from dragoman.observe.usual import (
    COSTS,
    FIRST,
    FIRST_SUM,
    OWN,
    OWN_SUM,
    SPENT,
    SPENT_OUTPUT,
    UNKNOWN,
    WHOLE_SUM,
)

_NANO: Final = 1e9
"""nano-USD in one USD."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WS"})
_NONE: Final = "none"
_ENDS: Final = {name: place for place, name in enumerate(REQUESTS.parts)}
_REMEMBERED: Final = 1_000
"""The most entries of a cache of cells. One more empties the cache."""
_CHARACTERS: Final = 100
"""The most characters of a label's value in `_find`, and of a deployment's name in the cache `_sent`."""

_K = TypeVar("_K")
_V = TypeVar("_V")
_BLOCKS: Final = 300
"""The most kinds of exchanges that have a block of cells."""
_WHOLE, _FIRST, _OWN = HTTP_SECONDS.bounds, FIRST_TOKEN.bounds, OVERHEAD.bounds

_Kind: TypeAlias = tuple[str, str, int | None, str, str | None, str, int | None, str]
"""The facts that decide in which block an exchange is counted: method, path, status, operation, the model
name that the client sent, the deployment, the status of the provider's answer, and the mode. The names may be
unknown ones: `usual.Kind` has the labels for them.
"""


class Sample(NamedTuple):
    """The present value of a metric for one set of label values. labels: the values of all labels of the
    family, in order.
    """

    family: Family
    value: float
    labels: tuple[str, ...] = ()


class Metrics:
    """The counts of one process. They are in memory of its own until `share` is called. cells: the memory in
    use. outcome: returns the class of a failure, as a label value.
    """

    def __init__(self, outcome: Callable[[ir.Fault], str]) -> None:
        self._outcome = outcome
        self._models: Collection[str] = ()
        self._providers: Collection[str] = ()
        self._deployments: Collection[str] = ()
        self._paths: frozenset[str] = frozenset()
        self._blocks: dict[_Kind, memoryview[float]] = {}
        self._sent: dict[str | None, int] = {}
        self.share(Cells(), 1)

    def share(self, cells: Cells, number: int) -> None:
        """Count in these cells from now on, in the part with this number (0 = the keeper's); the counts that
        are already in it go on. Call this before the first request: what this object has counted before is
        not taken along.
        """
        self.cells = cells
        self._part = cells.parts[number]
        self._numbers = self._part.numbers
        for family in COUNTED:
            other = (family.name, *[OTHER] * family.stored)
            if self._part.first(other) is None:
                self._part.add(other, family.width)
        self._sets = Counter(series.key[0] for series in self._part.series())
        self._forget()

    def know(self, models: Collection[str], providers: Collection[str], deployments: Collection[str]) -> None:
        """Set the names that labels may have from now on: `models` as clients ask for them, `providers`, and
        `deployments` as `provider/model`. All other names, also those that were set earlier, count as
        `other`.
        """
        self._models, self._providers = frozenset(models), frozenset(providers)
        self._deployments = frozenset(deployments)
        self._forget()

    def serve(self, paths: Iterable[str]) -> None:
        """Add paths that labels may have from now on. paths: templates such as `/v1/responses/{id}`."""
        self._paths |= frozenset(paths)
        self._forget()

    def _forget(self) -> None:
        self._blocks.clear()
        self._sent.clear()

    # What runs with each request ---------------------------------------------------------------------

    def sent(self, deployment: str | None) -> None:
        """Count a request that is about to be sent to a provider. deployment: `provider/model`; None = it is
        unknown, and counts as `other`.
        """
        self._numbers[self._sent.get(deployment) or self._sent_at(deployment)] += 1

    def note(self, exchange: Exchange) -> None:
        """Count a finished exchange and its attempts. exchange: closed, so that its end and its times are
        set.
        """
        attempts = exchange.attempts
        if len(attempts) != 1 or exchange.end != "done" or exchange.refused_by is not None:
            self._note_each(exchange)
            return
        attempt = attempts[0]
        kind = (
            exchange.method,
            exchange.path,
            exchange.status,
            exchange.operation,
            exchange.asked,
            attempt.deployment,
            attempt.status,
            attempt.mode,
        )
        block = self._blocks.get(kind) or self._block(kind)
        if block is None or attempt.fault is not None or attempt.priced:
            self._note_each(exchange)
            return
        took = (exchange.ended or 0.0) - exchange.began
        own = exchange.overhead(exchange.ended or 0.0)
        block[bisect_left(_WHOLE, took)] += 1
        block[WHOLE_SUM] += took
        block[OWN + bisect_left(_OWN, own)] += 1
        block[OWN_SUM] += own
        if (usage := exchange.usage) is not None:
            if tokens := usage.input:
                block[SPENT] += tokens
            if tokens := usage.output:
                block[SPENT_OUTPUT] += tokens
            if usage.cache_read or usage.cache_write or usage.reasoning or usage.tool_input:
                _spend_more(block[SPENT:COSTS], usage)
        if cost := attempt.cost:
            block[COSTS] += cost / _NANO
        elif cost is None and exchange.priced is not None:
            block[UNKNOWN] += 1
        if exchange.first is not None and exchange.streamed:
            wait = exchange.first - attempt.started
            block[FIRST + bisect_left(_FIRST, wait)] += 1
            block[FIRST_SUM] += wait
        if exchange.losses:
            self._lose(exchange)

    # What runs when a kind of request comes for the first time, or fails ------------------------------

    def reached(self, bound: str) -> None:
        """Count that a bound was reached. bound: a name from our code, never from a client."""
        self._numbers[self._find(BOUNDS, bound)] += 1

    def recorded(self, result: str, number: int) -> None:
        """Count `number` finished exchanges that were put into the store of `trace.store` (result: "stored"),
        or were left out because it was too slow or gone ("dropped").
        """
        self._numbers[self._find(RECORDED) + RECORDED.parts.index(result)] += number

    def _note_each(self, exchange: Exchange) -> None:
        """Count an exchange that `note` does not count in a block. Each of its counts is looked up
        separately.
        """
        numbers = self._numbers
        method = exchange.method if exchange.method in _METHODS else OTHER
        path = exchange.path if exchange.path in self._paths else OTHER
        took = (exchange.ended or exchange.began) - exchange.began
        numbers[self._find(HTTP_REQUESTS, method, path, _status(exchange.status))] += 1
        self._observe(HTTP_SECONDS, took, method, path)
        if exchange.asked is not None:
            model = exchange.asked if exchange.asked in self._models else OTHER
            end = _ENDS.get((exchange.end or "").partition("/")[0], _ENDS["gateway"])
            numbers[self._find(REQUESTS, exchange.operation, model) + end] += 1
        if exchange.fault is not None:
            code = exchange.fault.code or exchange.fault.kind
            numbers[self._find(REQUEST_ERRORS, exchange.fault.blame, code)] += 1
        if exchange.refused_by is not None:
            numbers[self._find(LIMITED, exchange.refused_by)] += 1
        if exchange.attempts:
            self._observe(OVERHEAD, exchange.overhead(exchange.ended or 0.0), exchange.attempts[-1].mode)
            self._note_attempts(exchange)
        self._lose(exchange)

    def _note_attempts(self, exchange: Exchange) -> None:
        numbers, last = self._numbers, exchange.attempts[-1]
        for attempt in exchange.attempts:
            provider, _ = self._deployment(attempt.deployment)
            became = self._became(exchange, attempt)
            numbers[self._find(CALLS, provider, _status(attempt.status))] += 1
            numbers[self._find(OUTCOMES, provider, became)] += 1
            if attempt.fault is not None:
                numbers[self._find(ERRORS, provider, attempt.fault.kind)] += 1
                if attempt is not last:
                    numbers[self._find(FAILOVERS, provider, became)] += 1
        if exchange.first is not None and exchange.streamed:
            spoke = next((one for one in exchange.attempts if one.first is not None), last)
            speaker, _ = self._deployment(spoke.deployment)
            self._observe(FIRST_TOKEN, exchange.first - spoke.started, speaker)
        for attempt in exchange.attempts:
            self._spend(attempt, accounted=exchange.priced is not None)

    def _spend(self, attempt: AttemptRecord, *, accounted: bool) -> None:
        """Count the tokens and the cost of an attempt, including those of further models that it used.
        accounted: whether the cost of the exchange was computed; only then an unknown cost counts in
        `UNPRICED`.
        """
        numbers, usage, deployment = self._numbers, attempt.usage, attempt.deployment
        if usage is None and not accounted:
            return
        provider, _ = self._deployment(deployment)
        if usage is not None:
            self._spend_tokens(deployment, usage)
            for model, further in usage.others:
                self._spend_tokens(f"{deployment.partition('/')[0]}/{model}", further)
        for name, known in attempt.priced or ((deployment, attempt.cost or 0),):
            if known:
                numbers[self._find(COST, *self._deployment(name))] += known / _NANO
        if attempt.cost is None and accounted:
            numbers[self._find(UNPRICED, provider)] += 1

    def _spend_tokens(self, deployment: str, usage: ir.Usage) -> None:
        cell = self._find(TOKENS, *self._deployment(deployment))
        self._numbers[cell] += usage.input or 0
        self._numbers[cell + SPENT_OUTPUT - SPENT] += usage.output or 0
        _spend_more(self._numbers[cell : cell + TOKENS.width], usage)

    def _became(self, exchange: Exchange, attempt: AttemptRecord) -> str:
        if attempt.fault is not None:
            return self._outcome(attempt.fault)
        if attempt.outcome == OVERTAKEN:
            return OVERTAKEN
        return usual.ANSWERED if exchange.end == "done" or attempt.first is not None else "abandoned"

    def _lose(self, exchange: Exchange) -> None:
        for loss in exchange.losses:
            self._numbers[self._find(LOSSES, loss.severity)] += 1

    def _observe(self, family: Family, value: float, *labels: str) -> None:
        """Add a value to a histogram. labels: the values of its labels, in order."""
        cell = self._find(family, *labels)
        self._numbers[cell + bisect_left(family.bounds, value)] += 1
        self._numbers[cell + len(family.bounds) + 1] += value

    def _block(self, kind: _Kind) -> memoryview[float] | None:
        """Return the block of cells of exchanges of this kind (`usual`); if the kind is new, add one. None =
        there is no room for another block.
        """
        method, path, status, operation, asked, deployment, answer, mode = kind
        provider, deployed = self._deployment(deployment)
        key = usual.Kind(
            method if method in _METHODS else OTHER,
            path if path in self._paths else OTHER,
            _status(status),
            operation,
            "" if asked is None else asked if asked in self._models else OTHER,
            provider,
            deployed,
            _status(answer),
            mode,
        ).key
        first = self._part.first(key)
        if first is None and self._sets[usual.NAME] < _BLOCKS:
            first = self._part.add(key, usual.WIDTH)
            self._sets[usual.NAME] += 1
        if first is None:
            return None
        block = self._numbers[first : first + usual.WIDTH]
        if len(path) + len(asked or "") + len(deployment) <= 3 * _CHARACTERS:  # else it is no usual name
            _remember(self._blocks, kind, block)
        return block

    def _sent_at(self, deployment: str | None) -> int:
        cell = self._find(SENT, *self._deployment(deployment or ""))
        if deployment is not None and len(deployment) <= _CHARACTERS:
            _remember(self._sent, deployment, cell)
        return cell

    def _deployment(self, name: str) -> tuple[str, str]:
        """Return the values of the labels `provider` and `model` for a deployment `provider/model`: (`other`,
        `other`) if the provider is unknown; `other` as the model if the deployment is unknown.
        """
        provider, _, model = name.partition("/")
        if provider not in self._providers:
            return OTHER, OTHER
        return provider, (model if name in self._deployments else OTHER)

    def _find(self, family: Family, *labels: str) -> int:
        """Return the index of the first cell for these label values; if they are new, add cells for them. If
        the metric already has `Family.most` sets of label values, or the memory is full, return the first
        cell of the set whose labels are all `OTHER`; `NOWHERE` if there is none. A label is cut to
        `_CHARACTERS` characters.
        """
        key = (family.name, *[label[:_CHARACTERS] for label in labels])
        part = self._part
        if (found := part.first(key)) is not None:
            return found
        if self._sets[family.name] <= family.most and (added := part.add(key, family.width)) is not None:
            self._sets[family.name] += 1
            return added
        other = part.first((family.name, *[OTHER] * family.stored))
        return NOWHERE if other is None else other

    # The page -----------------------------------------------------------------------------------------

    def publish(self, samples: Iterable[Sample], now: float) -> None:
        """Write the present values of this process, and its id; the page adds up the values of all processes.
        A value that was written before and is not in `samples` stays as it was. A new value for which the
        memory has no room is left out. now: monotonic seconds.
        """
        for family, value, labels in samples:
            key = (family.name, *labels)
            cell = self._part.first(key)
            if cell is None:
                cell = self._part.add(key, 1)
            if cell is not None:
                self._numbers[cell] = value
        self._part.beat(os.getpid(), now)

    def processes(self, now: float) -> Mapping[int, int]:
        """Return {number: process id} for the processes that have written their present values (`publish`) in
        the last 5 s and have not ended. Number 0 is the keeper. now: monotonic seconds.
        """
        living = {number: part.living(now) for number, part in enumerate(self.cells.parts)}
        return {number: process for number, process in living.items() if process is not None}

    def page(self, stated: Iterable[Sample], now: float) -> bytes:
        """Return the page in the text format of Prometheus: what all processes have counted, also those that
        have ended; the present values of the living ones (`processes`), added up; and the values in `stated`,
        which this process states for all of them. If a process has a value with the same metric and labels,
        only the stated value is used. now: monotonic seconds.
        """
        sums: dict[str, dict[tuple[str, ...], list[float]]] = {family.name: {} for family in FAMILIES}

        def add(name: str, labels: tuple[str, ...], numbers: Sequence[float]) -> None:
            before = sums[name].get(labels)
            sums[name][labels] = [*numbers] if before is None else [*map(add_up, before, numbers)]

        for part in self.cells.parts:
            lives = part.living(now) is not None
            for key, first, width in part.series():
                numbers = part.numbers[first : first + width].tolist()
                if key[0] == usual.NAME:
                    for family, labels, counted in usual.metrics(key, numbers):
                        add(family.name, labels, counted)
                elif (lives or not BY_NAME[key[0]].now) and (any(numbers) or OTHER not in key):
                    add(key[0], key[1:], numbers)
        for family, value, labels in stated:
            sums[family.name][labels] = [value]
        return exposition.page((family, sums[family.name]) for family in FAMILIES)


def _spend_more(counts: memoryview[float], usage: ir.Usage) -> None:
    """Add the tokens that are neither plain input nor visible output to `counts`, which are the cells of
    `TOKENS`: tokens of caches and of reasoning have cells of their own, those of tools count as input.
    """
    counts[0] += usage.tool_input or 0
    counts[1] += usage.cache_read or 0
    counts[2] += usage.cache_write or 0
    counts[4] += usage.reasoning or 0


def _status(status: int | None) -> str:
    return _NONE if status is None else str(status)


def _remember(cache: dict[_K, _V], key: _K, cells: _V) -> None:
    """Store the cells of a kind of request in a cache. A cache with `_REMEMBERED` entries is emptied first,
    because clients can send any names.
    """
    if len(cache) >= _REMEMBERED:
        cache.clear()
    cache[key] = cells
