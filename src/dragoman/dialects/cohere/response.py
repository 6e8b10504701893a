"""Cohere chat responses that are not streamed, decoded and encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.logprobs import put_logprobs
from dragoman.dialects.chat.stops import lose_stop
from dragoman.dialects.cohere.errors import fault_of
from dragoman.dialects.cohere.logprobs import decode_logprobs, encode_logprob
from dragoman.dialects.cohere.saying import CITATIONS, Saying, decode_saying
from dragoman.dialects.cohere.terms import (
    FAILURES,
    NAME,
    PLAN,
    STOP_WORDS,
    STOPS,
    STOPS_LOST,
    leftovers,
    restore,
)
from dragoman.dialects.cohere.usage import decode_usage, encode_usage
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Typed, an_object, sound, sound_tokens
from dragoman.errors import RequestFailed, WireError

_RESPONSE: Final = frozenset({"id", "message", "finish_reason", "usage", "logprobs"})
HEAD: Final = Typed(NAME, id=str, finish_reason=str, usage=dict, logprobs=list)
MESSAGE: Final = frozenset({"role", "content", PLAN, "tool_calls", CITATIONS})
SAID: Final = Typed(NAME, "message", tool_plan=str, tool_calls=list, citations=list)


def decode_response(body: dict[str, Any], _: Quirks) -> ir.Response:
    """Decode a response. Raises RequestFailed for an error in place of the object `message`, and if the
    finish reason says that the generation failed (then with the usage that the body states); WireError for an
    invalid body.
    """
    if type(body.get("message")) is not dict and is_failure(body):
        raise RequestFailed(fault_of(body))
    if (fault := failure_of(body.get("finish_reason"))) is not None:
        raise RequestFailed(fault, stated_usage(body))
    try:
        return sound(_decode(body))
    except (AttributeError, KeyError, TypeError) as error:
        raise WireError(f"the response has an unknown format: {error}") from error


def is_failure(body: dict[str, Any]) -> bool:
    """Whether a body or an event is an error: its `message` is a text, or it has an `error` that is not
    empty.
    """
    return type(body.get("message")) is str or bool(body.get("error"))


def failure_of(word: Any) -> ir.Fault | None:
    """Return the fault for a finish reason (`word`) that means a failed generation. None = another finish
    reason, or no finish reason is stated.
    """
    return FAILURES.get(word) if type(word) is str else None


def stated_usage(told: Mapping[str, Any]) -> ir.Usage | None:
    """Return the usage that `told` states in its member `usage`. told: the body of a response, or the `delta`
    of an event. None = the member is missing, empty, or not an object.
    """
    usage = told.get("usage")
    return decode_usage(usage) if usage and type(usage) is dict else None


def _decode(body: dict[str, Any]) -> ir.Response:
    message, odd_in = SAID.sort(an_object(body.get("message"), "message"))
    head, odd = HEAD.sort(body)
    blocks, left = decode_saying(message, "message")
    known = _RESPONSE
    items = head.get("logprobs")
    if items and not put_logprobs(blocks, ir.Text, sound_tokens(decode_logprobs, items)):
        known -= {"logprobs"}
    extra = ir.merge(leftovers(message, MESSAGE, "message"), odd_in)
    if left:
        extra = ir.merge(extra, {NAME: {f"message.{CITATIONS}": left}})
    called = any(isinstance(block, ir.ToolCall) for block in blocks)
    candidate = ir.Candidate(
        tuple(blocks), decode_stop(head.get("finish_reason"), called=called), extra=extra
    )
    usage = head.get("usage")
    return ir.Response(
        NAME,
        head.get("id"),
        candidates=(candidate,),
        usage=decode_usage(usage) if usage else None,
        extra=ir.merge(leftovers(head, known), odd),
    )


def decode_stop(word: str | None, *, called: bool) -> ir.Stop | None:
    """Return the stop of the IR for a finish reason (`word`); None = `word` is None. An unknown text becomes
    the reason "other", an empty one "end". called: True = the response has tool calls; then "tool" replaces
    the reason "end".
    """
    if word is None:
        return None
    stop = STOPS.get(word) or ir.Stop("other" if word else "end", raw=word)
    return ir.Stop("tool", raw=word) if called and stop.reason == "end" else stop


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Return the body for the client. It has the response's first candidate; further candidates are reported
    as lost. Without a candidate, the message has no content. Raises RequestFailed if the response has an
    error.
    """
    if response.error is not None:
        raise RequestFailed(response.error)
    report = reply.report
    draft = Draft(report, own=response.dialect == NAME, answer=True)
    lose_beside(response, draft)
    for candidate in response.candidates[1:]:
        report.lose(f"candidates[{candidate.index}]", ONE_ANSWER)
    chosen = response.candidates[0] if response.candidates else ir.Candidate()
    where = f"candidates[{chosen.index}]"
    saying = Saying(draft, partial(mint, draft, reply))
    message = saying.write(chosen.blocks, where)
    out: dict[str, Any] = {"id": response.id if response.id is not None else reply.id, "message": message}
    word = encode_stop(chosen.stop, draft, where, called=bool(saying.calls))
    if word is not None:
        out["finish_reason"] = word
    if (usage := shown_usage(response.usage, draft)) is not None:
        out["usage"] = usage
    if items := _encode_logprobs(chosen.blocks, draft, where):
        out["logprobs"] = items
    told: list[Any] = message.get(CITATIONS, [])
    restore(out, chosen.extra, report, where)
    left: list[Any] = message.get(CITATIONS, [])
    if told and left is not told:
        message[CITATIONS] = [*told, *left]
    restore(out, response.extra, report, "")
    return out


ONE_ANSWER: Final = "a response of the Cohere API has only one candidate"


def shown_usage(usage: ir.Usage | None, draft: Draft) -> dict[str, Any] | None:
    """Return the member `usage` for the client; None = the response came in this dialect without a usage, so
    the member is left out. For a response of another dialect without a usage, counts of 0 are returned and
    reported as an addition.
    """
    if usage is None and draft.own:
        return None
    if usage is None:
        draft.report.add("usage", "clients require token counts")
    return encode_usage(usage or ir.Usage(), draft.report, own=draft.own)


def lose_beside(answer: ir.Response | ir.Start, draft: Draft) -> None:
    """Report the model, the date (`created`), the status and the service tier of a response as lost, if it
    states them, because this dialect has no members for them. answer: a whole response, or the beginning of a
    streamed one.
    """
    for field in ("model", "created", "status", "tier"):
        if getattr(answer, field) is not None:
            draft.report.lose(field, f"a response of the Cohere API has no {field}", "hint")


def mint(draft: Draft, reply: Reply, stated: str | None, position: int) -> str | None:
    """Return the id to write for a call; None = no id is written. A call without an id gets a new one, made
    of the id of the reply and `position`, unless the response came in this dialect. stated: the call's own
    id, None = it has none. position: the number of the call in the response, from 0.
    """
    if stated is not None or draft.own:
        return stated
    return f"call_{reply.id.rpartition('-')[2]}_{position}"


def encode_stop(stop: ir.Stop | None, draft: Draft, where: str, *, called: bool) -> str | None:
    """Return the finish reason for the client; None = none is written. For a response of another dialect, a
    stop that Cohere cannot express is reported.

    stop: None = the response states none; the finish reason is then `COMPLETE`, or None for a response that
    came in this dialect. where: the candidate's IR path. called: True = the client gets tool calls; then, in
    a response of another dialect, the reason "end" becomes `TOOL_CALL`.
    """
    if stop is None:
        return None if draft.own else "COMPLETE"
    if draft.own:
        return STOP_WORDS[stop.reason] if stop.raw is None else stop.raw
    lose_stop(stop, draft.report, where + ".stop", STOPS_LOST)
    if called and stop.reason == "end":
        draft.report.change(f"{where}.stop.reason", "finish_reason", "the response ended with a tool call")
        return STOP_WORDS["tool"]
    return STOP_WORDS[stop.reason]


def _encode_logprobs(blocks: Sequence[ir.Block], draft: Draft, where: str) -> list[dict[str, Any]]:
    return [
        encode_logprob(token, draft.report, f"{where}.blocks[{index}]")
        for index, block in enumerate(blocks)
        if isinstance(block, ir.Text | ir.Refusal)
        for token in block.logprobs or ()
    ]
