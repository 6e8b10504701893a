"""Responses that are not streamed: decodes the body of Converse to ir.Response, and encodes it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bedrock.block_decoder import decode_blocks
from dragoman.dialects.bedrock.block_encoder import Scope, encode_block
from dragoman.dialects.bedrock.errors import fault_of
from dragoman.dialects.bedrock.history import safe_id
from dragoman.dialects.bedrock.terms import (
    API,
    NAME,
    STOP_WORDS,
    STOPS,
    TIER_WORDS,
    TIERS,
    leftovers,
    restore,
)
from dragoman.dialects.bedrock.usage import decode_usage, encode_usage
from dragoman.dialects.leftovers import placed_at
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Typed, sound
from dragoman.errors import RequestFailed, WireError

KNOWN: Final = frozenset({"output", "stopReason", "usage", "serviceTier"})
_OUTPUT: Final = frozenset({"message"})
_MESSAGE: Final = frozenset({"role", "content"})
_HEAD: Final = Typed(NAME, stopReason=str, usage=dict, serviceTier=dict)
_STOP_DETAIL: Final = f"{API} has no such field"


def decode_response(body: dict[str, Any], _quirks: Quirks) -> ir.Response:
    """Decode a response. Raises RequestFailed for an error: a body without `output` that has a `message`.
    Raises WireError for any other body without the array `output.message.content`, and for a block that is
    not an object. A `stopReason`, `usage` or `serviceTier` of a wrong type becomes a leftover.
    """
    stated = body.get("output")
    output = stated if type(stated) is dict else {}
    message = output.get("message")
    if type(message) is not dict or type(message.get("content")) is not list:
        if "message" in body and stated is None:
            raise RequestFailed(fault_of(body))
        raise WireError("the response must have `output.message.content`, an array", "output")
    head, odd = _HEAD.sort(body)
    usage, word = head.get("usage"), head.get("stopReason")
    extra = ir.merge(ir.merge(leftovers(head, KNOWN), odd), leftovers(message, _MESSAGE, "output.message"))
    extra = ir.merge(extra, leftovers(output, _OUTPUT, "output"))
    tier, more = decode_tier(head.get("serviceTier"))
    blocks = decode_blocks(message["content"], "output.message.content")
    return sound(
        ir.Response(
            NAME,
            candidates=(ir.Candidate(blocks, decode_stop(word)),),
            usage=None if usage is None else decode_usage(usage),
            tier=tier,
            extra=ir.merge(extra, more),
        )
    )


def decode_stop(word: Any) -> ir.Stop | None:
    """Return the stop of the IR for a `stopReason`; None = `word` is not a text, or is empty. An unknown text
    gives the reason "other", with the text as `raw`.
    """
    if type(word) is not str or not word:
        return None
    return STOPS.get(word) or ir.Stop("other", word)


def decode_tier(stated: Any) -> tuple[str | None, ir.Extra]:
    """Return (the service tier, a leftover). stated: the decoded `serviceTier`. A tier that the API does not
    have is returned as it is stated. A value of an unknown form is returned as the leftover; otherwise the
    leftover is None.
    """
    if stated is None:
        return None, None
    if type(stated) is dict and stated.keys() == {"type"} and type(stated["type"]) is str:
        return TIERS.get(stated["type"], stated["type"]), None
    return None, {NAME: {"serviceTier": stated}}


def encode_stop(stop: ir.Stop | None, report: Report, *, own: bool, called: bool) -> str:
    """Return the `stopReason` for a stop, and report what it does not express. stop: None = not stated. own:
    True = the response came in this dialect; then the stop's original word (`raw`) is returned if it has one.
    called: True = the response has calls of tools, so that `tool_use` replaces `end_turn` (not for a stated
    stop of this dialect).
    """
    if stop is None:
        return "tool_use" if called else "end_turn"
    if own and stop.raw is not None:
        return stop.raw
    word = STOP_WORDS.get(stop.reason)
    if word is None:
        why = f"{API} has no stop reason for {stop.raw or stop.reason!r}"
        report.lose("candidates[0].stop", why, "quality")
        word = "end_turn"
    if stop.sequence is not None:
        report.lose("candidates[0].stop.sequence", _STOP_DETAIL, "hint")
    if stop.detail is not None:
        report.lose("candidates[0].stop.detail", _STOP_DETAIL, "hint")
    if called and word == "end_turn" and not own:
        report.change("candidates[0].stop.reason", "stopReason", "the response ended with a tool call")
        return "tool_use"
    return word


def encode_tier(tier: str | None, out: dict[str, Any], report: Report, *, own: bool) -> None:
    """Write the service tier into `out`, the body or the event of the response, or report it as lost if the
    API does not have it. tier: None = nothing is written. own: True = the response came in this dialect, so
    that any tier is written.
    """
    if tier is None:
        return
    if (word := TIER_WORDS.get(tier, tier if own else None)) is None:
        report.lose("tier", f"{API} has no service tier {tier}", "hint")
    else:
        out["serviceTier"] = {"type": word}


def with_id(block: ir.Block, index: int, reply: Reply) -> ir.Block:
    """Return the block. If it is a call without an id, or with an id that the API does not accept
    (`safe_id`), return a copy with a new id. index: the block's number in the response.
    """
    if not isinstance(block, ir.ToolCall):
        return block
    named = safe_id(f"tooluse_{reply.id}_{index}" if block.id is None else block.id)
    return block if named == block.id else msgspec.structs.replace(block, id=named)


def lose_head(response: ir.Response | ir.Start, report: Report) -> None:
    """Report as lost the id, the model, the date and the status of a response, as far as they are stated: the
    API has no members for them.
    """
    for field in ("id", "model", "created", "status"):
        if getattr(response, field) is not None:
            report.lose(field, f"a response of {API} has no such field", "hint")


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Encode the first candidate of a response; report changes and losses, for example the further
    candidates. Raises RequestFailed if the response has an error.
    """
    if response.error is not None:
        raise RequestFailed(response.error)
    own, report = response.dialect == NAME, reply.report
    for place in range(1, len(response.candidates)):
        report.lose(f"candidates[{place}]", f"a response of {API} has only one candidate", "meaning")
    lose_head(response, report)
    candidate = response.candidates[0] if response.candidates else ir.Candidate()
    scope = Scope(report, own, answer=True)
    content: list[dict[str, Any]] = []
    for index, block in enumerate(candidate.blocks):
        where = f"candidates[0].blocks[{index}]"
        if (wire := encode_block(with_id(block, index, reply), scope, where)) is not None:
            content.append(wire)
    called = any("toolUse" in wire for wire in content)
    out: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": encode_stop(candidate.stop, report, own=own, called=called),
    }
    if response.usage is not None or not own:
        out["usage"] = encode_usage(response.usage or ir.Usage(), report, own=own)
        if response.usage is None:
            report.add("usage", "clients require the number of tokens")
    encode_tier(response.tier, out, report, own=own)
    if not own:
        out["metrics"] = {"latencyMs": int(reply.elapsed * 1000)}
    restore(out, candidate.extra, report, "candidates[0]")
    _restore_message(out, response.extra, report)
    return out


def _restore_message(out: dict[str, Any], extra: ir.Extra, report: Report) -> None:
    """Write the leftovers of the response (`extra`) into the body `out`. Those whose names begin with
    `output.message.` go into the message. Those of another dialect are reported as lost.
    """
    if extra is None or NAME not in extra:
        restore(out, extra, report, "")
        return
    prefix = "output.message."
    mine = extra[NAME]
    out["output"]["message"] |= {
        placed_at(key.removeprefix("output."))[1]: value
        for key, value in mine.items()
        if key.startswith(prefix)
    }
    rest = {key: value for key, value in mine.items() if not key.startswith(prefix)}
    restore(out, {**extra, NAME: rest}, report, "")
