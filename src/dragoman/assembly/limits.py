"""Builds the limits of a gateway from the settings, lets the counters of limits begin with earlier usage, and
tells operators about events of limits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import msgspec

from dragoman.accounts.claims import Limits
from dragoman.accounts.directory import Again, Directory
from dragoman.accounts.grants import WILDCARD
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.limits import OF_ATTEMPTS, Limit, Standing, Subject
from dragoman.accounts.watch import LimitEvent
from dragoman.accounts.windows import mark_of, prefix_of
from dragoman.alerts.alert import Alert
from dragoman.assembly.journaling import Journaling
from dragoman.assembly.keys import declared_of
from dragoman.config.settings import Config
from dragoman.seams.clock import Seams
from dragoman.seams.tasks import spawn
from dragoman.state.counters import read, span
from dragoman.state.store import Store, StoreFailed
from dragoman.state.usage_archive import Spent
from dragoman.state.usage_sums import Dimension

log = logging.getLogger("dragoman.assembly.limits")

_NOTHING: Final = Standing(0, 0)
_PAUSES: Final = 0.25, 5.0
"""Seconds between two attempts to restore limits: at first, and at most."""
_DIMENSIONS: Final[Mapping[Subject, Dimension | None]] = {
    "key": "key",
    "tenant": "tenant",
    "team": "team",
    "user": "user",
    "end_user": "end_user",
    "tag": "tag",
    "deployment": "deployment",
    "provider": "provider",
    "global": None,
}
"""{subject of a limit: the dimension of usage records that has the subject's names}; None = all records
together. The subjects `address` and `model` are missing: the records do not tell what they have used.
"""


FindAgain: TypeAlias = Callable[[Subject, str], Again | None]
"""Returns how limits count a tenant, team or user whose name an earlier one had: under which name, and since
when. Its arguments are the subject and the name. None = it is counted by its name, and all usage under this
name is its own. See `Directory.again`.
"""


def no_again(_: Subject, __: str) -> None:
    """Return None: no name had an earlier tenant, team or user."""


class Records(Protocol):
    """The part of `UsageArchive` that limits read."""

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        """Return {value of a dimension (the name of a key, for example): what it has used since a moment
        (Unix seconds)}. dimension: None = all usage together, under "". See `UsageArchive.spent`.
        """

    async def charged(self, limits: Collection[str], now: float) -> Mapping[str, int]:
        """Return {name of a counter: what was charged to it} for the counters of these limits whose windows
        contain `now` (Unix seconds). limits: names. See `UsageArchive.charged`.
        """


def limits_of(config: Config) -> Iterator[Limit]:
    """Yield the limits of a configuration, except those that keys, tenants, teams and users state themselves
    (`held_limits`). If one deployment is stated several times with limits, only the limits that stand first
    are yielded.
    """
    for name, entry in config.limits.items():
        yield from entry.limits(name, entry.scope, entry.only or None)
    for name, provider in config.providers.named.items():
        for bounds in provider.limits:
            yield from bounds.limits(f"provider {name}", "provider", (name,))
    stated: set[str] = set()
    for name, model in config.models.items():
        for bounds in model.limits:
            yield from bounds.limits(f"model {name}", "model", (name,))
        for deployment in model.deployments:
            if deployment.limits and deployment.use not in stated:
                stated.add(deployment.use)
                for bounds in deployment.limits:
                    yield from bounds.limits(f"deployment {deployment.use}", "deployment", (deployment.use,))


def held_limits(config: Config, directory: Directory | None) -> Iterator[Limit]:
    """Yield the limits that keys, tenants, teams and users state, in the configuration and in the database
    (`Directory.limits`). If several keys of the configuration have the same name, only the limits of the
    first one are yielded. directory: has the database's entries, and the tenants, teams and users that
    `config` declares; None = there is no database for them.
    """
    named: set[str] = set()
    for key in config.auth.keys:
        name = key.client
        if name not in named:
            named.add(name)
            for bounds in key.limits:
                yield from bounds.limits(f"key {name}", "key", (name,))
    yield from (Directory(declared_of(config)) if directory is None else directory).limits()


def teller(
    now: Callable[[], float], tell: Callable[[dict[str, Any]], None] | None
) -> Callable[[LimitEvent], None]:
    """Return a function that logs an event about a limit as a warning, and sends an alert. now: returns Unix
    seconds. tell: gets the fields of the alert (`Alert`) as JSON values; None = no alert is sent.
    """

    def note(event: LimitEvent) -> None:
        log.warning("%s", event.message)
        if tell is not None:
            about = f"{event.limit}: {event.counted}"
            alert = Alert(
                event.kind, now(), None, None, event.message, limit=about, whose=event.whose or None
            )
            told: dict[str, Any] = msgspec.to_builtins(alert)
            tell(told)

    return note


_AT_ONCE: Final = 200
"""How many limits are collected before other requests are served: about 5 ms, or 20 ms if all differ."""


class Restoring:
    """Lets the counters of limits begin with earlier usage, until that has succeeded once for each limit.

    store: may have usage records. journaling: brings the records into the store; None = nobody does. refuse:
    what limits do after a start until earlier usage is known: True = they refuse all requests; False = they
    begin at 0. Limits that are added afterwards begin at 0 until it is known. again: returns how a tenant,
    team or user is counted whose name an earlier one had.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        journaling: Journaling | None,
        seams: Seams,
        *,
        refuse: bool,
        again: FindAgain = no_again,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._journaling = journaling
        self._seams = seams
        self._refuse = refuse
        self._again = again
        self._wanted: Mapping[Limit, Limit] = {}
        self._known: frozenset[Limit] = frozenset()
        self._missing: dict[Limit, Limit] = {}
        """The limits whose counters could not be restored yet. They stay here when another configuration is
        restored meanwhile: while a reload is prepared, either configuration may be the next one in use.
        """
        self._lock = asyncio.Lock()
        self._collecting = asyncio.Lock()
        self._trying: asyncio.Task[None] | None = None
        self._closed = False

    async def restore(self, limits: Iterable[Limit], *, recovered: bool | None = None) -> bool:
        """Restore the counters of those limits that are not restored yet, also of limits of earlier calls.
        Returns True if none of `limits` is left to restore, or if the store keeps no usage records. Otherwise
        returns False; then it is tried again in the background until it succeeds, but not after `close`.

        limits: all limits of the gateway; they are taken from it piece by piece, and requests are served in
        between, because there may be some hundred thousand. recovered: at a start, whether the database has
        all records of processes that have ended; if False, what it has is restored, and the result is False,
        unless there is nothing to restore. None = this is not a start: requests may be running.
        """
        async with self._collecting:  # so that the latest call has the last word
            wanted: dict[Limit, Limit] = {}
            for number, one in enumerate(limits, 1):
                wanted[_counted(one)] = one
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
            self._wanted = wanted
        failed = await self._try(recovered=recovered)
        if failed is None or not self._missing.keys() & wanted.keys():
            return True
        if self._closed:
            return False
        if recovered is not None:
            what = "refuse everything" if self._refuse else "begin at 0"
            self._ledger.wait(f"limits {what} until usage can be read: {failed}", refuse=self._refuse)
            log.warning("limits %s until earlier usage can be read: %s", what, failed)
        else:
            log.warning("new limits begin at 0 until earlier usage can be read: %s", failed)
        if self._trying is None:
            self._trying = spawn(self._try_again(), "restoring limits")
        return False

    async def close(self) -> None:
        """Stop trying to restore limits. A call of `restore` that runs, or comes later, tries only once."""
        self._closed = True
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait({self._trying})

    async def _try_again(self) -> None:
        pause, most = _PAUSES
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, most)
            try:
                if await self._try() is None:
                    break
            except Exception:  # whatever it is, the next try may succeed
                log.exception("limits cannot be restored")
        log.warning("limits count what was used before")
        self._trying = None

    async def _try(self, *, recovered: bool | None = None) -> str | None:
        """Try once to restore the limits that are not restored yet. Returns why that failed, for the log;
        None = nothing is left to restore. recovered: at a start, whether the database has all records of
        ended processes. None = requests may be running.
        """
        async with self._lock:
            usage, wanted, now = self._store.usage, self._wanted, self._seams.now()
            known = self._known
            new = {one: wanted[one] for one in wanted.keys() - known} if known else wanted
            missing = self._missing = {**self._missing, **new}
            if missing and usage is not None:
                fresh = recovered is None and self._trying is None
                serving = fresh or self._trying is not None
                # What is settled from now on may or may not be in the sums that the database returns. It is
                # added to them, so the result is never less than what was used.
                before = await self._ledger.standings() if serving else {}
                if serving and self._journaling is not None:
                    recovered = await self._journaling.stored_until(now)
                try:
                    found: Mapping[str, Found] = await seeds([*missing.values()], usage, now, self._again)
                    if fresh:
                        found = await self._without_counted(found, [*missing.values()], usage, now)
                except StoreFailed as failed:
                    return str(failed)
                self._seed({name: max(amounts) for name, amounts in found.items()}, before)
                if recovered is False:
                    return "the database does not have it yet"
            self._known = frozenset(wanted)
            self._missing = {}
            self._ledger.wait(None)
            return None

    async def _without_counted(
        self, found: Mapping[str, Found], limits: Sequence[Limit], usage: Records, now: float
    ) -> Mapping[str, Found]:
        """Return `found` without the counters that need no restoring: while this gateway ran, they themselves
        have counted all usage that the records have. limits: the new limits. usage: the records. now: Unix
        seconds.
        """
        charged, live = await charges(limits, usage, now), await self._ledger.standings()
        return {
            name: amounts
            for name, amounts in found.items()
            if not 0 < amounts.told <= charged.get(name, 0) <= live.get(name, _NOTHING).used
        }

    def _seed(self, found: Mapping[str, int], before: Mapping[str, Standing]) -> None:
        standing = self._ledger.standing
        self._ledger.seed(
            {
                name: amount + max(0, standing(name).used - before.get(name, _NOTHING).used)
                for name, amount in found.items()
            }
        )


def _counted(limit: Limit) -> Limit:
    """Return a copy of a limit in which all settings that do not change its counters have fixed values. If
    two limits have equal results, they have the same counters.
    """
    return msgspec.structs.replace(limit, most=0, hard=True, warn_at=None, unknown_price="allow")


class Found(NamedTuple):
    """What the usage records tell about a counter, in the unit of its limit (nano-USD for money). charged:
    the sum of what the records say was charged to this counter. told: the sum of the usage in the records to
    which the counter's limit applies; 0 = there is none, or the records cannot tell it.
    """

    charged: int
    told: int


async def seeds(
    limits: Sequence[Limit], records: Records, now: float, again: FindAgain = no_again
) -> dict[str, Found]:
    """Return {name of a counter: usage} for the counters of these limits whose windows contain `now` (Unix
    seconds). Raises StoreFailed if the records cannot be read.

    `told` is 0 for limits with the subject address or model, for limits that are only for some models, and
    for limits of `concurrency`. again: returns how a tenant, team or user is counted whose name an earlier
    one had; the usage of the earlier one does not count in `told`.
    """
    asked: dict[tuple[float, Dimension | None], Mapping[str, Spent]] = {}

    async def spent_since(since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        place = since, dimension
        if place not in asked:
            asked[place] = await records.spent(since, dimension)
        return asked[place]

    found = {name: Found(used, 0) for name, used in (await charges(limits, records, now)).items()}
    for limit in limits:
        if limit.subject not in _DIMENSIONS or limit.resource == "concurrency" or limit.models is not None:
            continue
        dimension, start = _DIMENSIONS[limit.subject], span(limit.window, limit.every, now).start
        for value, every in _spent_of(limit, await spent_since(start, dimension)):
            if value == "" and dimension is not None:
                continue  # requests without a user, a tag, …
            whom = value or "*"
            later, spent = again(limit.subject, whom), every
            if later is not None and later.since > start:
                spent = (await spent_since(later.since, dimension)).get(value, _NOT_SPENT)
            counter = f"{prefix_of(limit, whom if later is None else later.counted)}{start}"
            found[counter] = found.get(counter, _UNKNOWN)._replace(told=_amount(limit, spent))
    return found


def _spent_of(limit: Limit, spent: Mapping[str, Spent]) -> Iterator[tuple[str, Spent]]:
    """Yield the items of `spent` that this limit counts. spent: by the name of the key, tag, …; "" = without
    one. Names without patterns are looked up: 10,000 keys with limits of their own would otherwise each be
    compared with 10,000 names.
    """
    only = limit.only
    if only is not None and not any(WILDCARD in name for name in only):
        yield from ((name, spent[name]) for name in only if name in spent)
        return
    grants = Limits([limit])
    yield from ((value, every) for value, every in spent.items() if grants.covers(limit, value or "*"))


_UNKNOWN: Final = Found(0, 0)
_NOT_SPENT: Final = Spent(0, 0, 0, 0, 0)


async def charges(limits: Sequence[Limit], records: Records, now: float) -> dict[str, int]:
    """Return {name of the counter: charged amount} for the counters of these limits whose windows contain
    `now` (Unix seconds). Raises StoreFailed if the records cannot be read.
    """
    wanted = {(one.name, one.resource, one.window, one.every, mark_of(one.models)) for one in limits}
    charged = await records.charged({one.name for one in limits}, now)
    return {
        name: used
        for name, used in charged.items()
        if (told := read(name)) is not None and told[:5] in wanted
    }


def _amount(limit: Limit, spent: Spent) -> int:
    resource = limit.resource
    if resource == "requests" and limit.subject in OF_ATTEMPTS:
        return spent.calls
    if resource == "requests":
        # A refused request has made no call. So this is never less than what passed, and more only if
        # some requests were refused while others needed several calls.
        return min(spent.requests, spent.calls)
    if resource == "money":
        return spent.money
    if resource == "tokens":
        return spent.input_tokens + spent.output_tokens
    return spent.input_tokens if resource == "input_tokens" else spent.output_tokens
