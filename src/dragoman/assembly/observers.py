"""Tells everything that counts or keeps finished exchanges about each of them: traces, metrics, speeds,
bounds that were reached, stored exchanges, and the observers of a program.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from dragoman.assembly.metrics import know, outcome_of
from dragoman.assembly.names import Names
from dragoman.assembly.recording import Recording
from dragoman.config.settings import Config
from dragoman.exchange import Exchange
from dragoman.observe.board import Board
from dragoman.observe.bounds import Bounds
from dragoman.observe.finished import Finished
from dragoman.observe.metrics import Metrics
from dragoman.observe.performance import Performance
from dragoman.seams.clock import Seams
from dragoman.seams.secret import secrets_in
from dragoman.upstreams.upstream import Upstream

log = logging.getLogger("dragoman.gateway")

Observer: TypeAlias = Callable[[Exchange], None]


class Observers:
    """The consumers of one gateway's finished exchanges; they outlive a reload. own: those of the program
    that embeds the gateway.

    metrics: counts for `/metrics`; None = nothing is counted. performance: how fast deployments answer.
    bounds: counts and logs how often limits on size and time were reached. finished: the latest finished
    exchanges, for traces. recording: stores finished exchanges; None = they are not stored.
    """

    def __init__(self, config: Config, seams: Seams, own: Iterable[Observer]) -> None:
        trace = config.trace
        self.metrics = Metrics(outcome_of) if config.metrics.enabled else None
        self.performance = Performance()
        self.bounds = Bounds(seams) if self.metrics is None else Bounds(seams, self.metrics.reached)
        self.finished = Finished(trace.keep, trace.max_size, trace.body)
        self.recording: Recording | None = None
        self._own = list(own)

    def share(self, board: Board | None, worker: int, began: float) -> None:
        """Begin to count. board: the shared memory of all workers; None = there is only one process. worker:
        its number, from 1. began: when the process began, in monotonic seconds.
        """
        if self.metrics is not None:
            if board is not None:
                self.metrics.share(board.cells, worker)
            self.metrics.cells.began(began)

    def know(self, names: Names, upstreams: Mapping[str, Upstream]) -> None:
        """Count by these names from now on."""
        if self.metrics is not None:
            know(self.metrics, names, upstreams)

    def use(self, config: Config) -> None:
        """Keep as many exchanges as another configuration says."""
        trace = config.trace
        self.finished.resize(trace.keep, trace.max_size, trace.body)

    def record(self, recording: Recording | None, config: Config, worker: int) -> None:
        """Store finished exchanges with this recording from now on; None = they are not stored."""
        self.recording = recording
        if recording is not None:
            recording.adopt(worker, (one.reveal() for one in secrets_in(config)), self.metrics)

    def note(self, exchange: Exchange) -> None:
        """Tell everything about a finished exchange. Exceptions of the program's observers are logged."""
        self.performance.note(exchange)
        if self.metrics is not None:
            self.metrics.note(exchange)
        self.finished.note(exchange)
        if self.recording is not None:
            self.recording.note(exchange)
        if exchange.fault is not None or len(exchange.attempts) > 1:
            self.bounds(exchange)
        for observer in self._own:
            try:
                observer(exchange)
            except Exception:
                log.exception("an observer failed on exchange %s", exchange.id)
