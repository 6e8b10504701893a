"""Holds what clients saw and what the database has against what the provider has noted, and counts it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import UsageSearch
from dragoman.stores.open import open_store
from tests.e2e.chaos.load import BEYOND, INPUT_PRICE, OUTPUT_PRICE, Asked, Provider

COLUMNS = (
    "phase",
    "asked",
    "answered",
    "limited",
    "broken",
    "5xx",
    "calls",
    "records",
    "cut",
    "missing",
    "doubled",
    "wrong",
    "keys tried",
    "let in",
)
LIMITS = {"requests": 1, "tokens": BEYOND, "money": BEYOND * OUTPUT_PRICE}
"""By resource: the most by which one request in flight can exceed what was reserved for it."""


class Judge:
    """problems: what must not be. most: how many requests of a key ran at once. tried, let_in: by phase, how
    often keys that nobody may use were tried, and how often one was let in.
    """

    def __init__(self, provider: Provider, records: Sequence[UsageRecord], most: dict[str, int]) -> None:
        self.problems: list[str] = []
        self.tried: Counter[str] = Counter()
        self.let_in: Counter[str] = Counter()
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.used: dict[str, Counter[str]] = defaultdict(Counter)
        self._provider = provider
        self._most = most
        self._records: dict[str, list[UsageRecord]] = defaultdict(list)
        for record in records:
            self._records[record.end_user or ""].append(record)

    def judge(self, kills: Sequence[tuple[float, float]] = ()) -> None:
        """kills: from when until when a process was missing, by the monotonic clock. Only then may clients be
        left alone.
        """
        for marker in [*self._provider.unknown, *(self._records.keys() - self._provider.asked.keys())]:
            self.problems.append(f"nobody has asked for {marker!r}")
        for one in self._provider.asked.values():
            records = self._records[one.marker]
            counts = self.counts[one.phase]
            counts["asked"] += 1
            counts["answered"] += one.complete
            counts["limited"] += one.status == 429
            counts["broken"] += bool(one.lost)
            counts["5xx"] += one.status >= 500
            counts["calls"] += len(one.called)
            counts["records"] += len(records)
            counts["cut"] += sum(record.cut for record in records)
            killed = any(one.began <= until and since <= one.ended + 1 for since, until in kills)
            kind, wrong = _wrong(one, records, killed=killed)
            counts[kind] += 1
            if wrong:
                self.problems.append(f"{one.phase}: {wrong}: {one} {records}")
            self._use(one, records)

    def _use(self, one: Asked, records: Sequence[UsageRecord]) -> None:
        for record in records:
            taken, given = record.units.get("input", 0), record.units.get("output", 0)
            self.used[one.key]["requests"] += bool(one.called)
            self.used[one.key]["tokens"] += taken + given
            self.used[one.key]["money"] += taken * INPUT_PRICE + given * OUTPUT_PRICE

    def limited(self, phase: str, key: str, resource: str, limit: int, times: int = 1) -> str:
        """Whether a limit has held. times: what may be used while its store is lost, as a multiple of the
        limit. Returns a line of the report.
        """
        used = self.used[key][resource]
        stated = limit * (times - 1)
        if resource != "requests":
            stated += LIMITS[resource] * self._most.get(key, 0)
        over = max(0, used - limit)
        if over > stated:
            self.problems.append(
                f"{phase}: {key} has used {used} {resource} of {limit}, at most {stated} more"
            )
        return f"{phase:<26} {resource:<9} {limit:>10} {used:>10} {stated:>10} {over:>9}"

    def report(self) -> str:
        """The table of counts."""
        rows: list[list[Any]] = []
        for name, counts in self.counts.items():
            counts.update({"keys tried": self.tried[name], "let in": self.let_in[name]})
            rows.append([name, *(counts[column] for column in COLUMNS[1:])])
        rows.append(["all", *(sum(row[n] for row in rows) for n in range(1, len(COLUMNS)))])
        widths = [26, *(max(5, len(column)) for column in COLUMNS[1:])]
        return "\n".join(
            " ".join(
                f"{cell!s:<{w}}" if w == 26 else f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)
            )
            for row in [[*COLUMNS], *rows]
        )

    def tell(self, limits: Sequence[str], more: Mapping[str, str]) -> None:
        """Print the report. limits: lines of `limited`. more: of each phase."""
        print(f"\n{self.report()}\n")
        print(f"{'limits':<26} {'resource':<9} {'limit':>10} {'used':>10} {'may exceed':>10} {'exceeds':>9}")
        print(*limits, sep="\n")
        print("; ".join(f"{phase}: {told}" for phase, told in more.items()))
        print(*self.problems[:30], sep="\n")


def _wrong(one: Asked, records: Sequence[UsageRecord], *, killed: bool) -> tuple[str, str]:
    """The kind of mistake, which is a column, and its words; both "" if there is none."""
    if len(one.called) > 1:
        return "doubled", "the provider was called more than once"
    if len(records) > 1:
        return "doubled", "more than one record"
    if (one.called or one.complete) and not records:
        return "missing", "no record"
    if one.lost:
        return "", "" if killed else "no answer"
    if one.status >= 500 or (one.status == 200 and not one.complete):
        return "wrong", "" if killed and one.status == 200 else "a failure of the gateway"
    if one.status == 429:
        return ("wrong", "refused after a call") if one.called else ("", "")
    if one.status != 200:
        return "wrong", "a strange answer"
    (record,) = records
    stated = (record.units.get("input", 0), record.units.get("output", 0))
    if record.cut or [stated] != one.called:
        return "wrong", f"the record has {stated}, cut={record.cut}"
    cost = stated[0] * INPUT_PRICE + stated[1] * OUTPUT_PRICE
    return ("", "") if record.cost == cost else ("wrong", f"cost {record.cost} instead of {cost}")


async def stored(url: str, home: Path) -> list[UsageRecord]:
    """All usage records of a database."""
    store = open_store(url, home)
    assert store.usage is not None
    try:
        return list(await store.usage.records(UsageSearch(), 1_000_000))
    finally:
        await store.close()
