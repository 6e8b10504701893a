"""Whole answers: decodes a Message to ir.Response, and encodes it back."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic.block_decoder import decode_content
from dragoman.dialects.anthropic.block_encoder import Scope, encode_block
from dragoman.dialects.anthropic.errors import fault_of
from dragoman.dialects.anthropic.history import safe_id
from dragoman.dialects.anthropic.terms import (
    ANSWER_TIER_WORDS,
    ANSWER_TIERS,
    NAME,
    STOP_WORDS,
    STOPS,
    leftovers,
    restore,
)
from dragoman.dialects.anthropic.usage import decode_usage, encode_usage
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Typed, sound
from dragoman.errors import RequestFailed, WireError

KNOWN = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage"}
)
STOP: Final = Typed(NAME, stop_reason=str, stop_sequence=str, stop_details=dict)
HEAD: Final = Typed(NAME, id=str, model=str, usage=dict)
ONE_CANDIDATE: Final = "a response of the Messages API has only one candidate"


def decode_response(body: dict[str, Any], _quirks: Quirks) -> ir.Response:
    """Decode a Message. Raises RequestFailed for an error object, WireError for any other object."""
    if body.get("type") == "error" or ("error" in body and "content" not in body):
        raise RequestFailed(fault_of(body))
    content = body.get("content")
    if not isinstance(content, list):
        raise WireError("the response must have `content`, an array", "content")
    try:
        return sound(_message(body, content))
    except (KeyError, TypeError, AttributeError):
        raise WireError("the message has an unknown format") from None


def _message(body: dict[str, Any], content: list[Any]) -> ir.Response:
    head, odd = HEAD.sort(body)
    head, odd_end = STOP.sort(head)
    model = head.get("model") or None
    usage = head.get("usage")
    candidate = ir.Candidate(decode_content(content), decode_stop(head))
    return ir.Response(
        NAME,
        head.get("id"),
        model,
        candidates=(candidate,),
        usage=None if usage is None else decode_usage(usage, model),
        tier=decode_tier(usage),
        extra=ir.merge(ir.merge(leftovers(head, KNOWN), odd), odd_end),
    )


def decode_stop(value: dict[str, Any]) -> ir.Stop | None:
    """The stop of `value`, a Message or the delta of a `message_delta`; None = it states no stop reason."""
    word = value.get("stop_reason")
    if not word:
        return None
    stop = STOPS.get(word) or ir.Stop("other", word)
    sequence, detail = value.get("stop_sequence"), value.get("stop_details")
    if sequence is None and detail is None:
        return stop
    return ir.Stop(stop.reason, stop.raw, sequence, detail)


def decode_tier(usage: dict[str, Any] | None) -> str | None:
    """The IR's word for the service tier in a `usage` object. A word that the IR does not know stays as it
    is. None = no tier is stated.
    """
    tier = None if usage is None else usage.get("service_tier")
    return ANSWER_TIERS.get(tier, tier) if type(tier) is str else None


def encode_tier(tier: str | None, usage: dict[str, Any], report: Report, *, own: bool) -> None:
    """Write the service tier into `usage`, an encoded object, or report it as lost. tier: None = nothing is
    written.

    own: True = a provider of this protocol answered, so an unknown word is written as it is.
    """
    if tier is None:
        return
    word = ANSWER_TIER_WORDS.get(tier, tier if own else None)
    if word is None:
        report.lose("tier", f"the Messages API has no service tier {tier}", "hint")
    else:
        usage["service_tier"] = word


def encode_stop(stop: ir.Stop | None, report: Report, *, own: bool, called: bool) -> dict[str, Any]:
    """The members of a Message or of a stream's delta that state the stop: `stop_reason`, `stop_sequence`,
    and `stop_details` if `own` and stated. Both first members are null if `stop` is None. Losses are
    reported.

    own: True = a provider of this protocol answered. called: True = the answer holds calls of the client's
    tools. Then a normal end that another protocol stated is written as `tool_use`.
    """
    out: dict[str, Any] = {"stop_reason": None, "stop_sequence": None}
    if stop is None:
        return out
    out["stop_sequence"] = stop.sequence
    if own and stop.raw is not None:
        out["stop_reason"] = stop.raw
    else:
        word = STOP_WORDS.get(stop.reason)
        if word is None:
            why = f"the Messages API has no stop reason for {stop.raw or stop.reason!r}"
            report.lose("candidates[0].stop", why, "quality")
            word = "end_turn"
        if called and word == "end_turn" and not own:
            report.change("candidates[0].stop.reason", "stop_reason", "the response ended with a tool call")
            word = "tool_use"
        out["stop_reason"] = word
    if stop.detail is not None:
        if own:
            out["stop_details"] = stop.detail
        else:
            report.lose("candidates[0].stop.detail", "the Messages API has no such field", "hint")
    return out


def answer_id(stated: str | None, reply: Reply, *, own: bool) -> str:
    """The id that the client sees: `stated`, if a provider of this protocol stated it, else the gateway's.

    Agents join messages of the same id, and other providers' ids are not always unique.
    """
    if stated is None:
        return reply.id
    if not own:
        reply.report.change("id", "id", "created by the gateway, so that it is unique")
        return reply.id
    return stated


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Encode the first candidate as a Message; report losses. Raises RequestFailed for a failed answer."""
    if response.error is not None:
        raise RequestFailed(response.error)
    own, report = response.dialect == NAME, reply.report
    for place in range(1, len(response.candidates)):
        report.lose(f"candidates[{place}]", ONE_CANDIDATE, "meaning")
    if response.status is not None:
        report.lose("status", "the Messages API has no such field", "hint")
    candidate = response.candidates[0] if response.candidates else ir.Candidate()
    scope = Scope(report, own, answer=True)
    content = []
    called = False
    for index, block in enumerate(candidate.blocks):
        where = f"candidates[0].blocks[{index}]"
        if (wire := encode_block(with_id(block, index, reply), scope, where)) is not None:
            called = called or wire.get("type") == "tool_use"
            content.append(wire)
    usage = encode_usage(response.usage, report)
    encode_tier(response.tier, usage, report, own=own)
    out: dict[str, Any] = {
        "id": answer_id(response.id, reply, own=own),
        "type": "message",
        "role": "assistant",
        "model": reply.model or response.model or reply.request.model or "",
        "content": content,
        **encode_stop(candidate.stop, report, own=own, called=called),
        "usage": usage,
    }
    restore(out, candidate.extra, report, "candidates[0]")
    restore(out, response.extra, report, "")
    return out


def with_id(block: ir.Block, index: int, reply: Reply) -> ir.Block:
    """A tool call without an id as a copy with an id; any other block itself. The id is made from the
    gateway's id of the answer and `index`, the block's index.
    """
    if isinstance(block, ir.ToolCall) and block.id is None:
        return msgspec.structs.replace(block, id=safe_id(f"toolu_{reply.id}_{index}"))
    return block
