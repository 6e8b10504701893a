"""Decodes and encodes chat requests. `history` does this for the messages, `tools` for the tools.

Request.forms says how the client wrote a field: "max_output": "max_tokens" for the older member; "tools":
"functions" for OpenAI's older member; "stop" and "prediction": "string" for a bare string; "stream": "false"
for a stated false; "reasoning": the members used, joined by "+"; "custom": "function" if the client receives
calls of free-text tools as functions whose arguments are the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.terms import SCHEMA_BESIDE
from dragoman.dialects.facts import SAMPLING
from dragoman.dialects.fields import STATE, Fields, within
from dragoman.dialects.leftovers import lose_items
from dragoman.dialects.openai.caching import CACHING, decode_caching, encode_caching
from dragoman.dialects.openai.sampling import leave_out_sampling
from dragoman.dialects.openai.strictness import strictness
from dragoman.dialects.openai.terms import LEFTOVERS, NAME, leftovers, restore
from dragoman.dialects.openai_chat.check import EXTENSIONS, SCALARS
from dragoman.dialects.openai_chat.functions import as_tools
from dragoman.dialects.openai_chat.history import decode_messages, encode_messages
from dragoman.dialects.openai_chat.parts import decode_parts, encode_part
from dragoman.dialects.openai_chat.reasoning import MEMBERS as REASONING
from dragoman.dialects.openai_chat.reasoning import decode_reasoning, encode_reasoning
from dragoman.dialects.openai_chat.sound import speak
from dragoman.dialects.openai_chat.terms import GUIDED, PATH, REFUSED, TIERS
from dragoman.dialects.openai_chat.tools import decode_choice, decode_tools, encode_tools
from dragoman.dialects.request import MADE, Target, WireRequest
from dragoman.dialects.severity import of_refused
from dragoman.errors import WireError

_SCALARS: Final = frozenset({*SCALARS, *EXTENSIONS})
_SAMPLING: Final = _SCALARS | {"stop"}
_OUTPUT: Final = frozenset({"response_format", "modalities", "audio", "verbosity"})
_TOOLS: Final = frozenset(
    {"tools", "functions", "tool_choice", "function_call", "parallel_tool_calls", "web_search_options"}
)
_USUAL: Final = (
    frozenset({"model", "messages", "stream", "max_tokens", "max_completion_tokens"}) | _SAMPLING | _TOOLS
)
MAPS: Final = (
    _USUAL
    | _OUTPUT
    | CACHING
    | REASONING
    | {"stream_options", "user", "safety_identifier", "metadata", "service_tier", "store", "prediction"}
    | {"moderation"}
)
"""The top-level members that have a field in `ir.Request`. `Request.extra` never holds them, except an older
member (`_OLDER`) beside the newer one."""
_OLDER: Final = {"functions": "tools", "function_call": "tool_choice"}
_STREAM_OPTIONS: Final = frozenset({"include_usage"})
_FORMAT: Final = frozenset({"type", "json_schema"})
_TYPE: Final = frozenset({"type"})
_SCHEMA: Final = frozenset({"name", "description", "schema", "strict"})
_SHAPING: Final = frozenset({"stream", "stream_options", "functions"})
"""Members that decide the form of the response, beside the model's name."""
_PREDICTION: Final = frozenset({"type", "content"})
_NO_SAMPLING: Final = ir.Sampling()
_ALIKE: Final = {
    "user": "user",
    "safety_identifier": "safety_identifier",
    "metadata": "metadata",
    "service_tier": "tier",
    "store": "store",
    "moderation": "moderation",
}
"""Member whose value is decoded and encoded unchanged -> its field in `ir.Request`. For another dialect's
request, `_fit_state` may remove `store` and `service_tier`."""


def decode_request(wire: WireRequest) -> ir.Request:
    """Return the decoded request. wire: a request that `check` has accepted. Raises WireError for a message
    of unknown form.
    """
    body = wire.body
    get = body.get
    forms: dict[str, str] = {}
    keys = body.keys()
    if get("stream") is False:
        forms["stream"] = "false"
    max_output = get("max_completion_tokens")
    if max_output is None and (max_output := get("max_tokens")) is not None:
        forms["max_output"] = "max_tokens"
    tools = {} if keys.isdisjoint(_TOOLS) else _decode_tools(body, forms)
    wishes = {} if keys <= _USUAL else _decode_wishes(body, forms)
    if not keys.isdisjoint(_OLDER) and (older := _unread(body)):
        wishes["extra"] = ir.merge(wishes.get("extra"), {NAME: older})
    return ir.Request(
        NAME,
        get("model"),
        decode_messages(get("messages") or ()),
        sampling=_NO_SAMPLING if keys.isdisjoint(_SAMPLING) else _decode_sampling(body, forms),
        max_output=max_output,
        stream=get("stream") is True,
        forms=forms or None,
        **tools,
        **wishes,
    )


def _unread(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members `functions` and `function_call` of a request, each only if the request also has the
    newer member (`tools`, `tool_choice`). Only the newer member is decoded.
    """
    return {
        member: body[member]
        for member, newer in _OLDER.items()
        if body.get(member) is not None and body.get(newer) is not None
    }


def _decode_tools(body: Mapping[str, Any], forms: dict[str, str]) -> dict[str, Any]:
    """Return {field of ir.Request -> value} for the fields that concern tools. Adds "tools" to `forms` if the
    client used only the older `functions`.
    """
    if body.get("functions") is not None and body.get("tools") is None:
        forms["tools"] = "functions"
    return {
        "tools": decode_tools(body),
        "tool_choice": decode_choice(body),
        "parallel": body.get("parallel_tool_calls"),
    }


def _decode_wishes(body: Mapping[str, Any], forms: dict[str, str]) -> dict[str, Any]:
    """Return {field of ir.Request -> value} for the fields that most requests do not state, such as output,
    reasoning and cache. How the client wrote these fields is added to `forms`.
    """
    get, keys = body.get, body.keys()
    fields: dict[str, Any] = {field: body[member] for member, field in _ALIKE.items() if member in body}
    guided = None if keys.isdisjoint(GUIDED) else _guided(body)
    if guided is not None or not keys.isdisjoint(_OUTPUT):
        fields["output"] = _decode_output(body, guided)
    if not keys.isdisjoint(REASONING):
        fields["reasoning"] = decode_reasoning(body, forms)
    if not keys.isdisjoint(CACHING):
        fields["cache"] = decode_caching(body, LEFTOVERS)
    extra = leftovers(body, MAPS if guided is None else MAPS | {guided[0]})
    if (predicted := get("prediction")) is not None:
        fields["prediction"] = _decode_prediction(predicted.get("content") or "", forms)
        extra = ir.merge(extra, leftovers(predicted, _PREDICTION, "prediction"))
    if (options := get("stream_options")) is not None:
        fields["stream_usage"] = options.get("include_usage")
        extra = ir.merge(extra, leftovers(options, _STREAM_OPTIONS, "stream_options"))
    fields["extra"] = extra
    return fields


def brief(wire: WireRequest) -> ir.Request:
    """Return an IR request with only the model and those fields that decide the form of the response:
    `stream`, `stream_usage`, and "tools" in `forms`.
    """
    get = wire.body.get
    if _SHAPING.isdisjoint(wire.body):
        return ir.Request(NAME, get("model"))
    options = get("stream_options") or {}
    forms = {"tools": "functions"} if get("functions") is not None and get("tools") is None else None
    return ir.Request(
        NAME,
        get("model"),
        stream=get("stream") is True,
        stream_usage=options.get("include_usage"),
        forms=forms,
    )


def _decode_sampling(body: Mapping[str, Any], forms: dict[str, str]) -> ir.Sampling:
    stop = body.get("stop")
    if isinstance(stop, str):
        stop = (stop,)
        forms["stop"] = "string"
    elif stop is not None:
        stop = tuple(stop)
    return ir.Sampling(stop=stop, **{member: body[member] for member in _SCALARS & body.keys()})


def _guided(body: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return (the name of vLLM's member for the answer's schema, the schema): `guided_json` if it is an
    object, else `structured_outputs` if it is an object whose only member `json` is an object. None = the
    request has neither, or it has `response_format`.
    """
    if body.get("response_format") is not None:
        return None
    if isinstance(schema := body.get("guided_json"), dict):
        return "guided_json", schema
    held = body.get("structured_outputs")
    if isinstance(held, dict) and held.keys() == {"json"} and isinstance(held["json"], dict):
        return "structured_outputs", held["json"]
    return None


def _decode_output(
    body: Mapping[str, Any], guided: tuple[str, dict[str, Any]] | None = None
) -> ir.Output | None:
    get = body.get
    modalities = get("modalities")
    rest: dict[str, Any] = {
        "modalities": tuple(modalities) if modalities is not None else None,
        "audio": get("audio"),
        "verbosity": get("verbosity"),
    }
    if guided is not None:
        return ir.Output("schema", guided[1], form=guided[0], **rest)
    wire = get("response_format")
    if wire is None:
        return ir.Output(**rest) if any(value is not None for value in rest.values()) else None
    kind = wire.get("type")
    if kind == "json_schema" and isinstance(inner := wire.get("json_schema"), dict):
        extra = ir.merge(leftovers(wire, _FORMAT), leftovers(inner, _SCHEMA, "json_schema"))
        return _schema_output(inner, extra, None, rest)
    if kind in {"json_schema", "json_object"}:
        for member in SCHEMA_BESIDE:
            if isinstance(schema := wire.get(member), dict):
                known = (_SCHEMA - {"schema"}) | {"type", member}
                form = kind if member == "schema" else f"{kind}.{member}"
                return _schema_output({**wire, "schema": schema}, leftovers(wire, known), form, rest)
    if kind == "json_object":
        return ir.Output("json", extra=leftovers(wire, _TYPE), form="response_format", **rest)
    if kind == "text":
        return ir.Output("text", extra=leftovers(wire, _TYPE), form="response_format", **rest)
    return ir.Output("text", extra={NAME: dict(wire)}, form="native", **rest)


def _schema_output(
    wire: Mapping[str, Any], extra: ir.Extra, form: str | None, rest: Mapping[str, Any]
) -> ir.Output:
    get = wire.get
    return ir.Output(
        "schema",
        get("schema"),
        get("name"),
        get("description"),
        get("strict"),
        extra=extra,
        form=form,
        **rest,
    )


def _decode_prediction(content: Any, forms: dict[str, str]) -> tuple[ir.Block, ...]:
    if isinstance(content, str):
        forms["prediction"] = "string"
        return (ir.Text(content),)
    return decode_parts(content, "prediction.content")


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """Return the request for an upstream of this dialect. Losses and changes go to `target.report`.

    Raises WireError, with a path in the IR, for content that cannot be written and must not be left out, for
    example a medium that no content part can hold, several candidates from a vendor that rejects `n`, or, in
    a request of another dialect, a tool result without its call.
    """
    draft = Draft.of(request, target, NAME)
    if draft.own and not draft.quirks.functions:
        request = as_tools(request, target.report)
    forms = (request.forms or {}) if draft.own else {}
    body: dict[str, Any] = {"model": target.model if target.model is not None else request.model}
    body["messages"] = encode_messages(request, draft)
    lose_items(request, target.report)
    if request.tools is not None or request.tool_choice is not None or request.parallel is not None:
        encode_tools(body, request, draft)
    if request.sampling is not _NO_SAMPLING:
        _encode_sampling(body, request.sampling, forms, draft)
    _encode_wishes(body, request, forms, draft)
    for member, field in _ALIKE.items():
        if (value := getattr(request, field)) is not None:
            body[member] = value
    if request.stream:
        _encode_stream(body, request, draft)
    elif "stream" in forms:
        body["stream"] = False
    if not draft.own:
        _fit_state(body, request, draft)
    FIELDS.lose(request, draft.report)
    if any(key.startswith("stream_options.") for key in (request.extra or {}).get(NAME, ())):
        body.setdefault("stream_options", {})
    restore(body, request.extra, draft.report, "")
    if draft.quirks.refuses:
        _leave_out(body, draft)
    return WireRequest("chat", body, path=PATH)


def _encode_wishes(body: dict[str, Any], request: ir.Request, forms: Mapping[str, str], draft: Draft) -> None:
    if request.max_output is not None:
        body[_max_member(forms, draft)] = request.max_output
    if request.output is not None:
        _encode_output(body, request.output, draft)
    if request.reasoning is not None:
        encode_reasoning(body, request.reasoning, forms.get("reasoning", ""), draft)
    if request.cache is not None:
        encode_caching(body, request.cache, draft, LEFTOVERS)
    if request.prediction is not None:
        body["prediction"] = {"type": "content", "content": _encode_prediction(request, forms, draft)}


def _max_member(forms: Mapping[str, str], draft: Draft) -> str:
    """Return the name of the member for the limit of output tokens: the vendor's name, if this is not
    `max_completion_tokens`; otherwise `max_tokens` if the client wrote this and the model is not known to
    reject it; otherwise `max_completion_tokens`. forms: `Request.forms` of a client of this dialect, else {}.
    """
    newer = "max_completion_tokens"
    if draft.quirks.max_tokens_field != newer:
        return draft.quirks.max_tokens_field
    if draft.facts.max_tokens is False and forms.get("max_output", newer) != newer:
        draft.report.change("max_output", newer, "the model accepts only the newer parameter")
        return newer
    return forms.get("max_output", "max_completion_tokens")


def _encode_sampling(
    body: dict[str, Any], sampling: ir.Sampling, forms: Mapping[str, str], draft: Draft
) -> None:
    for member in SCALARS:
        if (value := getattr(sampling, member)) is not None:
            body[member] = value
    if sampling.stop is not None:
        single = forms.get("stop") == "string" and not draft.quirks.stop_list
        body["stop"] = sampling.stop[0] if single else list(sampling.stop)
    for member in EXTENSIONS:
        value = getattr(sampling, member)
        if value is not None and (draft.own or member in draft.quirks.extensions):
            body[member] = value
    FIELDS.lose(sampling, draft.report, "sampling", written=body)
    if "top_logprobs" in body and sampling.logprobs is None and not draft.own:
        body["logprobs"] = True
        draft.report.add("logprobs", "required by `top_logprobs`")
    if draft.facts.sampling is False:
        leave_out_sampling(body, SAMPLING, draft)


def _encode_output(body: dict[str, Any], output: ir.Output, draft: Draft) -> None:
    own = draft.own and output.form != MADE
    form = output.form if own else None
    wire: dict[str, Any] | None = None
    if form == "native":
        wire = {}
    elif form in GUIDED:
        body[form] = output.schema if form == GUIDED[form] else {"json": output.schema}
    elif output.kind == "schema":
        wire = _encode_schema(output, form, draft, own=own)
    elif output.kind == "json":
        wire = _any_object(draft)
    elif form is not None:
        wire = {"type": "text"}
    if wire is not None:
        body["response_format"] = wire
    restore(wire if wire is not None else {}, output.extra, draft.report, "output")
    if output.modalities is not None:
        body["modalities"] = list(output.modalities)
    if output.audio is not None:
        body["audio"] = output.audio
    if not draft.own and "audio" in body.get("modalities", ()):
        speak(body, draft)
    if output.verbosity is not None:
        body["verbosity"] = output.verbosity


def _any_object(draft: Draft) -> dict[str, Any]:
    """Return the `response_format` for any JSON object: JSON mode or, for a vendor without it, a schema that
    every object fits, which is reported as a change.
    """
    if draft.quirks.json_object:
        return {"type": "json_object"}
    draft.report.change(
        "output", "response_format", "the provider has no JSON mode: any object fits the schema"
    )
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}


def _encode_schema(output: ir.Output, form: str | None, draft: Draft, *, own: bool) -> dict[str, Any]:
    members = {
        "name": output.name if output.name is not None or own else "answer",
        "description": output.description,
        "schema": output.schema,
        "strict": strictness(output, draft.report, own=own),
    }
    inner = {key: value for key, value in members.items() if value is not None}
    if form is not None:
        kind, _, member = form.partition(".")
        if member:
            inner[member] = inner.pop("schema")
        return {"type": kind, **inner}
    if not draft.quirks.json_schema:
        draft.report.lose("output.schema", "the provider supports JSON mode, but no schema", "quality")
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": inner}


def _encode_prediction(request: ir.Request, forms: Mapping[str, str], draft: Draft) -> Any:
    """Return the value of `prediction.content`: a string if the prediction is one text, unless a client of
    this dialect wrote a list of parts; otherwise a list of parts. forms: `Request.forms` of a client of this
    dialect, else {}.
    """
    blocks = request.prediction or ()
    string = "prediction" in forms or not draft.own
    if string and len(blocks) == 1 and isinstance(block := blocks[0], ir.Text):
        return block.text
    parts = (encode_part(block, draft, f"prediction[{index}]") for index, block in enumerate(blocks))
    return [part for part in parts if part is not None]


def _encode_stream(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Write `stream: true` and, in `stream_options`, whether the client wants the usage. For a client of
    another dialect that does not state it, the usage is requested. For a vendor without `stream_options` only
    `stream` is written, and a wanted usage is reported as lost.
    """
    body["stream"] = True
    wanted = request.stream_usage
    if wanted is None and not draft.own:
        wanted = True
        draft.report.add("stream_options.include_usage", "the client's protocol always reports the usage")
    if wanted is None:
        return
    if draft.quirks.stream_options:
        body["stream_options"] = {"include_usage": wanted}
    elif wanted:
        draft.report.lose("stream_usage", "the provider does not support `stream_options`", "hint")


def _fit_state(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Fit the body of another dialect's request: remove `store: false`, which is the default of this dialect,
    and a service tier that OpenAI does not have. The tier is reported as lost.
    """
    if request.store is False:
        del body["store"]
    if request.tier is not None and request.tier not in TIERS:
        draft.report.lose("tier", f"the provider has no service tier {request.tier}")
        del body["service_tier"]


def _leave_out(body: dict[str, Any], draft: Draft) -> None:
    """Remove from `body` the members that the vendor rejects. Each is reported as lost, except
    `stream_options` and `n: 1`.

    Raises WireError for an `n` above 1 if the vendor rejects `n`.
    """
    for member in draft.quirks.refuses & body.keys():
        value = body.pop(member)
        if member == "n":
            if value != 1:
                raise WireError("the provider returns only one candidate", "sampling.n", "unsupported_value")
            continue
        if member == "stream_options":
            continue
        where = f"sampling.{member}" if member in _SAMPLING else REFUSED.get(member, member)
        draft.report.lose(where, f"the provider rejects `{member}`", of_refused(NAME, where))


FIELDS: Final = Fields(
    NAME,
    handled={
        encode_request: ("model", *_ALIKE.values()),
        _encode_stream: ("stream", "stream_usage"),
        encode_messages: ("system", "messages"),
        encode_tools: ("tools", "tool_choice", "parallel"),
        _encode_sampling: ("sampling.stop", *(f"sampling.{member}" for member in SCALARS)),
        _encode_wishes: ("max_output",),
        _encode_output: within("output", "kind schema name description strict modalities audio verbosity"),
        encode_reasoning: within("reasoning", "mode effort budget summary visible"),
        encode_caching: within("cache", "key mode ttl retention mark"),
        _encode_prediction: ("prediction",),
    },
    lost={**STATE, **{f"sampling.{member}": f"the provider has no {member}" for member in EXTENSIONS}},
)
"""The encoder of each field of `ir.Request`, and the fields that this dialect loses, with reasons."""
