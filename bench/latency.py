"""The latency that a target adds when it is half busy.

Requests arrive at random at half of what the gateway can answer, once straight at the provider, once through
the floor, once through the gateway; what the target adds is the difference of the percentiles of one round.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import Figure
from bench.load import Arrivals, LoadError, Shot
from bench.processes import Process
from bench.stage import Target
from bench.windows import Effort, observe

BUDGET = 1.0
"""Times what the floor adds."""


async def added_latency(
    processes: Mapping[Target, Process], shots: Mapping[Target, Shot], rate: float, effort: Effort
) -> list[Figure]:
    """Figures of the added latency at `rate` requests a second, in milliseconds.

    processes: the provider as `direct`, and those under test. shots: one proven small answer for each.
    """
    added: dict[Target, list[tuple[float, float]]] = {"floor": [], "gateway": []}
    for turn in range(effort.rounds):
        alone = (0.0, 0.0)
        for target, process in processes.items():
            if target not in shots:
                continue  # a process of rows that ask something else
            load = Arrivals(shots[target], rate, seed=turn)
            window = await observe(load, process, processes["direct"], effort.warm, 2 * effort.window)
            load.leave()
            if not window.answers:
                raise LoadError(f"{target} gave no answer at {rate:,.0f} requests a second")
            if target == "direct":
                alone = (window.p50, window.p99)
            else:
                added[target].append((1e3 * (window.p50 - alone[0]), 1e3 * (window.p99 - alone[1])))
    note = f"{rate:,.0f} requests/s arriving at random"
    return [
        Figure(
            key=f"latency-{name}",
            title=f"latency added at half load, {name}",
            unit="ms",
            floor=tuple(pair[i] for pair in added["floor"]),
            gateway=tuple(pair[i] for pair in added["gateway"]),
            judged="ratio",
            budget=BUDGET,
            note=note,
            lasting=False,  # a difference of two percentiles shakes more than what is looked for
        )
        for i, name in enumerate(("p50", "p99"))
    ]
