"""Losses and changes: what a translation could not carry or had to change, reported instead of hidden.

An encoder that cannot write a value reports it here, with its place in IR terms (`sampling.logit_bias`,
`messages[3].blocks[1].cache`). The dialect of the request converts the place to a path in the client's JSON
(`Dialect.locate`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from dragoman.dialects.severity import Severity, of_field
from dragoman.ir.blocks import Value

MOST: Final = 200
"""Losses of one severity, and changes, that a report lists. One more entry says that there are others."""


class Loss(Value, frozen=True):
    """One value that was not carried. path: JSON path in the sender's body. dialect: the one without it."""

    path: str
    reason: str
    severity: Severity
    dialect: str
    direction: Literal["request", "response"] = "request"


class Change(Value, frozen=True):
    """One value that is written in another form, or that was added.

    path: JSON path in the sender's body, None for an addition. to: JSON path in the written body, empty for a
    value that the gateway keeps instead of writing it.
    """

    path: str | None
    to: str
    reason: str


class Report:
    """Collects the losses and changes of one translation, in order. Not thread-safe; one per attempt.

    dialect: the dialect of the written body. The report's size is limited: all losses of one severity beyond
    `MOST` become one loss without a place.
    """

    __slots__ = ("_told", "changes", "dialect", "direction", "losses", "moved")

    def __init__(self, dialect: str, direction: Literal["request", "response"] = "request") -> None:
        self.dialect = dialect
        self.direction: Literal["request", "response"] = direction
        self.losses: list[Loss] = []
        self.changes: list[Change] = []
        self.moved: Callable[[str], str] | None = None
        """Converts a place in the shortened request to the original's; None = no message was left out."""
        self._told: dict[Severity, set[tuple[str, str]]] = {}  # the (place, reason) pairs in `losses`

    def lose(self, where: str, reason: str, severity: Severity | None = None) -> None:
        """The value at `where` (IR terms) is not carried. The same place and reason count once.

        severity: None = the field's own, which is the same for every dialect (`severity.FIELDS`).
        """
        if severity is None:
            severity = of_field(where)
        where = self.placed(where)
        told = self._told.setdefault(severity, set())
        if len(told) >= MOST:
            where, reason = "", "further losses are not listed"
        if (where, reason) not in told:
            told.add((where, reason))
            self.losses.append(Loss(where, reason, severity, self.dialect, self.direction))

    def change(self, where: str, to: str, reason: str) -> None:
        """The value at `where` (IR terms) is written at `to` (JSON path of the target) in another form."""
        self._keep(Change(self.placed(where), to, reason))

    def add(self, to: str, reason: str) -> None:
        """The written body has a value at `to` that the sender did not write."""
        self._keep(Change(None, to, reason))

    def _keep(self, change: Change) -> None:
        if len(self.changes) < MOST:
            self.changes.append(change)
        elif len(self.changes) == MOST:
            self.changes.append(Change(None, "", "further changes are not listed"))

    def placed(self, where: str) -> str:
        """The place in the original request for a place in the possibly shortened one."""
        return where if self.moved is None else self.moved(where)

    def located(self, locate: Callable[[str], str]) -> tuple[tuple[Loss, ...], tuple[Change, ...]]:
        """The losses and changes with JSON paths as places, in the sender's body or in the written one."""
        if not self.losses and not self.changes:
            return (), ()
        losses = tuple(
            Loss(locate(x.path) if x.path else "$", x.reason, x.severity, x.dialect, x.direction)
            for x in self.losses
        )
        changes = tuple(
            Change(None if x.path is None else locate(x.path), _rooted(x.to), x.reason) for x in self.changes
        )
        return losses, changes


def _rooted(place: str) -> str:
    return "$." + place if place else ""
