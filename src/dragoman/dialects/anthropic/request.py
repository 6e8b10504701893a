"""Requests: decodes the body of POST /v1/messages to ir.Request, and encodes an ir.Request back."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from dragoman import ir
from dragoman.dialects.anthropic.block_decoder import decode_content, decode_mark
from dragoman.dialects.anthropic.block_encoder import Scope, encode_blocks, encode_mark
from dragoman.dialects.anthropic.check import MEMBERS
from dragoman.dialects.anthropic.history import encode_history, plain_ids, without_pictures
from dragoman.dialects.anthropic.hosted import hosted, understood
from dragoman.dialects.anthropic.output import decode_output, encode_output
from dragoman.dialects.anthropic.reasoning import decode_reasoning, encode_reasoning
from dragoman.dialects.anthropic.terms import (
    BETA_HEADER,
    NAME,
    THREADS,
    TIER_WORDS,
    TIERS,
    VERSION,
    VERSION_HEADER,
    leftovers,
    restore,
)
from dragoman.dialects.anthropic.thoughts import reconcile, thoughts_in
from dragoman.dialects.anthropic.tools import decode_choice, decode_tools, encode_tools, is_forced
from dragoman.dialects.facts import EITHER, NO_LIMIT
from dragoman.dialects.fields import Fields, within
from dragoman.dialects.output_limit import within_maximum
from dragoman.dialects.request import Target, WireRequest, is_default, states
from dragoman.errors import WireError

PATH = "/messages"
MAX_TOKENS = 8192
"""`max_tokens` if neither the client nor the model's facts state a limit. All models since Claude 3.5 accept
it."""
_COMMON = frozenset({"model", "messages", "system", "tools", "tool_choice", "max_tokens", "stream"})
_NO_OUTPUT = ir.Output()
_MESSAGE = frozenset({"role", "content"})
_SAMPLING = ("temperature", "top_p", "top_k")
_sampling_values = attrgetter(*_SAMPLING)
_ROLES = frozenset({"user", "assistant", "system"})
_THINKING = (
    ("thinking", "type", ("adaptive", "disabled", "enabled")),
    ("output_config", "effort", ("none", "minimal", "low", "medium", "high", "xhigh", "max")),
)
_BODILESS_BETAS = ("context-1m-", "output-128k-", "interleaved-thinking-", "fast-mode-")
"""Prefixes of the names of betas that change answers without a member in the body."""
_SYSTEM_ROLES = frozenset({"system", "developer"})
_NO_SAMPLING = ir.Request(NAME, None).sampling
"""The default of `ir.Request.sampling`. It is compared by identity: a request with this very object states no
sampling parameter."""

# --- Wire to IR ----------------------------------------------------------------------------------


def decode_request(wire: WireRequest) -> ir.Request:
    """Decode a request that has passed `check`. Any other request can raise errors: WireError if a message, a
    tool or a block is not an object, or if a role is an unknown string; TypeError or AttributeError for other
    members of a wrong type.
    """
    body = wire.body
    get = body.get
    forms: dict[str, str] = {}
    system = get("system")
    if isinstance(system, str):
        forms["system"] = "text"
    elif system == []:
        forms["system"] = "empty"
    if (version := wire.headers.get(VERSION_HEADER, VERSION)) != VERSION:
        forms[VERSION_HEADER] = version
    if (betas := wire.headers.get(BETA_HEADER)) is not None:
        forms[BETA_HEADER] = betas
    fields: dict[str, Any] = {}
    if system is not None:
        fields["system"] = decode_content(system, "system")
    if (tools := get("tools")) is not None:
        fields["tools"] = decode_tools(tools)
    if (choice := get("tool_choice")) is not None:
        fields["tool_choice"], fields["parallel"] = decode_choice(choice)
    if not body.keys() <= _COMMON:
        _decode_rare(body, fields)
    if betas is not None and (bodiless := _bodiless_betas(betas)):
        fields["extra"] = ir.merge(fields.get("extra"), {NAME: bodiless})
    if forms:
        fields["forms"] = forms
    if get("stream") is True:
        fields["stream"] = fields["stream_usage"] = True
    return ir.Request(NAME, get("model"), _messages(get("messages")), max_output=get("max_tokens"), **fields)


def _bodiless_betas(betas: str) -> dict[str, Any]:
    """Return the betas in the value of the header `anthropic-beta` that begin with one of `_BODILESS_BETAS`,
    as leftovers `anthropic-beta.NAME`; {} = there are none.
    """
    named = [beta.strip() for beta in betas.split(",")]
    return {f"{BETA_HEADER}.{beta}": True for beta in named if beta.startswith(_BODILESS_BETAS)}


def _decode_rare(body: dict[str, Any], fields: dict[str, Any]) -> None:
    """Decode the members that are not in `_COMMON`, and put their values into `fields`, the arguments for
    ir.Request.
    """
    get = body.get
    config, thinking, old_format = get("output_config"), get("thinking"), get("output_format")
    if config is not None or thinking is not None:
        fields["reasoning"] = decode_reasoning(thinking, None if config is None else config.get("effort"))
    if config is not None or old_format is not None:
        fields["output"] = decode_output(config, old_format)
    if get("cache_control") is not None:
        fields["cache"] = ir.Caching(mark=decode_mark(body))
    if (metadata := get("metadata")) is not None:
        fields["user"], fields["metadata"] = _identity(metadata)
    if (tier := get("service_tier")) is not None:
        fields["tier"] = TIERS.get(tier, tier)
    fields["sampling"] = _sampling(body)
    fields["extra"] = leftovers(body, MEMBERS)


def portable(wire: WireRequest) -> None:
    """Raise WireError for a value that only Anthropic's own servers may know, so that the request cannot be
    translated: a thread, or a type of thinking or an effort that is not among the words in `_THINKING`.
    """
    if wire.body.get("thread") is not None:
        raise WireError("threads exist only on Anthropic's own servers", "thread", THREADS)
    for member, key, words in _THINKING:
        said = (wire.body.get(member) or {}).get(key)
        if said is not None and said not in words:
            text = f"{said!r} is not one of the supported values: {', '.join(words)}"
            raise WireError(text, f"{member}.{key}", "invalid_value")


def brief(wire: WireRequest) -> ir.Request:
    """Return an IR request with only the values on which the form of the answer depends: the model, `stream`
    and, if it streams, `stream_usage`.
    """
    stream = wire.body.get("stream") is True
    return ir.Request(NAME, wire.body.get("model"), stream=stream, stream_usage=True if stream else None)


def _messages(values: Any) -> tuple[ir.Message, ...]:
    return tuple([_message(value, index) for index, value in enumerate(values or ())])


def _message(value: Any, index: int) -> ir.Message:
    if type(value) is not dict:
        raise WireError("must be an object", f"messages[{index}]")
    role = value.get("role")
    if role not in _ROLES:
        raise WireError(f"unknown role {role!r}", f"messages[{index}].role")
    content = value.get("content")
    form: str | None = None
    blocks: tuple[ir.Block, ...] = ()
    if type(content) is str:
        form, blocks = "text", (ir.Text(content),)
    elif content is None:
        form = "bare"
    else:
        blocks = decode_content(content, f"messages[{index}].content")
    if len(value) == 2 and content is not None:
        return ir.Message(role, blocks, form=form)
    return ir.Message(role, blocks, form=form, extra=leftovers(value, _MESSAGE))


def _sampling(body: dict[str, Any]) -> ir.Sampling:
    stop = body.get("stop_sequences")
    if stop is None and body.keys().isdisjoint(_SAMPLING):
        return _NO_SAMPLING
    stated = {member: body[member] for member in _SAMPLING if member in body}
    return ir.Sampling(stop=None if stop is None else tuple(stop), **stated)


def _identity(metadata: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
    rest = {key: value for key, value in metadata.items() if key != "user_id"}
    user = metadata.get("user_id")
    return user, rest if rest or user is None else None


# --- IR to wire ----------------------------------------------------------------------------------


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """Encode a request for Anthropic, a compatible server or a cloud that hosts Claude. Losses and changes
    are reported to `target.report`. Raises WireError for several candidates, for free-text tools, for blocks
    that `encode_block` refuses, and for requested media in the answer.
    """
    own = request.dialect == NAME
    if request.sampling.n is not None and request.sampling.n > 1:
        raise WireError("the Messages API returns only one candidate", "sampling.n", "unsupported_value")
    scope = Scope(target.report, own, signatures=target.quirks.signatures)
    thoughts: list[str] = []
    body: dict[str, Any] = {"model": target.model or request.model}
    _limit(request, target, body)
    if own:
        _own_history(request, scope, body, odd_ids=target.quirks.odd_call_ids)
    else:
        system, messages, thoughts = encode_history(request, target, scope)
        if system:
            body["system"] = system
        body["messages"] = messages
    if request.tools is not None or request.tool_choice is not None or request.parallel is False:
        encode_tools(request, target, body)
    if request.reasoning is not None or request.output is not None:
        _configure(request, target, body)
    headers = {VERSION_HEADER: VERSION}
    free = own and not is_default(request.reasoning)  # the client's own wishes are not adapted to each other
    if not free and (thoughts or "thinking" in body):
        beta = reconcile(thoughts_in(request) if own else thoughts, target, body, own=own)
        if beta is not None:
            headers[BETA_HEADER] = beta
    if request.sampling is not _NO_SAMPLING:
        _encode_sampling(request, target, body, own=free)
    if request.stream:
        body["stream"] = True
    _encode_rare(request, target, body)
    if own and request.forms is not None:
        headers.update(_own_headers(request.forms, target))
    if target.quirks.body_version != "none":
        return hosted(PATH, body, headers.get(BETA_HEADER), target)
    return WireRequest("chat", body, path=PATH, headers=headers)


def _own_headers(forms: Mapping[str, str], target: Target) -> dict[str, str]:
    """Return the headers `anthropic-version` and `anthropic-beta` that the client stated, without the betas
    that the server does not know, which are reported as lost. forms: `ir.Request.forms`, which holds the
    values of these headers.
    """
    headers = {VERSION_HEADER: forms[VERSION_HEADER]} if VERSION_HEADER in forms else {}
    if betas := understood(forms.get(BETA_HEADER, ""), target.quirks, target.report):
        headers[BETA_HEADER] = betas
    return headers


def _limit(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    stated, most = request.max_output, target.facts.max_output
    if stated is None:
        body["max_tokens"] = most or MAX_TOKENS
        which = "the gateway's default" if most is None else "the model's maximum"
        target.report.add("max_tokens", f"the Messages API requires max_tokens: {which} is used")
    else:
        body["max_tokens"] = within_maximum(stated, target.facts, target.report, "max_tokens")


def _own_history(request: ir.Request, scope: Scope, body: dict[str, Any], *, odd_ids: bool) -> None:
    """Write `system` and `messages` of a request that came in this dialect. The client's messages stay as
    they are (in the canonical form), except for `without_pictures`, `plain_ids` and blocks for which
    `encode_block` returns None. odd_ids: True = the vendor accepts all ids, so none is rewritten.

    System and developer messages at the front come only from the gateway. They go before the client's
    `system`.
    """
    added: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    for index, message in enumerate(request.messages):
        blocks = message.blocks
        if not messages and message.role in _SYSTEM_ROLES:
            added += encode_blocks(blocks, scope, f"messages[{index}].blocks")
            continue
        out: dict[str, Any] = {"role": "system" if message.role == "developer" else message.role}
        if message.form == "text" and len(blocks) == 1 and type(blocks[0]) is ir.Text:
            out["content"] = blocks[0].text
        elif message.form != "bare" or blocks:
            out["content"] = encode_blocks(blocks, scope, where := f"messages[{index}].blocks")
            if not odd_ids:
                plain_ids(out["content"], where, scope.report)
        restore(out, message.extra, scope.report, f"messages[{index}]")
        messages.append(out)
    system, form = request.system, (request.forms or {}).get("system")
    if not added and form == "text" and len(system) == 1 and type(system[0]) is ir.Text:
        body["system"] = system[0].text
    elif added or system or form == "empty":
        body["system"] = added + encode_blocks(system, scope, "system")
    body["messages"] = without_pictures(messages, scope.report)


def _configure(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    config: dict[str, Any] = {}
    forced = is_forced(request.tool_choice, target) and "tools" in body
    encode_reasoning(request, target, body, config, forced=forced)
    encode_output(request, target, body, config)
    if config or (request.dialect == NAME and request.output == _NO_OUTPUT):
        body["output_config"] = config


def _encode_sampling(request: ir.Request, target: Target, body: dict[str, Any], *, own: bool) -> None:
    """Write the settings of the sampling, without those that the model is known to refuse. own: True = the
    client's own values are not fitted to the API's ranges (`_fit_sampling`), only those of the configuration.
    """
    sampling, report = request.sampling, target.report
    values = zip(_SAMPLING, _sampling_values(sampling), strict=True)
    stated = {member: value for member, value in values if value is not None}
    if stated and target.facts.sampling is False:
        for key in stated:
            report.lose(f"sampling.{key}", "the model does not accept sampling parameters", "quality")
    elif stated:
        made = [key for key in stated if not (own and states(request, NAME, f"sampling.{key}"))]
        fitted = _fit_sampling({key: stated.pop(key) for key in made}, target, body) | stated
        if target.facts.sampling_pair is False and {"temperature", "top_p"} <= fitted.keys():
            # A value of the configuration gives way to the client's own.
            less = "temperature" if "temperature" in made and "top_p" in stated else "top_p"
            del fitted[less]
            report.lose(f"sampling.{less}", EITHER, "quality")
        body.update(fitted)
    if sampling.stop is not None:
        _encode_stop(sampling.stop, target, body, own=own and states(request, NAME, "sampling.stop"))
    FIELDS.lose(sampling, report, "sampling")


def _fit_sampling(stated: dict[str, Any], target: Target, body: dict[str, Any]) -> dict[str, Any]:
    report = target.report
    if body.get("thinking", {}).get("type") in {"enabled", "adaptive"}:
        if stated.get("temperature", 1) != 1:
            del stated["temperature"]
            report.lose("sampling.temperature", "cannot be set while thinking is enabled", "quality")
        if stated.pop("top_k", None) is not None:
            report.lose("sampling.top_k", "cannot be set while thinking is enabled", "quality")
        if stated.get("top_p", 1) < 0.95:
            del stated["top_p"]
            report.lose("sampling.top_p", "cannot be below 0.95 while thinking is enabled", "quality")
    if stated.get("top_k", 0) < 0:
        del stated["top_k"]
        report.change("sampling.top_k", "", NO_LIMIT)
    temperature = stated.get("temperature")
    if temperature is not None and temperature > 1:
        stated["temperature"] = 1.0
        report.change("sampling.temperature", "temperature", "lowered to 1, the maximum of the Messages API")
        report.lose("sampling.temperature", "limited to 1", "quality")
    return stated


def _encode_stop(stop: tuple[str, ...], target: Target, body: dict[str, Any], *, own: bool) -> None:
    kept = [text for text in stop if own or text.strip()]
    if len(kept) < len(stop):
        target.report.lose(
            "sampling.stop", "the Messages API rejects a stop sequence that is only white space", "meaning"
        )
    if kept or own:
        body["stop_sequences"] = kept


def _encode_rare(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    report = target.report
    if request.user is not None or request.metadata is not None or request.safety_identifier is not None:
        _encode_identity(request, target, body, own=states(request, NAME, "metadata"))
    if request.tier is not None:
        stated = request.tier if states(request, NAME, "tier") else None
        if (word := TIER_WORDS.get(request.tier, stated)) is None:
            report.lose("tier", f"the Messages API has no service tier {request.tier}")
        else:
            body["service_tier"] = word
            if TIERS.get(word, word) != request.tier:
                report.change("tier", "service_tier", f"{request.tier} is written as {word}")
    if request.cache is not None:
        _encode_caching(request.cache, target, body)
    FIELDS.lose(request, report)
    if (extra := request.extra) is not None:  # the betas in it are sent as a header
        kept = {key: value for key, value in extra.get(NAME, {}).items() if not key.startswith(BETA_HEADER)}
        restore(body, {**extra, NAME: kept}, report, "")


def _encode_identity(request: ir.Request, target: Target, body: dict[str, Any], *, own: bool) -> None:
    metadata: dict[str, Any] = {}
    user = request.user if request.user is not None else request.safety_identifier
    if user is not None:
        metadata["user_id"] = user
    if request.safety_identifier is not None:
        if request.safety_identifier == user:
            said = "the Messages API has only this field for the end user's id"
            target.report.change("safety_identifier", "metadata.user_id", said)
        else:
            target.report.lose("safety_identifier", "the Messages API has only one id of the end user")
    if own:
        metadata.update(request.metadata or {})
    elif request.metadata:
        target.report.lose("metadata", "the Messages API has no metadata except the end user's id")
    if metadata or own:
        body["metadata"] = metadata


def _encode_caching(cache: ir.Caching, target: Target, body: dict[str, Any]) -> None:
    if cache.mark is not None:
        body["cache_control"] = encode_mark(cache.mark, target.report, "cache.mark")
    FIELDS.lose(cache, target.report, "cache")
    restore({}, cache.extra, target.report, "cache")


_PENALTIES = "frequency_penalty presence_penalty repetition_penalty"
_NO_CACHING = "the Messages API has no such setting of prompt caching"
FIELDS = Fields(
    NAME,
    handled={
        encode_request: ("model", "sampling.n", "stream", "stream_usage"),
        _own_history: ("system", "messages"),
        _limit: ("max_output",),
        _encode_sampling: [f"sampling.{member}" for member in _SAMPLING],
        _encode_stop: ("sampling.stop",),
        encode_tools: ("tools", "tool_choice", "parallel"),
        encode_reasoning: within("reasoning", "mode effort budget summary visible"),
        encode_output: within("output", "kind schema name description strict modalities audio verbosity"),
        _encode_identity: ("user", "safety_identifier", "metadata"),
        _encode_rare: ("tier",),
        _encode_caching: ("cache.mark",),
    },
    lost={
        "sampling.min_p": "the Messages API has no min_p",
        "sampling.seed": "the Messages API has no seed",
        **dict.fromkeys(within("sampling", _PENALTIES), "the Messages API has no penalties"),
        "sampling.logit_bias": "the Messages API has no logit bias",
        "sampling.logprobs": "the Messages API has no log probabilities",
        "sampling.top_logprobs": "the Messages API has no log probabilities",
        **dict.fromkeys(within("cache", "key mode ttl retention"), _NO_CACHING),
        "store": "the Messages API does not store responses",
        "prediction": "the Messages API has no predicted output",
        "moderation": "the Messages API has no moderation",
        **dict.fromkeys(("previous", "conversation", "background"), "the Messages API is stateless"),
    },
)
"""For each field of ir.Request, the function that encodes it, or the loss reason."""
