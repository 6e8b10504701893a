"""Fetches the lists of models that providers publish, in the background and again after some time. So no
request waits for a list, and a provider that does not answer delays no request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
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

log = logging.getLogger("dragoman.engine.discovery")

FIRST_RETRY: Final = 30.0
"""About how many seconds after a failure a list is fetched again. The time doubles with each further failure
in a row, up to the list's `ttl`.
"""
_PATIENCE: Final = 60.0
"""The most seconds in which all pages of one list, with all tried keys, are fetched."""
_TIMERS: Final = Timers(connect=10.0, first_byte=30.0, idle=30.0)
_MOST_PAGES: Final = 100
_MOST_KEYS: Final = 5
"""How many keys of a provider are tried, one after another, if the provider refuses them."""
_REFUSALS: Final = frozenset({"authentication", "permission", "quota"})
_MEDIUM: Final = 200_000
"""Bytes. A larger page is decoded in a thread."""
_SPREAD: Final = 0.1
"""The largest fraction by which a wait between two fetches is shortened at random, so that not all lists are
fetched at once.
"""
_AT_START: Final = 1.0
"""The most seconds until a list that is not known yet is fetched for the first time. The wait is random."""


class Wanted(msgspec.Struct, frozen=True):
    """A provider whose list of models is fetched. upstream: the provider. address: its base URL. ttl: seconds
    from one successful fetch to the next, of which up to a tenth is taken off at random.
    """

    upstream: WireUpstream
    address: str
    ttl: float


class Keeps(Protocol):
    """Stores the lists, and is told the result of each fetch."""

    def age(self, provider: str) -> float | None:
        """Return the seconds since this provider's list was fetched; None = the list is not known."""

    def learn(self, provider: str, address: str, page: Page) -> None:
        """Store a list that was fetched. provider: its name. address: the provider's base URL. page: the
        models of all pages.
        """

    def fail(self, provider: str, why: str) -> None:
        """Record that a provider's list could not be fetched. why: a sentence without secrets."""


class Discovery:
    """Fetches lists in background tasks, one task for each list, until `stop`. wanted: the lists. keeps: gets
    the results.
    """

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
        """Cancel all tasks, also those that are fetching a list now."""
        for task in self._tasks:
            task.cancel()

    def refresh(self, names: Collection[str]) -> None:
        """Fetch the lists of these providers now; returns before they are fetched. A list that is being
        fetched at this moment is fetched once more afterwards. names: of providers; empty = all lists. A name
        without a list is ignored.
        """
        for name, asked in self._asked.items():
            if not names or name in names:
                asked.set()

    async def _repeat(self, wanted: Wanted) -> None:
        """Fetch one list for ever: first when it is as old as its `ttl` (within a second, if it is not
        known), then about `ttl` seconds after each success and after an answer that there is no list, earlier
        after other failures, and whenever `refresh` asks for it.
        """
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
        """Wait for so many seconds, or until `refresh` asks for this provider's list."""
        asked = self._asked[name]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), seconds)
        asked.clear()

    async def _fetch(self, wanted: Wanted) -> bool:
        """Fetch a list once, and give the list or the reason of the failure to `keeps`. Return True if the
        next fetch can wait for `ttl` seconds: the list was fetched, or the provider says that it has no list.
        False = another failure, also if `keeps` cannot use the list, which is only logged.
        """
        name = wanted.upstream.name
        try:
            page = await fetched(wanted.upstream, self._deadlines, self._seams)
        except (TimeoutError, WireError, RequestFailed) as failed:
            self._keeps.fail(name, why(failed))
            return isinstance(failed, RequestFailed) and is_absent(failed.fault)
        except Exception as failed:  # whatever it is, the next fetch may succeed
            log.exception("the list of models of %s cannot be fetched", name)
            self._keeps.fail(name, f"unforeseen: {type(failed).__name__}")
            return False
        try:
            self._keeps.learn(name, wanted.address, page)
        except Exception:
            log.exception("the list of models of %s cannot be used", name)
            return False
        return True


def why(failed: TimeoutError | WireError | RequestFailed) -> str:
    """Return a sentence without secrets that says why `fetched` has failed. failed: what `fetched` has
    raised.
    """
    if isinstance(failed, RequestFailed):
        return failed.fault.message
    return f"no whole answer within {_PATIENCE:g} s" if isinstance(failed, TimeoutError) else str(failed)


async def fetched(upstream: WireUpstream, deadlines: Deadlines, seams: Seams) -> Page:
    """Return a provider's list as one `Page`, from all of its pages (see `_pages` for bounds). If the
    provider refuses a key (also because its quota is used up), its next key is tried, up to five keys. Raises
    RequestFailed if a page cannot be fetched (its fault contains no secrets), WireError for a malformed page,
    and TimeoutError after a minute.
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
    """Return the models of all pages as one `Page`, fetched with one key. number: the index of the key. The
    list ends early if the provider repeats a cursor, after `_MOST_PAGES` pages, or when it has `MOST` models.
    Raises RequestFailed, whose fault may contain secrets, if a page cannot be fetched, and WireError for a
    malformed page.
    """
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
