"""Decodes and encodes whole Mistral chat responses (not streamed ones)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.logprobs import decode_tokens, put_logprobs
from dragoman.dialects.chat.response import choices_of, opening
from dragoman.dialects.chat.stops import decode_stop
from dragoman.dialects.chat.stops import encode_stop as chat_stop
from dragoman.dialects.leftovers import lose_items_of
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.errors import error_members, fault_of
from dragoman.dialects.mistral.saying import Saying, decode_saying
from dragoman.dialects.mistral.terms import (
    ANSWER_TIER_WORDS,
    ANSWER_TIERS,
    NAME,
    STOP_WORDS,
    STOPS_LOST,
    call_id,
    leftovers,
    restore,
)
from dragoman.dialects.mistral.usage import decode_usage, encode_usage
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Typed, an_object, numbered, sound, sound_tokens
from dragoman.errors import WireError

_RESPONSE: Final = frozenset({"id", "object", "created", "model", "choices", "usage"})
_CHOICE: Final = frozenset({"index", "message", "finish_reason", "logprobs"})
_TOKEN: Final = frozenset({"token", "logprob", "bytes", "token_id", "top_logprobs"})
_MESSAGE: Final = frozenset({"role", "content", "tool_calls", "prefix"})
HEAD: Final = Typed(NAME, id=str, model=str, created=(int, float, str), usage=dict)
CHOICE: Final = Typed(NAME, index=int, finish_reason=str)
_OBJECT: Final = "chat.completion"
encode_stop: Final = partial(chat_stop, words=STOP_WORDS, losses=STOPS_LOST)


def decode_logprobs(tokens: Sequence[dict[str, Any]]) -> tuple[ir.Logprob, ...]:
    """Decode the log probabilities of tokens: OpenAI's form, with `token_id` added. Raises AttributeError,
    KeyError, TypeError or ValueError (`typed.OF_ANOTHER_SHAPE`) if a token has an unexpected shape.
    """
    return decode_tokens(tokens, _TOKEN, leftovers)


def encode_logprobs(tokens: Sequence[ir.Logprob], report: Report, where: str) -> list[dict[str, Any]]:
    """Encode the log probabilities of tokens. where: the IR path of the tokens' text, for the report."""
    return [_encode_token(token, report, where) for token in tokens]


def _encode_token(token: ir.Logprob, report: Report, where: str) -> dict[str, Any]:
    out: dict[str, Any] = {"token": token.token, "logprob": token.logprob}
    out["bytes"] = list(token.bytes) if token.bytes is not None else list(token.token.encode())
    if token.id is not None:
        out["token_id"] = token.id
    if token.top is not None:
        out["top_logprobs"] = encode_logprobs(token.top, report, where)
    restore(out, token.extra, report, where + ".logprobs")
    return out


def decode_response(body: dict[str, Any], _: Quirks) -> ir.Response:
    """Decode a provider's response. Raises RequestFailed, with the usage that the body states, for an error
    with status 200; WireError for an invalid body.
    """
    try:
        return sound(_decode(body))
    except (AttributeError, KeyError, TypeError) as error:
        raise WireError(f"the response has an unknown format: {error}") from error


def _decode(body: dict[str, Any]) -> ir.Response:
    choices = choices_of(body, fault_of, decode_usage)
    head, odd = HEAD.sort(body)
    usage = head.get("usage")
    return ir.Response(
        NAME,
        head.get("id"),
        head.get("model") or None,
        head.get("created"),
        numbered([_candidate(choice, position) for position, choice in enumerate(choices)]),
        decode_usage(usage) if usage else None,
        tier=tier_of(usage) if usage else None,
        extra=ir.merge(
            leftovers(head, _RESPONSE if head.get("object") == _OBJECT else _RESPONSE - {"object"}), odd
        ),
    )


def tier_of(usage: dict[str, Any]) -> str | None:
    """Return the service tier that the `usage` of a response states, as the IR's word; an unknown word is
    returned unchanged. None = no word is stated.
    """
    word = usage.get("service_tier")
    return ANSWER_TIERS.get(word, word) if type(word) is str else None


def _candidate(choice: Any, position: int) -> ir.Candidate:
    where = f"choices[{position}]"
    choice, odd = CHOICE.sort(an_object(choice, where))
    message = an_object(choice.get("message") or {}, where + ".message")
    blocks = decode_saying(message, where + ".message")
    known = _CHOICE
    if (logprobs := choice.get("logprobs")) is not None and not _take_logprobs(logprobs, blocks):
        known -= {"logprobs"}
    members = _MESSAGE if not message.get("prefix") else _MESSAGE - {"prefix"}
    if type(message.get("tool_calls")) is not list:
        members -= {"tool_calls"}
    extra = ir.merge(leftovers(choice, known), leftovers(message, members, "message"))
    extra = ir.merge(extra, odd)
    called = any(isinstance(block, ir.ToolCall) for block in blocks)
    stop = decode_stop(choice.get("finish_reason"), called=called)
    index = choice.get("index")
    return ir.Candidate(tuple(blocks), stop, position if index is None else index, extra)


def _take_logprobs(logprobs: Any, blocks: list[ir.Block]) -> bool:
    """Add the log probabilities (`logprobs`, the member of a choice) to the first text in `blocks`. Returns
    True if they were added or have no tokens; False if their form is unknown, or there is no text.
    """
    if type(logprobs) is not dict:
        return False
    tokens = logprobs.get("content")
    if not logprobs.keys() <= {"content"}:
        return False
    return not tokens or put_logprobs(blocks, ir.Text, sound_tokens(decode_logprobs, tokens))


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Encode the response for a client of this dialect. An error in the response adds the members of an
    error. An answer of another dialect without usage gets zeros. Losses are reported to `reply.report`.
    """
    report = reply.report
    own = response.dialect == NAME
    draft = Draft(report, own=own, answer=True)
    out = opening(response, reply, _OBJECT, own=own)
    out["choices"] = [_choice(candidate, draft, reply) for candidate in response.candidates]
    lose_items_of(response, report)
    usage = response.usage
    if usage is None and not own:
        report.add("usage", "clients require token counts")
        usage = ir.Usage()
    if usage is not None:
        out["usage"] = shown_usage(usage, response.tier, report, own=own)
    if response.status is not None:
        report.lose("status", "a response of the Mistral API has no status", "hint")
    if response.error is not None:
        out |= error_members(response.error)
    restore(out, response.extra, report, "")
    return out


def shown_usage(usage: ir.Usage, tier: str | None, report: Report, *, own: bool) -> dict[str, Any]:
    """Return the member `usage` of a response, which in this dialect also states the service tier. tier: the
    IR's name of the tier; None = not stated. own: True = the answer came in this dialect.
    """
    out = encode_usage(usage, report, own=own)
    if tier is None:
        return out
    word = out["service_tier"] = ANSWER_TIER_WORDS.get(tier, tier)
    if ANSWER_TIERS.get(word, word) != tier or not word:
        report.change("tier", "usage.service_tier", "this is the name of the default service tier")
    return out


def mint(reply: Reply, candidate: int, position: int) -> str:
    """Make the id for a tool call that has none. The same call of the same response always gets the same id.

    candidate: the candidate's index. position: the call's position in this candidate.
    """
    return call_id(f"{reply.id} {candidate} {position}")


def _choice(candidate: ir.Candidate, draft: Draft, reply: Reply) -> dict[str, Any]:
    where = f"candidates[{candidate.index}]"
    saying = Saying(
        draft,
        lambda stated, position: stated if stated is not None else mint(reply, candidate.index, position),
    )
    message = saying.write(candidate.blocks, where)
    message.setdefault("tool_calls", None)
    out: dict[str, Any] = {
        "index": candidate.index,
        "message": message,
        "finish_reason": encode_stop(candidate.stop, draft, where, called=bool(saying.calls)),
    }
    if (logprobs := _encode_logprobs(candidate.blocks, draft, where)) is not None:
        out["logprobs"] = logprobs
    restore(out, candidate.extra, draft.report, where)
    return out


def _encode_logprobs(blocks: Sequence[ir.Block], draft: Draft, where: str) -> dict[str, Any] | None:
    tokens: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        if isinstance(block, ir.Text | ir.Refusal) and block.logprobs is not None:
            tokens += encode_logprobs(block.logprobs, draft.report, f"{where}.blocks[{index}]")
    return {"content": tokens} if tokens else None
