"""Whole answers: decodes a GenerateContentResponse to ir.Response, and encodes an ir.Response back.

Specification: https://ai.google.dev/api/generate-content#generatecontentresponse
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.draft import Draft
from dragoman.dialects.gemini.errors import fault_of
from dragoman.dialects.gemini.grounding import CITATIONS, GROUNDING, Sources, decode_citations
from dragoman.dialects.gemini.logprobs import (
    RESULT,
    decode_logprobs,
    encode_all,
    with_logprobs,
    without_tokens,
)
from dragoman.dialects.gemini.part_decoder import decode_part
from dragoman.dialects.gemini.part_encoder import bare_text, encode_part
from dragoman.dialects.gemini.searches import with_searches
from dragoman.dialects.gemini.stops import (
    UNANSWERED,
    broken_off,
    decode_stop,
    encode_stop,
    feedback_of,
    unanswered,
)
from dragoman.dialects.gemini.terms import NAME, leftovers, restore
from dragoman.dialects.gemini.usage import decode_tier, decode_usage, encode_usage
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Typed, an_object, numbered, required, sound
from dragoman.errors import RequestFailed, WireError

KNOWN = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId", "createTime"})
CANDIDATE = frozenset({"content", "finishReason", "finishMessage", "index"})
_CONTENT = frozenset({"parts", "role"})
HEAD = Typed(NAME, responseId=str, modelVersion=str, createTime=str, usageMetadata=dict)
ANSWER = Typed(NAME, index=int, finishReason=(str, int))


def decode_response(body: dict[str, Any], _quirks: Quirks) -> ir.Response:
    """Decode a GenerateContentResponse. An answer without candidates, such as a refused prompt, gets one
    candidate without blocks (`stops.unanswered`).

    Raises RequestFailed for an error object without candidates. Raises it also if every candidate has a stop
    reason that means that the model failed, and none has content other than reasoning. Raises WireError for
    any other object that is not an answer.
    """
    if body.get("error") and not body.get("candidates"):
        raise RequestFailed(fault_of(body))
    try:
        candidates = _candidates(body)
        response = sound(_response(body, candidates))
    except (KeyError, TypeError, AttributeError):
        raise WireError("the response has an unknown format") from None
    faults = [None if any(map(is_usable, one.blocks)) else broken_off(one.stop) for one in candidates]
    if faults and None not in faults:
        raise RequestFailed(next(fault for fault in faults if fault is not None), response.usage)
    return response


def _candidates(body: Mapping[str, Any]) -> tuple[ir.Candidate, ...]:
    values = body.get("candidates")
    if values and type(values) is list:
        return numbered([_candidate(value, place) for place, value in enumerate(values)])
    if body.get("candidates"):
        raise WireError("must be an array", "candidates")
    stop = unanswered(body)
    if stop is None:
        raise WireError("the response must have `candidates`, an array", "candidates")
    return (ir.Candidate((), stop),)


def _response(body: dict[str, Any], candidates: tuple[ir.Candidate, ...]) -> ir.Response:
    head, odd = HEAD.sort(body)
    usage = head.get("usageMetadata")
    known = KNOWN if head.get("candidates") else KNOWN | {"promptFeedback"}
    return ir.Response(
        NAME,
        head.get("responseId"),
        head.get("modelVersion") or None,
        head.get("createTime"),
        candidates,
        None if usage is None else with_searches(decode_usage(usage), head.get("candidates")),
        tier=decode_tier(usage),
        extra=ir.merge(leftovers(head, known), odd),
    )


def _candidate(value: Any, place: int) -> ir.Candidate:
    where = f"candidates[{place}]"
    value, odd = ANSWER.sort(an_object(value, where))
    content = an_object(value.get("content") or {}, where + ".content")
    blocks = decode_parts(content, where + ".content")
    called = any(calls_client(block) for block in blocks)
    stop, stated = decode_stop(value, called=called), value.get("index")
    index = place if stated is None else stated
    if odd is None and value.keys() <= CANDIDATE and content.keys() <= _CONTENT:
        return ir.Candidate(tuple(blocks), stop, index)
    extra = remainder(value, content) | (odd or {}).get(NAME, {})
    if RESULT in extra and (read := decode_logprobs(extra[RESULT])) is not None:
        told, left = read
        if (with_tokens := with_logprobs(blocks, told)) is not None:
            blocks = with_tokens
            del extra[RESULT]
            extra |= left
    texts = [(number, block.text) for number, block in enumerate(blocks) if isinstance(block, ir.Text)]
    for number, citation in decode_citations(extra, texts):
        blocks[number] = cited(blocks[number], citation)
    return ir.Candidate(tuple(blocks), stop, index, {NAME: extra} if extra else None)


def decode_parts(content: dict[str, Any], where: str) -> list[ir.Block]:
    """Decode the `parts` of one content; [] = it has none. Raises WireError if they are not a list of
    objects. where: the JSON path of the content, for the error.
    """
    parts = content.get("parts")
    if parts is None:
        return []
    listed = required(content, "parts", list, where)
    return [decode_part(an_object(part, f"{where}.parts[{place}]")) for place, part in enumerate(listed)]


def calls_client(block: ir.Block) -> bool:
    """Whether the block calls a tool that the client runs."""
    return isinstance(block, ir.ToolCall) and block.by == "client"


def is_usable(block: ir.Block) -> bool:
    """Whether the block is content of an answer. False for reasoning, and for an empty text that has nothing
    else (no signature, no leftovers); True for all other blocks.
    """
    return not isinstance(block, ir.Thinking) and block != _NO_WORDS


_NO_WORDS = ir.Text("")


def cited(block: ir.Block, citation: ir.Citation) -> ir.Block:
    """Return a copy of a text block with one more citation; any other block unchanged."""
    if not isinstance(block, ir.Text):
        return block
    return msgspec.structs.replace(block, citations=(*block.citations, citation))


def remainder(candidate: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Return the leftovers of a candidate as name -> value: its members without an IR field, and those of its
    `content` as `content.NAME`; {} = there are none. The arguments are not changed.
    """
    extra = ir.merge(leftovers(candidate, CANDIDATE), leftovers(content, _CONTENT, "content"))
    return dict(extra[NAME]) if extra else {}


# --- Encoding ------------------------------------------------------------------------------------


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Encode a GenerateContentResponse, and report losses to `reply.report`. Raises RequestFailed if
    `response.error` is set.
    """
    if response.error is not None:
        raise RequestFailed(response.error)
    own, report = response.dialect == NAME, reply.report
    if response.status is not None:
        report.lose("status", "the Gemini API has no such field", "hint")
    draft = Draft(report, own, answer=True)
    feedback = feedback_of(response.candidates[0].stop) if own and response.candidates else None
    out: dict[str, Any] = {}
    if feedback is not None:
        out["promptFeedback"] = feedback
    elif not (own and response.candidates == (ir.Candidate((), UNANSWERED),)):
        out["candidates"] = [_encode_candidate(candidate, draft) for candidate in response.candidates]
    usage = encode_usage(response.usage, response.tier, report, own=own)
    if usage or response.usage is not None:
        out["usageMetadata"] = usage
    out |= identity(response.id, response.model, response.created, reply)
    restore(out, response.extra, report, "")
    return out


def identity(id: str | None, model: str | None, created: float | str | None, reply: Reply) -> dict[str, Any]:
    """Return the members `modelVersion`, `createTime` and `responseId` of an answer or of a chunk of a
    stream.

    id: as the provider stated it; None = the gateway's id (`reply.id`) is used. model: the model's name as
    the provider stated it; `reply.model` comes before it, the name in the request after it. created: the
    answer's date, as a text (written unchanged) or in Unix seconds (`reply.created` replaces a number that is
    no date); None = `createTime` is left out.
    """
    out: dict[str, Any] = {"modelVersion": reply.model or model or reply.request.model or ""}
    if created is not None:
        out["createTime"] = created if isinstance(created, str) else _dated(created, reply.created)
    return out | {"responseId": id if id is not None else reply.id}


def _dated(seconds: float, otherwise: int) -> str:
    """Return a date in Google's form. otherwise: the Unix seconds to use if `seconds` is not a date, such as
    a number beyond the year 9999.
    """
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        moment = datetime.fromtimestamp(otherwise, UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _encode_candidate(candidate: ir.Candidate, draft: Draft) -> dict[str, Any]:
    report, where = draft.report, f"candidates[{candidate.index}]"
    derived = are_derived(candidate.extra)
    sources = Sources(report)
    parts: list[dict[str, Any]] = []
    for index, block in enumerate(candidate.blocks):
        if (part := bare_text(block)) is None:
            place = f"{where}.blocks[{index}]"
            if (part := encode_part(block, draft, place)) is None:
                continue
            if isinstance(block, ir.Text) and not derived:
                for number, citation in enumerate(block.citations):
                    sources.cite(citation, block.text, f"{place}.citations[{number}]", part=len(parts))
        parts.append(part)
    called = any("functionCall" in part for part in parts)
    out: dict[str, Any] = {
        "content": {"parts": parts, "role": "model"},
        **encode_stop(candidate.stop, report, where, own=draft.own, called=called),
        "index": candidate.index,
        **encode_all(candidate.blocks, report, where, own=draft.own),
    }
    if grounding := sources.metadata():
        out[GROUNDING] = grounding
    restore(out, without_tokens(candidate.extra, out, report, where), report, where)
    return out


def are_derived(extra: ir.Extra) -> bool:
    """Whether the candidate's leftovers (`extra`) have Google's grounding or citation metadata, from which
    its citations were decoded. Then an encoder writes the metadata back, and not the citations.
    """
    own = (extra or {}).get(NAME)
    return own is not None and not own.keys().isdisjoint({GROUNDING, CITATIONS})
