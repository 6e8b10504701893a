"""Requests: decodes the body of Converse and ConverseStream to ir.Request, and encodes it.

The path states the model and whether the response streams. Members that are not in `MAPPED`, such as
`additionalModelRequestFields` and `guardrailConfig`, have no field in the IR and are kept in `extra`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bedrock.block_decoder import decode_blocks
from dragoman.dialects.bedrock.block_encoder import Scope
from dragoman.dialects.bedrock.history import decode_messages, encode_history, encode_own
from dragoman.dialects.bedrock.reasoning import encode_reasoning, reconcile
from dragoman.dialects.bedrock.terms import (
    API,
    NAME,
    PATH,
    STREAM_PATH,
    TIER_WORDS,
    TIERS,
    Family,
    family_of,
    leftovers,
    restore,
)
from dragoman.dialects.bedrock.tools import decode_choice, decode_tools, encode_tools
from dragoman.dialects.closed_schema import ClosedSchema
from dragoman.dialects.facts import EITHER, NO_LIMIT
from dragoman.dialects.fields import ANSWERS_ONLY, Fields, within
from dragoman.dialects.leftovers import placed_at
from dragoman.dialects.loss import Report
from dragoman.dialects.output_limit import within_maximum
from dragoman.dialects.request import Target, WireRequest, states
from dragoman.dialects.schema import describe
from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE

_SAMPLING: Final = {"temperature": "temperature", "topP": "top_p"}
_CONFIG: Final = frozenset({*_SAMPLING, "maxTokens", "stopSequences"})
_TOOLS: Final = frozenset({"tools", "toolChoice"})
_OUTPUT: Final = frozenset({"textFormat", "effort"})
_SCHEMA: Final = frozenset({"schema", "name", "description"})
MAPPED: Final = frozenset(
    {
        *("model", "messages", "system", "inferenceConfig", "toolConfig", "requestMetadata", "serviceTier"),
        *("outputConfig", "stream"),
    }
)
"""Members of a request with an IR field; all other members are leftovers in `extra`."""
FIELDS_MEMBER: Final = "additionalModelRequestFields"
_NO_SAMPLING: Final = ir.Sampling()
_MOST_METADATA: Final = 16
_METADATA: Final = re.compile(r"[A-Za-z0-9\s:_@$#=/+,.-]{0,256}", re.ASCII)
"""Matches a key or a value of `requestMetadata`. A key must not be empty."""


def _streams(wire: WireRequest) -> bool:
    return wire.path == STREAM_PATH


def brief(wire: WireRequest) -> ir.Request:
    """Decode only the fields on which the form of the response depends: the model, and whether the response
    streams (then it also states its usage).
    """
    stream = _streams(wire)
    return ir.Request(NAME, _model(wire), stream=stream, stream_usage=True if stream else None)


def _model(wire: WireRequest) -> str | None:
    model = wire.params.get("model") or wire.body.get("model")
    return None if model is None else str(model)


def decode_request(wire: WireRequest) -> ir.Request:
    """Decode a request that `check` has accepted. Raises WireError for a message or block that is not an
    object, and for an unknown role.
    """
    body, stream = wire.body, _streams(wire)
    get = body.get
    config, tools, tier = get("inferenceConfig") or {}, get("toolConfig"), get("serviceTier")
    system, output = get("system"), get("outputConfig")
    extra = leftovers(body, MAPPED)
    extra = ir.merge(extra, leftovers(config, _CONFIG, "inferenceConfig"))
    if tools is not None:
        extra = ir.merge(extra, leftovers(tools, _TOOLS, "toolConfig"))
    effort = None if output is None else output.get("effort")
    return ir.Request(
        NAME,
        _model(wire),
        decode_messages(get("messages")),
        system=decode_blocks(system or (), "system"),
        tools=None if tools is None else decode_tools(tools),
        tool_choice=None if tools is None else decode_choice(tools),
        sampling=_sampling(config),
        max_output=config.get("maxTokens"),
        output=None if output is None else _decode_output(output),
        reasoning=None if effort is None else ir.Reasoning(effort=effort),
        metadata=get("requestMetadata"),
        tier=None if tier is None else TIERS.get(tier["type"], tier["type"]),
        stream=stream,
        stream_usage=True if stream else None,
        forms={"system": "empty"} if system == [] else None,
        extra=extra,
    )


def _sampling(config: Mapping[str, Any]) -> ir.Sampling:
    stop = config.get("stopSequences")
    stated = {field: config[member] for member, field in _SAMPLING.items() if config.get(member) is not None}
    if stop is None and not stated:
        return _NO_SAMPLING
    return ir.Sampling(**stated, stop=None if stop is None else tuple(stop))


def _decode_output(output: dict[str, Any]) -> ir.Output | None:
    wanted = output.get("textFormat")
    extra = leftovers(output, _OUTPUT)
    if wanted is None:
        return None if extra is None else ir.Output(extra=extra)
    structure = wanted.get("structure") or {}
    definition = structure.get("jsonSchema")
    plain = wanted.get("type") == "json_schema" and len(wanted) == 2 and len(structure) == 1
    if plain and type(definition) is dict and definition.keys() <= _SCHEMA:
        try:
            schema = msgspec.json.decode(definition["schema"])
        except (*UNDECODABLE, KeyError, TypeError):
            schema = None
        if type(schema) is dict:
            name, words = definition.get("name"), definition.get("description")
            return ir.Output("schema", schema, name, words, strict=True, extra=extra)  # every schema is
    return ir.Output("text", form="native", extra=ir.merge(extra, {NAME: {"textFormat": wanted}}))


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """Encode a request for Bedrock, and report changes and losses. Raises WireError for several candidates,
    for output other than text, for a free-text tool that would have to be sent, and for a block that
    `encode_block` cannot write (a medium in a user message with a URL outside of S3, for example).
    """
    own, report = request.dialect == NAME, target.report
    if request.sampling.n is not None and request.sampling.n > 1:
        raise WireError(f"{API} returns only one candidate", "sampling.n", "unsupported_value")
    model = target.model or request.model
    family = family_of(target.base or model)
    scope = Scope(report, own, family=family)
    body: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    if own:
        encode_own(request, scope, body)
    else:
        encode_history(request, target, scope, body)
    encode_tools(request, target, scope, body)
    limit = _limit(request, target, body)
    if own:
        _own_effort(request, body)
    else:
        choice = request.tool_choice
        forced = choice is not None and choice.mode in {"any", "tool"} and "toolConfig" in body
        encode_reasoning(request, target, fields, family, forced=forced, limit=limit)
        if family == "claude":
            reconcile(body, fields, target, asked=request.reasoning is not None)
    if request.sampling is not _NO_SAMPLING:
        _encode_sampling(request.sampling, target, body, fields, scope)
    if request.output is not None:
        _encode_output(request.output, target, body, own=own)
    _encode_rare(request, target, body)
    if fields:
        body[FIELDS_MEMBER] = fields
    FIELDS.lose(request, report)
    _restore_extra(request.extra, target, body)
    stream = request.stream
    params = {} if model is None else {"model": model}
    return WireRequest("chat", body, path=STREAM_PATH if stream else PATH, params=params)


def _restore_extra(extra: ir.Extra, target: Target, body: dict[str, Any]) -> None:
    """Write the leftovers of the request (`extra`) into `body`; those of another dialect are reported as
    lost. The client's `additionalModelRequestFields` replace members of the same name that the encoder has
    written.
    """
    if extra is None:
        return
    mine = extra.get(NAME, {})
    stated = mine.get(FIELDS_MEMBER)
    if type(stated) is dict and FIELDS_MEMBER in body:
        merged = {**body[FIELDS_MEMBER], **stated}
        extra = {**extra, NAME: {**mine, FIELDS_MEMBER: merged}}
    for member in mine:
        holder, _ = placed_at(member)
        if holder:
            body.setdefault(holder, {})
    restore(body, extra, target.report, "")


def _own_effort(request: ir.Request, body: dict[str, Any]) -> None:
    if request.reasoning is not None and request.reasoning.effort is not None:
        body.setdefault("outputConfig", {})["effort"] = request.reasoning.effort


def _limit(request: ir.Request, target: Target, body: dict[str, Any]) -> int | None:
    """Write `maxTokens` into `body`, if the request states a limit, and return the limit that holds: without
    one, it is the model's maximum, which is the API's default; None = unknown.
    """
    stated = request.max_output
    if stated is None:
        return target.facts.max_output
    if request.dialect != NAME:
        stated = within_maximum(stated, target.facts, target.report, "inferenceConfig.maxTokens")
    body.setdefault("inferenceConfig", {})["maxTokens"] = stated
    return stated


def _encode_sampling(
    sampling: ir.Sampling, target: Target, body: dict[str, Any], fields: dict[str, Any], scope: Scope
) -> None:
    report, own = target.report, scope.own
    config: dict[str, Any] = {}
    for member, field in _SAMPLING.items():
        if (value := getattr(sampling, field)) is not None:
            config[member] = value
    if not own:
        _fit_sampling(config, sampling, target, fields, scope.family)
    if sampling.stop is not None:
        kept = [text for text in sampling.stop if own or text.strip()]
        if len(kept) < len(sampling.stop):
            report.lose("sampling.stop", f"{API} rejects a stop sequence that is only white space", "meaning")
        if kept or own:
            config["stopSequences"] = kept
    if config:
        body["inferenceConfig"] = {**body.get("inferenceConfig", {}), **config}
    FIELDS.lose(sampling, report, "sampling")


def _fit_sampling(
    config: dict[str, Any], sampling: ir.Sampling, target: Target, fields: dict[str, Any], family: Family
) -> None:
    """Change or remove the values in `config` (the later `inferenceConfig`) that the model refuses, and write
    `top_k`, whose member differs by family, into `fields` (the later `additionalModelRequestFields`); report
    changes and losses.
    """
    report = target.report
    if target.facts.sampling is False:
        for member in [*config]:
            del config[member]
            report.lose(
                f"sampling.{_SAMPLING[member]}", "the model does not accept sampling parameters", "quality"
            )
    elif fields.get("thinking", {}).get("type") in {"enabled", "adaptive"}:
        _fit_thinking(config, report)
    if target.facts.sampling_pair is False and {"temperature", "topP"} <= config.keys():
        del config["topP"]
        report.lose("sampling.top_p", EITHER, "quality")
    if (config.get("temperature") or 0) > 1:
        config["temperature"] = 1.0
        report.change(
            "sampling.temperature", "inferenceConfig.temperature", f"lowered to 1, the maximum of {API}"
        )
        report.lose("sampling.temperature", "limited to 1", "quality")
    if sampling.top_k is None:
        return
    if sampling.top_k < 0:
        report.change("sampling.top_k", "", NO_LIMIT)
    elif family == "claude" and target.facts.sampling is not False and "thinking" not in fields:
        fields["top_k"] = sampling.top_k
    elif family == "nova":
        fields["inferenceConfig"] = {"topK": sampling.top_k}
    else:
        report.lose("sampling.top_k", f"{API} has no top_k for this model", "quality")


def _fit_thinking(config: dict[str, Any], report: Any) -> None:
    if config.get("temperature", 1) != 1:
        del config["temperature"]
        report.lose("sampling.temperature", "cannot be set while thinking is enabled", "quality")
    if config.get("topP", 1) < 0.95:
        del config["topP"]
        report.lose("sampling.top_p", "cannot be below 0.95 while thinking is enabled", "quality")


def _encode_output(output: ir.Output, target: Target, body: dict[str, Any], *, own: bool) -> None:
    report = target.report
    for kind in output.modalities or ():
        if kind != "text":
            raise WireError(f"responses of {API} are only text", "output.modalities", "unsupported_modality")
    if output.kind == "schema" and output.schema is not None:
        if target.facts.structured is False and not own:
            report.lose("output.schema", "the model does not support structured output", "meaning")
        else:
            body.setdefault("outputConfig", {})["textFormat"] = _text_format(output, target, own=own)
    elif output.kind == "json":
        report.lose("output", f"{API} has no JSON mode without a schema", "meaning")
    FIELDS.lose(output, report, "output")
    if output.extra is not None:
        restore(
            body.setdefault("outputConfig", {}) if NAME in output.extra else {},
            output.extra,
            report,
            "output",
        )


def _text_format(output: ir.Output, target: Target, *, own: bool) -> dict[str, Any]:
    schema, report = output.schema or {}, target.report
    if not own:
        place = "outputConfig.textFormat.structure.jsonSchema.schema"
        written = ClosedSchema(report, API).copy(schema, "output.schema")
        if output.name is None and output.description is None:
            describe(written, output, place, report)
        if written != schema:
            report.change("output.schema", place, "the schema is adapted to what the API accepts")
        if output.strict is False:
            report.change("output.strict", "outputConfig.textFormat", f"every schema of {API} is strict")
        schema = written
    definition = {"schema": msgspec.json.encode(schema).decode()}
    if output.name is not None:
        definition["name"] = output.name
    if output.description is not None:
        definition["description"] = output.description
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}


def _encode_rare(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    own, report = request.dialect == NAME, target.report
    if request.metadata:
        _encode_metadata(request.metadata, body, report, own=own)
    if request.tier is not None:
        stated = request.tier if states(request, NAME, "tier") else None
        if (word := TIER_WORDS.get(request.tier, stated)) is not None:
            body["serviceTier"] = {"type": word}
            if word != request.tier:
                report.change("tier", "serviceTier.type", f"{request.tier} is written as {word}")
        elif request.tier != "auto":
            report.lose("tier", f"{API} has no service tier {request.tier}")
    if request.cache is not None:
        FIELDS.lose(request.cache, report, "cache")
        restore({}, request.cache.extra, report, "cache")


def _encode_metadata(metadata: Mapping[str, Any], body: dict[str, Any], report: Report, *, own: bool) -> None:
    kept = {key: value for key, value in metadata.items() if own or _is_metadata(key, value)}
    for key in metadata:
        if key not in kept:
            why = f"{API} accepts only texts of at most 256 letters, digits, blanks and `:_@$#=/+,.-`"
            report.lose(f"metadata.{key}", why, "hint")
    if len(kept) > _MOST_METADATA and not own:
        report.lose("metadata", f"{API} has at most {_MOST_METADATA} texts as metadata", "hint")
    elif kept:
        body["requestMetadata"] = kept


def _is_metadata(key: str, value: Any) -> bool:
    return bool(key) and type(value) is str and all(map(_METADATA.fullmatch, (key, value)))


FIELDS: Final = Fields(
    NAME,
    handled={
        encode_request: ("model", "sampling.n", "stream", "stream_usage"),
        encode_history: ("system", "messages"),
        encode_tools: ("tools", "tool_choice", "parallel"),
        encode_reasoning: within("reasoning", "mode effort budget summary visible"),
        _limit: ("max_output",),
        _encode_sampling: within("sampling", "temperature top_p top_k stop"),
        _encode_output: within("output", "kind schema name description strict modalities"),
        _encode_rare: ("metadata", "tier"),
    },
    lost={
        **ANSWERS_ONLY,
        "sampling.min_p": f"{API} has no min_p",
        "sampling.seed": f"{API} has no seed",
        **dict.fromkeys(
            within("sampling", "frequency_penalty presence_penalty repetition_penalty"),
            f"{API} has no penalties",
        ),
        **dict.fromkeys(
            within("sampling", "logit_bias logprobs top_logprobs"), f"{API} has no log probabilities"
        ),
        "output.verbosity": f"{API} has no verbosity",
        "output.audio": f"{API} has no audio output",
        **dict.fromkeys(
            within("cache", "key mode ttl retention mark"), f"{API} has no such setting of prompt caching"
        ),
        "prediction": f"{API} has no predicted output",
    },
)
"""Field of ir.Request -> the function that encodes it, or the reason for which it is lost."""
