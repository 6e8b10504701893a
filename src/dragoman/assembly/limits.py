"""Builds the limits of a gateway from the settings, and lets their counters begin with what was used before
the gateway started.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from dragoman.accounts.addresses import Proxies
from dragoman.accounts.claims import Limits
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.limits import Limit, Resource, Subject
from dragoman.accounts.watch import LimitEvent, Watch
from dragoman.accounts.windows import prefix_of, span
from dragoman.alerts.alert import Alert
from dragoman.config.settings import Config
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.store import StoreFailed

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
    """What one subject has used. money: nano-USD."""

    @property
    def requests(self) -> int: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def money(self) -> int: ...


class Records(Protocol):
    """The usage records, as far as limits ask them."""

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        """What each value of a dimension has used in exchanges that began at `since` (Unix seconds) or later;
        None = all together, as the value "".
        """


class Limiting:
    """The limits of one gateway, which outlive a reload. ledger: their counters. tell: gets alerts, as
    `msgspec.to_builtins` writes them.
    """

    def __init__(
        self,
        ledger: Ledger,
        seams: Seams = SYSTEM,
        tell: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.ledger = ledger
        self.limits = Limits()
        self.proxies = Proxies()
        self.watch = Watch(self._note)
        self._seams = seams
        self._tell = tell

    def adopt(self, config: Config) -> None:
        """Use the limits of a configuration from now on. Counters stay: they are found by a limit's name."""
        self.limits = Limits(limits_of(config))
        self.proxies = Proxies(config.server.trusted_proxies)

    async def restore(self, records: Records, limits: Iterable[Limit] | None = None) -> None:
        """Let the counters of running windows begin with what the usage records say; those that this process
        knows already stay. limits: None = all of the configuration. If the records cannot be read, the
        counters begin at 0, and the log says so.
        """
        stated = self.limits.all if limits is None else limits
        try:
            self.ledger.seed(await seeds(stated, records, self._seams.now()))
        except StoreFailed as failed:
            log.warning("limits begin at 0, because the usage records cannot be read: %s", failed)

    def _note(self, event: LimitEvent) -> None:
        log.warning("%s", event.message)
        if self._tell is not None:
            alert = Alert(
                event.kind,
                self._seams.now(),
                None,
                None,
                event.message,
                limit=f"{event.limit}: {event.counted}",
                whose=event.whose or None,
            )
            told: dict[str, Any] = msgspec.to_builtins(alert)
            self._tell(told)


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
                found[f"{prefix_of(limit, whom)}{start}"] = _amount(limit.resource, spent)
    return found


def _amount(resource: Resource, spent: Spent) -> int:
    if resource == "requests":
        return spent.requests
    if resource == "money":
        return spent.money
    if resource == "tokens":
        return spent.input_tokens + spent.output_tokens
    return spent.input_tokens if resource == "input_tokens" else spent.output_tokens
