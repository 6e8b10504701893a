"""Tables between the dialect's words and the IR."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from dragoman import ir
from dragoman.dialects.chat import stops
from dragoman.dialects.leftovers import Leftovers

NAME: Final = "ollama"
_own: Final = Leftovers(NAME)
leftovers: Final = _own.of
restore: Final = _own.restore
PATH: Final = "/api/chat"

STOPS: Final[dict[str, ir.Stop]] = {"stop": ir.Stop("end"), "length": ir.Stop("length")}
STOP_WORDS: Final = {**stops.STOP_WORDS, "tool": "stop", "filter": "stop"}
"""Finish reasons for the client. There is no reason for calls."""
STOPS_LOST: Final = {**stops.STOPS_LOST, "filter": "a filtered response is reported as `stop`"}
"""Stop reasons whose word loses detail."""


def dated(created: float | str | None, otherwise: float) -> str:
    """A date as RFC 3339. otherwise: Unix seconds, used when `created` is no valid date."""
    if isinstance(created, str):
        try:
            datetime.fromisoformat(created)
        except ValueError:
            created = None
        else:
            return created
    moment = datetime.fromtimestamp(otherwise if created is None else created, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
