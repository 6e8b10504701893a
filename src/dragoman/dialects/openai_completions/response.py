"""Decodes and encodes whole completions responses (not streamed ones). Usage, finish reasons and errors are
those of chat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.response import choices_of, created_of, shown_model
from dragoman.dialects.chat.stops import decode_stop
from dragoman.dialects.chat.stops import encode_stop as chat_stop
from dragoman.dialects.leftovers import lose_item
from dragoman.dialects.openai.errors import error_member, fault_of
from dragoman.dialects.openai_completions.logprobs import (
    decode_logprobs,
    encode_logprobs,
    lose_beside_tokens,
)
from dragoman.dialects.openai_completions.request import echoed, prompt_of
from dragoman.dialects.openai_completions.terms import ID_PREFIX, NAME, OBJECT, leftovers, restore
from dragoman.dialects.openai_completions.usage import decode_usage, encode_usage
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Typed, an_object, numbered, required, sound, sound_tokens
from dragoman.errors import WireError

_RESPONSE: Final = frozenset({"id", "object", "created", "model", "choices", "usage"})
HEAD: Final = Typed(NAME, id=str, model=str, created=(int, float, str), usage=dict)
CHOICE: Final = Typed(NAME, index=int, finish_reason=str)
_CHOICE: Final = frozenset({"text", "index", "logprobs", "finish_reason"})


# --- Decoding ----------------------------------------------------------------------------------


def decode_response(body: dict[str, Any], quirks: Quirks) -> ir.Response:
    """Decode a provider's response. Each choice becomes a candidate with one text. Raises RequestFailed for
    an error with status 200, WireError for an invalid body. quirks: the vendor's, for the counts.
    """
    try:
        return sound(_decode(body, quirks))
    except (AttributeError, KeyError, TypeError) as error:
        raise WireError(f"the response has an unknown format: {error}") from error


def _decode(body: dict[str, Any], quirks: Quirks) -> ir.Response:
    choices = choices_of(body, fault_of, lambda usage: decode_usage(usage, quirks))
    head, odd = HEAD.sort(body)
    usage = head.get("usage")
    return ir.Response(
        NAME,
        head.get("id"),
        head.get("model") or None,
        head.get("created"),
        numbered([_candidate(choice, position) for position, choice in enumerate(choices)]),
        decode_usage(usage, quirks) if usage else None,
        extra=ir.merge(
            leftovers(head, _RESPONSE if head.get("object") == OBJECT else _RESPONSE - {"object"}), odd
        ),
    )


def _candidate(choice: Any, position: int) -> ir.Candidate:
    where = f"choices[{position}]"
    choice, odd = CHOICE.sort(an_object(choice, where))
    wire, known = choice.get("logprobs"), _CHOICE
    logprobs = sound_tokens(decode_logprobs, wire) if wire else None
    if wire and logprobs is None:
        known -= {"logprobs"}
    text, index = choice.get("text"), choice.get("index")
    if type(text) is not str:
        text = "" if text is None and "text" in choice else required(choice, "text", str, where)
    return ir.Candidate(
        (ir.Text(text, logprobs=logprobs),),
        decode_stop(choice.get("finish_reason"), called=False),
        position if index is None else index,
        ir.merge(leftovers(choice, known), odd),
    )


# --- Encoding ----------------------------------------------------------------------------------


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Return the response body for a client of this dialect. If the client asked for the prompt (`echo`), and
    the answer came in another dialect, each text begins with the prompt. An error in the response is written
    as the member `error`. Losses are reported to `reply.report`.
    """
    report = reply.report
    own = response.dialect == NAME
    draft = Draft(report, own=own, answer=True)
    out: dict[str, Any] = {
        "id": answer_id(response.id, reply, own=own),
        "object": OBJECT,
        "created": created_of(response.created, reply, own=own),
        "model": shown_model(response.model, reply),
        "choices": [_choice(candidate, draft, reply) for candidate in response.candidates],
    }
    if response.usage is not None:
        out["usage"] = encode_usage(response.usage, report, own=own)
    for field in ("status", "tier"):
        if getattr(response, field) is not None:
            report.lose(field, f"a response of the Completions API has no {field}", "hint")
    if response.error is not None:
        out["error"] = error_member(response.error)
    restore(out, response.extra, report, "")
    return out


def _choice(candidate: ir.Candidate, draft: Draft, reply: Reply) -> dict[str, Any]:
    where = f"candidates[{candidate.index}]"
    before = "" if draft.own else echoed(reply.request, candidate.index)
    out: dict[str, Any] = {
        "text": before + _text(candidate.blocks, draft, where),
        "index": candidate.index,
        "logprobs": _logprobs(candidate, reply),
        "finish_reason": encode_stop(candidate.stop, draft, where),
    }
    restore(out, candidate.extra, draft.report, where)
    return out


def _text(blocks: Sequence[ir.Block], draft: Draft, where: str) -> str:
    texts: list[str] = []
    for index, block in enumerate(blocks):
        place = f"{where}.blocks[{index}]"
        lose_beside(block, draft, place)
        if isinstance(block, ir.Text | ir.Refusal):
            texts.append(block.text)
    return "".join(texts)


def answer_id(stated: str | None, reply: Reply, *, own: bool) -> str:
    """Return the response id for the client: the upstream's id (`stated`), or the gateway's (`reply.id`) if
    the upstream stated none. The id of an upstream of another dialect is also replaced, which is reported as
    a change, if the gateway's id begins with `cmpl-`, its usual form.
    """
    if stated is None:
        return reply.id
    if not own and reply.id.startswith(ID_PREFIX):
        reply.report.change("id", "id", "created by the gateway in the format of completion ids")
        return reply.id
    return stated


def _logprobs(candidate: ir.Candidate, reply: Reply) -> dict[str, Any] | None:
    tokens: list[ir.Logprob] = []
    for index, block in enumerate(candidate.blocks):
        if isinstance(block, ir.Text | ir.Refusal) and block.logprobs:
            tokens += block.logprobs
            where = f"candidates[{candidate.index}].blocks[{index}]"
            lose_beside_tokens(block.logprobs, reply.report, where)
    start = len(prompt_of(reply.request, candidate.index))
    return encode_logprobs(tokens, start) if tokens else None


def lose_beside(block: ir.Block, draft: Draft, where: str) -> None:
    """Report the parts of a block that are not written. A text is written without citations, and without
    leftovers of other dialects. A refusal is written as text, which is reported as a change. Blocks of any
    other kind, such as thinking, are lost. A seal is reported as a change, because the gateway stores it.
    where: the block's IR path.
    """
    report = draft.report
    if isinstance(block, ir.Text):
        for index in range(len(block.citations)):
            report.lose(f"{where}.citations[{index}]", "the Completions API has no citations", "quality")
    elif isinstance(block, ir.Refusal):
        report.change(where, "choices[].text", "the refusal is written as text")
    elif isinstance(block, ir.Thinking):
        report.lose(where, "the Completions API has no reasoning", "hint")
    else:
        kind = block.kind if isinstance(block, ir.Media | ir.Native) else type(block).__name__
        report.lose(where, f"the Completions API returns only text, no {kind}")
    if getattr(block, "sealed", None) is not None:
        draft.leave_seal(where)
    restore({}, getattr(block, "extra", None), report, where)
    lose_item(block, report, where)


def encode_stop(stop: ir.Stop | None, draft: Draft, where: str) -> str | None:
    """Return the finish reason for a stop; None if `stop` is None. An answer that came in this dialect keeps
    its finish reason. In any other answer a tool call becomes "stop", and facts that the finish reason does
    not express are reported as lost. where: the candidate's IR path.
    """
    word = chat_stop(stop, draft, where, called=False, legacy=False)
    if draft.own or word != "tool_calls":
        return word
    draft.report.lose(f"{where}.stop.reason", "the Completions API has no finish reason for a tool call")
    return "stop"
