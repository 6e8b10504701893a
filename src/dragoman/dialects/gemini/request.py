"""Requests: decodes the body and the path of generateContent and streamGenerateContent to ir.Request, and
encodes an ir.Request back.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from dragoman import ir
from dragoman.dialects.capabilities import is_allowed, is_drawing
from dragoman.dialects.facts import NO_LIMIT
from dragoman.dialects.fields import Fields, within
from dragoman.dialects.gemini.draft import Draft
from dragoman.dialects.gemini.history import foreign_contents, own_contents, sign_calls, write_parts
from dragoman.dialects.gemini.output import KEYS as OUTPUT
from dragoman.dialects.gemini.output import decode_output, encode_output
from dragoman.dialects.gemini.part_decoder import decode_part
from dragoman.dialects.gemini.reasoning import decode_reasoning, encode_reasoning
from dragoman.dialects.gemini.terms import NAME, leftovers, listed, restore, spelled
from dragoman.dialects.gemini.tools import decode_choice, decode_tools, encode_tools
from dragoman.dialects.output_limit import within_maximum
from dragoman.dialects.request import Target, WireRequest, states
from dragoman.errors import WireError

PATH = "/models/{model}:generateContent"
STREAM_PATH = "/models/{model}:streamGenerateContent?alt=sse"

_TOP = frozenset(
    {
        *("model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig"),
        *("serviceTier", "store"),
    }
)
_USUAL = frozenset({"contents", "systemInstruction", "tools"})
MAPPED = _TOP | {"system_instruction", "tool_config", "generation_config", "service_tier"}
_CONTENT = frozenset({"role", "parts"})
_ROLES = {"user": "user", "model": "assistant", "function": "user", "tool": "user"}
_SAMPLING = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "candidateCount": "n",
    "stopSequences": "stop",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "responseLogprobs": "logprobs",
    "logprobs": "top_logprobs",
}
_CONFIG = frozenset({*_SAMPLING, *OUTPUT, "maxOutputTokens", "thinkingConfig"})
_TIERS = {"standard": "default", "unspecified": "auto"}
_TIER_WORDS = {
    "default": "standard",
    "auto": "unspecified",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}
_NO_SAMPLING = ir.Request(NAME, None).sampling
"""The default of `ir.Request.sampling`. It is compared by identity: a request with this very object states no
sampling parameter."""

# --- Wire to IR ----------------------------------------------------------------------------------


def decode_request(wire: WireRequest) -> ir.Request:
    """Decode a request that has passed `check`. A request that `check` refuses may raise WireError."""
    body = spelled(wire.body)
    get = body.get
    forms: dict[str, str] = {}
    fields: dict[str, Any] = {}
    extra: ir.Extra = None
    if (system := get("systemInstruction")) is not None:
        fields["system"], extra = _system(system, forms)
    if (tools := get("tools")) is not None:
        fields["tools"] = decode_tools(tools)
    if not body.keys() <= _USUAL:
        extra = ir.merge(extra, _decode_rare(body, fields))
    if forms:
        fields["forms"] = forms
    if _streams(wire):
        fields["stream"] = fields["stream_usage"] = True
    return ir.Request(NAME, _model(wire), _messages(get("contents")), extra=extra, **fields)


def _decode_rare(body: dict[str, Any], fields: dict[str, Any]) -> ir.Extra:
    """Decode all members except those in `_USUAL`, and put their values into `fields`, the keyword arguments
    for ir.Request. Returns the leftovers: the members that have no IR field, also those of `generationConfig`
    and `toolConfig`. body: with keys in camelCase.
    """
    extra = leftovers(body, _TOP)
    if body.get("generationConfig"):
        extra = ir.merge(_configured(spelled(body["generationConfig"]), fields), extra)
    if (tool_config := body.get("toolConfig")) is not None:
        tool_config = spelled(tool_config)
        if (calling := tool_config.get("functionCallingConfig")) is not None:
            fields["tool_choice"] = decode_choice(calling)
        extra = ir.merge(leftovers(tool_config, frozenset({"functionCallingConfig"}), "toolConfig"), extra)
    if (tier := body.get("serviceTier")) is not None:
        fields["tier"] = _TIERS.get(tier, tier)
    if (store := body.get("store")) is not None:
        fields["store"] = store
    return extra


def _configured(config: dict[str, Any], fields: dict[str, Any]) -> ir.Extra:
    stated = {
        _SAMPLING[key]: value for key, value in config.items() if key in _SAMPLING and value is not None
    }
    if stated:
        if isinstance(most := stated.get("top_k"), float) and most.is_integer():
            stated["top_k"] = int(most)
        if (stop := stated.get("stop")) is not None:
            stated["stop"] = tuple(listed(stop))
        fields["sampling"] = ir.Sampling(**stated)
    if (bound := config.get("maxOutputTokens")) is not None:
        fields["max_output"] = bound
    if (thinking := config.get("thinkingConfig")) is not None:
        fields["reasoning"] = decode_reasoning(thinking)
    if not config.keys().isdisjoint(OUTPUT):
        fields["output"] = decode_output(config)
    return leftovers(config, _CONFIG, "generationConfig")


def brief(wire: WireRequest) -> ir.Request:
    """Return an IR request with only the values on which the form of the answer depends: the model, and
    whether the answer streams. Both are in the path; the body is not read.
    """
    stream = _streams(wire)
    return ir.Request(NAME, _model(wire), stream=stream, stream_usage=True if stream else None)


def _model(wire: WireRequest) -> str | None:
    return wire.params.get("model")


def _streams(wire: WireRequest) -> bool:
    return ":streamGenerateContent" in wire.path


def _system(value: Any, forms: dict[str, str]) -> tuple[tuple[ir.Block, ...], ir.Extra]:
    if type(value) is not dict:
        raise WireError("must be an object", "systemInstruction")
    value = spelled(value)
    if (role := value.get("role")) is not None:
        forms["systemInstruction"] = role
    return _blocks(value.get("parts"), "systemInstruction"), leftovers(value, _CONTENT, "systemInstruction")


def _messages(values: Any) -> tuple[ir.Message, ...]:
    if values is None:
        return ()
    return tuple([_message(value, index) for index, value in enumerate(listed(values))])


def _message(value: Any, index: int) -> ir.Message:
    if type(value) is not dict:
        raise WireError("must be an object", f"contents[{index}]")
    word = value.get("role")
    role = "user" if word is None else _ROLES.get(word)
    if role is None:
        raise WireError("the role must be user or model", f"contents[{index}].role")
    blocks = _blocks(value.get("parts"), f"contents[{index}]")
    form = None if word in {"user", "model"} else word or "bare"
    extra = None if value.keys() <= _CONTENT else leftovers(value, _CONTENT)
    return ir.Message(role, blocks, form=form, extra=extra)  # type: ignore[arg-type]


def _blocks(parts: Any, where: str) -> tuple[ir.Block, ...]:
    if parts is None:
        return ()
    blocks = []
    for index, part in enumerate(listed(parts)):
        if type(part) is not dict:
            raise WireError("must be an object", f"{where}.parts[{index}]")
        blocks.append(decode_part(part))
    return tuple(blocks)


# --- IR to wire ----------------------------------------------------------------------------------


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """Encode a request for a Gemini model, and report losses and changes to `target.report`. Raises WireError
    for what cannot be sent and may not be left out, such as media that the provider cannot read, free-text
    tools and their calls, more than `_ANSWERS` (8) candidates, and schemas that are nested too deeply.
    """
    own = request.dialect == NAME
    draft = Draft(target.report, own, quirks=target.quirks, facts=target.facts)
    body: dict[str, Any] = {}
    config: dict[str, Any] = {}
    if own:
        added, contents = own_contents(request.messages, draft)
        _own_system(request, added, draft, body)
    else:
        system, contents = foreign_contents(request, draft)
        if system:
            body["systemInstruction"] = {"parts": system}
    if target.facts.signed_calls:
        sign_calls(contents, draft)
    body["contents"] = contents
    if request.tools is not None or request.tool_choice is not None or request.parallel is False:
        encode_tools(request, target, body)
    if request.sampling is not _NO_SAMPLING:
        _encode_sampling(request, target, config)
    if request.max_output is not None:
        _limit(request.max_output, target, config, own=states(request, NAME, "max_output"))
    if request.reasoning is not None:
        encode_reasoning(request, target, config)
    if request.output is not None:
        encode_output(request, target, body, config)
    if not states(request, NAME, "tools") and _draws(request, target):
        config.setdefault("responseModalities", ["TEXT", "IMAGE"])
    _encode_rare(request, target, body, config)
    if config:
        body["generationConfig"] = config
    path = STREAM_PATH if request.stream else PATH
    return WireRequest("chat", body, path=path, params={"model": target.model or request.model or ""})


def _draws(request: ir.Request, target: Target) -> bool:
    """Whether the client requests images through a tool that its tool choice permits, from a model that is
    known to return images itself, without such a tool.
    """
    return any(
        isinstance(tool, ir.ProviderTool)
        and is_drawing(tool, target.facts)
        and is_allowed(tool, request.tool_choice)
        for tool in request.tools or ()
    )


def _own_system(request: ir.Request, added: list[dict[str, Any]], draft: Draft, body: dict[str, Any]) -> None:
    role = (request.forms or {}).get("systemInstruction")
    if not (added or request.system or role):
        return
    system: dict[str, Any] = {} if role is None else {"role": role}
    system["parts"] = added + write_parts(request.system, draft, "system")
    body["systemInstruction"] = system


def _limit(most: int, target: Target, config: dict[str, Any], *, own: bool) -> None:
    place = "generationConfig.maxOutputTokens"
    config["maxOutputTokens"] = most if own else within_maximum(most, target.facts, target.report, place)


_sampling_values = attrgetter(*_SAMPLING.values())
_DRAWN = frozenset({"temperature", "topP", "topK"})
_PENALTIES = ("presencePenalty", "frequencyPenalty")
_STOPS = 5
"""The most stop sequences of one request."""
_ANSWERS = 8
"""The most candidates of one request."""


def _encode_sampling(request: ir.Request, target: Target, config: dict[str, Any]) -> None:
    """Write the settings of the sampling into `config` (`generationConfig`). Those that a client of this
    dialect stated are not adapted to what the API accepts.
    """
    sampling = request.sampling
    stated = zip(_SAMPLING, _sampling_values(sampling), strict=True)
    made = {key: value for key, value in stated if value is not None}
    if sampling.stop is not None:
        made["stopSequences"] = list(sampling.stop)
    FIELDS.lose(sampling, target.report, "sampling")
    if request.dialect == NAME:
        own = [key for key in made if states(request, NAME, f"sampling.{_SAMPLING[key]}")]
        config.update({key: made.pop(key) for key in own})
    if made.get("topK", 0) < 0:
        del made["topK"]
        target.report.change("sampling.top_k", "", NO_LIMIT)
    if target.facts.sampling is False or not made.keys() <= _DRAWN:
        _fit_sampling(target, made)
    config.update(made)


def _fit_sampling(target: Target, config: dict[str, Any]) -> None:
    """Change or remove the values in `config` that the API refuses, and report this. config: members of
    `generationConfig`.

    Removed without a report are a count of one candidate, `responseLogprobs` that is false, and `logprobs`
    that is 0. Raises WireError for too many candidates.
    """
    report = target.report
    if target.facts.sampling is False:
        for key in sorted(_DRAWN):
            if config.pop(key, None) is not None:
                why = "the model does not accept sampling parameters"
                report.lose(f"sampling.{_SAMPLING[key]}", why, "quality")
    if config.get("candidateCount") == 1:
        del config["candidateCount"]
    if config.get("candidateCount", 1) > _ANSWERS:
        raise WireError(f"at most {_ANSWERS} candidates can be requested", "n", "unsupported_value")
    for key in _PENALTIES:
        if config.get(key, 0) >= 2:
            config[key] = 1.99
            said = "lowered: the Gemini API requires a value below 2"
            report.change(f"sampling.{_SAMPLING[key]}", f"generationConfig.{key}", said)
    for key in ("responseLogprobs", "logprobs"):
        if not config.get(key, True):
            del config[key]
    if (stop := config.get("stopSequences")) is not None:
        _fit_stop(stop, target, config)
    seed = config.get("seed")
    if seed is not None and not -(2**31) <= seed < 2**31:
        config["seed"] = seed % 2**31
        report.change("sampling.seed", "generationConfig.seed", "mapped to 31 bits: equal seeds stay equal")


def _fit_stop(stop: list[str], target: Target, config: dict[str, Any]) -> None:
    kept = [text for text in stop if text]
    if len(kept) < len(stop):
        target.report.lose("sampling.stop", "the Gemini API rejects an empty stop sequence", "hint")
    if len(kept) > _STOPS:
        target.report.lose("sampling.stop", f"only the first {_STOPS} stop sequences are sent", "meaning")
    if kept:
        config["stopSequences"] = kept[:_STOPS]
    else:
        del config["stopSequences"]


def _encode_rare(request: ir.Request, target: Target, body: dict[str, Any], config: dict[str, Any]) -> None:
    report = target.report
    if request.tier is not None:
        _encode_tier(request.tier, target, body, own=states(request, NAME, "tier"))
    if request.cache is not None:
        FIELDS.lose(request.cache, report, "cache")
        restore({}, request.cache.extra, report, "cache")
    if request.store is not None and states(request, NAME, "store"):
        body["store"] = request.store
    FIELDS.lose(request, report, written=body)
    if request.extra is not None:
        holders = {"generationConfig": config, "toolConfig": body.get("toolConfig", {})}
        out = {**body, **holders}
        restore(out, request.extra, report, "")
        body.update({key: value for key, value in out.items() if key not in holders or value})


def _encode_tier(tier: str, target: Target, body: dict[str, Any], *, own: bool) -> None:
    word = _TIER_WORDS.get(tier, tier if own else None)
    if word is None:
        target.report.lose("tier", f"the Gemini API has no service tier {tier}")
    elif own or tier != "auto":
        body["serviceTier"] = word
        if tier == "fast":
            target.report.change("tier", "serviceTier", "written as priority, which means the same")


_NO_CACHING = "the Gemini API has no such setting of prompt caching"
FIELDS = Fields(
    NAME,
    handled={
        encode_request: ("model", "stream", "stream_usage"),
        foreign_contents: ("system", "messages"),
        encode_tools: ("tools", "tool_choice", "parallel"),
        _encode_sampling: tuple(f"sampling.{field}" for field in _SAMPLING.values()),
        _limit: ("max_output",),
        encode_reasoning: within("reasoning", "mode effort budget summary visible"),
        encode_output: within("output", "kind schema name description strict modalities audio verbosity"),
        _encode_tier: ("tier",),
    },
    lost={
        "sampling.min_p": "the Gemini API has no min_p",
        "sampling.repetition_penalty": "the Gemini API has no repetition penalty",
        "sampling.logit_bias": "the Gemini API has no logit bias",
        **dict.fromkeys(within("cache", "key mode ttl retention mark"), _NO_CACHING),
        "user": "the Gemini API has no end user id",
        "safety_identifier": "the Gemini API has no end user id",
        "metadata": "the Gemini API has no metadata",
        "store": "the Gemini API does not store responses",
        "prediction": "the Gemini API has no predicted output",
        "moderation": "the Gemini API has no moderation",
        **dict.fromkeys(("previous", "conversation", "background"), "the Gemini API is stateless"),
    },
)
"""For each field of ir.Request, the function that encodes it, or the loss reason. `store` is lost only in
requests of other dialects."""
