"""What a cell of the matrix came to, and what it may come to: `refusals.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

FILE = Path(__file__).with_name("refusals.toml")


class Refused(msgspec.Struct, frozen=True):
    """The client got an error before anything was sent. param: where in its request."""

    status: int
    code: str | None
    param: str | None


class Done(msgspec.Struct, frozen=True):
    """The client got its answer. losses: JSON paths of its request to severities; none = nothing was lost."""

    losses: dict[str, str] = {}


Outcome: TypeAlias = Refused | Done


class Permission(msgspec.Struct, frozen=True):
    """A cell that may not work, and why."""

    upstream: str
    feature: str
    outcome: Outcome
    reason: str


def load() -> tuple[int, dict[tuple[str, str], Permission]]:
    """The ceiling, and the permissions by cell (upstream, feature)."""
    stated = tomllib.loads(FILE.read_text(encoding="utf-8"))
    permissions = [_permission(cell) for cell in stated["cell"]]
    by_cell = {(one.upstream, one.feature): one for one in permissions}
    assert len(by_cell) == len(permissions), "a cell is named twice"
    return stated["ceiling"], by_cell


def read(outcome: dict[str, Any]) -> Outcome:
    """An outcome as it stands in the file, or comes from another process."""
    return Refused(**outcome["refused"]) if "refused" in outcome else Done(outcome["losses"])


def written(outcome: Outcome) -> dict[str, Any]:
    """What `read` reads."""
    if isinstance(outcome, Done):
        return {"losses": outcome.losses}
    return {"refused": msgspec.to_builtins(outcome)}


def _permission(cell: dict[str, Any]) -> Permission:
    return Permission(cell["upstream"], cell["feature"], read(cell), cell["reason"])
