"""What a translation could not carry, or had to change, named instead of hidden.

An encoder that meets a value its dialect cannot say reports it here, with the place in IR terms
(`sampling.logit_bias`, `messages[3].blocks[1].cache`). The dialect that the request came from knows
how that place is written in the client's JSON (`Dialect.locate`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from dragoman.dialects.severity import Severity, of_field
from dragoman.ir.blocks import Value

MOST: Final = 200
"""Losses of one severity, and changes, that a report lists; one more entry says that there are others."""


class Loss(Value, frozen=True):
    """One value that did not arrive. path: JSON path in the sender's body; dialect: who could not say it."""

    path: str
    reason: str
    severity: Severity
    dialect: str
    direction: Literal["request", "response"] = "request"


class Change(Value, frozen=True):
    """One value that arrives in another form, or that was added.

    path: JSON path in the sender's body, None for an addition. to: JSON path in the body that is written,
    empty for what the gateway keeps instead of writing it.
    """

    path: str | None
    to: str
    reason: str


class Report:
    """Collects the losses and changes of one translation, in order. Not thread-safe, one per attempt.

    dialect: the dialect that is being written. However much a request holds, the report stays short: what is
    beyond `MOST` is told as one loss of its severity, without a place.
    """

    __slots__ = ("_told", "changes", "dialect", "direction", "losses", "moved")

    def __init__(self, dialect: str, direction: Literal["request", "response"] = "request") -> None:
        self.dialect = dialect
        self.direction: Literal["request", "response"] = direction
        self.losses: list[Loss] = []
        self.changes: list[Change] = []
        self.moved: Callable[[str], str] | None = None
        """What later places are in the request as it came, where the one in hand lacks messages."""
        self._told: dict[Severity, set[tuple[str, str]]] = {}  # what is listed: where and why

    def lose(self, where: str, reason: str, severity: Severity | None = None) -> None:
        """A value at `where` (IR terms) is not carried. Naming one place twice for one reason counts once.

        severity: None = that of the field, whoever lacks it (`severity.FIELDS`).
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
        """The target's body holds something at `to` that the sender did not write."""
        self._keep(Change(None, to, reason))

    def _keep(self, change: Change) -> None:
        if len(self.changes) < MOST:
            self.changes.append(change)
        elif len(self.changes) == MOST:
            self.changes.append(Change(None, "", "further changes are not listed"))

    def placed(self, where: str) -> str:
        """A place of the request in hand, in the request as it came."""
        return where if self.moved is None else self.moved(where)

    def located(self, locate: Callable[[str], str]) -> tuple[tuple[Loss, ...], tuple[Change, ...]]:
        """The same with every place as a JSON path: of the sender's body, or of the one that is written."""
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
