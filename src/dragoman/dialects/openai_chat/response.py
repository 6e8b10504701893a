"""Decodes and encodes whole chat responses (not streamed ones)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft, is_enveloped
from dragoman.dialects.chat.logprobs import put_logprobs
from dragoman.dialects.chat.response import choices_of, opening
from dragoman.dialects.chat.stops import decode_stop, encode_stop
from dragoman.dialects.leftovers import lose_items_of
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.errors import error_member, fault_of
from dragoman.dialects.openai.logprobs import encode_logprobs, in_objects, read_logprobs
from dragoman.dialects.openai.terms import NAME, leftovers, restore
from dragoman.dialects.openai.usage import decode_usage, encode_usage
from dragoman.dialects.openai_chat.answer import decode_answer, is_vendors_own
from dragoman.dialects.openai_chat.saying import Saying
from dragoman.dialects.openai_chat.sound import voice_of
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Typed, an_object, numbered, sound
from dragoman.errors import WireError

_RESPONSE: Final = frozenset({"id", "object", "created", "model", "choices", "usage", "service_tier"})
_CHOICE: Final = frozenset({"index", "message", "finish_reason", "logprobs", "stop_reason"})
_LOGPROBS: Final = frozenset({"content", "refusal"})
_OBJECT: Final = "chat.completion"
HEAD: Final = Typed(NAME, id=str, model=str, created=(int, float, str), service_tier=str)
CHOICE: Final = Typed(NAME, index=int, finish_reason=str)
_SCORED: Final = (ir.Text, ir.Refusal)
"""Blocks that may have log probabilities."""


def decode_response(body: dict[str, Any], quirks: Quirks) -> ir.Response:
    """Decode a provider's response. Raises RequestFailed for an error with status 200, WireError for an
    invalid body.
    """
    try:
        return sound(
            _completion(body, choices_of(body, fault_of, lambda usage: decode_usage(usage, quirks)), quirks)
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise WireError(f"the response has an unknown format: {error}") from error


def _completion(body: dict[str, Any], choices: list[Any], quirks: Quirks) -> ir.Response:
    head, odd = HEAD.sort(body)
    usage, known = head.get("usage"), _RESPONSE
    if type(usage) is not dict:
        usage, known = None, known - {"usage"}
    if head.get("object") != _OBJECT:
        known -= {"object"}
    sources = sources_of(head)
    return ir.Response(
        NAME,
        head.get("id"),
        head.get("model") or None,
        head.get("created"),
        numbered([_candidate(choice, index, sources) for index, choice in enumerate(choices)]),
        decode_usage(usage, quirks) if usage else None,
        tier=head.get("service_tier"),
        extra=ir.merge(leftovers(head, known), odd),
    )


def _candidate(choice: Any, position: int, sources: tuple[ir.Citation, ...]) -> ir.Candidate:
    where = f"choices[{position}]"
    choice, odd = CHOICE.sort(an_object(choice, where))
    message = choice.get("message") or {}
    blocks, rest = decode_answer(an_object(message, where + ".message"), where + ".message")
    known, beside = _CHOICE, None
    if (logprobs := in_objects(choice.get("logprobs"))) is not None:
        if _take_logprobs(logprobs, blocks):
            beside = leftovers(logprobs, _LOGPROBS, "logprobs")
        else:
            known -= {"logprobs"}
    if sources:
        _cite(sources, blocks)
    if type(sequence := choice.get("stop_reason")) is not str:
        known, sequence = known - {"stop_reason"}, None
    delta = choice.get("delta")
    if isinstance(delta, dict) and not (delta.get("content") or delta.get("tool_calls")):
        known |= {"delta"}  # an empty stream delta beside the message
    extra = ir.merge(ir.merge(leftovers(choice, known), odd), beside)
    if rest is not None:
        extra = ir.merge(extra, {NAME: {f"message.{key}": value for key, value in rest[NAME].items()}})
    called = any(isinstance(block, ir.ToolCall) for block in blocks)
    stop = decode_stop(choice.get("finish_reason"), sequence, called=called)
    index = choice.get("index")
    return ir.Candidate(tuple(blocks), stop, position if index is None else index, extra)


def sources_of(body: Mapping[str, Any]) -> tuple[ir.Citation, ...]:
    """Return the citations of an answer's whole text: one for each text in the list `citations` of the body,
    where search vendors put URLs. () if there is no such list. Their form is "citations", and their titles
    come from `search_results`; a title may be None.
    """
    urls = body.get("citations")
    if not urls or not isinstance(urls, list):
        return ()
    stated = body.get("search_results")
    results = [one for one in stated if isinstance(one, dict)] if isinstance(stated, list) else []
    titles = {
        url: title
        for result in results
        if isinstance(url := result.get("url"), str) and isinstance(title := result.get("title"), str | None)
    }
    return tuple(
        [ir.Citation("url", url, titles.get(url), form="citations") for url in urls if isinstance(url, str)]
    )


def _cite(sources: tuple[ir.Citation, ...], blocks: list[ir.Block]) -> None:
    for index, block in enumerate(blocks):
        if isinstance(block, ir.Text):
            blocks[index] = msgspec.structs.replace(block, citations=(*block.citations, *sources))
            return


def _take_logprobs(logprobs: Any, blocks: list[ir.Block]) -> bool:
    """Add a choice's `logprobs` to the first text and the first refusal in `blocks`. Returns whether all
    could be added; if not, those of the text may have been added.
    """
    if type(logprobs) is not dict:
        return False
    if not logprobs.keys() <= _LOGPROBS and not any(map(logprobs.get, _LOGPROBS)):
        return False  # nothing is known of it
    for member, kind in (("content", ir.Text), ("refusal", ir.Refusal)):
        tokens = logprobs.get(member)
        if tokens and not put_logprobs(blocks, kind, read_logprobs(tokens)):
            return False
    return True


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Return the response body for a client of this dialect. An error in the response is written as the
    member `error`. Losses are reported to `reply.report`.
    """
    report = reply.report
    own = response.dialect == NAME
    draft = Draft(report, own=own, answer=True, enveloped=is_enveloped(reply))
    out = opening(response, reply, _OBJECT, own=own)
    out["choices"] = [_choice(candidate, draft, reply) for candidate in response.candidates]
    lose_items_of(response, report)
    if response.usage is not None:
        out["usage"] = encode_usage(response.usage, report, own=own)
    if response.tier is not None:
        out["service_tier"] = response.tier
    if response.status is not None:
        report.lose("status", "the response has no status field", "hint")
    if response.error is not None:
        out["error"] = error_member(response.error)
    if response.extra is not None:
        restore(out, response.extra, report, "")
    return out


def legacy(reply: Reply) -> bool:
    """Whether the client's request offers the older `functions` instead of `tools`. Such a client expects
    `function_call` in the response, not `tool_calls`.
    """
    request = reply.request
    return request.dialect == NAME and (request.forms or {}).get("tools") == "functions"


def mint(reply: Reply, candidate: int, position: int) -> str:
    """Make the id for a tool call that has none. The same call of the same response always gets the same id.

    candidate: the candidate's index. position: the call's position in this candidate.
    """
    return f"call_{reply.id.rpartition('-')[2]}_{candidate}_{position}"


def _choice(candidate: ir.Candidate, draft: Draft, reply: Reply) -> dict[str, Any]:
    where, blocks = f"candidates[{candidate.index}]", candidate.blocks
    logprobs, called = None, False
    if len(blocks) == 1 and type(text := blocks[0]) is ir.Text and text == ir.Text(text.text):
        message: dict[str, Any] = {"role": "assistant", "content": text.text}
    else:
        saying = Saying(
            draft,
            lambda position: mint(reply, candidate.index, position),
            legacy=legacy(reply),
            voice=lambda: voice_of(reply, candidate.index),
        )
        message = saying.write(blocks, where)
        logprobs, called = (
            _encode_logprobs(blocks, draft.report, where),
            not all(map(is_vendors_own, saying.calls)),
        )
    message.setdefault("refusal", None)
    out: dict[str, Any] = {
        "index": candidate.index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": encode_stop(
            candidate.stop, draft, where, called=called, legacy="function_call" in message
        ),
    }
    if draft.own and candidate.stop is not None and candidate.stop.sequence is not None:
        out["stop_reason"] = candidate.stop.sequence
    if candidate.extra is not None:
        restore(out, candidate.extra, draft.report, where)
    return out


def _encode_logprobs(blocks: Sequence[ir.Block], report: Report, where: str) -> dict[str, Any] | None:
    out: dict[str, Any] | None = None
    for index, block in enumerate(blocks):
        if isinstance(block, _SCORED) and block.logprobs is not None:
            out = out or {"content": None, "refusal": None}
            member = "content" if isinstance(block, ir.Text) else "refusal"
            told = encode_logprobs(block.logprobs, report, f"{where}.blocks[{index}]")
            out[member] = [*(out[member] or ()), *told]
    return out
