"""Makes what the engine serves new requests with, from the running parts of a configuration."""

from __future__ import annotations

from typing import Protocol

from dragoman.assembly.assemble import Assembly
from dragoman.assembly.client_credentials import ClientCredentials
from dragoman.assembly.observers import Observers
from dragoman.assembly.own_keys import OwnAccounts
from dragoman.capacity.gates import Gates
from dragoman.capacity.heavy import HeavySteps
from dragoman.config.load import Loaded
from dragoman.engine.runtime import Runtime, uncounted
from dragoman.engine.sealing import Kept
from dragoman.hooks import Hooks
from dragoman.routing.event import Event
from dragoman.routing.health import Health
from dragoman.seams.clock import Seams
from dragoman.upstreams.backend import backends


class Inside(Protocol):
    """The attributes of a gateway that a runtime needs; `assembly.core.Core` documents them."""

    gates: Gates
    heavy: HeavySteps
    hooks: Hooks
    lent: ClientCredentials
    observers: Observers
    own_keys: OwnAccounts
    providers_health: Health
    seams: Seams

    @property
    def loaded(self) -> Loaded: ...
    def alert(self, event: Event) -> None: ...


def runtime_of(inside: Inside, assembly: Assembly, kept: Kept | None = None) -> Runtime:
    """Return what new requests are served with. kept: `kept` of the earlier runtime; None = a new one."""
    config, metrics = inside.loaded.config, inside.observers.metrics
    inside.own_keys.use(inside.loaded)
    return Runtime(
        table=assembly.names.table,
        backends=backends(assembly.upstreams),
        deadlines=assembly.deadlines,
        fetcher=assembly.fetcher,
        hooks=inside.hooks,
        policy=assembly.policy,
        seams=inside.seams,
        always_usage=config.stream_usage == "always",
        count_upstream=config.count_upstream,
        vault=assembly.store.seals,
        kept=Kept() if kept is None else kept,
        store=assembly.store,
        heavy=inside.heavy,
        health=inside.providers_health.view(),
        gates=inside.gates,
        told=inside.alert if config.alerts else None,
        sent=uncounted if metrics is None else metrics.sent,
        accounting=assembly.accounting,
        lent=inside.lent.use(inside.loaded),
        passing=frozenset(name for name, one in assembly.passages.items() if one.resources),
    )
