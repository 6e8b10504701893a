"""Builds the limits of a gateway from the settings, and lets their counters begin with what was used before
the gateway started.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec

from dragoman.accounts.claims import Limits
from dragoman.accounts.directory import Directory
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.limits import OF_ATTEMPTS, Limit, Subject
from dragoman.accounts.watch import LimitEvent
from dragoman.accounts.windows import prefix_of, span
from dragoman.alerts.alert import Alert
from dragoman.assembly.keys import declared_of
from dragoman.config.settings import Config
from dragoman.state.store import Store, StoreFailed
from dragoman.state.usage_archive import Spent
from dragoman.state.usage_sums import Dimension

log = logging.getLogger("dragoman.assembly.limits")

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
"""The subjects that usage records name. They do not name addresses; and they name models as clients do, which
is not how limits count them.
"""


class Records(Protocol):
    """The usage records, as far as limits ask them: a part of `UsageArchive`."""

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        """See `UsageArchive`."""


def limits_of(config: Config) -> Iterator[Limit]:
    """All limits of a configuration, without those of keys, which come with their caller."""
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
    """The limits of keys, tenants, teams and users, as their callers have them. directory: of the database;
    None = there is none.
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
    """Returns what writes an event to the log, and hands it on as an alert. now: Unix seconds. tell: gets the
    alert, as `msgspec.to_builtins` writes it; None = nobody wants alerts.
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


class Restoring:
    """Lets the counters of limits begin with what was used before, once for each limit. store: may keep usage
    records. now: Unix seconds.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._known: frozenset[Limit] = frozenset()

    async def restore(self, ledger: Ledger, limits: Iterable[Limit]) -> None:
        """Restore the counters of those limits that were not restored before."""
        wanted = {_counted(one): one for one in limits}
        new = [one for counted, one in wanted.items() if counted not in self._known]
        if not new or self._store.usage is None or await restore(ledger, new, self._store.usage, self._now()):
            self._known = frozenset(wanted)


def _counted(limit: Limit) -> Limit:
    """What makes the counters of a limit: two limits that count the same have an equal result, however much
    they allow.
    """
    return msgspec.structs.replace(limit, most=0, hard=True, warn_at=None, unknown_price="allow")


async def restore(ledger: Ledger, limits: Iterable[Limit], records: Records, now: float) -> bool:
    """Let the counters of running windows begin with what the usage records say; those that the ledger knows
    already stay. If the records cannot be read, the counters begin at 0, and the log says so: False. now:
    Unix seconds.
    """
    try:
        ledger.seed(await seeds(limits, records, now))
    except StoreFailed as failed:
        log.warning("limits begin at 0, because the usage records cannot be read: %s", failed)
        return False
    return True


async def seeds(limits: Iterable[Limit], records: Records, now: float) -> dict[str, int]:
    """What was used of each counter whose window runs, by its name, as far as usage records tell: they do not
    tell addresses, nor which of the requests for a model a limit for some models has counted. now: Unix
    seconds.
    """
    asked: dict[tuple[int, Dimension | None], Mapping[str, Spent]] = {}
    found: dict[str, int] = {}
    for limit in limits:
        if limit.subject not in _DIMENSIONS or limit.resource == "concurrency" or limit.models is not None:
            continue
        dimension, start = _DIMENSIONS[limit.subject], span(limit.window, limit.every, now).start
        place = start, dimension
        if place not in asked:
            asked[place] = await records.spent(start, dimension)
        grants = Limits([limit])
        for value, spent in asked[place].items():
            if value == "" and dimension is not None:
                continue  # requests without a user, a tag, …
            whom = value or "*"
            if grants.covers(limit, whom):
                found[f"{prefix_of(limit, whom)}{start}"] = _amount(limit, spent)
    return found


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
