"""Makes the answers of `/health` and `/metrics`, and the messages with counts between the workers of a
gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec

from dragoman.assembly.assemble import Assembly
from dragoman.assembly.draining import Draining
from dragoman.assembly.journaling import Journaling
from dragoman.assembly.metrics import of_gateway, of_process
from dragoman.assembly.observers import Observers
from dragoman.assembly.reload import Reloads
from dragoman.assembly.store_health import store_health
from dragoman.capacity.gates import Gates
from dragoman.capacity.heavy import HeavySteps
from dragoman.exchange import Exchange
from dragoman.observe.board import Board
from dragoman.observe.health import Figures, ProviderHealth, publish, read, status, together
from dragoman.observe.metrics import Sample
from dragoman.routing.health import Health
from dragoman.seams.clock import Seams
from dragoman.seams.peers import Peers
from dragoman.version import __version__

_PROVES_NOTHING: Final = frozenset({"simulate"})
"""The names of providers whose failures do not change the field `status` of the answer of `/health`."""
_TOLD_EVERY: Final = 0.5
"""Seconds between two reports of a worker's counts to the other workers."""


class Inside(Protocol):
    """The attributes of a gateway that its health and metrics need; `assembly.core.Core` documents them."""

    seams: Seams
    worker: int
    workers: int
    began: float
    board: Board | None
    draining: Draining
    connections: Callable[[], Mapping[str, int]] | None
    exchanges: set[Exchange]
    gates: Gates
    heavy: HeavySteps
    observers: Observers
    peers: Peers
    providers_health: Health
    reloads: Reloads

    @property
    def assembly(self) -> Assembly | None: ...


class Telling:
    """Makes the answers about the health and the metrics of one gateway."""

    def __init__(self, inside: Inside) -> None:
        self.figures = Figures()
        """The counts of this process."""
        self.sections: dict[str, Callable[[], Any]] = {}
        """{name of a further field of the detailed health answer: returns its present value}."""
        self.samples: dict[str, Callable[[], Iterable[Sample]]] = {}
        """{name of a part of the gateway: returns further samples for `/metrics`}."""
        self._inside = inside
        self._timer: asyncio.TimerHandle | None = None
        self._sessions: int | None = None

    def know(self, providers: Iterable[str]) -> None:
        """Count for these providers from now on. Providers that were counted before keep their counts. The
        counts of providers that are not named any more are dropped.
        """
        known = self.figures.providers
        self.figures.providers = {name: known.get(name) or ProviderHealth() for name in providers}

    def begin(self) -> None:
        """Begin to tell this process's counts to the other workers, if there are other workers."""
        if self._inside.board is not None:
            self._tell(self._inside.board)

    def end(self) -> None:
        """Stop the regular reports to the other workers."""
        if self._timer is not None:
            self._timer.cancel()

    async def health(self, *, details: bool, asking: Exchange | None = None) -> dict[str, Any]:
        """Return the health of this gateway as JSON fields, with the counts of all workers that have reported
        in the last 5 s. details: True = with the last errors of the providers and of the store, and more.
        asking: the exchange of the health request itself, which does not count as running.
        """
        inside = self._inside
        own = self._counted(asking)
        told = (
            [] if inside.board is None else read(inside.board.others(inside.worker, inside.seams.monotonic))
        )
        figures = together([own, *told])
        state: dict[str, Any] = {
            "status": "draining" if inside.draining.begun else status(figures.providers, _PROVES_NOTHING),
            "version": __version__,
            "uptime": round(inside.seams.monotonic() - inside.began, 3),
            "requests": figures.requests(),
        }
        if inside.assembly is not None:
            store = await self._asked_store(inside.assembly)
            state["sessions"] = self._sessions
            if details:
                state["store"] = store
        if details:
            state["worker"], state["workers"] = inside.worker, inside.workers
            state["reporting"] = 1 + len(told)
            state["keeper"] = msgspec.structs.asdict(inside.peers.keeper())
            state["bounds"] = figures.bounds
            recording = inside.observers.recording
            state["exchanges"] = None if recording is None else recording.state()
            state["config"] = inside.reloads.state()
            state |= {name: says() for name, says in self.sections.items()}
            if figures.connections is not None:
                state["connections"] = figures.connections
        state["providers"] = figures.providers_shown(details=details)
        return state

    def _counted(self, asking: Exchange | None = None) -> Figures:
        """Return the counts of this process, with its present values. asking: an exchange that does not count
        as running; None = all count.
        """
        inside = self._inside
        figures = self.figures
        figures.running = len(inside.exchanges - {asking})
        figures.bounds = inside.observers.bounds.counts
        figures.connections = None if inside.connections is None else inside.connections()
        return figures

    def forget(self, provider: str) -> None:
        """Forget, in this process, how all requests to a provider have ended, and tell the other workers this
        process's new counts. The other workers' own counts stay.
        """
        inside = self._inside
        self.figures.forget(provider)
        if inside.board is not None:
            publish(self._counted(), inside.board, inside.worker, inside.seams.monotonic())

    def _tell(self, board: Board) -> None:
        """Write this process's counts to the board, where the other workers read them: now, and then every
        0.5 s.
        """
        inside = self._inside
        publish(self._counted(), board, inside.worker, inside.seams.monotonic())
        self._publish()
        self._timer = asyncio.get_running_loop().call_later(_TOLD_EVERY, self._tell, board)

    def _publish(self, asking: Exchange | None = None) -> None:
        """Write this process's present values for `/metrics` where all workers read them; do nothing without
        metrics. asking: an exchange that does not count as running; None = all count.
        """
        inside = self._inside
        if inside.observers.metrics is not None:
            connections = {} if inside.connections is None else inside.connections()
            waiting = {**inside.gates.waiting, "large_bodies": inside.heavy.waiting}
            samples = of_process(inside.worker, inside.exchanges - {asking}, connections, waiting)
            journal = () if (journaling := self._journaling) is None else journaling.own_samples()
            inside.observers.metrics.publish([*samples, *journal], inside.seams.monotonic())

    async def metrics_page(self, asking: Exchange) -> bytes:
        """Return the metrics of the gateway, in the text format of Prometheus. Call it only if the gateway
        has metrics (`Observers.metrics` is not None). asking: the exchange of this request, which does not
        count as running.
        """
        inside = self._inside
        assert inside.observers.metrics is not None
        if inside.assembly is not None:
            await self._asked_store(inside.assembly)
        self._publish(asking)
        now = inside.seams.monotonic()
        stated = of_gateway(
            inside.observers.metrics,
            inside.providers_health,
            workers=inside.workers,
            sessions=self._sessions or 0,
            now=now,
        )
        journal = () if (journaling := self._journaling) is None else journaling.samples()
        further = [sample for says in self.samples.values() for sample in says()]
        return inside.observers.metrics.page([*stated, *further, *journal], now)

    @property
    def _journaling(self) -> Journaling | None:
        return None if self._inside.assembly is None else self._inside.assembly.journaling

    async def _asked_store(self, assembly: Assembly) -> dict[str, Any]:
        """Return the JSON fields about the store for `/health`. Sets `_sessions` to the number of the store's
        sessions, if it is known now.
        """
        monotonic = self._inside.seams.monotonic
        health, sessions = await store_health(assembly.store, assembly.deadlines, monotonic)
        self._sessions = self._sessions if sessions is None else sessions
        return health
