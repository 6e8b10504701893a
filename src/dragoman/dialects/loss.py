"""Losses and changes: the values that a translation could not carry, had to change or has added. They are
reported to the client instead of hidden.

An encoder that cannot write a value reports its IR path (`sampling.seed`, `messages[3].blocks[1].cache`). The
dialect of the request converts this path to a path in the client's JSON (`RequestCodec.locate`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from dragoman.dialects.severity import Severity, of_field
from dragoman.ir.blocks import Value

MOST: Final = 200
"""The most losses of one severity, and the most changes, in a report. One more entry says that more exist."""


class Loss(Value, frozen=True):
    """A value that could not be carried. reason: why, in words for the client. direction: "request" = the
    value stands in the client's request; "response" = in the provider's response. path: the value's JSON path
    in the sender's body (inside a `Report`: its IR path). dialect: the name of the dialect that could not
    carry the value, or "gateway".
    """

    path: str
    reason: str
    severity: Severity
    dialect: str
    direction: Literal["request", "response"] = "request"


class Change(Value, frozen=True):
    """A value that is written in another form, that was left out on purpose, or that was added.

    path: the value's JSON path in the sender's body (inside a `Report`: its IR path); None = the value was
    added. to: the value's JSON path in the written body (inside a `Report`: without `$.`); "" = the value has
    no place in the written body, or no place is stated. An entry with None as `path` and "" as `to` only says
    that further changes are not listed.
    """

    path: str | None
    to: str
    reason: str


class Report(msgspec.Struct, eq=False):
    """Collects the losses and changes of one translation, in order. Not thread-safe; each attempt has a
    report of its own.

    dialect: the dialect of the written body. direction: the body that is translated, a request or a response.
    A report lists at most `MOST` losses of each severity and `MOST` changes. After that, one more entry,
    without a path, says that further losses of this severity, or further changes, are not listed.
    """

    dialect: str
    direction: Literal["request", "response"] = "request"
    losses: list[Loss] = []
    changes: list[Change] = []
    moved: Callable[[str], str] | None = None
    """Converts an IR path in a shortened or split request to the IR path in the client's request; None = both
    are the same."""
    _told: dict[Severity, set[tuple[str, str]]] = {}
    """Severity -> the (path, reason) pairs in `losses`."""

    def lose(self, where: str, reason: str, severity: Severity | None = None) -> None:
        """Record that the value at `where` (IR path) is lost, unless the report is full (`MOST`). A loss with
        the same path, reason and severity is recorded only once. reason: why, in words for the client.

        severity: None = the usual severity of the field (`severity.of_field`), which is the same for every
        dialect.
        """
        if severity is None:
            severity = of_field(where)
        where = self.placed(where)
        told = self._told.setdefault(severity, set())
        if len(told) >= MOST and (where, reason) not in told:
            where, reason = "", "further losses are not listed"
        if (where, reason) not in told:
            told.add((where, reason))
            self.losses.append(Loss(where, reason, severity, self.dialect, self.direction))

    def change(self, where: str, to: str, reason: str) -> None:
        """Record that the value at `where` (IR path) is written in another form, or left out on purpose. to:
        the value's JSON path in the written body, without `$.`; "" = it has none, or none is stated. reason:
        why, in words for the client.
        """
        self._keep(Change(self.placed(where), to, reason))

    def add(self, to: str, reason: str) -> None:
        """Record that the encoder added a value that the request or response does not state. to: the value's
        JSON path in the written body, without `$.`. reason: why, in words for the client.
        """
        self._keep(Change(None, to, reason))

    def _keep(self, change: Change) -> None:
        if len(self.changes) < MOST:
            self.changes.append(change)
        elif len(self.changes) == MOST:
            self.changes.append(Change(None, "", "further changes are not listed"))

    def placed(self, where: str) -> str:
        """Convert an IR path in the encoded request (`where`) to the IR path of the same value in the
        client's request. The two paths differ only if the gateway shortened or split the request (`moved`).
        """
        return where if self.moved is None else self.moved(where)

    def located(self, locate: Callable[[str], str]) -> tuple[tuple[Loss, ...], tuple[Change, ...]]:
        """Return (the losses, the changes) with JSON paths in place of IR paths, for the client. A loss
        without a path gets the path `$`; the `to` of a change gets `$.` before it, unless it is "". The
        report itself stays as it is. locate: converts an IR path to a JSON path in the sender's body.
        """
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
