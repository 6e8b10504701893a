"""Decodes and encodes whole (not streamed) Ollama responses. The last line of a stream has the same form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.logprobs import decode_tokens, put_logprobs
from dragoman.dialects.chat.response import shown_model
from dragoman.dialects.chat.stops import lose_stop
from dragoman.dialects.chat.usage import lose_counts
from dragoman.dialects.estimate import ESTIMATED
from dragoman.dialects.leftovers import lose_items_of, lose_of_token
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama.errors import fault_of
from dragoman.dialects.ollama.saying import Saying, decode_saying
from dragoman.dialects.ollama.terms import NAME, STOP_WORDS, STOPS, STOPS_LOST, dated, leftovers, restore
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Count, Typed, an_object, sound, sound_tokens
from dragoman.errors import RequestFailed, WireError

ANSWER: Final = frozenset({"model", "created_at", "message", "done", "done_reason", "logprobs"})
COUNTS: Final = frozenset({"prompt_eval_count", "eval_count"})
_KNOWN: Final = ANSWER | COUNTS
MESSAGE: Final = frozenset({"role", "content", "thinking", "images", "tool_calls"})
HEAD: Final = Typed(
    NAME, model=str, created_at=(int, float, str), done_reason=str, prompt_eval_count=Count, eval_count=Count
)
SAID: Final = Typed(NAME, "message", thinking=str, images=list, tool_calls=list)
_TOKEN: Final = frozenset({"token", "logprob", "bytes", "top_logprobs"})
_DURATION: Final = "total_duration"
_NANOSECONDS: Final = 1_000_000_000
_INCLUDED: Final = (
    "cache_read",
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "tool_input",
    "reasoning",
)
"""Counts of the IR that this dialect includes in another count."""


def decode_response(body: dict[str, Any], _: Quirks) -> ir.Response:
    """Decode a response. Unknown members, and most members of a wrong type, become leftovers. Raises
    RequestFailed for a body with `error` and without `message`. Raises WireError if `message` is not an
    object, if its `content` is not text, or if an image or a call in it has an unknown form.
    """
    if "error" in body and "message" not in body:
        raise RequestFailed(fault_of(body))
    try:
        return sound(_decode(body))
    except (AttributeError, KeyError, TypeError) as error:
        raise WireError(f"the response has an unknown format: {error}") from error


def _decode(body: dict[str, Any]) -> ir.Response:
    body, odd = HEAD.sort(body)
    message, odd_in = SAID.sort(an_object(body.get("message"), "message"))
    blocks = decode_saying(message)
    known = _KNOWN
    if (tokens := body.get("logprobs")) and not put_logprobs(
        blocks, ir.Text, sound_tokens(decode_logprobs, tokens)
    ):
        known -= {"logprobs"}
    called = any(isinstance(block, ir.ToolCall) for block in blocks)
    candidate = ir.Candidate(
        tuple(blocks),
        decode_stop(body, called=called),
        extra=ir.merge(leftovers(message, MESSAGE, "message"), odd_in),
    )
    return ir.Response(
        NAME,
        None,
        body.get("model") or None,
        body.get("created_at"),
        (candidate,),
        decode_usage(body),
        extra=ir.merge(leftovers(body, known), odd),
    )


def decode_stop(body: Mapping[str, Any], *, called: bool) -> ir.Stop | None:
    """Return the stop that a response, or a line of a stream, states in `done_reason`; None = `done` is not
    true, so the response has not ended yet. No word means a normal end, an unknown word the reason "other".
    called: True = the response has tool calls; a normal end then becomes a stop with the reason "tool".
    """
    if not body.get("done"):
        return None
    word = body.get("done_reason") or ""  # older servers do not state it
    stop = STOPS.get(word) or ir.Stop("other" if word else "end", word)
    return ir.Stop("tool", stop.raw) if called and stop.reason == "end" else stop


def decode_usage(body: Mapping[str, Any]) -> ir.Usage | None:
    """Return the token counts of a response or a line; None = neither count is stated. A count that is not an
    integer >= 0 counts as not stated. The server may omit the prompt's count if it has cached the prompt;
    only the other count is then in the result.
    """
    asked, answered = _count(body, "prompt_eval_count"), _count(body, "eval_count")
    return None if asked is None and answered is None else ir.Usage(asked, output=answered)


def _count(body: Mapping[str, Any], member: str) -> int | None:
    count = body.get(member)
    return count if type(count) is int and count >= 0 else None


def decode_logprobs(tokens: Sequence[dict[str, Any]]) -> tuple[ir.Logprob, ...]:
    """Decode the value of `logprobs`, a list of tokens with their log probabilities. Raises KeyError,
    TypeError or AttributeError for a token of an unknown shape; the types of a token's values are not checked
    (`sound_tokens` does that).
    """
    return decode_tokens(tokens, _TOKEN, leftovers)


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Encode the first candidate of the response; the other candidates are reported as lost. A response
    without candidates becomes an empty message. Raises RequestFailed if the response has an `error`.
    """
    if response.error is not None:
        raise RequestFailed(response.error)
    report = reply.report
    draft = Draft(report, own=response.dialect == NAME, answer=True)
    lose_beside(response, draft)
    lose_items_of(response, report)
    for candidate in response.candidates[1:]:
        report.lose(f"candidates[{candidate.index}]", "a response of the Ollama API has only one candidate")
    chosen = response.candidates[0] if response.candidates else ir.Candidate()
    where = f"candidates[{chosen.index}]"
    saying = Saying(draft, minting(draft, reply))
    saying.add(chosen.blocks, where)
    out: dict[str, Any] = {
        "model": shown_model(response.model, reply),
        "created_at": dated(response.created, reply.created),
        "message": saying.done(),
    }
    if tokens := _encode_tokens(chosen.blocks, draft, where):
        out["logprobs"] = tokens
    out |= ending(chosen.stop, response.usage, draft, reply, where, called=bool(saying.calls))
    restore(out, chosen.extra, report, where)
    restore(out, response.extra, report, "")
    return out


def lose_beside(answer: ir.Response | ir.Start, draft: Draft) -> None:
    """Report the id, status and service tier of a response as lost, if it has them, because this dialect has
    no members for them.
    """
    for field in ("id", "status", "tier"):
        if getattr(answer, field) is not None:
            draft.report.lose(field, f"a response of the Ollama API has no {field}", "hint")


def minting(draft: Draft, reply: Reply) -> Callable[[str | None, int], str | None]:
    """Make the function `mint` for a `Saying`. The function gets the id that a call states (None = none) and
    the call's position in the response, and returns the id to write: the stated id; without one None (no id)
    if the response came in this dialect, otherwise a new id.
    """

    def mint(stated: str | None, position: int) -> str | None:
        if stated is not None or draft.own:
            return stated
        return f"call_{reply.id.rpartition('-')[2]}_{position}"

    return mint


def ending(
    stop: ir.Stop | None, usage: ir.Usage | None, draft: Draft, reply: Reply, where: str, *, called: bool
) -> dict[str, Any]:
    """Return the members at the end of a response: `done`, `done_reason`, the token counts and, if the
    response came in another dialect, `total_duration` (the nanoseconds since the request came).

    stop: None = not stated; a response of this dialect then has `done: false`, any other response has
    `done: true` and the reason "stop". usage: None = not stated. where: the candidate's IR path. called:
    whether the response has tool calls; it only decides what is reported, because Ollama has no finish reason
    for calls.
    """
    out: dict[str, Any] = {"done": stop is not None or not draft.own}
    if stop is None:
        word = "" if draft.own else "stop"
    elif draft.own:
        word = STOP_WORDS[stop.reason] if stop.raw is None else stop.raw
    else:
        lose_stop(stop, draft.report, where + ".stop", STOPS_LOST)
        if stop.reason == "end" and called:
            draft.report.change(
                where + ".stop.reason",
                "done_reason",
                "the tool call itself shows that the response ended with it",
            )
        elif stop.reason == "tool" and not called:
            draft.report.lose(where + ".stop.reason", "without a tool call it is reported as `stop`", "hint")
        word = STOP_WORDS[stop.reason]
    if word:
        out["done_reason"] = word
    if not draft.own and (passed := round(reply.elapsed * _NANOSECONDS)):
        out[_DURATION] = passed
    return out | encode_usage(usage, draft)


def encode_usage(usage: ir.Usage | None, draft: Draft) -> dict[str, Any]:
    """Return the members for the token counts, with the leftovers of the usage (such as durations)
    and the mark of estimated counts; {} if `usage` is None. For a response of this dialect, only
    the counts that it stated are written. For any other response both are written (an unknown one
    as 0), and the counts for which this dialect has no member are reported as lost.
    """
    if usage is None:
        return {}
    out: dict[str, Any] = {}
    if not draft.own or usage.input is not None:
        out["prompt_eval_count"] = usage.input_total
    if not draft.own or usage.output is not None:
        out["eval_count"] = usage.output_total
    if not draft.own:
        lose_counts(usage, draft.report, _INCLUDED, (), "the Ollama API")
    restore(out, usage.extra, draft.report, "usage")
    if usage.estimated:
        out[ESTIMATED] = True
    return out


def _encode_tokens(blocks: Sequence[ir.Block], draft: Draft, where: str) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        if isinstance(block, ir.Text | ir.Refusal) and block.logprobs is not None:
            out += encode_logprobs(block.logprobs, draft.report, f"{where}.blocks[{index}]")
    return out


def encode_logprobs(tokens: Sequence[ir.Logprob], report: Report, where: str) -> list[dict[str, Any]]:
    """Encode the tokens with their log probabilities. Token ids, and leftovers of other dialects, are
    reported as lost. where: the IR path of the text that the tokens form.
    """
    return [_encode_token(token, report, where) for token in tokens]


def _encode_token(token: ir.Logprob, report: Report, where: str) -> dict[str, Any]:
    out: dict[str, Any] = {"token": token.token, "logprob": token.logprob}
    if token.bytes is not None:
        out["bytes"] = list(token.bytes)
    if token.top is not None:
        out["top_logprobs"] = encode_logprobs(token.top, report, where)
    lose_of_token(token, report, where + ".logprobs", "id")
    restore(out, token.extra, report, where + ".logprobs")
    return out
