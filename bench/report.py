"""The report of a run: the table for people, the same as JSON, and the traits of the machine beside them."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.figures import Figure, Window, median
from bench.growth import Kept, comparison
from bench.interpreters import SideBySide
from bench.processes import CAN_BIND, CAN_MEASURE
from bench.scenarios import SCENARIOS, Scenario
from bench.stillness import Stillness

LIBRARIES = ("uvicorn", "uvloop", "httptools", "aiohttp", "msgspec")
CONTENDED = 0.05
"""Share of a window that a process may wait for its core before the load is called disturbed."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that a run has found. windows: of each scenario, one a round. still: before and after the run.

    skipped: what this machine cannot measure, with the reason. beside: this interpreter and another. kept:
    what the run was held against. grown: a line for each row that costs more.
    """

    effort: str
    figures: list[Figure]
    windows: dict[str, list[Window]]
    failures: list[str]
    still: list[Stillness]
    skipped: list[str] = field(default_factory=list)
    beside: SideBySide | None = None
    kept: Kept | None = None
    grown: list[str] = field(default_factory=list)

    @property
    def date(self) -> str:
        """Today, as ISO 8601 has it."""
        return datetime.now(UTC).date().isoformat()

    def markdown(self) -> str:
        """The whole report as Markdown, ending in a newline."""
        parts = ["# Results", "", self._about(), "", *self._table(), ""]
        if self.failures:
            parts += ["Failed:", "", *(f"- {failure}" for failure in self.failures), ""]
        if self.skipped:
            parts += ["Not measured:", "", *(f"- {reason}" for reason in self.skipped), ""]
        parts += [comparison(self.kept, traits()), ""]
        if self.grown:
            parts += ["Grown:", "", *(f"- {line}" for line in self.grown), ""]
        if notes := [f"- {figure.title}: {figure.note}" for figure in self.figures if figure.note]:
            parts += ["Notes:", "", *notes, ""]
        if self.windows:
            parts += ["## Loads, medians of the rounds", "", *self._raw(), "", *self._ceiling(), ""]
        parts += ["## Interpreters side by side", "", *self._interpreters(), ""]
        return "\n".join([*parts, "## Machine", "", *self._machine(), ""])

    def json(self) -> dict[str, Any]:
        """The whole report as values for a JSON encoder."""
        return {
            "date": self.date,
            "effort": self.effort,
            "machine": traits(),
            "figures": [
                {**asdict(figure), "ratios": figure.ratios, "verdict": figure.verdict}
                for figure in self.figures
            ],
            "windows": {key: [asdict(window) for window in seen] for key, seen in self.windows.items()},
            "failures": self.failures,
            "skipped": self.skipped,
            "beside": None if self.beside is None else asdict(self.beside),
            "grown": self.grown,
            "stillness": [asdict(seen) for seen in self.still],
        }

    def _machine(self) -> list[str]:
        lost = 100 * max(seen.lost for seen in self.still)
        longest = 1e3 * max(seen.longest for seen in self.still)
        still = (
            f"a spinning process lost its core for {lost:.1f} % of the time, at most {longest:.1f} ms at once"
        )
        return [f"- {name}: {value}" for name, value in {**traits(), "stillness": still}.items()]

    def _about(self) -> str:
        return (
            f"{self.date}, {self.effort} run. Floor: the same forwarding by hand on the same libraries. "
            "µs: CPU of the process under test. Medians of the rounds, least and greatest in brackets. "
            "µs a request: the gateway's CPU for each whole answer. README.md explains."
        )

    def _table(self) -> list[str]:
        rows = [
            [
                figure.title,
                figure.unit,
                _spread(figure.floor),
                _spread(figure.gateway),
                _spread(figure.ratios) if figure.judged == "ratio" else "",
                _budget(figure),
                figure.verdict,
                "" if (each := median(figure.requests)) is None else _number(each),
            ]
            for figure in self.figures
        ]
        return _table(["", "unit", "floor", "gateway", "ratio", "budget", "", "µs a request"], rows)

    def _interpreters(self) -> list[str]:
        if self.beside is None:
            this = traits()["Python"]
            return [f"Measured with {this} alone: `make bench BESIDE=python3.13` adds another interpreter."]
        rows = [
            [figure.title, figure.unit, *map(_spread, (figure.floor, figure.gateway, figure.ratios))]
            for figure in self.beside.figures
        ]
        heads = ["the gateway's CPU", "unit", self.beside.this, self.beside.other, "ratio"]
        return _table(heads, rows)

    def _raw(self) -> list[str]:
        names = {scenario.key: scenario for scenario in SCENARIOS}
        rows = [_raw_row(names[key], windows) for key, windows in self.windows.items() if windows]
        heads = [
            "",
            "answers/s",
            "events/s",
            "µs",
            "p50 ms",
            "p99 ms",
            "events a read",
            "core used",
            "bench core",
        ]
        return _table(heads, rows)

    def _ceiling(self) -> list[str]:
        lines = [
            "`direct` is the load generator straight at the provider: both share one core, so their own",
            "ceiling is there. µs is CPU for each answer, or each event of a paced stream. Core used: by the",
            "process under test; bench core: by generator and provider, which must stay below 100 %. Where",
            "answers come as fast as they can, core used below 95 % says that something held the load up.",
        ]
        for key, windows in self.windows.items():
            shares = [w.waited / w.seconds for w in windows if w.waited is not None]
            share = median(shares) or 0.0
            if share > CONTENDED and not key.startswith("direct"):
                lines.append(f"Disturbed: in {key} something else had the core for {100 * share:.0f} %.")
        if not CAN_MEASURE:
            lines.append("Not measured here: CPU time and memory (this system has no /proc).")
        if not CAN_BIND:
            lines.append("Not bound to cores: this system cannot do it, or has one core only.")
        return ["\n".join(lines)]


def traits() -> dict[str, str]:
    """What the figures depend on: processor, cores, system, versions."""
    found = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    return {**found, **{name: version(name) for name in LIBRARIES}}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _raw_row(scenario: Scenario, windows: list[Window]) -> list[str]:
    def middle(values: list[float | None], form: str) -> str:
        known = [value for value in values if value is not None]
        return format(median(known), form) if known else ""

    each = [w.each("event" if scenario.paced else "answer") for w in windows]
    if scenario.target == "direct":
        each = [w.bench_each("event" if scenario.paced else "answer") for w in windows]
    streamed = scenario.events != 0
    return [
        scenario.key,
        "" if scenario.paced else middle([w.answers / w.seconds for w in windows], ",.0f"),
        middle([w.frames / w.seconds for w in windows], ",.0f") if streamed else "",
        middle([*each], ".1f"),
        middle([1e3 * w.p50 for w in windows if w.answers], ",.1f"),
        middle([1e3 * w.p99 for w in windows if w.answers], ",.1f"),
        middle([w.frames / w.reads for w in windows if w.reads], ".2f") if streamed else "",
        "" if scenario.target == "direct" else middle([_share(w.cpu, w) for w in windows], ".0f") + " %",
        middle([_share(w.bench_cpu, w) for w in windows], ".0f") + " %",
    ]


def _share(cpu: float | None, window: Window) -> float | None:
    return None if cpu is None else 100 * cpu / window.seconds


def _budget(figure: Figure) -> str:
    if figure.budget is None:
        return ""
    return f"<= {figure.budget:g}" + (" × floor" if figure.judged == "ratio" else "")


def _spread(values: tuple[float, ...]) -> str:
    middle = median(values)
    if middle is None:
        return ""
    if len(values) == 1:
        return _number(middle)
    return f"{_number(middle)} ({_number(min(values))}-{_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return [line(heads), line(["-" * width for width in widths]), *map(line, rows)]
