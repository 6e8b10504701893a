"""The inside of a gateway: its configuration, its running parts, and its life from start to close.

`dragoman.gateway.Gateway` adds the methods for programs that embed a gateway. The server uses only `Core`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec

from dragoman import ir
from dragoman.accounts.caller import ANYONE, Caller
from dragoman.accounts.keys import ClientKeys
from dragoman.accounts.shared.address import Embedded
from dragoman.alerts.sender import Alerts
from dragoman.assembly.accounts import Processes, prepare, reach_counters
from dragoman.assembly.added import with_added
from dragoman.assembly.alerting import alert_of, targets_of
from dragoman.assembly.assemble import Assembly, assemble
from dragoman.assembly.checks import checks_of
from dragoman.assembly.client_credentials import ClientCredentials
from dragoman.assembly.directory import Following
from dragoman.assembly.discovery import Discovering
from dragoman.assembly.draining import Draining
from dragoman.assembly.health import adopt
from dragoman.assembly.keys import declared_of
from dragoman.assembly.limits import teller
from dragoman.assembly.names import Names, limits_of, naming
from dragoman.assembly.observers import Observer, Observers
from dragoman.assembly.own_keys import OwnAccounts
from dragoman.assembly.own_models import OwnModels
from dragoman.assembly.parts import Part
from dragoman.assembly.reload import Outcome, Reloads
from dragoman.assembly.runtime import runtime_of
from dragoman.assembly.sharing import share
from dragoman.assembly.starting import Starting
from dragoman.assembly.telling import Telling
from dragoman.assembly.turns import turns_of
from dragoman.capacity.gates import Gates
from dragoman.capacity.heavy import HeavySteps
from dragoman.capacity.places import PlacesFile, SharedPlaces
from dragoman.config.load import Loaded, load
from dragoman.config.settings import Config
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.engine.checks import Checks
from dragoman.engine.engine import Engine
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.hooks import Hooks
from dragoman.observe.board import Board
from dragoman.routing.event import Event
from dragoman.routing.health import Health
from dragoman.routing.policy import rotations
from dragoman.routing.policy_rotation import Rotated
from dragoman.routing.route import Entry, Route
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.seams.peers import Peers
from dragoman.seams.tasks import spawn
from dragoman.state.usage_archive import UsageArchive
from dragoman.stores.open import located
from dragoman.turns.background import Background
from dragoman.turns.keeping import Keeping
from dragoman.turns.sessions import Remembering
from dragoman.upstreams.upstream import Upstream

_FAREWELL = 1.0
"""Seconds for which `close` waits until the requests that it has cancelled have ended."""
_CLOSED = ir.Fault("unavailable", "The gateway is closed.", "gateway_closed", blame="gateway")


class Core:
    """One gateway: its configuration, its providers and its engine.

    config: a configuration file, or settings in the form of such a file, or the result of `dragoman.load`.
    None = the file that DRAGOMAN_CONFIG names (if empty, no file); if that is not set, `dragoman.yaml` in the
    working directory or in Dragoman's own folder, if it exists. Environment variables count as for `dragoman
    serve`, unless `dragoman.load` was given others. upstreams: your own providers by name; they replace
    configured ones. hooks: see `dragoman.hooks`. observers: called with each finished exchange; they must not
    block, and their exceptions are logged. seams: the clock and random numbers, which tests replace. Raises
    ConfigError for mistakes in the settings, except those that `start` finds, such as unknown model names.
    """

    def __init__(
        self,
        config: Loaded | str | Path | Mapping[str, Any] | None = None,
        *,
        upstreams: Mapping[str, Upstream] | None = None,
        hooks: Iterable[Any] = (),
        observers: Iterable[Observer] = (),
        seams: Seams = SYSTEM,
    ) -> None:
        if not isinstance(config, Loaded):
            file = Path(config) if isinstance(config, str) else config
            config = load(file, os.environ, own=upstreams or ())
            config = with_added(config, located(config.config.stores.sql, config.home), starting=True)
        self._loaded, self.config = config, config.config
        located(self.config.stores.sql, self._loaded.home)  # reports a wrong database address now
        self.seams = seams
        self.draining = Draining(seams.monotonic)
        """Whether and when a stop was requested. Then running requests may finish."""
        self.worker = self.workers = 1
        """worker: the number of this worker process, from 1. workers: how many worker processes there are."""
        self.connections: Callable[[], Mapping[str, int]] | None = None
        """Returns {"open": …, "limit": …} of client connections; None = our own server does not run."""
        self.embedded: Embedded | None = None
        """The Valkey server that was started for the workers' counters of limits; None = there is none."""
        self.closed = False
        self.heavy = HeavySteps()
        """Runs the steps of large requests one at a time."""
        self.providers_health = Health()
        """What this process knows about keys and deployments, also from other workers; it outlives a reload.
        """
        self.own_keys = OwnAccounts(self.providers_health)
        """The keys of providers that tenants have brought."""
        self.lent = ClientCredentials(lambda one: self.client_keys.knows(one))  # noqa: PLW0108 - they change
        self.gates = Gates(seams.monotonic)
        """The limits on the requests that run at once; the object outlives a reload."""
        self.requests: set[asyncio.Task[Any]] = set()
        """The tasks that handle the running HTTP requests and WebSockets."""
        self.exchanges: set[Exchange] = set()
        """The running exchanges, such as HTTP requests, WebSocket messages and background answers."""
        self.own_models = OwnModels(upstreams or {})
        """What the program and its clients have added to the configuration: providers and model names."""
        self.hooks = Hooks(hooks)
        self.began = seams.monotonic()
        self._starting = Starting(self._start)
        self._assembly: Assembly | None = None
        self._engine: Engine | None = None
        self.board: Board | None = None
        """The shared memory with the counts of all workers; None = there is only one process."""
        self.peers = Peers()
        """The other workers, and the keeper."""
        self.alerts = Alerts(seams)
        """Sends alerts. Only the keeper is handed any."""
        self._checks: Checks | None = None
        self.discovering = Discovering(self)
        """Has the providers' lists of models fetched, and uses them."""
        self._sharing: asyncio.Task[None] | None = None
        self.observers = Observers(self.config, seams, observers)
        """Count, keep and store finished exchanges."""
        self.usage: UsageArchive | None = None
        self.keeping: Keeping
        """Stores and reads responses, conversations and stored chat completions; set by `start`."""
        self.remembering: Remembering
        """Stores and reads sessions; set by `start`."""
        self._background: Background | None = None
        self.reloads = Reloads(
            config,
            build=self._built,
            begin=self._begin,
            running=lambda: self.exchanges,
            seams=seams,
        )
        """Loads the configuration again while the gateway runs."""
        self._restores = False
        """Whether keys have changed whose limits no turn of `_restore` has looked at."""
        self._restoring: asyncio.Task[None] | None = None
        self.renewed: list[Callable[[], None]] = []
        """Called after the gateway has begun to use another configuration; but not by a running gateway if no
        setting in use has changed.
        """
        self.telling = Telling(self)
        """Makes the answers of `/health` and `/metrics`, and exchanges counts with the other workers."""
        self.admitting: ClientKeys | None = None
        """The client keys that count now; None = no client may call: before `start` has ended, after
        `close`.
        """

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Any) -> Self:
        """Return a gateway with the settings of environment variables, and of the file that DRAGOMAN_CONFIG
        names. If DRAGOMAN_CONFIG is not set, no configuration file is read. environ: the variables; None =
        those of this process. options: the constructor's keywords, except `config`. Raises ConfigError with
        the mistakes in the settings.
        """
        found = os.environ if environ is None else environ
        own = options.get("upstreams") or ()
        return cls(load(None, {"DRAGOMAN_CONFIG": "", **found}, own=own), **options)

    def register(
        self,
        name: str,
        provider: str | Upstream,
        *,
        rewrite: str | None = None,
        facts: Facts = UNKNOWN,
        preferred_api: str | None = None,
    ) -> None:
        """Add a model under a name of your choice. Call this before the gateway has started.

        provider: the name of a configured provider, or your own Upstream. rewrite: the provider's name for
        the model; None = `name`. facts: the model's capabilities. preferred_api: the protocol for a provider
        with several; None = the client's own, if the model and the request allow it. Raises RuntimeError
        while the gateway starts or runs. An unknown provider is reported by `start`.
        """
        if self._engine is not None or self._starting.running:
            raise RuntimeError("register models before the gateway has started")
        self.own_models.register(name, provider, rewrite, facts=facts, preferred_api=preferred_api)

    def share_places(self, file: PlacesFile) -> None:
        """Count the requests that run at once together with the other workers. Call it before `start`. file:
        made before the workers were forked, so that all of them have the same one.
        """
        self.gates.share(lambda name: SharedPlaces(file, name, self.worker, self.workers))

    @property
    def started(self) -> bool:
        """Whether `start` has ended without an error, and `close` was not called."""
        return self.admitting is not None

    async def start(self) -> None:
        """Build the running parts. If the gateway has started already, do nothing; if it is being started,
        wait for that. A request to a gateway that has not started calls this method, too. If the start fails,
        everything that it has built is closed, and the next call starts again. A caller that is cancelled
        does not end the start. Raises ConfigError; OSError or ValueError if a certificate cannot be read;
        RequestFailed after `close`.
        """
        while not self.started:
            if self.closed:
                raise RequestFailed(_CLOSED)
            await self._starting.run()

    async def _start(self) -> None:
        """Build the running parts, or none of them: after a failure all of them are closed."""
        async with self.reloads.lock:  # the configuration must stay the same all the time
            try:
                await self._build()
            except BaseException:
                self._halt()
                self.observers.recording = self.usage = self.admitting = None
                async with AsyncExitStack() as closing:
                    closing.push_async_callback(self._close_parts)
                    if self._background is not None:
                        closing.push_async_callback(self._background.close)
                        self._background = None
                raise

    async def _build(self) -> None:
        self.peers.open()
        await reach_counters(self.config)
        await asyncio.to_thread(prepare, self.config)
        self._assembly = assembly = await self._assembled(self._loaded)
        adopt(self.providers_health, self.config, assembly.upstreams, self.seams.monotonic())
        self._sharing = await share(self.providers_health, self.peers, self.seams)
        self.providers_health.memory.start = self.worker - 1
        self.observers.share(self.board, self.worker, self.began)
        self._attend(assembly)
        self.peers.receive("alert", self.alerts.note)
        self._engine = Engine(runtime_of(self, assembly))
        turns = turns_of(self, assembly.store, self._engine.handle)
        self.keeping, self.remembering, self._background = turns
        self.telling.begin()
        if assembly.following is not None:
            await assembly.following.start(self.peers, self.readmit)
            self.telling.sections["keys"] = assembly.following.state
            await assembly.restored(self.config, recovered=True)
        self.admitting = self.client_keys
        if assembly.following is not None:
            self.readmit()  # keys may have changed since their limits were restored

    async def _assembled(self, loaded: Loaded, before: Assembly | None = None) -> Assembly:
        workers = 1 if self.peers.alone else loaded.config.server.workers
        together, reached = Processes(workers, self.embedded), self.observers.bounds.reached
        own, models = self.own_models.upstreams, self.own_models.models
        return await assemble(loaded, own, models, self.seams, reached, before=before, processes=together)

    def alert(self, event: Event) -> None:
        """Have the keeper send an alert about an event."""
        self.peers.hand("alert", alert_of(event, self.seams.now()))

    def _attend(self, assembly: Assembly) -> None:
        """Connect an assembly's parts with the rest of the gateway. Stop the running checks of providers, and
        start new ones if this process is the keeper.
        """
        assembly.connect()
        self.gates.adopt(limits_of(self.config))
        self.alerts.adopt(targets_of(self.config))
        self.telling.know(assembly.upstreams)
        self.observers.know(assembly.names, assembly.upstreams)
        if assembly.following is not None:
            assembly.following.directory.declare(declared_of(self.config))
        self.usage = assembly.store.usage
        self.observers.record(assembly.recording, self.config, self.worker)
        if assembly.journaling is not None:
            assembly.journaling.begin(self.telling.sections, keeps=self.peers.keeps, alert=self.alert)
        if assembly.accounting is not None:
            hand = partial(self.peers.hand, "alert") if self.config.alerts else None
            assembly.accounting.watch.tell = teller(self.seams.now, hand)
            if assembly.accounting.ledger is not None:
                self.telling.sections["limits_store"] = assembly.accounting.ledger.state
        self.discovering.attend(assembly)
        self.telling.sections["model_lists"] = self.discovering.shown
        self.telling.samples["model_lists"] = self.discovering.samples
        if self._checks is not None:
            self._checks.stop()
            self._checks = None
        if self.peers.keeps:
            self._checks = checks_of(self.config, assembly, self.providers_health, self.seams, self.alert)

    async def reload(self) -> Outcome:
        """Load the configuration again from where it came from, and use it for all requests that begin
        afterwards. Running requests keep the earlier configuration. If the new one has problems, the earlier
        one stays in use, and the outcome names the problems; no error is raised. Some changed settings, such
        as those of the server and of stored data, are used only after a restart; the outcome names them, too.
        """
        return await self.reloads.reload()

    async def _built(self, loaded: Loaded) -> Assembly | None:
        return None if self._assembly is None else await self._assembled(loaded, self._assembly)

    def _begin(self, loaded: Loaded, assembly: Assembly | None) -> list[Part]:
        """Use another configuration from now on. Returns the parts that the caller has to close when no
        running exchange uses them any more. assembly: the parts of the new configuration; None = the running
        parts stay.
        """
        before, self._loaded, self.config = self.config, loaded, loaded.config
        if assembly is None and self._assembly is not None:
            return []
        left = [] if assembly is None else self._replace(assembly, before)
        self.observers.use(self.config)
        for renewed in self.renewed:
            renewed()
        return left

    def _replace(self, assembly: Assembly, before: Config) -> list[Part]:
        """Use the parts of another configuration. Returns the parts to close, as `_begin` does. before: the
        earlier configuration.
        """
        if self._assembly is None:  # closed meanwhile
            return assembly.parts.new()
        self.own_models.renew(before, self.config, assembly.upstreams)
        names = self.own_models.joined(assembly.names)
        self._assembly = assembly = msgspec.structs.replace(assembly, names=names)
        adopt(self.providers_health, self.config, assembly.upstreams, self.seams.monotonic())
        self._attend(assembly)
        self.engine.become(runtime_of(self, assembly, self.engine.runtime.kept))
        if self.admitting is not None:
            self.admitting = assembly.client_keys
        return assembly.parts.left()

    def readmit(self) -> None:
        """Use the present keys of the database: the clients' keys are looked up again, the providers' keys
        that tenants have brought are used as they are now, and counters of new limits are restored.
        """
        if self._assembly is not None:
            self._assembly = msgspec.structs.replace(self._assembly, client_keys=self.client_keys.again())
            self.admitting = None if self.admitting is None else self.client_keys
            if self._engine is not None and (following := self.following) is not None:
                self._engine.own = self.own_keys.know(following.own_keys)
            if self.admitting is not None:  # else the start restores them, when the keeper may not run yet
                self._restores = True
                if self._restoring is None or self._restoring.done():
                    self._restoring = spawn(self._restore(), "restoring limits")

    async def _restore(self) -> None:
        """Restore the counters of new limits, and again if keys have changed meanwhile. Changes that come
        while it runs share the next turn: each turn looks at all limits.
        """
        while self._restores and (assembly := self._assembly) is not None:
            self._restores = False
            await assembly.restored(self.config)

    async def drain(self) -> None:
        """Begin to drain, if not begun. Wait until background answers end, at most for what is left of the
        drain time (`server.drain`).
        """
        self.draining.begin()
        if self._background is not None:
            await self._background.drain(self.draining.left(self.config.server.drain))

    def hurry(self) -> None:
        """Stop the running background answers at once. One that only has to be stored is not stopped."""
        if self._background is not None:
            self._background.stop()

    async def close(self) -> None:
        """Close all parts for good. Running HTTP requests get a 503; answers that have begun are cut off;
        this waits at most a second (`_FAREWELL`) until they have ended. A start that runs is ended. If
        closing a part fails, the others are closed nevertheless, and then the error is raised.
        """
        self.closed = True
        self.admitting = None
        self.draining.begin()
        await self._starting.stop()
        self._halt()
        running = self.requests - {asyncio.current_task()}
        for task in running:
            if not task.cancelling():  # else it is telling its client so
                task.cancel()
        if running:
            await asyncio.wait(running, timeout=_FAREWELL)
        async with AsyncExitStack() as closing:  # the last one first
            closing.push_async_callback(self._close_parts)
            closing.push_async_callback(self.alerts.close)
            closing.push_async_callback(self.reloads.end)
            closing.callback(self.heavy.close)
            if self._background is not None:
                closing.push_async_callback(self._background.close)

    def _halt(self) -> None:
        """Stop the checks of providers, the fetches of lists of models, and messages between processes."""
        self.telling.end()
        self.discovering.close()
        if self._checks is not None:
            self._checks.stop()
            self._checks = None
        if self._sharing is not None:
            self._sharing.cancel()
            self._sharing = None
        self.peers.close()

    async def _close_parts(self) -> None:
        assembly, self._assembly, self._engine = self._assembly, None, None
        if assembly is not None:
            await assembly.close()

    @property
    def engine(self) -> Engine:
        """The running engine. Raises RuntimeError before `start`, RequestFailed after `close`."""
        if self._engine is None:
            raise self._resting()
        return self._engine

    @property
    def background(self) -> Background:
        """Runs background answers, for which no client has to wait. Raises RuntimeError before `start`, and
        RequestFailed if the gateway was closed without a start.
        """
        if self._background is None:
            raise self._resting()
        return self._background

    @property
    def running(self) -> Assembly:
        """The running parts. Raises RuntimeError before `start`, RequestFailed after `close`."""
        if self._assembly is None:
            raise self._resting()
        return self._assembly

    @property
    def client_keys(self) -> ClientKeys:
        """The keys with which clients may call this gateway. Raises as `running`."""
        return self.running.client_keys

    @property
    def following(self) -> Following | None:
        """Keeps the database's client keys in memory; None = no database for keys. Raises as `running`."""
        return self.running.following

    @property
    def loaded(self) -> Loaded:
        """The configuration in use, with the place of each written setting."""
        return self._loaded

    def entries(self, caller: Caller = ANYONE) -> Iterable[Entry]:
        """Return the entries of the model list that a client may use, in the order of their names. Raises as
        `running`.
        """
        return self.running.entries(caller)

    def make(self, name: str, route: Route | None) -> None:
        """Create a model name for a route, or give a name that `make` has created another route. The name
        hides an alias or model of the same name. route: None = remove the name; raises KeyError if `make` has
        not created it. Only this process knows the name, until the gateway is closed, or until a reload
        removes all providers of the route. Raises as `running` while the gateway does not run; then nothing
        changes.
        """
        names = self.running.names
        self.own_models.make(name, route, self.seams.now())
        self._rename(names)

    def relist(self) -> None:
        """Make the table of model names again, because a provider's own list of models has changed."""
        running, own = self.running, self.own_models
        facts = running.lists.facts()
        self._rename(naming(self._loaded, own.upstreams, own.models, running.local, facts))
        self.observers.know(self.running.names, running.upstreams)

    def _rename(self, names: Names) -> None:
        names = self.own_models.joined(names)
        self._assembly = msgspec.structs.replace(self.running, names=names)
        self.engine.rename(names.table)

    def rotations(self) -> list[Rotated]:
        """Return the state of each configured model that rotates: which deployment is first now, and which
        one is next. Models whose names are patterns are left out. Raises as `running`.
        """
        memory, wall = self.providers_health.memory, self.seams.now()
        return rotations(self.running.names.table.configured(), memory, wall)

    def example_model(self) -> str | None:
        """Return the name of a model to try: the default model; without one, see `Names.example`. None =
        there is no such model. Without a default model, raises as `running`.
        """
        if self.config.default_model is not None:
            return self.config.default_model
        return self.running.names.example({*self.config.models, *self.config.aliases})

    @property
    def assembly(self) -> Assembly | None:
        """The running parts; None = the gateway has not started, or is closed."""
        return self._assembly

    def _resting(self) -> Exception:
        return RequestFailed(_CLOSED) if self.closed else RuntimeError("the gateway has not been started")

    def observe(self, exchange: Exchange) -> None:
        """Count an exchange as finished, and call the observers with it. Their exceptions are logged."""
        self.exchanges.discard(exchange)
        self.telling.figures.note(exchange, self.seams.now())
        self.observers.note(exchange)

    async def health(self, *, details: bool, asking: Exchange | None = None) -> dict[str, Any]:
        """Return the health of this gateway with all its workers, as JSON fields. details: True = also fields
        for operators, such as the last errors of the providers and of the store. asking: the exchange of the
        health request itself, which does not count as running. See `Telling.health`.
        """
        return await self.telling.health(details=details, asking=asking)
