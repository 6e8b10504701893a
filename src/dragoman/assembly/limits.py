"""Builds the limits of a gateway from the settings, and lets their counters begin with what was used before
the gateway started.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from dragoman.accounts.claims import Limits
from dragoman.accounts.keys import unnamed
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.limits import OF_ATTEMPTS, Limit, Subject
from dragoman.accounts.watch import LimitEvent
from dragoman.accounts.windows import prefix_of, span
from dragoman.alerts.alert import Alert
from dragoman.config.settings import Config
from dragoman.state.store import Store, StoreFailed

log = logging.getLogger("dragoman.assembly.limits")

Dimension: TypeAlias = Literal[
    "key", "tenant", "team", "user", "end_user", "tag", "model", "deployment", "provider"
]
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


class Spent(Protocol):
    """What one subject has used. requests: those that were refused as well. money: nano-USD. calls: of
    providers.
    """

    @property
    def requests(self) -> int: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def money(self) -> int: ...
    @property
    def calls(self) -> int: ...


class Records(Protocol):
    """The usage records, as far as limits ask them."""

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        """What each value of a dimension has used in exchanges that began at `since` (Unix seconds) or later;
        None = all together, as the value "".
        """


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


def held_by_keys(config: Config) -> Iterator[Limit]:
    """The limits of the configuration's keys, as their callers have them."""
    named: set[str] = set()
    for key in config.auth.keys:
        name = key.name or unnamed(key.key.reveal())
        if name not in named:
            named.add(name)
            for bounds in key.limits:
                yield from bounds.limits(f"key {name}", "key", (name,))


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


async def restored(
    ledger: Ledger | None, config: Config, store: Store, known: Limits | None, now: float
) -> None:
    """As `restore`, for the limits of a configuration and of its keys, if the store keeps usage. known: the
    limits of the configuration before, whose counters run; None = there was none.
    """
    records: Records | None = getattr(store, "usage", None)
    if ledger is None or records is None:
        return
    running = frozenset() if known is None else frozenset(known.all)
    new = [one for one in limits_of(config) if one not in running]
    await restore(ledger, [*new, *held_by_keys(config)], records, now)


async def restore(ledger: Ledger, limits: Iterable[Limit], records: Records, now: float) -> None:
    """Let the counters of running windows begin with what the usage records say; those that the ledger knows
    already stay. If the records cannot be read, the counters begin at 0, and the log says so. now: Unix
    seconds.
    """
    try:
        ledger.seed(await seeds(limits, records, now))
    except StoreFailed as failed:
        log.warning("limits begin at 0, because the usage records cannot be read: %s", failed)


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
