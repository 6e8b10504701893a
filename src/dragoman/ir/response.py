"""A whole chat answer."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from dragoman.ir.blocks import Block, Extra, Value
from dragoman.ir.fault import Fault
from dragoman.ir.usage import Usage

Reason: TypeAlias = Literal[
    "end",
    "tool",
    "length",
    "context",
    "sequence",
    "filter",
    "pause",
    "compaction",
    "broken",
    "error",
    "other",
]


class Stop(Value, frozen=True):
    """Why one candidate ended. reason: "end", "tool", "length", "context" (window full), "sequence" (a stop
    sequence), "filter", "pause" (the client resends to continue), "compaction", "broken" (malformed output),
    "error", "other". raw: the dialect's own word where `reason` does not determine it. sequence: the stop
    sequence. detail: the dialect's further statements (refusal category and explanation).
    """

    reason: Reason
    raw: str | None = None
    sequence: str | None = None
    detail: dict[str, object] | None = None


class Candidate(Value, frozen=True):
    """One of the n alternative answers. stop: None until the candidate is finished."""

    blocks: tuple[Block, ...] = ()
    stop: Stop | None = None
    index: int = 0
    extra: Extra = None


class Response(Value, frozen=True):
    """A whole answer.

    id, model, created: as the upstream stated them; created is Unix seconds or RFC 3339 text. usage: None =
    the upstream gave none, which is not 0. status: the word of an item-based dialect (Responses): completed,
    incomplete, failed, queued. tier: the service tier. error: why the answer failed, None = it did not. echo:
    the request's fields that the answer repeats; an encoder that drops them reports no loss.
    """

    dialect: str
    id: str | None = None
    model: str | None = None
    created: int | float | str | None = None
    candidates: tuple[Candidate, ...] = ()
    usage: Usage | None = None
    status: str | None = None
    tier: str | None = None
    error: Fault | None = None
    extra: Extra = None
    echo: dict[str, Any] | None = None
