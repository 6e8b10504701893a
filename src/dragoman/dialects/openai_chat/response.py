"""Whole answers, both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat.answer import decode_answer
from dragoman.dialects.openai_chat.draft import Draft, is_enveloped
from dragoman.dialects.openai_chat.errors import error_member, failure, fault_of
from dragoman.dialects.openai_chat.saying import Saying
from dragoman.dialects.openai_chat.sound import voice_of
from dragoman.dialects.openai_chat.terms import (
    NAME,
    STOP_WORDS,
    STOPS,
    STOPS_LOST,
    leftovers,
    restore,
)
from dragoman.dialects.openai_chat.usage import decode_usage, encode_usage
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Typed, an_object, numbered, sound, sound_tokens
from dragoman.errors import RequestFailed, WireError

_RESPONSE: Final = frozenset({"id", "object", "created", "model", "choices", "usage", "service_tier"})
_CHOICE: Final = frozenset({"index", "message", "finish_reason", "logprobs", "stop_reason"})
_TOKEN: Final = frozenset({"token", "logprob", "bytes", "top_logprobs"})
_LOGPROBS: Final = frozenset({"content", "refusal"})
_OBJECT: Final = "chat.completion"
HEAD: Final = Typed(NAME, id=str, model=str, created=(int, float, str), service_tier=str)
CHOICE: Final = Typed(NAME, index=int, finish_reason=str)
_SCORED: Final = (ir.Text, ir.Refusal)
"""The blocks that may have log probabilities."""


# --- Decoding ----------------------------------------------------------------------------------


def decode_response(body: dict[str, Any], quirks: Quirks) -> ir.Response:
    """A whole answer. Raises RequestFailed for an error inside a 200, WireError for what is no answer."""
    try:
        return _decode(body, quirks)
    except (AttributeError, KeyError, TypeError) as error:
        raise WireError(f"the response has an unknown format: {error}") from error


def _decode(body: dict[str, Any], quirks: Quirks) -> ir.Response:
    if (failed := failure(body)) is not None:
        raise RequestFailed(fault_of(failed))
    choices = body.get("choices")
    if type(choices) is not list:
        raise WireError("expected an array", "choices")
    try:
        return sound(_completion(body, choices, quirks))
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
    known = _CHOICE
    if (logprobs := in_objects(choice.get("logprobs"))) is not None and not _take_logprobs(logprobs, blocks):
        known -= {"logprobs"}
    if sources:
        _cite(sources, blocks)
    if type(sequence := choice.get("stop_reason")) is not str:
        known, sequence = known - {"stop_reason"}, None
    delta = choice.get("delta")
    if isinstance(delta, dict) and not (delta.get("content") or delta.get("tool_calls")):
        known |= {"delta"}  # a stream's empty one beside the message
    extra = ir.merge(leftovers(choice, known), odd)
    if rest is not None:
        extra = ir.merge(extra, {NAME: {f"message.{key}": value for key, value in rest[NAME].items()}})
    called = any(isinstance(block, ir.ToolCall) for block in blocks)
    stop = decode_stop(choice.get("finish_reason"), sequence, called=called)
    index = choice.get("index")
    return ir.Candidate(tuple(blocks), stop, position if index is None else index, extra)


def decode_stop(word: str | None, sequence: str | None = None, *, called: bool) -> ir.Stop | None:
    """Why a candidate ended. called: whether it holds calls, which counts for more: many say `stop` then."""
    if not word:
        return None if word is None else ir.Stop("tool" if called else "end", raw=word)
    if sequence is not None:
        return ir.Stop("sequence", raw=word, sequence=sequence)
    stop = STOPS.get(word) or _in_lower_case(word)
    return ir.Stop("tool", raw=word) if called and stop.reason == "end" else stop


def _in_lower_case(word: str) -> ir.Stop:
    """The stop of a word that is no finish reason as it is; some gateways write them in capitals."""
    known = STOPS.get(word.lower())
    return ir.Stop("other" if known is None else known.reason, raw=word)


def sources_of(body: Mapping[str, Any]) -> tuple[ir.Citation, ...]:
    """Citations of the whole text, from the lists that search vendors put beside the message."""
    urls = body.get("citations")
    if not urls or not isinstance(urls, list):
        return ()
    results = body.get("search_results") or ()
    titles = {result.get("url"): result.get("title") for result in results if isinstance(result, dict)}
    return tuple(
        [ir.Citation("url", url, titles.get(url), form="citations") for url in urls if isinstance(url, str)]
    )


def _cite(sources: tuple[ir.Citation, ...], blocks: list[ir.Block]) -> None:
    for index, block in enumerate(blocks):
        if isinstance(block, ir.Text):
            blocks[index] = msgspec.structs.replace(block, citations=(*block.citations, *sources))
            return


def _take_logprobs(logprobs: Any, blocks: list[ir.Block]) -> bool:
    """Give log probabilities to the blocks whose text they are; False where there is none."""
    if type(logprobs) is not dict or not logprobs.keys() <= _LOGPROBS:
        return False
    for member, kind in (("content", ir.Text), ("refusal", ir.Refusal)):
        if not (tokens := logprobs.get(member)):
            continue
        place = next((index for index, block in enumerate(blocks) if isinstance(block, kind)), None)
        if place is None:
            return False
        if (decoded := read_logprobs(tokens)) is None:
            return False
        blocks[place] = msgspec.structs.replace(blocks[place], logprobs=decoded)
    return True


def in_objects(logprobs: Any) -> Any:
    """Log probabilities as chat has them. Fireworks and Together write the lists that completions have."""
    tokens = logprobs.get("tokens") if type(logprobs) is dict else None
    if type(tokens) is not list:
        return logprobs
    values, tops = logprobs.get("token_logprobs"), logprobs.get("top_logprobs") or [None] * len(tokens)
    if type(values) is not list or type(tops) is not list or not len(tokens) == len(values) == len(tops):
        return logprobs
    told = zip(tokens, values, tops, strict=True)
    return {"content": [_in_object(token, value, top) for token, value, top in told]}


def _in_object(token: Any, value: Any, top: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"token": token, "logprob": value}
    if type(top) is dict:
        told["top_logprobs"] = [{"token": other, "logprob": number} for other, number in top.items()]
    return told


def read_logprobs(tokens: Any) -> tuple[ir.Logprob, ...] | None:
    """Tokens with their log probabilities; None where they are none."""
    return sound_tokens(decode_logprobs, tokens)


def decode_logprobs(tokens: Sequence[dict[str, Any]]) -> tuple[ir.Logprob, ...]:
    """Tokens with their log probabilities."""
    return tuple([_logprob(token) for token in tokens])


def _logprob(token: dict[str, Any]) -> ir.Logprob:
    spelled, top = token.get("bytes"), token.get("top_logprobs")
    return ir.Logprob(
        token["token"],
        token["logprob"],
        tuple(spelled) if spelled is not None else None,
        decode_logprobs(top) if top is not None else None,
        extra=leftovers(token, _TOKEN),
    )


# --- Encoding ----------------------------------------------------------------------------------


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """The answer as a client of this dialect reads it."""
    report = reply.report
    own = response.dialect == NAME
    draft = Draft(report, own=own, answer=True, enveloped=is_enveloped(reply))
    out = opening(response, reply, _OBJECT, own=own)
    out["choices"] = [_choice(candidate, draft, reply) for candidate in response.candidates]
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


def opening(answer: ir.Response | ir.Start, reply: Reply, kind: str, *, own: bool) -> dict[str, Any]:
    """The members with which an answer, or each of its chunks, begins. kind: its `object`."""
    return {
        "id": answer.id if answer.id is not None else reply.id,
        "object": kind,
        "created": created_of(answer.created, reply, own=own),
        "model": shown_model(answer.model, reply),
    }


def created_of(created: float | str | None, reply: Reply, *, own: bool) -> Any:
    """The answer's date in Unix seconds; a vendor's own spelling stays."""
    if created is None:
        return reply.created
    if own or isinstance(created, int):
        return created
    if isinstance(created, str):
        try:
            date = datetime.fromisoformat(created)
        except ValueError:
            return reply.created
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    return int(created)


def shown_model(model: str | None, reply: Reply) -> str | None:
    """The model's name for the client."""
    return reply.model or model or reply.request.model


def legacy(reply: Reply) -> bool:
    """Whether the client knows functions only, not tools."""
    request = reply.request
    return request.dialect == NAME and (request.forms or {}).get("tools") == "functions"


def mint(reply: Reply, candidate: int, position: int) -> str:
    """An id for a call that came without one, the same whenever the same answer is written."""
    return f"call_{reply.id.rpartition('-')[2]}_{candidate}_{position}"


def _choice(candidate: ir.Candidate, draft: Draft, reply: Reply) -> dict[str, Any]:
    where = f"candidates[{candidate.index}]"
    saying = Saying(
        draft,
        lambda position: mint(reply, candidate.index, position),
        legacy=legacy(reply),
        voice=lambda: voice_of(reply, candidate.index),
    )
    message = saying.write(candidate.blocks, where)
    message.setdefault("refusal", None)
    out: dict[str, Any] = {
        "index": candidate.index,
        "message": message,
        "logprobs": _encode_logprobs(candidate.blocks),
        "finish_reason": encode_stop(
            candidate.stop, draft, where, called=bool(saying.calls), legacy="function_call" in message
        ),
    }
    if draft.own and candidate.stop is not None and candidate.stop.sequence is not None:
        out["stop_reason"] = candidate.stop.sequence
    if candidate.extra is not None:
        restore(out, candidate.extra, draft.report, where)
    return out


def encode_stop(stop: ir.Stop | None, draft: Draft, where: str, *, called: bool, legacy: bool) -> str | None:
    """The finish reason. called, legacy: whether the client is shown calls, or a `function_call`."""
    if stop is None:
        return None
    if draft.own and stop.raw is not None:
        return stop.raw
    if not draft.own:
        lose_stop(stop, draft.report, where + ".stop", STOPS_LOST)
    if legacy and stop.reason in {"tool", "end"}:
        return "function_call"
    if called and stop.reason == "end":
        draft.report.change(
            f"{where}.stop.reason", "choices[].finish_reason", "the response ended with a tool call"
        )
        return "tool_calls"
    return STOP_WORDS[stop.reason]


def lose_stop(stop: ir.Stop, report: Report, where: str, losses: Mapping[str, str]) -> None:
    """Name what a finish reason does not tell. losses: the reasons that say more than their word does."""
    if (lost := losses.get(stop.reason)) is not None:
        report.lose(where + ".reason", lost, "quality")
    if stop.sequence is not None:
        report.lose(where + ".sequence", "this protocol does not report the stop sequence", "hint")
    for key, value in (stop.detail or {}).items():
        if value:
            report.lose(f"{where}.detail.{key}", "this protocol has no details of a finish reason", "hint")


def _encode_logprobs(blocks: Sequence[ir.Block]) -> dict[str, Any] | None:
    out: dict[str, Any] | None = None
    for block in blocks:
        if isinstance(block, _SCORED) and block.logprobs is not None:
            out = out or {"content": None, "refusal": None}
            member = "content" if isinstance(block, ir.Text) else "refusal"
            out[member] = [*(out[member] or ()), *encode_logprobs(block.logprobs)]
    return out


def encode_logprobs(tokens: Sequence[ir.Logprob]) -> list[dict[str, Any]]:
    """Tokens with their log probabilities."""
    return [_encode_logprob(token) for token in tokens]


def _encode_logprob(token: ir.Logprob) -> dict[str, Any]:
    out: dict[str, Any] = {
        "token": token.token,
        "logprob": token.logprob,
        "bytes": list(token.bytes) if token.bytes is not None else None,
    }
    if token.top is not None:
        out["top_logprobs"] = encode_logprobs(token.top)
    out.update((token.extra or {}).get(NAME, {}))
    return out
