"""The dialect's words, as tables: what each stands for in IR terms, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import terms as chat
from dragoman.ir import Extra

NAME: Final = "ollama"
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
    "context": "a full context window is told as `length`",
    "sequence": "a stop sequence is told as `stop`, without the sequence",
    "filter": "a filtered answer is told as `stop`",
    "pause": "a pause is told as `stop`: sending the conversation again goes on",
    "compaction": "a compaction is told as `stop`",
    "broken": "malformed output is told as `stop`",
    "error": "an error of the model is told as `stop`",
    "other": "an unknown reason is told as `stop`",
}
"""The reasons that say more than their word does."""


def leftovers(wire: Mapping[str, Any], known: frozenset[str], within: str = "") -> Extra:
    """The members of one wire object that no field carries, as `extra`."""
    return chat.leftovers(wire, known, within, NAME)


def restore(out: dict[str, Any], extra: Extra, report: Report, where: str) -> None:
    """Put our own leftovers back in their places; name those of other dialects as lost."""
    chat.restore(out, extra, report, where, NAME)


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
