"""Requests: the body of POST /v1/messages to ir.Request and back."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.anthropic.blocks import (
    Scope,
    decode_content,
    decode_mark,
    encode_blocks,
    encode_mark,
)
from dragoman.dialects.anthropic.history import encode_history
from dragoman.dialects.anthropic.output import decode_output, encode_output
from dragoman.dialects.anthropic.reasoning import decode_reasoning, encode_reasoning
from dragoman.dialects.anthropic.terms import (
    BETA_HEADER,
    NAME,
    TIER_WORDS,
    TIERS,
    VERSION,
    VERSION_HEADER,
    leftovers,
    restore,
)
from dragoman.dialects.anthropic.tools import decode_choice, decode_tools, encode_tools, is_forced
from dragoman.dialects.dialect import Target, WireRequest
from dragoman.dialects.loss import Severity
from dragoman.errors import WireError

PATH = "/v1/messages"
MAX_TOKENS = 8192
"""The bound of an answer when nobody states one: all models since Claude 3.5 reach it."""

MAPPED = frozenset(
    {
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "stream",
        "thinking",
        "output_config",
        "output_format",
        "metadata",
        "service_tier",
        "cache_control",
    }
)
_MESSAGE = frozenset({"role", "content"})
_ROLES = frozenset({"user", "assistant", "system"})
_NO_SAMPLING = ir.Sampling()

# --- Wire to IR ----------------------------------------------------------------------------------


def decode_request(wire: WireRequest) -> ir.Request:
    """A checked request. Raises WireError for structures that no check let pass."""
    body = wire.body
    get = body.get
    forms: dict[str, str] = {}
    system = get("system")
    if isinstance(system, str):
        forms["system"] = "text"
    if (version := wire.headers.get(VERSION_HEADER)) is not None and version != VERSION:
        forms[VERSION_HEADER] = version
    tools = get("tools")
    config = get("output_config")
    choice, parallel = decode_choice(get("tool_choice"))
    user, metadata = _identity(get("metadata"))
    tier = get("service_tier")
    stream = get("stream") is True
    return ir.Request(
        dialect=NAME,
        model=get("model"),
        messages=tuple(_message(value, index) for index, value in enumerate(get("messages") or ())),
        system=() if system is None else decode_content(system, "system"),
        tools=None if tools is None else decode_tools(tools),
        tool_choice=choice,
        parallel=parallel,
        sampling=_sampling(body),
        max_output=get("max_tokens"),
        output=decode_output(config, get("output_format")),
        reasoning=decode_reasoning(get("thinking"), config.get("effort") if config is not None else None),
        cache=None if get("cache_control") is None else ir.Caching(mark=decode_mark(body)),
        user=user,
        metadata=metadata,
        tier=TIERS.get(tier, tier) if tier is not None else None,
        stream=stream,
        stream_usage=True if stream else None,
        forms=forms or None,
        extra=_extra(wire),
    )


def brief(wire: WireRequest) -> ir.Request:
    """What the form of the answer depends on, without the messages."""
    stream = wire.body.get("stream") is True
    return ir.Request(NAME, wire.body.get("model"), stream=stream, stream_usage=True if stream else None)


def _extra(wire: WireRequest) -> ir.Extra:
    extra = leftovers(wire.body, MAPPED)
    if (betas := wire.headers.get(BETA_HEADER)) is not None:
        return ir.merge(extra, {NAME: {BETA_HEADER: betas}})
    return extra


def _message(value: Any, index: int) -> ir.Message:
    if type(value) is not dict:
        raise WireError("must be an object", f"messages[{index}]")
    role = value.get("role")
    if role not in _ROLES:
        raise WireError(f"unknown role {role!r}", f"messages[{index}].role")
    content = value.get("content")
    blocks = () if content is None else decode_content(content, f"messages[{index}].content")
    form = "text" if isinstance(content, str) else "bare" if content is None else None
    if len(value) == 2:
        return ir.Message(role, blocks, form=form)
    return ir.Message(role, blocks, form=form, extra=leftovers(value, _MESSAGE))


def _sampling(body: dict[str, Any]) -> ir.Sampling:
    stop = body.get("stop_sequences")
    if stop is None and body.keys().isdisjoint(("temperature", "top_p", "top_k")):
        return _NO_SAMPLING
    return ir.Sampling(
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop=None if stop is None else tuple(stop),
    )


def _identity(metadata: dict[str, Any] | None) -> tuple[str | None, dict[str, Any] | None]:
    if metadata is None:
        return None, None
    rest = {key: value for key, value in metadata.items() if key != "user_id"}
    user = metadata.get("user_id")
    return user, rest if rest or user is None else None


# --- IR to wire ----------------------------------------------------------------------------------


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """The body and headers for a model of Anthropic's or of a compatible server.

    Raises WireError for what cannot be asked at all: several answers, audio, free-text tools.
    """
    own = request.dialect == NAME
    if request.sampling.n is not None and request.sampling.n > 1:
        raise WireError("only one answer can be asked for", "n", "unsupported_value")
    scope = Scope(target.report, own, signatures=target.quirks.signatures)
    body: dict[str, Any] = {"model": target.model or request.model}
    _limit(request, target, body)
    if own:
        _own_history(request, scope, body)
    else:
        system, messages = encode_history(request, target, scope)
        if system:
            body["system"] = system
        body["messages"] = messages
    if request.tools is not None or request.tool_choice is not None:
        encode_tools(request, target, body)
    if request.reasoning is not None or request.output is not None:
        _configure(request, target, body)
    if request.sampling is not _NO_SAMPLING:
        _encode_sampling(request.sampling, target, body, own=own)
    if request.stream:
        body["stream"] = True
    _encode_rare(request, target, body)
    headers = {VERSION_HEADER: VERSION}
    if own:
        headers[VERSION_HEADER] = (request.forms or {}).get(VERSION_HEADER, VERSION)
        if (betas := body.pop(BETA_HEADER, None)) is not None:
            headers[BETA_HEADER] = betas
    return WireRequest("chat", body, path=PATH, headers=headers)


def _limit(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    """`max_tokens`, which the API demands."""
    stated, most = request.max_output, target.facts.max_output
    if stated is None:
        body["max_tokens"] = most or MAX_TOKENS
        target.report.add("max_tokens", "this protocol demands a bound: the most that the model can give")
    elif most is not None and stated > most:
        body["max_tokens"] = most
        target.report.change(
            "max_output", "max_tokens", f"lowered to {most}, the most that the model can give"
        )
        target.report.lose("max_output", f"limited to {most}", "quality")
    else:
        body["max_tokens"] = stated


def _own_history(request: ir.Request, scope: Scope, body: dict[str, Any]) -> None:
    system = request.system
    if (request.forms or {}).get("system") == "text" and len(system) == 1 and isinstance(system[0], ir.Text):
        body["system"] = system[0].text
    elif system:
        body["system"] = encode_blocks(system, scope, "system")
    messages = []
    for index, message in enumerate(request.messages):
        out: dict[str, Any] = {"role": "system" if message.role == "developer" else message.role}
        blocks = message.blocks
        if message.form == "text" and len(blocks) == 1 and isinstance(blocks[0], ir.Text):
            out["content"] = blocks[0].text
        elif message.form != "bare" or blocks:
            out["content"] = encode_blocks(blocks, scope, f"messages[{index}].blocks")
        if message.extra is not None:
            restore(out, message.extra, scope.report, f"messages[{index}]")
        messages.append(out)
    body["messages"] = messages


def _configure(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    config: dict[str, Any] = {}
    forced = is_forced(request.tool_choice, target) and "tools" in body
    encode_reasoning(request, target, body, config, forced=forced)
    encode_output(request, target, body, config)
    if config:
        body["output_config"] = config


_LOST: tuple[tuple[str, str, Severity], ...] = (
    ("min_p", "there is no min_p here", "quality"),
    ("frequency_penalty", "there are no penalties here", "quality"),
    ("presence_penalty", "there are no penalties here", "quality"),
    ("repetition_penalty", "there are no penalties here", "quality"),
    ("seed", "answers cannot be seeded here", "hint"),
    ("logit_bias", "single tokens cannot be weighed here", "meaning"),
)


def _encode_sampling(sampling: ir.Sampling, target: Target, body: dict[str, Any], *, own: bool) -> None:
    report = target.report
    stated = {
        key: value
        for key, value in (
            ("temperature", sampling.temperature),
            ("top_p", sampling.top_p),
            ("top_k", sampling.top_k),
        )
        if value is not None
    }
    if stated and target.facts.sampling is False:
        for key in stated:
            report.lose(f"sampling.{key}", "the model takes no sampling parameters", "quality")
    elif stated:
        body.update(stated if own else _fit_sampling(stated, target, body))
    if sampling.stop is not None:
        _encode_stop(sampling.stop, target, body, own=own)
    for key, reason, severity in _LOST:
        if (value := getattr(sampling, key)) is not None and (value or key == "seed"):
            report.lose(f"sampling.{key}", reason, severity)
    if sampling.logprobs or sampling.top_logprobs is not None:
        place = "logprobs" if sampling.logprobs else "top_logprobs"
        report.lose(f"sampling.{place}", "log probabilities are never given here", "meaning")


def _fit_sampling(stated: dict[str, Any], target: Target, body: dict[str, Any]) -> dict[str, Any]:
    """Temperatures end at 1 here, and thinking takes none but its own."""
    report = target.report
    if body.get("thinking", {}).get("type") in {"enabled", "adaptive"}:
        if stated.get("temperature", 1) != 1:
            del stated["temperature"]
            report.lose("sampling.temperature", "cannot be set while the model thinks", "quality")
        if stated.pop("top_k", None) is not None:
            report.lose("sampling.top_k", "cannot be set while the model thinks", "quality")
        if stated.get("top_p", 1) < 0.95:
            del stated["top_p"]
            report.lose("sampling.top_p", "cannot be below 0.95 while the model thinks", "quality")
    temperature = stated.get("temperature")
    if temperature is not None and temperature > 1:
        stated["temperature"] = 1.0
        report.change("sampling.temperature", "temperature", "lowered to 1, the highest here")
        report.lose("sampling.temperature", "limited to 1", "quality")
    return stated


def _encode_stop(stop: tuple[str, ...], target: Target, body: dict[str, Any], *, own: bool) -> None:
    kept = [text for text in stop if own or text.strip()]
    if len(kept) < len(stop):
        target.report.lose(
            "sampling.stop", "a stop sequence of nothing but white space is refused", "meaning"
        )
    if kept or own:
        body["stop_sequences"] = kept


def _encode_rare(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    """What most requests do not have."""
    own, report = request.dialect == NAME, target.report
    if request.user is not None or request.metadata is not None or request.safety_identifier is not None:
        _encode_identity(request, target, body, own=own)
    if request.tier is not None:
        if (word := TIER_WORDS.get(request.tier, request.tier if own else None)) is None:
            report.lose("tier", f"there is no service tier {request.tier} here", "hint")
        else:
            body["service_tier"] = word
            if TIERS.get(word, word) != request.tier:
                report.change("tier", "service_tier", f"{request.tier} is written as {word}")
    if request.cache is not None:
        _encode_caching(request.cache, target, body)
    if request.store:
        report.lose("store", "answers are not stored here", "hint")
    for field in ("previous", "conversation", "background"):
        if getattr(request, field):
            report.lose(field, "this protocol keeps no state", "meaning")
    if request.extra is not None:
        restore(body, request.extra, report, "")


def _encode_identity(request: ir.Request, target: Target, body: dict[str, Any], *, own: bool) -> None:
    metadata: dict[str, Any] = {}
    user = request.user if request.user is not None else request.safety_identifier
    if user is not None:
        metadata["user_id"] = user
    if request.safety_identifier is not None:
        if request.safety_identifier == user:
            target.report.change("safety_identifier", "metadata.user_id", "the end user's only id here")
        else:
            target.report.lose("safety_identifier", "only one id of the end user is known here", "hint")
    if own:
        metadata.update(request.metadata or {})
    elif request.metadata:
        target.report.lose("metadata", "only the end user's id is known here", "hint")
    if metadata or own:
        body["metadata"] = metadata


def _encode_caching(cache: ir.Caching, target: Target, body: dict[str, Any]) -> None:
    if cache.mark is not None:
        body["cache_control"] = encode_mark(cache.mark, target.report, "cache")
    for field in ("key", "mode", "ttl", "retention"):
        if getattr(cache, field) is not None:
            target.report.lose(f"cache.{field}", "prompt caching has no such setting here", "hint")
    restore({}, cache.extra, target.report, "cache")
