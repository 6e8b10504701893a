"""Builds the running parts of a gateway from its configuration: model names, upstreams, keys, store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack

import msgspec

from dragoman.accounts.keys import ClientKeys
from dragoman.assembly.keys import client_keys_of
from dragoman.assembly.names import Names, local_models, naming, refuse_unknown, timers_of
from dragoman.assembly.providers import accounts_of, answer_limits, passage_of, transport_of, wire_upstream
from dragoman.capacity.space import Space
from dragoman.config.egress import Egress
from dragoman.config.load import Loaded
from dragoman.config.settings import Config
from dragoman.net.fetch import Bounds, Fetcher
from dragoman.net.resolver import Resolver
from dragoman.net.transport import CROWDED, Reached, untold
from dragoman.routing.attempts import Policy
from dragoman.routing.route import Model
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.seams.deadlines import Deadlines
from dragoman.seams.tasks import spawn
from dragoman.state.store import Store
from dragoman.stores.limits import Limits
from dragoman.stores.open import open_store
from dragoman.stores.sweep import keep_swept
from dragoman.upstreams.local.upstream import LocalUpstream
from dragoman.upstreams.passage import Passage
from dragoman.upstreams.simulate import SimulateUpstream
from dragoman.upstreams.upstream import Upstream
from dragoman.upstreams.wire import WireUpstream


class Assembly(msgspec.Struct, frozen=True):
    """The running parts of one gateway; replaced as a whole when its secrets or model names change.

    upstreams: all, by name. providers: those of configured providers that no upstream made in code replaces.
    passages: for providers whose resources are passed through. opened: closes all parts.
    """

    names: Names
    upstreams: Mapping[str, Upstream]
    providers: Mapping[str, WireUpstream]
    passages: Mapping[str, Passage]
    client_keys: ClientKeys
    policy: Policy
    fetcher: Fetcher
    deadlines: Deadlines
    store: Store
    opened: AsyncExitStack

    async def close(self) -> None:
        """Close all parts, even if closing one of them fails. Upstreams made in code are left as they are."""
        await self.opened.aclose()


async def assemble(
    loaded: Loaded,
    own: Mapping[str, Upstream],
    models: Iterable[Model],
    seams: Seams = SYSTEM,
    reached: Reached = untold,
) -> Assembly:
    """Build all running parts, without connecting to providers, and begin to sweep the store.

    own: upstreams made in code, by name; they replace configured ones. models: registered in code. reached:
    called when a limit is reached that fails no exchange. Raises ConfigError for wrong model names and an
    unusable store; then, as after any failure, the built parts are closed.
    """
    config = loaded.config
    names = naming(loaded, own, models)
    refuse_unknown(loaded, names)
    async with AsyncExitStack() as opened:
        deadlines = Deadlines(asyncio.get_running_loop())
        fetcher = _fetcher(config.egress)
        opened.push_async_callback(fetcher.close)
        store = open_store(config.stores.sql, loaded.home, _limits(config), seams)
        opened.push_async_callback(store.close)
        opened.push_async_callback(_stop, spawn(keep_swept(store, seams), "sweeping the store"))
        space = Space(config.server.answer_space, CROWDED)
        providers: dict[str, WireUpstream] = {}
        passages: dict[str, Passage] = {}
        for name, provider in loaded.providers.items():
            account = config.providers.named[name]
            transport = transport_of(
                name, account, deadlines, client=config.server.transport, reached=reached, space=space
            )
            opened.push_async_callback(transport.close)
            limits = answer_limits(account)
            providers[name] = upstream = wire_upstream(provider, transport, limits)
            if resources := account.passthrough:
                timers = timers_of(account.timeouts)
                passages[name] = passage_of(provider, upstream, transport, timers, resources)
        upstreams: dict[str, Upstream] = dict(providers)
        if config.providers.local.enabled:
            settings = config.providers.local
            local = LocalUpstream(local_models(config), queue=settings.queue)
            opened.push_async_callback(local.close)
            upstreams["local"] = local
        if loaded.simulate:
            told = config.providers.simulate
            upstreams["simulate"] = SimulateUpstream(
                seed=told.seed, first_token=told.first_token, token_interval=told.token_interval
            )
        upstreams.update(own)
        return Assembly(
            names=names,
            upstreams=upstreams,
            providers={name: upstream for name, upstream in providers.items() if name not in own},
            passages=passages,
            client_keys=client_keys_of(config, seams),
            policy=Policy(
                retries=config.retries.attempts - 1,
                backoff=config.retries.backoff,
                backoff_max=config.retries.backoff_max,
                patience=config.retries.backoff_max,
                attempts=config.retries.max_attempts,
                seconds=float(config.retries.max_time or 0) or None,
            ),
            fetcher=fetcher,
            deadlines=deadlines,
            store=store,
            opened=opened.pop_all(),
        )


def renew(assembly: Assembly, before: Loaded, after: Loaded, names: Names, seams: Seams) -> Assembly:
    """Give the upstreams of `assembly` the secrets of `after`, which differs from `before` in nothing else.
    Return it with the client keys of `after` and with `names`.
    """
    for name, provider in after.providers.items():
        if provider == before.providers[name]:
            continue
        if (upstream := assembly.providers.get(name)) is None:
            continue  # an upstream that was made in code replaces this one
        for api in provider.apis:
            upstream.in_dialect(api.dialect).renew(accounts_of(provider, api))
        if (passage := assembly.passages.get(name)) is not None:
            passage.renew(upstream.accounts[0])
    keys = assembly.client_keys
    if after.config.auth.keys != before.config.auth.keys:
        keys = client_keys_of(after.config, seams)
    return msgspec.structs.replace(assembly, client_keys=keys, names=names)


def _fetcher(settings: Egress) -> Fetcher:
    bounds = Bounds(
        addresses=settings.max_addresses,
        each=settings.max_size,
        together=settings.max_total,
        seconds=settings.read_timeout or None,
        reads=settings.max_reads,
        wait=settings.wait or None,
        space=settings.space,
    )
    return Fetcher(settings.allow, bounds, Resolver(settings.max_lookups, settings.lookup_timeout or None))


def _limits(config: Config) -> Limits:
    return Limits(
        size=config.responses.max_size,
        history_size=config.server.max_body,
        session_count=config.sessions.max_count,
        session_size=config.sessions.max_size,
        seals_size=config.seals.max_size,
        seals_ttl=config.seals.ttl,
    )


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
