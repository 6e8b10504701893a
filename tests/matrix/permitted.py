"""What a cell of the matrix came to, and what it may come to: `refusals.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

FILE = Path(__file__).with_name("refusals.toml")
Cell: TypeAlias = tuple[str, str, str]
"""Face, upstream, feature."""


class Refused(msgspec.Struct, frozen=True):
    """The client got an error before anything was sent. param: where in its request."""

    status: int
    code: str | None = None
    param: str | None = None


class Done(msgspec.Struct, frozen=True):
    """The client got its answer. losses: JSON paths of its request to severities; none = nothing was lost."""

    losses: dict[str, str] = {}


Outcome: TypeAlias = Refused | Done
FREE = Done()
"""What nobody has to permit."""


class Permission(msgspec.Struct, frozen=True):
    """A cell that may not work, and why."""

    outcome: Outcome
    reason: str


class Permitted(msgspec.Struct, frozen=True):
    """The file. ceilings: of the permissions, by face. absent: why a face cannot ask for a feature."""

    ceilings: dict[str, int]
    absent: dict[tuple[str, str], str]
    cells: dict[Cell, Permission]

    def outcome(self, cell: Cell) -> Outcome:
        """What a cell must come to."""
        permission = self.cells.get(cell)
        return FREE if permission is None else permission.outcome


def load() -> Permitted:
    """The file as it is."""
    stated = tomllib.loads(FILE.read_text(encoding="utf-8"))
    absent = {(one["face"], name): one["reason"] for one in stated["absent"] for name in one["features"]}
    cells = {
        (face, one["upstream"], name): Permission(_read(one), one["reason"])
        for face in stated["ceilings"]
        for one in stated[face]
        for name in one["features"]
    }
    assert len(cells) == sum(len(one["features"]) for face in stated["ceilings"] for one in stated[face])
    return Permitted(stated["ceilings"], absent, cells)


def _read(cell: dict[str, Any]) -> Outcome:
    return Refused(**cell["refused"]) if "refused" in cell else Done(cell["losses"])
