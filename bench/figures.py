"""What a run finds, as values: windows of load, and the figures of the table made of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Window:
    """One window of load on one target. Times in seconds; cpu and waited are None where not measurable.

    cpu: of the process under test. waited: while it was ready and something else had its core. bench_cpu: of
    the load generator and the provider together. reads: of the client's sockets, to see events that ran
    together.
    """

    seconds: float
    answers: int
    frames: int
    reads: int
    cpu: float | None
    waited: float | None
    bench_cpu: float | None
    p50: float
    p99: float

    def each(self, unit: Literal["answer", "event"]) -> float | None:
        """CPU microseconds of the process under test for each answer or event."""
        return _each(self.cpu, self.answers if unit == "answer" else self.frames)

    def bench_each(self, unit: Literal["answer", "event"]) -> float | None:
        """CPU microseconds of the load generator and the provider for each answer or event."""
        return _each(self.bench_cpu, self.answers if unit == "answer" else self.frames)


def _each(cpu: float | None, count: int) -> float | None:
    return None if cpu is None or count == 0 else cpu / count * 1e6


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table: one value a round for the floor and for the gateway (empty: not measured).

    judged: what the budget is held against, the ratio of the two in the same round or the gateway's own
    value. requests: the gateway's CPU microseconds for each whole request, one value a round. exact: the
    values do not depend on how busy the machine is. lasting: a later run is held against it (growth.py).
    """

    key: str
    title: str
    unit: str
    floor: tuple[float, ...] = ()
    gateway: tuple[float, ...] = ()
    judged: Literal["ratio", "value"] = "value"
    budget: float | None = None
    note: str = ""
    requests: tuple[float, ...] = ()
    exact: bool = False
    lasting: bool = True

    @property
    def ratios(self) -> tuple[float, ...]:
        """Gateway to floor, round by round."""
        if len(self.floor) != len(self.gateway):
            return ()
        return tuple(
            ours / theirs for ours, theirs in zip(self.gateway, self.floor, strict=True) if theirs > 0
        )

    @property
    def judged_values(self) -> tuple[float, ...]:
        """What is judged, round by round."""
        return self.ratios if self.judged == "ratio" else self.gateway

    @property
    def judgement(self) -> float | None:
        """The median that the budget is held against."""
        return median(self.judged_values)

    @property
    def verdict(self) -> Literal["ok", "above", ""]:
        """Against the budget; empty where there is none or nothing was measured."""
        if self.budget is None or self.judgement is None:
            return ""
        return "ok" if self.judgement <= self.budget else "above"


def median(values: tuple[float, ...] | list[float]) -> float | None:
    """The median, None of nothing."""
    return statistics.median(values) if values else None


def percentile(values: list[float], share: float) -> float:
    """The smallest of the sorted `values` that `share` of them do not exceed; nan of nothing."""
    return values[min(int(len(values) * share), len(values) - 1)] if values else float("nan")
