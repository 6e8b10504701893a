"""Decodes and encodes Mistral chat requests. `history` does this for the messages, `tools` for the tools.

Request.forms: "stop": "string" for a bare string; "stream": "false" for a stated false. `reasoning_effort` is
Reasoning.effort; `prompt_mode` is Reasoning.mode, where "reasoning" is "on".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.reasoning import by_effort
from dragoman.dialects.facts import SAMPLING
from dragoman.dialects.fields import ANSWERS_ONLY, Fields, within
from dragoman.dialects.leftovers import lose_items
from dragoman.dialects.mistral.check import SCALARS
from dragoman.dialects.mistral.history import decode_messages, encode_messages
from dragoman.dialects.mistral.terms import (
    LEAST_TOP_P,
    MAX_TEMPERATURE,
    NAME,
    PATH,
    TIER_WORDS,
    TIERS,
    leftovers,
    narrower,
    restore,
)
from dragoman.dialects.mistral.tools import decode_choice, decode_tools, encode_tools
from dragoman.dialects.openai.sampling import leave_out_sampling
from dragoman.dialects.openai.strictness import strictness
from dragoman.dialects.request import MADE, Target, WireRequest, states
from dragoman.errors import WireError

_SAMPLING: Final = {member: member.removeprefix("random_") for member in SCALARS}
"""Member -> the field of ir.Sampling with the same value."""
MAPS: Final = frozenset(
    {
        *_SAMPLING,
        *("model", "messages", "stream", "stop", "max_tokens", "tools", "tool_choice", "parallel_tool_calls"),
        *("response_format", "reasoning_effort", "prompt_mode", "metadata", "prompt_cache_key"),
        *("service_tier", "prediction"),
    }
)
"""The top-level members that have a field in `ir.Request`; all others are leftovers in `Request.extra`."""
_STEERED: Final = frozenset({*_SAMPLING, "stop"})
_FORMAT: Final = frozenset({"type", "json_schema"})
_TYPE: Final = frozenset({"type"})
_SCHEMA: Final = frozenset({"name", "description", "schema", "strict"})
_PREDICTION: Final = frozenset({"type", "content"})
_NO_SAMPLING: Final = ir.Sampling()
_THINKING: Final = "reasoning"


def decode_request(wire: WireRequest) -> ir.Request:
    """Decode a request that has passed `check`. Raises WireError for a message of unknown form."""
    body = wire.body
    get = body.get
    keys = body.keys()
    forms: dict[str, str] = {}
    if get("stream") is False:
        forms["stream"] = "false"
    tools, choice, predicted = get("tools"), get("tool_choice"), get("prediction")
    key, tier = get("prompt_cache_key"), get("service_tier")
    return ir.Request(
        dialect=NAME,
        model=get("model"),
        messages=decode_messages(get("messages") or ()),
        tools=None if tools is None else decode_tools(tools),
        tool_choice=None if choice is None else decode_choice(choice),
        parallel=get("parallel_tool_calls"),
        sampling=_NO_SAMPLING if keys.isdisjoint(_STEERED) else _decode_sampling(body, forms),
        max_output=get("max_tokens"),
        output=_decode_output(get("response_format")),
        reasoning=_decode_reasoning(body),
        cache=None if key is None else ir.Caching(key),
        prediction=None if predicted is None else (ir.Text(predicted.get("content") or ""),),
        metadata=get("metadata"),
        tier=TIERS.get(tier, tier) if tier is not None else None,
        stream=get("stream") is True,
        forms=forms or None,
        extra=ir.merge(leftovers(body, MAPS), leftovers(predicted or {}, _PREDICTION, "prediction")),
    )


def brief(wire: WireRequest) -> ir.Request:
    """Return an IR request with only the values on which the form of the response depends: the model and
    `stream`.
    """
    return ir.Request(NAME, wire.body.get("model"), stream=wire.body.get("stream") is True)


def _decode_sampling(body: Mapping[str, Any], forms: dict[str, str]) -> ir.Sampling:
    stop = body.get("stop")
    if isinstance(stop, str):
        forms["stop"] = "string"
        stop = (stop,)
    stated = {field: body[member] for member, field in _SAMPLING.items() if body.get(member) is not None}
    return ir.Sampling(**stated, stop=tuple(stop) if stop is not None else None)


def _decode_output(wire: dict[str, Any] | None) -> ir.Output | None:
    if wire is None:
        return None
    kind, inner = wire.get("type"), wire.get("json_schema")
    if kind == "json_schema" and isinstance(inner, dict):
        return ir.Output(
            "schema",
            inner.get("schema"),
            inner.get("name"),
            inner.get("description"),
            inner.get("strict"),
            extra=ir.merge(leftovers(wire, _FORMAT), leftovers(inner, _SCHEMA, "json_schema")),
        )
    if kind in {"json_object", "text"}:
        named: Any = "json" if kind == "json_object" else "text"
        return ir.Output(named, extra=leftovers(wire, _TYPE), form="response_format")
    return ir.Output("text", extra={NAME: dict(wire)}, form="native")


def _decode_reasoning(body: Mapping[str, Any]) -> ir.Reasoning | None:
    effort, mode = body.get("reasoning_effort"), body.get("prompt_mode")
    if effort is None and mode is None:
        return None
    return ir.Reasoning("on" if mode == _THINKING else mode, effort)


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """Encode the request for an upstream of this dialect. Losses and changes go to `target.report`.

    Raises WireError, with a path in the IR, for what Mistral cannot express and nothing can replace, such as
    a video, a free-text tool that `emulate` has not replaced, or an answer other than text.
    """
    draft = Draft.of(request, target, NAME)
    forms = (request.forms or {}) if draft.own else {}
    body: dict[str, Any] = {"model": target.model if target.model is not None else request.model}
    body["messages"] = encode_messages(request, draft)
    lose_items(request, target.report)
    if request.tools is not None or request.tool_choice is not None or request.parallel is not None:
        encode_tools(body, request, draft)
    if request.sampling is not _NO_SAMPLING:
        _encode_sampling(body, request.sampling, forms, draft)
    _encode_wishes(body, request, draft)
    if request.stream or "stream" in forms:
        body["stream"] = request.stream
    FIELDS.lose(request, draft.report)
    restore(body, request.extra, draft.report, "")
    return WireRequest("chat", body, path=PATH)


def _encode_wishes(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    if request.max_output is not None:
        body["max_tokens"] = request.max_output
    if request.output is not None:
        _encode_output(body, request.output, draft)
    if request.reasoning is not None:
        _encode_reasoning(body, request.reasoning, draft)
    if request.cache is not None:
        _encode_cache(body, request.cache, draft)
    if request.metadata is not None:
        body["metadata"] = request.metadata
    if request.prediction is not None:
        body["prediction"] = {"type": "content", "content": _predicted(request.prediction, draft)}
    if request.tier is not None:
        _encode_tier(body, request.tier, draft, own=states(request, NAME, "tier"))


def _encode_sampling(
    body: dict[str, Any], sampling: ir.Sampling, forms: Mapping[str, str], draft: Draft
) -> None:
    for member, field in _SAMPLING.items():
        if (value := getattr(sampling, field)) is not None:
            body[member] = value
    if sampling.stop is not None:
        body["stop"] = sampling.stop[0] if forms.get("stop") == "string" else list(sampling.stop)
    FIELDS.lose(sampling, draft.report, "sampling")
    if not draft.own:
        _fit_sampling(body, sampling, draft)


def _fit_sampling(body: dict[str, Any], sampling: ir.Sampling, draft: Draft) -> None:
    """Change the sampling values in `body` that come from another dialect's request so that Mistral accepts
    them, or remove them; both are reported.
    """
    report = draft.report
    if (sampling.temperature or 0) > MAX_TEMPERATURE:
        body["temperature"] = MAX_TEMPERATURE
        report.change("sampling.temperature", "temperature", f"limited to {MAX_TEMPERATURE}")
        report.lose("sampling.temperature", f"the Mistral API accepts at most {MAX_TEMPERATURE}", "quality")
    if sampling.top_p == 0:
        body["top_p"] = LEAST_TOP_P
        report.change("sampling.top_p", "top_p", f"raised to {LEAST_TOP_P}: the Mistral API rejects 0")
    if (sampling.seed or 0) < 0:
        del body["random_seed"]
        report.lose("sampling.seed", "the Mistral API has no negative seeds")
    if sampling.top_logprobs is not None and sampling.logprobs is None:
        body["logprobs"] = True
        report.add("logprobs", "required by `top_logprobs`")
    if draft.facts.sampling is False:
        leave_out_sampling(body, SAMPLING, draft)


def _encode_output(body: dict[str, Any], output: ir.Output, draft: Draft) -> None:
    wire: dict[str, Any] = {}
    if output.kind == "schema":
        own = draft.own and output.form != MADE
        members = {
            "name": output.name if output.name is not None or own else "answer",
            "description": output.description,
            "schema": output.schema,
            "strict": strictness(output, draft.report, own=own),
        }
        inner = {key: value for key, value in members.items() if value is not None}
        wire = {"type": "json_schema", "json_schema": inner}
    elif output.kind == "json":
        wire = {"type": "json_object"}
    elif draft.own and output.form == "response_format":
        wire = {"type": "text"}
    if wire or (draft.own and output.form == "native"):
        body["response_format"] = wire
    restore(wire, output.extra, draft.report, "output")
    FIELDS.lose(output, draft.report, "output")
    if any(kind != "text" for kind in output.modalities or ()):
        raise WireError("the Mistral API generates only text", "output.modalities", "unsupported_modality")


def _encode_reasoning(body: dict[str, Any], reasoning: ir.Reasoning, draft: Draft) -> None:
    if draft.own and reasoning.form != MADE:
        if reasoning.effort is not None:
            body["reasoning_effort"] = reasoning.effort
        if reasoning.mode is not None:
            body["prompt_mode"] = _THINKING if reasoning.mode == "on" else reasoning.mode
        return
    restore({}, reasoning.extra, draft.report, "reasoning")
    by_effort(body, reasoning, draft, shown=True)


def _encode_cache(body: dict[str, Any], cache: ir.Caching, draft: Draft) -> None:
    if cache.key is not None:
        body["prompt_cache_key"] = cache.key
    FIELDS.lose(cache, draft.report, "cache")
    restore({}, cache.extra, draft.report, "cache")


def _predicted(blocks: tuple[ir.Block, ...], draft: Draft) -> str:
    texts: list[str] = []
    for index, block in enumerate(blocks):
        if isinstance(block, ir.Text):
            narrower.lose_mark(block.cache, draft, f"prediction[{index}]")
            texts.append(block.text)
        else:
            draft.report.lose(
                f"prediction[{index}]", "the Mistral API accepts only text as predicted output", "hint"
            )
    return "".join(texts)


def _encode_tier(body: dict[str, Any], tier: str, draft: Draft, *, own: bool) -> None:
    word = TIER_WORDS.get(tier, tier if own else None)
    if word is None:
        draft.report.lose("tier", f"the Mistral API has no service tier {tier}")
        return
    body["service_tier"] = word
    if tier not in TIERS.values():
        draft.report.change("tier", "service_tier", f"the service tier {tier} is a wish in the Mistral API")


FIELDS: Final = Fields(
    NAME,
    handled={
        encode_request: ("model", "stream", "stream_usage"),
        encode_messages: ("system", "messages"),
        encode_tools: ("tools", "tool_choice", "parallel"),
        _encode_sampling: ("sampling.stop", *(f"sampling.{field}" for field in _SAMPLING.values())),
        _encode_wishes: ("max_output", "metadata"),
        _encode_output: within("output", "kind schema name description strict modalities"),
        _encode_reasoning: within("reasoning", "mode effort budget summary visible"),
        _encode_cache: ("cache.key",),
        _predicted: ("prediction",),
        _encode_tier: ("tier",),
    },
    lost={
        **ANSWERS_ONLY,
        "sampling.min_p": "the Mistral API has no min_p",
        "sampling.logit_bias": "the Mistral API has no logit_bias",
        "output.verbosity": "the Mistral API has no verbosity",
        "output.audio": "the Mistral API has no audio",
        **dict.fromkeys(
            within("cache", "mode ttl retention mark"),
            "the Mistral API has no prompt cache settings except the key",
        ),
    },
)
"""For each field of ir.Request, the function that encodes it, or the loss reason."""
