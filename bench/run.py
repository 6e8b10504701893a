"""The benchmark's command: `python -m bench.run [--quick] [--only ROW ...] [--target floor] [--json] …`.

Starts the provider, the floor and the gateway, drives every row in rounds that take turns, prints the
table, and writes it to RESULTS.md when the run was a whole one. Exit status: 0 when every row was measured or
skipped for a reason of the machine, 1 when one could not be; a row above its budget, or one that has grown,
is a finding, not a failure.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench.codecs import codecs
from bench.figures import Figure, Window, median
from bench.growth import Kept, grown
from bench.instructions import STREAM_MODELS, Counter, counter, instructions
from bench.interpreters import SideBySide, side_by_side
from bench.latency import added_latency
from bench.load import Closed, LoadError, Shot
from bench.processes import Cores, Process, bound
from bench.report import Report, traits
from bench.scenarios import COMPARISONS, SCENARIOS, Comparison, Scenario
from bench.stage import Stage, Target
from bench.startup import cold_start, import_time
from bench.stillness import stillness
from bench.streams import flood, flood_of_responses, models_of, slow_streams
from bench.windows import FULL, QUICK, Effort, observe

RESULTS = Path(__file__).parent / "RESULTS.md"
ROWS = (
    *(row.key for row in COMPARISONS),
    *("codecs", "latency", "slow-streams", "flood", "flood-responses", "import", "cold-start"),
    *("instructions", "interpreters"),
)

LATENCY = ("direct-json", "floor-json", "relay-json")
"""The scenarios whose requests the rows of latency send."""

CEILINGS = 2
"""Rounds in which the provider alone is measured: no ratio is taken to it."""

FAILURES = (LoadError, RuntimeError, OSError, TimeoutError)
"""What ends a row but not the run: a wrong answer, a program that ended, a time that ran out."""

KINDS: dict[Target, tuple[Target, ...]] = {
    "floor": ("floor", "floor-tls"),
    "gateway": ("gateway", "forgetful", "workers", "unaccounted", "accounted"),
}
"""The targets of a run, and the others of their kind that some rows ask for."""

Processes = dict[Target, Process]


@dataclass(slots=True)
class Run:
    """One run over the chosen rows; what it finds gathers here.

    targets: what is driven, the provider itself (`direct`) first and the one that sets the pace last. other:
    an interpreter to hold this one against.
    """

    stage: Stage
    effort: Effort
    targets: tuple[Target, ...]
    rows: tuple[str, ...]
    other: str | None = None
    figures: list[Figure] = field(default_factory=list)
    windows: dict[str, list[Window]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    beside: SideBySide | None = None

    async def measure(self) -> None:
        """Drive every row. A row that fails is named in the report, and the others go on."""
        with self._failing("loads"):
            await self._loads()
        tested = self.targets[1:]
        if "codecs" in self.rows and "gateway" in tested:
            await self._row("codecs", codecs(self.stage, self.effort))
        if "slow-streams" in self.rows:
            await self._row("slow-streams", slow_streams(self.stage, tested, self.effort))
        if "flood" in self.rows:
            await self._row("flood", flood(self.stage, tested, self.effort))
        if "flood-responses" in self.rows:
            await self._row("flood-responses", flood_of_responses(self.stage, tested, self.effort))
        if "import" in self.rows and "gateway" in tested:
            await self._row("import", import_time(self.stage, self.effort))
        if "cold-start" in self.rows:
            await self._row("cold-start", cold_start(self.stage, tested, self.effort))
        by = await self._counter() if {"instructions", "interpreters"} & set(self.rows) else None
        if "instructions" in self.rows and by is not None:
            counting = instructions(self.stage, by, tested, self.effort, self._failing)
            await self._row("instructions", counting)
        if "interpreters" in self.rows and "gateway" in tested and self.other is not None:
            tell("interpreters")
            with self._failing("interpreters"):
                self.beside = await side_by_side(self.stage, self.other, self.effort, by, self._failing)

    async def _row(self, name: str, work: Coroutine[Any, Any, list[Figure]]) -> None:
        tell(name)
        with self._failing(name):
            self.figures += await work

    async def _counter(self) -> Counter | None:
        """What counts instructions on this machine; without it the report says why."""
        try:
            return await counter(self.stage.folder)
        except RuntimeError as reason:
            self.skipped.append(f"instructions: {reason}")
            return None

    async def _loads(self) -> None:
        chosen = [row for row in COMPARISONS if row.key in self.rows]
        if self.stage.tls is None:
            plain = [row for row in chosen if not row.floor.startswith("floor-tls")]
            if plain != chosen:
                self.skipped.append("TLS to the provider: `openssl` is not here to make a certificate")
            chosen = plain
        keys = {key for row in chosen for key in (row.gateway, row.floor)}
        keys |= {key.replace("floor", "direct") for key in keys}
        small = [one for one in SCENARIOS if one.key in LATENCY]
        if "latency" in self.rows:
            keys |= {scenario.key for scenario in small}
        if not keys:
            return
        async with self._serving({one.target for one in SCENARIOS if one.key in keys}) as processes:
            shots = await self._shots(keys, processes)
            for turn in range(self.effort.rounds):
                tell(f"loads, round {turn + 1} of {self.effort.rounds}")
                for scenario, asked in shots.items():
                    if scenario.target == "direct" and turn >= CEILINGS:
                        continue
                    with self._failing(scenario.key):
                        window = await self._window(scenario, asked, processes)
                        self.windows.setdefault(scenario.key, []).append(window)
            self.figures += [self._compared(row) for row in chosen]
            if "latency" in self.rows:
                alone = {scenario.target: shots[scenario][0] for scenario in small if scenario in shots}
                pace = next(scenario.key for scenario in small if scenario.target == self.targets[-1])
                most = median([window.answers / window.seconds for window in self.windows.get(pace, [])])
                if most is None:
                    raise LoadError(f"latency: there is no rate without {pace}")
                await self._row("latency", added_latency(processes, alone, most / 2, self.effort))

    async def _shots(self, keys: set[str], processes: Processes) -> dict[Scenario, tuple[Shot, ...]]:
        shots: dict[Scenario, tuple[Shot, ...]] = {}
        for scenario in SCENARIOS:
            if scenario.key in keys and scenario.target in processes:
                with self._failing(scenario.key):
                    shots[scenario] = await scenario.shots(
                        processes[scenario.target].port, self.effort.events
                    )
        return shots

    async def _window(self, scenario: Scenario, shots: tuple[Shot, ...], processes: Processes) -> Window:
        load = Closed(shots, scenario.concurrency, scenario.starting)
        process = processes[scenario.target]
        seconds = scenario.longer * self.effort.window
        window = await observe(load, process, processes["direct"], self.effort.warm, seconds)
        await load.finish()
        return window

    def _compared(self, row: Comparison) -> Figure:
        def values(key: str) -> tuple[float, ...]:
            each = (window.each(row.unit) for window in self.windows.get(key, []))
            return tuple(value for value in each if value is not None)

        whole = (window.each("answer") for window in self.windows.get(row.gateway, []))
        return Figure(
            key=row.key,
            title=row.title,
            unit=f"µs an {row.unit}",
            floor=values(row.floor),
            gateway=values(row.gateway),
            judged="ratio",
            budget=row.budget,
            note=row.note,
            requests=tuple(value for value in whole if value is not None),
        )

    @contextlib.asynccontextmanager
    async def _serving(self, needed: set[Target]) -> AsyncIterator[Processes]:
        """The targets of this run, and the gateways and floors of other kinds that its rows ask for."""
        processes: Processes = {"direct": self.stage.provider}
        try:
            for target in self.targets[1:]:
                for kind in KINDS[target]:
                    if kind in needed:
                        with self._failing(kind):
                            processes[kind] = self.stage.start(kind)
                            await processes[kind].ready()
            yield processes
        finally:
            for process in list(processes.values())[1:]:
                process.stop()

    @contextlib.contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            line = f"{name}: {str(error) or type(error).__name__}"
            if line not in self.failures:
                self.failures.append(line)
                tell(line)


def tell(line: str) -> None:
    """Say what is going on, beside the results."""
    print(f"  {line}", file=sys.stderr, flush=True)


async def bench(
    effort: Effort, targets: tuple[Target, ...], rows: tuple[str, ...], other: str | None
) -> Report:
    """One run, the provider's start and stop included. other: an interpreter to hold this one against."""
    models = {scenario.model.format(events=effort.events) for scenario in SCENARIOS}
    models |= models_of(effort) | STREAM_MODELS
    cores = Cores.choose()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, bound(cores.bench):
        still = [stillness(cores.subject)]
        stage = await Stage.build(cores, Path(folder), tuple(sorted(models)))
        gc.collect()
        gc.freeze()  # so that a collection in the generator is not taken for latency
        try:
            run = Run(stage, effort, targets, rows, other)
            await run.measure()
        finally:
            stage.provider.stop()
        still.append(stillness(cores.subject))
    kept, machine = Kept.read(), traits()
    return Report(
        effort.name,
        run.figures,
        run.windows,
        run.failures,
        still,
        run.skipped,
        run.beside,
        kept,
        grown(run.figures, kept, machine) if kept is not None else [],
    )


def main() -> int:
    """Parse the command line, run, print, write."""
    parser = argparse.ArgumentParser(prog="bench", description="What the gateway costs, beside a floor.")
    parser.add_argument("--quick", action="store_true", help="about a minute instead of several")
    parser.add_argument(
        "--only", action="append", choices=ROWS, metavar="ROW", help=f"one of {', '.join(ROWS)}"
    )
    parser.add_argument(
        "--target", choices=("gateway", "floor"), default="gateway", help="floor: without gateway"
    )
    parser.add_argument(
        "--beside", metavar="PYTHON", help="an interpreter that has what the gateway needs, to compare with"
    )
    parser.add_argument(
        "--keep", action="store_true", help="of a whole run: later runs are held against these figures"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    targets: tuple[Target, ...] = ("direct", "floor", "gateway")
    report = uvloop.run(
        bench(
            QUICK if options.quick else FULL,
            targets if options.target == "gateway" else targets[:2],
            tuple(options.only or ROWS),
            options.beside,
        ),
    )
    print(json.dumps(report.json(), indent=2) if options.json else report.markdown())
    if options.target == "gateway" and not options.only and not report.failures:
        RESULTS.write_text(report.markdown())
        if options.keep:
            Kept.of(report.date, traits(), report.figures).write()
    for line in report.grown:
        tell(f"grown: {line}")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
