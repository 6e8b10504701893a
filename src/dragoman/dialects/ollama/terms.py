"""The dialect's words, as tables: what each stands for in IR terms, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers

NAME: Final = "ollama"
_own: Final = Leftovers(NAME)
leftovers: Final = _own.of
restore: Final = _own.restore
PATH: Final = "/api/chat"

STOPS: Final[dict[str, ir.Stop]] = {"stop": ir.Stop("end"), "length": ir.Stop("length")}
STOP_WORDS: Final[dict[str, str]] = {
    "end": "stop",
    "tool": "stop",
    "length": "length",
    "context": "length",
    "sequence": "stop",
    "filter": "stop",
    "pause": "stop",
    "compaction": "stop",
    "broken": "stop",
    "error": "stop",
    "other": "stop",
}
"""What a client is told; that calls are to be answered is told by the calls."""
STOPS_LOST: Final[dict[str, str]] = {
    "context": "a full context window is reported as `length`",
    "sequence": "a stop sequence is reported as `stop`, without the sequence",
    "filter": "a filtered response is reported as `stop`",
    "pause": "a pause is reported as `stop`: send the conversation again to continue",
    "compaction": "a compaction is reported as `stop`",
    "broken": "malformed output is reported as `stop`",
    "error": "an error of the model is reported as `stop`",
    "other": "an unknown finish reason is reported as `stop`",
}
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
