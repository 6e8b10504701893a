"""A complete chat answer."""

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
    """Why one candidate ended. reason: "end" (the model ended its answer), "tool" (it calls tools), "length"
    (the limit of output tokens was reached), "context" (the context window is full), "sequence" (a stop
    sequence came), "filter" (a filter withheld content), "pause" (the client must send the request again to
    continue), "compaction" (the answer is a compaction of the conversation), "broken" (malformed output),
    "error", "other". raw: the dialect's own word, if `reason` does not determine it; else None. sequence: the
    stop sequence that came. detail: further facts in the dialect's terms (refusal category and explanation).
    """

    reason: Reason
    raw: str | None = None
    sequence: str | None = None
    detail: dict[str, object] | None = None


class Candidate(Value, frozen=True):
    """One of the n alternative answers to a request. index: its number, from 0. stop: why it ended, None = it
    has not ended yet, or no reason was stated.
    """

    blocks: tuple[Block, ...] = ()
    stop: Stop | None = None
    index: int = 0
    extra: Extra = None


class Response(Value, frozen=True):
    """A complete answer.

    dialect: the protocol in which the answer was received. id, model, created: as the upstream stated them;
    created is Unix seconds or RFC 3339 text. usage: None = the upstream stated no counts, which is not the
    same as 0. status: the word of OpenAI's Responses API ("completed", "incomplete", "failed", "queued");
    other dialects have none. tier: the service tier. error: why the answer failed, None = it did not fail.
    echo: the fields of the request that the answer repeats; an encoder may leave them out without reporting a
    loss. Any other field that is None was not stated.
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
