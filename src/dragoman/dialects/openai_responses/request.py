"""Decodes and encodes requests. `history`, `tools`, `output` and `reasoning` do this for the large members.

Request.forms says how the client wrote a field: "input": "text" for a string, "none" without an input;
"stream": "false" for a stated false; "top_logprobs": "0" for a stated 0; "events": "open" for a client of
Open Responses. The encoder itself asks for encrypted reasoning unless `store` is true or the model is known
to have no reasoning. So the decoder keeps the client's `include` value for encrypted reasoning only if
`store` is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.fields import Fields, within
from dragoman.dialects.openai.caching import CACHING, decode_caching, encode_caching
from dragoman.dialects.openai.sampling import leave_out_sampling
from dragoman.dialects.openai_responses.check import MIN_OUTPUT, SCALARS
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.history import decode_input, encode_history
from dragoman.dialects.openai_responses.include import included
from dragoman.dialects.openai_responses.output import decode_output, encode_output
from dragoman.dialects.openai_responses.reasoning import decode_reasoning, encode_reasoning
from dragoman.dialects.openai_responses.terms import (
    ENCRYPTED,
    LEFTOVERS,
    LOGPROBS,
    NAME,
    OPEN_RESPONSES,
    PATH,
    TIERS,
    leftovers,
    restore,
)
from dragoman.dialects.openai_responses.tools import decode_choice, decode_tools, encode_tools
from dragoman.dialects.request import Target, WireRequest, states
from dragoman.dialects.severity import of_refused
from dragoman.errors import WireError

_ALIKE: Final = {
    "user": "user",
    "safety_identifier": "safety_identifier",
    "metadata": "metadata",
    "service_tier": "tier",
    "moderation": "moderation",
    "previous_response_id": "previous",
    "conversation": "conversation",
    "background": "background",
    "truncation": "truncation",
}
"""Member whose value is the same in the IR -> its field in `ir.Request`."""
MAPS: Final = (
    frozenset({"model", "input", "instructions", "stream", "max_output_tokens", "text", "reasoning", "store"})
    | frozenset({"tools", "tool_choice", "parallel_tool_calls"})
    | frozenset(_ALIKE)
    | frozenset(SCALARS)
    | CACHING
)
"""The members that have a field in the IR; `Request.extra` never holds them."""
_READ: Final = MAPS | {"include"}
_NO_SAMPLING: Final = ir.Sampling()
_ABSENT: Final[dict[str, str]] = {
    "stop": "the Responses API has no stop sequences",
    "logit_bias": "the Responses API has no logit bias",
    "seed": "the Responses API has no seed",
    "top_k": "the Responses API has no top_k",
    "min_p": "the Responses API has no min_p",
    "frequency_penalty": "the Responses API has no penalties",
    "presence_penalty": "the Responses API has no penalties",
    "repetition_penalty": "the Responses API has no penalties",
}
"""Field of ir.Sampling that OpenAI's API lacks -> the reason for the loss. A vendor's server may have the
parameter (`Quirks.extensions`), and a client of this dialect may write a parameter that is in `SCALARS`."""

# --- Decoding ----------------------------------------------------------------------------------


def decode_request(wire: WireRequest) -> ir.Request:
    """Decode a request that `check` has accepted. Raises WireError for an `input` that is not a list, a
    string or null, and for an item or a part that is not an object.
    """
    body = wire.body
    get = body.get
    forms = _event_names(wire)
    stream = get("stream") is True
    if get("stream") is False:
        forms["stream"] = "false"
    extra = leftovers(body, _READ)
    if (include := get("include")) is not None:
        implied = {LOGPROBS} if get("store") is True else {LOGPROBS, ENCRYPTED}
        if rest := [word for word in include if word not in implied]:
            extra = ir.merge(extra, {NAME: {"include": rest}})
    tools, choice, text, reasoning = get("tools"), get("tool_choice"), get("text"), get("reasoning")
    instructions = get("instructions")
    return ir.Request(
        dialect=NAME,
        model=get("model"),
        messages=decode_input(get("input"), forms),
        system=() if instructions is None else (ir.Text(instructions),),
        tools=None if tools is None else decode_tools(tools),
        tool_choice=None if choice is None else decode_choice(choice),
        parallel=get("parallel_tool_calls"),
        sampling=_decode_sampling(body, forms, logprobs=LOGPROBS in (include or ())),
        max_output=get("max_output_tokens"),
        output=None if text is None else decode_output(text),
        reasoning=None if reasoning is None else decode_reasoning(reasoning),
        cache=None if CACHING.isdisjoint(body) else decode_caching(body, LEFTOVERS),
        store=get("store"),
        stream=stream,
        stream_usage=True if stream else None,
        forms=forms or None,
        extra=extra,
        **{field: body[member] for member, field in _ALIKE.items() if member in body},
    )


def portable(wire: WireRequest) -> None:
    """Raise WireError if the request has a stored prompt, which only its own provider can read."""
    if wire.body.get("prompt") is not None:
        raise WireError(
            "a stored prompt is available only at its own provider", "prompt", "unsupported_value"
        )


def brief(wire: WireRequest) -> ir.Request:
    """Decode only the fields that decide the form of the answer: the model, `stream`, and the names of
    reasoning events (`Request.forms`). The usage is always wanted in a stream. wire: a request that `check`
    has accepted.
    """
    stream = wire.body.get("stream") is True
    return ir.Request(
        NAME,
        wire.body.get("model"),
        stream=stream,
        stream_usage=True if stream else None,
        forms=_event_names(wire) or None,
    )


def _event_names(wire: WireRequest) -> dict[str, str]:
    return {"events": "open"} if OPEN_RESPONSES in wire.headers else {}


def _decode_sampling(body: Mapping[str, Any], forms: dict[str, str], *, logprobs: bool) -> ir.Sampling:
    stated = {member: body[member] for member in SCALARS if body.get(member) is not None}
    if logprobs:
        stated["logprobs"] = True
    elif stated.get("top_logprobs") == 0:
        del stated["top_logprobs"]
        forms["top_logprobs"] = "0"
    return ir.Sampling(**stated) if stated else _NO_SAMPLING


# --- Encoding ----------------------------------------------------------------------------------


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """Encode a request. It asks the provider to store nothing, unless a client of this dialect wrote `store:
    true`. Members that the vendor refuses are left out. Losses and changes are reported (`target.report`).
    Raises WireError, with an IR path, for several candidates, audio or video output, or a medium that no part
    can hold.
    """
    draft = Draft(target.report, target.quirks, target.facts, own=request.dialect == NAME)
    forms = (request.forms or {}) if draft.own else {}
    body: dict[str, Any] = {"model": target.model if target.model is not None else request.model}
    encode_history(body, request, draft)
    if request.tools is not None or request.tool_choice is not None or request.parallel is not None:
        encode_tools(body, request, draft)
    _encode_sampling(body, request, draft)
    _encode_wishes(body, request, draft)
    for member, field in _ALIKE.items():
        if (value := getattr(request, field)) is not None:
            body[member] = value
    if request.stream:
        body["stream"] = True
    elif "stream" in forms:
        body["stream"] = False
    if "top_logprobs" in forms:
        body["top_logprobs"] = 0
    if not draft.own:
        _lose_foreign(body, request, draft)
    FIELDS.lose(request, draft.report)
    stored = request.store if states(request, NAME, "store") else None
    if stored is None and request.store:
        draft.report.change("store", "", "the gateway stores the response itself")
    body["store"] = bool(stored)
    if request.extra is not None:
        restore(body, request.extra, draft.report, "")
    _encode_include(body, request, draft)
    for member in draft.quirks.refuses & body.keys():
        if body.pop(member) != _OURS.get(member):
            where = _PLACES.get(member, member)
            draft.report.lose(where, f"the provider rejects `{member}`", of_refused(NAME, where))
    return WireRequest("chat", body, path=PATH)


def _encode_wishes(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    if request.max_output is not None:
        body["max_output_tokens"] = _bound(request, request.max_output, draft)
    if request.output is not None:
        encode_output(body, request.output, draft)
    if request.reasoning is not None:
        encode_reasoning(body, request.reasoning, draft)
    if request.cache is not None:
        encode_caching(body, request.cache, draft, LEFTOVERS)


_OURS: Final = {"store": False, "include": [ENCRYPTED]}
"""Member -> the value that the gateway itself writes. If a vendor refuses the member, removing this value is
not a loss."""
_PLACES: Final = {
    "include": "sampling.logprobs",
    "max_output_tokens": "max_output",
    "parallel_tool_calls": "parallel",
    "service_tier": "tier",
    "text": "output",
    "temperature": "sampling.temperature",
    "top_p": "sampling.top_p",
    "prompt_cache_key": "cache.key",
}


def _bound(request: ir.Request, tokens: int, draft: Draft) -> int:
    if tokens >= MIN_OUTPUT or states(request, NAME, "max_output"):
        return tokens
    draft.report.change("max_output", "max_output_tokens", f"raised to {MIN_OUTPUT}, the minimum")
    draft.report.lose("max_output", f"raised to {MIN_OUTPUT}, the minimum", "quality")
    return MIN_OUTPUT


def _encode_sampling(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    sampling = request.sampling
    if sampling is _NO_SAMPLING:
        return
    if sampling.n is not None and sampling.n > 1:
        raise WireError("the Responses API returns only one candidate", "sampling.n", "unsupported_value")
    for member in SCALARS:
        value = getattr(sampling, member)
        if value is not None and (member not in _ABSENT or states(request, NAME, f"sampling.{member}")):
            body[member] = value
    for member in _ABSENT:
        if member in draft.quirks.extensions and (value := getattr(sampling, member)) is not None:
            body[member] = value
    FIELDS.lose(sampling, draft.report, "sampling", written=body)
    if draft.facts.sampling is False:
        leave_out_sampling(body, ("temperature", "top_p"), draft)


def _encode_include(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Write `include`: the value for log probabilities if they are asked for, the leftover values, which
    `body` has already, and the value for encrypted reasoning (`included`). The caller has written `store`
    into `body`.
    """
    asked = [LOGPROBS] if request.sampling.logprobs else []
    if words := included([*asked, *body.pop("include", ())], draft.facts, stored=body["store"]):
        body["include"] = words


def _lose_foreign(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Remove from `body` the settings of another dialect's request that this provider cannot follow (an
    unknown service tier, an earlier response by its id, a conversation) or that the gateway carries out
    itself (`background`). Each is reported.
    """
    report = draft.report
    if request.tier is not None and request.tier not in TIERS:
        report.lose("tier", f"the provider has no service tier {request.tier}")
        del body["service_tier"]
    for member in ("previous_response_id", "conversation"):
        if body.pop(member, None) is not None:
            report.lose(_ALIKE[member], "state of another protocol cannot be referenced")
    if body.pop("background", None):
        report.change("background", "", "the gateway does this itself")


FIELDS: Final = Fields(
    NAME,
    handled={
        encode_request: ("model", "stream", "stream_usage", *_ALIKE.values(), "store"),
        encode_history: ("system", "messages"),
        encode_tools: ("tools", "tool_choice", "parallel"),
        _encode_sampling: ("sampling.n", *(f"sampling.{field}" for field in SCALARS if field not in _ABSENT)),
        _encode_include: ("sampling.logprobs",),
        _bound: ("max_output",),
        encode_output: within("output", "kind schema name description strict modalities audio verbosity"),
        encode_reasoning: within("reasoning", "mode effort budget summary visible"),
        encode_caching: within("cache", "key mode ttl retention mark"),
    },
    lost={
        "prediction": "the Responses API has no predicted output",
        **{f"sampling.{field}": reason for field, reason in _ABSENT.items()},
    },
)
"""For each field of ir.Request, the function that encodes it, or the reason why it is lost."""
