"""Builds the running parts of a gateway from its configuration: model names, upstreams, client keys, stores,
limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import NamedTuple, get_args

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.accounts.keys import ClientKeys
from dragoman.accounts.watch import Watch
from dragoman.assembly.accounts import ALONE, Processes, accounting_of, ledger_of, shares
from dragoman.assembly.directory import Following, following_of
from dragoman.assembly.journaling import Journaling, journaling_of
from dragoman.assembly.keys import client_keys_of
from dragoman.assembly.limits import Restoring, held_limits, limits_of, no_again
from dragoman.assembly.model_lists import ModelLists, addresses_of
from dragoman.assembly.names import Names, installed_models, local_models, naming, refuse_unknown, timers_of
from dragoman.assembly.parts import Parts, close
from dragoman.assembly.providers import (
    answer_limits,
    connection_settings,
    passage_of,
    transport_of,
    wire_upstream,
)
from dragoman.assembly.recording import Recording
from dragoman.assembly.store_health import keep_probed
from dragoman.capacity.space import Space
from dragoman.config.egress import Egress
from dragoman.config.load import Loaded
from dragoman.config.settings import Config
from dragoman.dialects import compatibility
from dragoman.dialects.compatibility import Compatibility
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.request import Operation
from dragoman.engine.accounting import Accounting
from dragoman.errors import ConfigError, Problem
from dragoman.exchange import Mode
from dragoman.net.fetch import Bounds, Fetcher
from dragoman.net.resolver import Resolver
from dragoman.net.transport import CROWDED, Reached, Transport, untold
from dragoman.providers.provider import Provider
from dragoman.routing.attempts import Policy
from dragoman.routing.route import Deployment, Entry, Model, Route
from dragoman.seams.clock import SYSTEM, Seams, steady
from dragoman.seams.deadlines import Deadlines
from dragoman.seams.tasks import spawn
from dragoman.state.store import Store
from dragoman.stores.limits import Limits
from dragoman.stores.open import located, open_exchanges, open_store
from dragoman.stores.sweep import keep_swept
from dragoman.upstreams.answers import AnswerLimits
from dragoman.upstreams.backend import Backend, backend_of, serves
from dragoman.upstreams.local.upstream import LocalModel, LocalUpstream
from dragoman.upstreams.passage import Passage
from dragoman.upstreams.upstream import Upstream
from dragoman.upstreams.wire import WireUpstream


def _asked(caller: Caller) -> frozenset[Operation] | None:
    """Return the operations of which a model must serve at least one to be in a client's list of models. None
    = the list has all models: the client may use all operations, or paths that are passed through
    (`pass_through`), where it may name any model, or it may do nothing but list models.
    """
    stated = caller.may.operations
    if stated is None or "pass_through" in stated:
        return None
    asked = frozenset(operation for operation in get_args(Operation) if operation in stated)
    return None if asked == {"models"} else asked


class Assembly(msgspec.Struct, frozen=True):
    """The running parts of one configuration. A reload that changes a setting in use makes another object.

    names: the model names. upstreams: all upstreams, by the provider's name. providers: the upstreams of
    configured providers, by name; a provider that an upstream made in code replaces is missing. passages:
    {name of a provider: what passes on requests for the provider's resources or paths}; only for providers
    whose settings allow such requests. client_keys: the keys with which clients may call. following: keeps
    the client keys of the database up to date in memory; None = there is no database for keys. policy: how
    attempts are repeated. fetcher: downloads the media that requests name by URL. deadlines: the timeouts.
    store: keeps stored data, in a database or in memory. recording: stores finished exchanges; None = they
    are not stored. journaling: the journal of usage; None = no usage is kept. accounting: what the engine
    needs to account for exchanges; None = nothing is accounted for. restoring: lets the counters of limits
    begin with earlier usage. parts: all parts that have to be closed, or that the next configuration may go
    on with. lists: the providers' own lists of models. local: the models of this machine, by name.
    """

    names: Names
    upstreams: Mapping[str, Upstream]
    providers: Mapping[str, WireUpstream]
    passages: Mapping[str, Passage]
    client_keys: ClientKeys
    following: Following | None
    policy: Policy
    fetcher: Fetcher
    deadlines: Deadlines
    store: Store
    recording: Recording | None
    journaling: Journaling | None
    accounting: Accounting | None
    restoring: Restoring
    parts: Parts
    lists: ModelLists
    local: Mapping[str, LocalModel]

    def entries(self, caller: Caller) -> Iterator[Entry]:
        """Yield the entries of the model list that a client may use, in the order of their names. A model
        that can serve none of the operations that the client may ask for is left out.
        """
        entries = self.names.entries(caller.models, caller.may.providers, caller)
        if _asked(caller) is None:
            return entries
        return (entry for entry in entries if self._shows(entry.id, caller))

    def entry(self, model: str, caller: Caller) -> Entry | None:
        """Return the entry of one model. None = the client may not use a model of this name
        (`Caller.models`), or the model can serve none of the operations that the client may ask for. Raises
        RequestFailed (404) for an unknown model, for a name that only the alias `*` covers, and if the client
        may use none of the model's providers.
        """
        if not caller.may_use(model):
            return None
        entry = self.names.table.entry(model, caller)
        return entry if self._shows(model, caller) else None

    def _shows(self, model: str, caller: Caller) -> bool:
        route = self.names.table.find(model, caller)
        return route is not None and self.serves(route, caller)

    def serves(self, route: Route, caller: Caller) -> bool:
        """Whether a deployment of the route, or of one of its fallbacks for any failure (`fallbacks.any`),
        may be used by the client and can serve one of the operations that the client may ask for. What is not
        known counts as possible (`backend.serves`). Always True if the client's list has all models
        (`_asked`).
        """
        operations, providers = _asked(caller), caller.may.providers
        return operations is None or any(
            serves(self.upstreams[one.provider], operation, one.model, one.facts)
            for each in (route, *route.fallbacks.any)
            for one in each.deployments
            if providers is None or one.provider in providers
            for operation in operations
        )

    def mode(self, model: str, face: Dialect) -> Mode:
        """Return whether the first deployment of a model gets requests of the protocol `face` relayed or
        translated. Optional fields of a request may change this; here a request has none. Raises
        RequestFailed for an unknown model.
        """
        _, backend = self._first(model, face)
        return "relay" if backend.dialect is face and backend.quirks.relays({}) else "translate"

    def compatibility(self, model: str, face: Dialect) -> Compatibility | None:
        """Return what clients of the protocol `face` can use of the first deployment of a model; None = the
        deployment's upstream speaks no protocol (an embedded model, for example). Raises RequestFailed for an
        unknown model.
        """
        first, backend = self._first(model, face)
        if backend.dialect is None:
            return None
        facts = backend.facts(first.model, first.facts)
        if backend.dialect is face and backend.quirks.relays({}):
            return compatibility.relayed(face.name, backend.quirks, facts)
        return compatibility.translated(face.name, backend.dialect.name, backend.quirks, facts)

    def _first(self, model: str, face: Dialect) -> tuple[Deployment, Backend]:
        """Return (the first deployment of a model, the deployment's upstream in the protocol that it would
        use for a request of the protocol `face` without optional fields). Raises RequestFailed for an unknown
        model.
        """
        route = self.names.table.resolve(model)
        first = route.deployments[0]
        plain = ir.Request(face.name, first.model)
        backend = backend_of(self.upstreams[first.provider])
        return first, backend.spoken(face.name, first.model, first.facts, lambda: plain, route.api)

    @property
    def own_machine(self) -> LocalUpstream | None:
        """The upstream for models on this machine; None = it is disabled, or replaced by one made in code."""
        upstream = self.upstreams.get("local")
        return upstream if isinstance(upstream, LocalUpstream) else None

    async def restored(self, config: Config, *, recovered: bool | None = None) -> bool:
        """Let the counters of all limits begin with earlier usage. Counters for which this was done before
        are left as they are. Returns False if the usage, or a part of it, cannot be read now; then it is
        tried again in the background until the assembly is closed. Otherwise returns True. config: the
        configuration of this assembly. recovered: as for `Restoring.restore`.
        """
        if self.accounting is None or self.accounting.ledger is None:
            return True
        directory = None if self.following is None else self.following.directory
        every = chain(limits_of(config), held_limits(config, directory))
        return await self.restoring.restore(every, recovered=recovered)

    def connect(self) -> None:
        """Let parts that were taken from the running assembly work with the parts that are new. Call it when
        the assembly is used from now on; before that, the running assembly still needs the parts as they are.
        """
        if self.journaling is not None and self.accounting is not None:
            self.journaling.adopting.ledger = self.accounting.ledger
        for name, passage in self.passages.items():
            _follow(passage, self.parts.all[_part_of(name)].what)

    async def close(self) -> None:
        """Close all parts. If closing a part fails, the others are closed nevertheless, and then the error is
        raised. Upstreams made in code are not closed.
        """
        await close(self.parts.all.values())


async def assemble(
    loaded: Loaded,
    own: Mapping[str, Upstream],
    models: Iterable[Model],
    seams: Seams = SYSTEM,
    reached: Reached = untold,
    *,
    before: Assembly | None = None,
    processes: Processes = ALONE,
) -> Assembly:
    """Build all running parts, without connecting to providers. Also begin to sweep a new store, and let the
    counters of limits begin with earlier usage. If there is no running assembly, first store the usage that
    earlier processes have left in the journal.

    own: upstreams made in code, by name; they replace configured ones. models: models registered in code.
    reached: called when a limit of a provider's connections is reached and no exchange fails because of it;
    its arguments are the limit's name and a detail for the log. before: the running assembly, None = there is
    none; its parts are used again if their settings are equal. `before` can still be used afterwards.
    processes: the processes that count limits together.

    Raises ConfigError for an unknown model name, an unusable store and similar mistakes, and, if there is a
    running assembly and `stores.when_lost` is `closed`, if the usage for new limits cannot be read. Raises
    OSError or ValueError if a certificate cannot be read. After any failure, the new parts are closed.
    """
    parts = Parts(None if before is None else before.parts)
    local = _local_models(loaded.config, parts)
    names = naming(loaded, own, models, local)
    refuse_unknown(loaded, names)
    lists = ModelLists(loaded.home, addresses_of(loaded), None if before is None else before.lists)
    if facts := lists.facts():  # only now: whether a configuration is right does not depend on other servers
        names = naming(loaded, own, models, local, facts)
    try:
        made = _assembled(
            loaded, own, names, parts, _Outside(seams, reached, before, local, processes, lists)
        )
        recovered = None
        if before is None:
            recovered = made.journaling is None or await made.journaling.recover()
        restored = await made.restored(loaded.config, recovered=recovered)
        if not restored and before is not None and loaded.config.stores.when_lost == "closed":
            raise ConfigError(Problem("limits", _UNREAD))
    except BaseException:
        await close(parts.new())
        raise
    return made


_UNREAD = "cannot be changed now, because the usage that new limits count cannot be read (stores.when_lost)"


class _Outside(NamedTuple):
    """Arguments of `assemble` (seams, reached, before, processes), and two values that `assemble` makes
    (local, lists).
    """

    seams: Seams
    reached: Reached
    before: Assembly | None
    local: Mapping[str, LocalModel]
    """The models of this machine, by name."""
    processes: Processes
    lists: ModelLists


def _local_models(config: Config, parts: Parts) -> dict[str, LocalModel]:
    """Return the models of this machine, by name: the installed embedded models, and the operator's own files
    in the configuration. {} = `providers.local` is disabled, or there are no such models. A reload reads the
    own files again, but looks for installed models only if `keep_alive` or `threads` of `providers.local`
    have changed, or if `providers.local` was disabled before this reload.
    """
    settings = config.providers.local
    if not settings.enabled:
        return {}
    of = (settings.keep_alive, settings.threads)
    return local_models(config, parts.hold("installed models", of, lambda: installed_models(config)))


def _assembled(
    loaded: Loaded, own: Mapping[str, Upstream], names: Names, parts: Parts, outside: _Outside
) -> Assembly:
    config, seams = loaded.config, outside.seams
    deadlines = parts.hold("deadlines", None, lambda: Deadlines(asyncio.get_running_loop()))
    fetcher = parts.take("fetcher", config.egress, lambda: _fetcher(config.egress), Fetcher.close)
    limits = _limits(config)
    store = parts.take(
        "store",
        (config.stores.sql, loaded.home, limits),
        lambda: open_store(config.stores.sql, loaded.home, limits, seams),
        lambda store: store.close(),
    )
    following = parts.take(
        "client keys' directory",
        store,
        lambda: following_of(store, located(config.stores.sql, loaded.home), seams.now),
        _end,
    )
    parts.take("sweeping", store, lambda: spawn(keep_swept(store, seams), "sweeping the store"), _stop)
    parts.take("probing", store, lambda: spawn(keep_probed(store, seams), "probing the store"), _stop)
    recording = _recording(loaded, parts, seams)
    mark = parts.hold("the mark of this process", None, lambda: seams.random_id()[:16])
    together, kept = outside.processes, following is not None
    shared = shares(config, together, kept=kept) or bool(parts.before("ledger"))
    steadied = parts.hold("the clock of limits", None, lambda: steady(seams))
    ledger = parts.take(  # before the journal, so that it is closed after it
        "ledger",
        shared,
        lambda: ledger_of(config, steadied, together, name=mark, shared=shared),
        lambda ledger: ledger.close(),
    )
    journaling = _journaling(loaded, store, parts, seams, mark)
    if journaling is not None and journaling.adopting.ledger is None:
        # A running journal keeps its ledger until the new assembly is used: see `Assembly.connect`.
        journaling.adopting.ledger = ledger
    space = parts.hold(
        "answer space", config.server.answer_space, lambda: Space(config.server.answer_space, CROWDED)
    )
    providers: dict[str, WireUpstream] = {}
    passages: dict[str, Passage] = {}
    for name, provider in loaded.providers.items():
        account = config.providers.named[name]
        transport = parts.take(
            f"connections of {name}",
            connection_settings(account, config.server.transport),
            partial(
                transport_of,
                name,
                account,
                deadlines,
                client=config.server.transport,
                reached=outside.reached,
                space=space,
            ),
            Transport.close,
        )
        limits_of_answers = answer_limits(account)
        providers[name] = upstream = parts.take(
            _part_of(name),
            (provider, limits_of_answers, transport),
            partial(_wire, provider, transport, limits_of_answers, outside),
            WireUpstream.close,
        )
        if account.passthrough or account.paths:
            timers = timers_of(account.timeouts)
            passages[name] = passage_of(provider, upstream, transport, timers, account)
    upstreams: dict[str, Upstream] = dict(providers)
    if config.providers.local.enabled:
        queue = config.providers.local.queue
        processes = parts.take(
            "embedded models", queue, lambda: LocalUpstream({}, queue=queue), LocalUpstream.close
        )
        upstreams["local"] = processes.offering(outside.local)
    if loaded.simulate:
        from dragoman.upstreams.simulate import SimulateUpstream  # few gateways have the simulator

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
        client_keys=_client_keys(config, parts, following, seams),
        following=following,
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
        recording=recording,
        journaling=journaling,
        accounting=accounting_of(
            loaded,
            ledger,
            parts.hold("the watch on limits", None, Watch),
            None if journaling is None else journaling.journal,
            steadied,
        ),
        restoring=parts.take(
            "restoring",
            (store, ledger, journaling, following, config.stores.when_lost),
            lambda: Restoring(
                ledger,
                store,
                journaling,
                steadied,
                refuse=config.stores.when_lost == "closed",
                again=no_again if following is None else following.directory.again,
            ),
            Restoring.close,
        ),
        parts=parts,
        lists=outside.lists,
        local=outside.local,
    )


def _client_keys(config: Config, parts: Parts, following: Following | None, seams: Seams) -> ClientKeys:
    """Return the client keys. following: None = there is no database for keys; then a reload goes on with the
    running object if the settings are equal. With a database, each configuration gets a new object: callers
    that an earlier object has admitted may not be admitted now.
    """
    if following is None:
        of = (config.auth, config.server, config.tenants, config.teams, config.users, config.groups)
        return parts.hold("client keys", of, lambda: client_keys_of(config, seams))
    return client_keys_of(config, seams, following.directory)


async def _end(following: Following | None) -> None:
    if following is not None:
        await following.close()


def _recording(loaded: Loaded, parts: Parts, seams: Seams) -> Recording | None:
    """Return the part that stores finished exchanges; None = the setting `trace.store` turns it off."""
    trace, home = loaded.config.trace, loaded.home
    stated = trace.store, home, trace.store_size, trace.store_ttl
    made = open_exchanges(*stated, seams)
    if made is None:
        return None
    store = parts.take("exchanges", stated, lambda: made, lambda store: store.close())
    parts.take("sweeping exchanges", store, lambda: spawn(keep_swept(store, seams), "sweeping"), _stop)
    return parts.take("recording", store, lambda: Recording(store), Recording.close)


def _journaling(loaded: Loaded, store: Store, parts: Parts, seams: Seams, mark: str) -> Journaling | None:
    """Return the journal of usage; None = the store keeps no usage. `Parts` closes the journal before the
    store.
    """

    async def close(journaling: Journaling | None) -> None:
        if journaling is not None:
            await journaling.close()

    return parts.take("journal", store, lambda: journaling_of(loaded, store, seams, mark), close)


def _wire(provider: Provider, transport: Transport, limits: AnswerLimits, outside: _Outside) -> WireUpstream:
    upstream = wire_upstream(provider, transport, limits, outside.seams)
    earlier = None if outside.before is None else outside.before.providers.get(provider.name)
    if earlier is not None:
        upstream.remember(earlier)
    return upstream


def _part_of(provider: str) -> str:
    """Return the name of the part that is the upstream of a configured provider."""
    return f"provider {provider}"


def _follow(passage: Passage, upstream: WireUpstream) -> None:
    """Let the passage use the present value of the upstream's first account, and each new one, if the
    account's credential can change.
    """
    if (renewal := upstream.accounts[0].renewal) is not None:
        if passage.account is not upstream.accounts[0]:  # renewed since the passage was made
            passage.renew(upstream.accounts[0])
        renewal.credential.follow("passage", lambda _: passage.renew(upstream.accounts[0]))


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
        usage_records=config.usage.keep,
        usage_hours=config.usage.keep_hours,
        usage_days=config.usage.keep_days,
        usage_months=config.usage.keep_months,
        usage_values=config.usage.max_values,
    )


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
