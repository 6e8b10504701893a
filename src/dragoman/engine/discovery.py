"""Fetches the lists of models that providers publish, in the background and again and again, so that no
request waits for a list and a provider that does not answer delays nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from typing import Any, Final, Protocol

import msgspec

from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed, WireError
from dragoman.providers.listing import LARGEST, MOST, Page, read
from dragoman.routing.outcome import is_absent
from dragoman.routing.route import Timers
from dragoman.seams.clock import Seams
from dragoman.seams.deadlines import Deadlines
from dragoman.seams.tasks import spawn
from dragoman.upstreams.upstream import Call, Stopwatch
from dragoman.upstreams.wire import WireUpstream

FIRST_RETRY: Final = 30.0
"""Seconds until a list that could not be fetched is fetched again. The time doubles with each failure, up to
the list's `ttl`.
"""
_PATIENCE: Final = 60.0
"""The most seconds for all pages of a list together."""
_TIMERS: Final = Timers(connect=10.0, first_byte=30.0, idle=30.0)
_MOST_PAGES: Final = 100
_MOST_KEYS: Final = 5
"""How many of a provider's keys are tried, if it refuses them."""
_REFUSALS: Final = frozenset({"authentication", "permission", "quota"})
_MEDIUM: Final = 200_000
"""Bytes. A larger page is decoded in a thread."""
_SPREAD: Final = 0.1
"""The part of each wait that is random, so that not all lists are fetched at once."""
_AT_START: Final = 1.0
"""The most seconds until a list that is not known yet is fetched for the first time."""


class Wanted(msgspec.Struct, frozen=True):
    """A list that is fetched. address: the base URL of its provider. ttl: seconds after which it is fetched
    again.
    """

    upstream: WireUpstream
    address: str
    ttl: float


class Keeps(Protocol):
    """Keeps lists, and is told what became of each attempt to fetch one."""

    def age(self, provider: str) -> float | None:
        """The seconds since the list was fetched; None = it is not known."""

    def learn(self, provider: str, address: str, page: Page) -> None:
        """A whole list has come."""

    def fail(self, provider: str, why: str) -> None:
        """A list could not be fetched. why: a sentence without secrets."""


class Discovery:
    """The running fetches, one task for each list. keeps: gets what comes."""

    def __init__(self, wanted: Iterable[Wanted], keeps: Keeps, deadlines: Deadlines, seams: Seams) -> None:
        self._keeps = keeps
        self._deadlines = deadlines
        self._seams = seams
        self._asked: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        for one in wanted:
            name = one.upstream.name
            self._asked[name] = asyncio.Event()
            self._tasks.append(spawn(self._repeat(one), f"fetching the models of {name}"))

    def stop(self) -> None:
        """Stop all fetches, also those under way."""
        for task in self._tasks:
            task.cancel()

    def refresh(self, names: Collection[str]) -> None:
        """Fetch the lists of these providers now, or once more if they are being fetched. () = all lists."""
        for name, asked in self._asked.items():
            if not names or name in names:
                asked.set()

    async def _repeat(self, wanted: Wanted) -> None:
        """Fetch one list for ever: first when it is too old, then after each `ttl`."""
        name, failures = wanted.upstream.name, 0
        age = self._keeps.age(name)
        wait = _AT_START * self._seams.uniform() if age is None else max(0.0, wanted.ttl - age)
        while True:
            await self._pause(name, wait)
            if await self._fetch(wanted):
                failures, wait = 0, wanted.ttl
            else:
                wait = min(wanted.ttl, FIRST_RETRY * 2 ** min(failures, 20))
                failures += 1
            wait *= 1 - _SPREAD * self._seams.uniform()

    async def _pause(self, name: str, seconds: float) -> None:
        """Wait, but only until somebody asks for this list."""
        asked = self._asked[name]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), seconds)
        asked.clear()

    async def _fetch(self, wanted: Wanted) -> bool:
        """Fetch a list once, and tell what came of it. Returns whether the next attempt can wait for `ttl`:
        the list came, or the provider has none.
        """
        name = wanted.upstream.name
        try:
            page = await fetched(wanted.upstream, self._deadlines, self._seams)
        except (TimeoutError, WireError, RequestFailed) as failed:
            self._keeps.fail(name, why(failed))
            return isinstance(failed, RequestFailed) and is_absent(failed.fault)
        self._keeps.learn(name, wanted.address, page)
        return True


def why(failed: TimeoutError | WireError | RequestFailed) -> str:
    """Why `fetched` has failed, as a sentence without secrets."""
    if isinstance(failed, RequestFailed):
        return failed.fault.message
    return f"no whole answer within {_PATIENCE:g} s" if isinstance(failed, TimeoutError) else str(failed)


async def fetched(upstream: WireUpstream, deadlines: Deadlines, seams: Seams) -> Page:
    """A provider's whole list, with all its pages. Raises RequestFailed, with a fault without secrets,
    WireError, and TimeoutError after a minute. If the provider refuses a key, its next one is tried.
    """
    with deadlines.within(_PATIENCE):
        return await _with_a_key(upstream, seams)


async def _with_a_key(upstream: WireUpstream, seams: Seams) -> Page:
    number, most = 0, min(len(upstream.accounts), _MOST_KEYS)
    while True:
        try:
            return await _pages(upstream, number, seams)
        except RequestFailed as failed:
            fault = upstream.accounts[number].discreet(failed.fault)
            number += 1
            if fault.kind not in _REFUSALS or number >= most:
                raise RequestFailed(fault) from None


async def _pages(upstream: WireUpstream, number: int, seams: Seams) -> Page:
    """All pages with one key. A cursor that comes again, or too many pages, end the list."""
    form = upstream.listing
    models: dict[str, Any] = {}
    left_out = 0
    cursors: set[str] = set()
    query = dict(form.query)
    for number_of_page in range(1, _MOST_PAGES + 1):
        report, watch = Report(upstream.dialect.name), Stopwatch(seams.monotonic)
        call = Call(seams.random_id(), "", report, watch, _TIMERS, account=number)
        raw = await upstream.listed(call, query=query, largest=LARGEST)
        page = await asyncio.to_thread(read, raw, form) if len(raw) > _MEDIUM else read(raw, form)
        left_out += page.left_out
        following = page.following
        if form.numbered and not page.models.keys() <= models.keys():
            following = str(number_of_page + 1)
        for name, facts in page.models.items():
            if name in models:
                continue
            if len(models) < MOST:
                models[name] = facts
            else:
                left_out += 1
        if following is None or following in cursors or len(models) >= MOST:
            break
        cursors.add(following)
        query[form.cursor] = following
    return Page(models, left_out)
