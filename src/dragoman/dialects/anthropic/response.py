"""Whole answers: decodes a Message to ir.Response, and encodes an ir.Response back."""

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
from dragoman.dialects.failure import only_tells
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
    """Decode a Message. Raises RequestFailed for an error: its `type` is "error", or it has no `content`, but
    `error` or a message of the server. Raises WireError if `content` is no array, or if a value in it has a
    type that cannot be decoded. The second parameter is not used.
    """
    told = ("error" in body and "content" not in body) or only_tells(body, "content")
    if told or body.get("type") == "error":
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
    """Return the stop that `value` states; None = it states no stop reason. An unknown word gives the reason
    "other", with the word as `raw`. value: a Message, or the delta of a `message_delta`.
    """
    word = value.get("stop_reason")
    if not word:
        return None
    stop = STOPS.get(word) or ir.Stop("other", word)
    sequence, detail = value.get("stop_sequence"), value.get("stop_details")
    if sequence is None and detail is None:
        return stop
    return ir.Stop(stop.reason, stop.raw, sequence, detail)


def decode_tier(usage: dict[str, Any] | None) -> str | None:
    """Return the IR's word for the service tier in a `usage` object; None = no text is stated. A word that
    the IR does not know stays unchanged.
    """
    tier = None if usage is None else usage.get("service_tier")
    return ANSWER_TIERS.get(tier, tier) if type(tier) is str else None


def encode_tier(tier: str | None, usage: dict[str, Any], report: Report, *, own: bool) -> None:
    """Write the service tier into `usage`, an encoded object, or report it as lost. tier: None = nothing is
    written.

    own: True = the answer comes from this dialect, so a word that the IR does not know is written unchanged.
    """
    if tier is None:
        return
    word = ANSWER_TIER_WORDS.get(tier, tier if own else None)
    if word is None:
        report.lose("tier", f"the Messages API has no service tier {tier}", "hint")
    else:
        usage["service_tier"] = word


def encode_stop(stop: ir.Stop | None, report: Report, *, own: bool, called: bool) -> dict[str, Any]:
    """Return the members of a Message, or of a stream's delta, that state the stop. stop: None = the members
    are null. own: True = the answer comes from this dialect, so the provider's own word (`stop.raw`) and
    details are written unchanged. called: True = the answer has calls of tools that the client runs; in an
    answer of another dialect, `tool_use` then replaces `end_turn`.

    A reason that this protocol cannot express becomes `end_turn`. Losses and changes are reported.
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
    """Return the id of the answer for the client: `stated`, if the answer comes from this dialect (`own`) and
    states an id; otherwise the gateway's id (`reply.id`), because agents join messages of the same id, and
    the ids of other providers are not always unique. A replaced id is reported as a change.
    """
    if stated is None:
        return reply.id
    if not own:
        reply.report.change("id", "id", "created by the gateway, so that it is unique")
        return reply.id
    return stated


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Encode the first candidate as a Message, and report losses. Raises RequestFailed if the response has an
    `error`.
    """
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
    usage = encode_usage(response.usage, report, own=own)
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
    """Return the block with an id. For a tool call without an id, this is a copy with an id made from the
    gateway's id of the answer and `index`, the block's index. Any other block is returned unchanged, even
    without an id.
    """
    if isinstance(block, ir.ToolCall) and block.id is None:
        return msgspec.structs.replace(block, id=safe_id(f"toolu_{reply.id}_{index}"))
    return block
