"""Whether a row costs more than it did: this run against the figures that are kept beside RESULTS.md.

`figures.json` has what later runs are held against. It changes only when somebody says so (`--keep`), so that
small growths do not add up unseen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import Figure

KEPT = Path(__file__).parent / "figures.json"

ALLOWED = 0.05
"""Share by which a row may grow."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was measured before. values: the judged median of each row by its key, and on what machine."""

    date: str
    processor: str
    python: str
    values: dict[str, float]

    @classmethod
    def of(cls, date: str, machine: dict[str, str], figures: Iterable[Figure]) -> Kept:
        """The lasting figures of a run; machine: its traits."""
        values = {
            figure.key: figure.judgement
            for figure in figures
            if figure.lasting and figure.judgement is not None
        }
        return cls(date, machine["processor"], machine["Python"], values)

    @classmethod
    def read(cls, file: Path = KEPT) -> Kept | None:
        """What the file says, None where there is none."""
        if not file.exists():
            return None
        said: dict[str, Any] = json.loads(file.read_text())
        return cls(said["date"], said["processor"], said["python"], said["figures"])

    def write(self, file: Path = KEPT) -> None:
        """Keep it, so that later runs are held against it."""
        said = {
            "date": self.date,
            "processor": self.processor,
            "python": self.python,
            "figures": {key: round(value, 4) for key, value in self.values.items()},
        }
        file.write_text(json.dumps(said, indent=2) + "\n")


def grown(figures: Iterable[Figure], kept: Kept, machine: dict[str, str]) -> list[str]:
    """A line for each row that has grown by more than ALLOWED, largest growth first.

    A row that is timed has grown when even its best round has: a machine that shakes must not be taken for
    a change. A ratio is held against one of the same Python, a value only against one of the same machine.
    """
    found: list[tuple[float, str]] = []
    if kept.python != machine["Python"]:
        return []
    for figure in figures:
        before, now = kept.values.get(figure.key), figure.judgement
        if before is None or before <= 0 or now is None or not figure.lasting:
            continue
        if figure.judged == "value" and kept.processor != machine["processor"]:
            continue
        least = now if figure.exact else min(figure.judged_values)
        if least > before * (1 + ALLOWED):
            growth = now / before - 1
            found.append((growth, f"{figure.title}: {before:.2f} to {now:.2f}, {100 * growth:.0f} % more"))
    return [line for _, line in sorted(found, reverse=True)]


def comparison(kept: Kept | None, machine: dict[str, str]) -> str:
    """What this run could be held against, in a sentence."""
    if kept is None:
        return "No figures are kept to hold this run against: `--keep` keeps these."
    if kept.python != machine["Python"]:
        return f"Not held against the figures of {kept.date}: they are those of {kept.python}."
    allowed = f"{100 * ALLOWED:.0f} %"
    if kept.processor != machine["processor"]:
        return (
            f"Ratios are held against the figures of {kept.date} ({allowed} allowed); values are not, "
            f"they are those of another processor ({kept.processor})."
        )
    return f"Held against the figures of {kept.date}: a row may grow by {allowed}."
