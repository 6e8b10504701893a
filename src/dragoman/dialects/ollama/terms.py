"""The dialect's words, as tables: what each stands for in IR terms, and back."""

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
"""What a client is told; that calls are to be answered is told by the calls."""
STOPS_LOST: Final = {**stops.STOPS_LOST, "filter": "a filtered response is reported as `stop`"}
"""The reasons that say more than their word does."""


def dated(created: float | str | None, otherwise: float) -> str:
    """A date as this protocol writes it, RFC 3339; otherwise: Unix seconds, where there is no usable date."""
    if isinstance(created, str):
        try:
            datetime.fromisoformat(created)
        except ValueError:
            created = None
        else:
            return created
    moment = datetime.fromtimestamp(otherwise if created is None else created, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
