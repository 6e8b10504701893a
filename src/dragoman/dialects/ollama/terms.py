"""Tables between Ollama's values and those of the IR, the form of dates, and functions for leftovers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from dragoman import ir
from dragoman.dialects.chat import stops
from dragoman.dialects.chat.narrower import Narrower
from dragoman.dialects.leftovers import Leftovers

NAME: Final = "ollama"
_own: Final = Leftovers(NAME)
leftovers: Final = _own.of
restore: Final = _own.restore
narrower: Final = Narrower("the Ollama API", restore)
"""Encodes functions in the same way as for the other protocols that have fewer members than OpenAI's chat,
and reports which cache marks and parts of messages these protocols cannot express."""
PATH: Final = "/api/chat"

STOPS: Final[dict[str, ir.Stop]] = {"stop": ir.Stop("end"), "length": ir.Stop("length")}
STOP_WORDS: Final = {**stops.STOP_WORDS, "tool": "stop", "filter": "stop"}
"""Stop reason of the IR -> the finish reason for the client. Ollama has no finish reason for tool calls."""
STOPS_LOST: Final = {**stops.STOPS_LOST, "filter": "a filtered response is reported as `stop`"}
"""Stop reason of the IR -> the text to report, for each reason that Ollama's finish reason expresses less
precisely."""


def dated(created: float | str | None, otherwise: float) -> str:
    """Return a date as a text. Seconds become RFC 3339 in UTC, with microseconds
    ("2026-11-25T17:00:00.000000Z"). created: Unix seconds, or a date that is already a text (ISO 8601), which
    is returned unchanged. otherwise: the Unix seconds to use if `created` is None or not a date, such as
    another text or a number beyond the year 9999.
    """
    if isinstance(created, str):
        try:
            datetime.fromisoformat(created)
        except ValueError:
            created = None
        else:
            return created
    try:
        moment = datetime.fromtimestamp(otherwise if created is None else created, UTC)
    except (OverflowError, OSError, ValueError):
        moment = datetime.fromtimestamp(otherwise, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
