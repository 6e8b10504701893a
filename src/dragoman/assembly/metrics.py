"""Makes the samples of `/metrics` from what the running parts of a gateway know: names, keys, breakers,
queues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import get_args

from dragoman import ir
from dragoman.assembly.names import Names
from dragoman.exchange import Exchange
from dragoman.observe.families import (
    BREAKERS,
    BUILD,
    CONNECTION_LIMIT,
    CONNECTIONS,
    KEYS,
    REPORTING,
    RUNNING,
    SESSIONS,
    STREAMS,
    UNANSWERED,
    UPTIME,
    WAITING,
    WORKERS,
)
from dragoman.observe.metrics import Metrics, Sample
from dragoman.observe.process import of_processes, of_python, of_version
from dragoman.routing.fallbacks import Why
from dragoman.routing.health import Health
from dragoman.routing.outcome import classify
from dragoman.routing.pool import STANDINGS
from dragoman.upstreams.upstream import Upstream
from dragoman.version import __version__


def outcome_of(fault: ir.Fault) -> str:
    """Return the class of a fault as the value of a label: `key_transient`, `server`, …"""
    return classify(fault).name.lower()


def know(metrics: Metrics, names: Names, upstreams: Mapping[str, Upstream]) -> None:
    """Tell `metrics` which names may be values of labels: the names in the model list, the names of
    `upstreams`, the deployments of the models' routes and fallbacks, and the models in the providers' own
    lists (`provider/model`).
    """
    discovered = set(names.table.discovered())  # no routes are made for them: there may be thousands
    models = [name for name in names.table.listed(names.known) if name not in discovered]
    routes = [route for name in models if (route := names.table.find(name)) is not None]
    turned_to = [other for route in routes for why in get_args(Why) for other in route.fallbacks.of(why)]
    deployments = {deployment.name for route in (*routes, *turned_to) for deployment in route.deployments}
    deployments |= discovered
    metrics.know({*models, *deployments}, upstreams, deployments)


def of_process(
    worker: int,
    exchanges: Collection[Exchange],
    connections: Mapping[str, int],
    waiting: Mapping[str, int],
) -> Iterator[Sample]:
    """Yield the present values of this process; `/metrics` adds up those of all workers that have the same
    labels. worker: the number of this process. exchanges: the running ones. connections: the number of `open`
    client connections and their `limit`; {} = they are not counted. waiting: {name of a queue: how many
    requests wait in it}.
    """
    yield Sample(RUNNING, len(exchanges))
    yield Sample(STREAMS, sum(exchange.streamed for exchange in exchanges))
    for queue, number in waiting.items():
        yield Sample(WAITING, number, (queue,))
    if connections:
        yield Sample(CONNECTIONS, connections["open"])
        yield Sample(CONNECTION_LIMIT, connections["limit"])
    yield from of_python(worker)


def of_gateway(
    metrics: Metrics, health: Health, *, workers: int, sessions: int, now: float
) -> Iterator[Sample]:
    """Yield the present values of the whole gateway. The process that answers `/metrics` calls this. workers:
    how many are configured. sessions: how many the store has. now: monotonic seconds.
    """
    processes = metrics.processes(now)
    yield Sample(UPTIME, now - metrics.cells.began(now))
    yield Sample(BUILD, 1, (__version__,))
    yield Sample(WORKERS, workers)
    yield Sample(REPORTING, sum(number > 0 for number in processes))
    yield Sample(SESSIONS, sessions)
    for provider, pool in health.pools.items():
        shut = provider in health.disabled
        states = Counter(key.standing(now, shut=shut) for key in pool.keys)
        for state in STANDINGS:
            yield Sample(KEYS, states[state], (provider, state))
    opened = Counter(
        name.partition("/")[0] for name, state in health.breakers.states.items() if state.until > now
    )
    for provider in health.pools:
        yield Sample(BREAKERS, opened[provider], (provider,))
        yield Sample(UNANSWERED, health.breakers.down_until(provider) > now, (provider,))
    yield from of_processes(processes)
    yield of_version()
