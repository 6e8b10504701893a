"""Decodes and encodes Ollama chat requests. A request without `stream` gets a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.capabilities import DEMANDED
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.reasoning import lose_visibility
from dragoman.dialects.efforts import effort_of, lose_effort
from dragoman.dialects.facts import SAMPLING
from dragoman.dialects.fields import ANSWERS_ONLY, Fields, within
from dragoman.dialects.leftovers import lose_items
from dragoman.dialects.ollama.history import decode_messages, encode_messages
from dragoman.dialects.ollama.options import PLACES, decode_options, encode_options
from dragoman.dialects.ollama.terms import NAME, PATH, leftovers, restore
from dragoman.dialects.ollama.tools import decode_tools, encode_tools
from dragoman.dialects.openai.sampling import leave_out_sampling
from dragoman.dialects.request import MADE, Target, WireRequest, states
from dragoman.dialects.schema import describe
from dragoman.errors import WireError

MAPS: Final = frozenset(
    {
        *("model", "messages", "stream", "format", "tools", "options", "think", "truncate"),
        *("logprobs", "top_logprobs"),
    }
)
"""The members with an IR field. All other members of a request, and options without an IR field, are
leftovers in `extra`."""
LEVELS: Final = ("low", "medium", "high", "max")
"""The texts that `think` may have as its value."""
_LEVELS: Final = {"minimal": "low", "xhigh": "max"}
_TOKENS: Final = ("logprobs", "top_logprobs")
_ABSENT: Final = (None, "")
_TRUNCATIONS: Final = {True: "auto", False: "disabled"}


def decode_request(wire: WireRequest) -> ir.Request:
    """Decode a request that has passed `check`. A member in `MAPS` whose value is "" counts as absent, except
    `model`. Other members and options without an IR field become leftovers in `extra`. Raises WireError for a
    message of unknown form.
    """
    body = wire.body
    get = body.get
    fields: dict[str, Any] = {}
    extra = leftovers(body, MAPS)
    if options := get("options"):
        extra = ir.merge(extra, decode_options(options, fields))
    if told := {member: get(member) for member in _TOKENS if get(member) not in _ABSENT}:
        fields["sampling"] = msgspec.structs.replace(fields.get("sampling", ir.Sampling()), **told)
    if tools := get("tools"):
        fields["tools"] = decode_tools(tools)
    if wish := get("format"):
        fields["output"] = ir.Output("json") if wish == "json" else ir.Output("schema", wish, strict=True)
    if (think := get("think")) not in _ABSENT:
        level = think if isinstance(think, str) else None
        fields["reasoning"] = ir.Reasoning(effort=level) if level else ir.Reasoning("on" if think else "off")
        fields["forms"] = _forms(body)
    if (truncate := get("truncate")) not in _ABSENT:
        fields["truncation"] = _TRUNCATIONS[truncate]
    if _streams(body):
        fields["stream"] = fields["stream_usage"] = True
    return ir.Request(NAME, get("model"), decode_messages(get("messages") or ()), extra=extra, **fields)


def brief(wire: WireRequest) -> ir.Request:
    """Return an IR request with only the values on which the form of the response depends: the model,
    `stream` (False only if the request has `"stream": false`), and in `forms` whether the client demands
    thinking (`think` is true or a level).
    """
    stream = _streams(wire.body)
    usage, forms = True if stream else None, _forms(wire.body)
    return ir.Request(NAME, wire.body.get("model"), stream=stream, stream_usage=usage, forms=forms)


def _forms(body: Mapping[str, Any]) -> dict[str, str] | None:
    return {"reasoning": DEMANDED} if body.get("think") else None


def _streams(body: Mapping[str, Any]) -> bool:
    return body.get("stream") is not False


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """Encode the request for an upstream of this dialect, and report changes and losses to `target.report`.
    The model is `target.model`; if that is None, the request's.

    Raises WireError, with an IR path, for values that cannot be replaced: a free-text tool or call, output
    other than text, several candidates, and some media (`encode_messages`).
    """
    draft = Draft.of(request, target, NAME)
    body: dict[str, Any] = {"model": target.model if target.model is not None else request.model}
    body["messages"] = encode_messages(request, draft)
    lose_items(request, target.report)
    if request.tools is not None or request.tool_choice is not None or request.parallel is not None:
        encode_tools(body, request, draft)
    FIELDS.lose(request.sampling, target.report, "sampling")
    body["options"] = encode_options(request, target.facts, target.report)
    if target.facts.sampling is False:
        made = [member for member in SAMPLING if not states(request, NAME, f"sampling.{member}")]
        leave_out_sampling(body["options"], made, draft)
    for member in _TOKENS:
        if (value := getattr(request.sampling, member)) is not None:
            body[member] = value
    if request.output is not None:
        _encode_output(body, request.output, draft)
    if request.reasoning is not None:
        _encode_reasoning(body, request.reasoning, draft)
    if request.truncation is not None:
        body["truncate"] = request.truncation != "disabled"
    body["stream"] = request.stream
    _lose_foreign(request, draft)
    restore(body, request.extra, draft.report, "")
    if not body["options"]:
        del body["options"]
    return WireRequest("chat", body, path=PATH)


def _encode_output(body: dict[str, Any], output: ir.Output, draft: Draft) -> None:
    report = draft.report
    if output.kind == "schema" and output.schema is not None:
        body["format"] = output.schema if draft.own and output.form != MADE else _titled(output, draft)
    elif output.kind != "text":
        body["format"] = "json"
    FIELDS.lose(output, report, "output")
    if any(kind != "text" for kind in output.modalities or ()):
        raise WireError("the Ollama API generates only text", "output.modalities", "unsupported_modality")
    restore({}, output.extra, report, "output")


def _titled(output: ir.Output, draft: Draft) -> dict[str, Any]:
    """Return a copy of the output's schema into which the output's name and description are written
    (`describe`). Changes and losses are reported.
    """
    schema = dict(output.schema or {})
    describe(schema, output, "format", draft.report)
    if schema != output.schema:
        draft.report.change(
            "output.schema", "format", "the schema's title also carries the name of the output"
        )
    return schema


def _encode_reasoning(body: dict[str, Any], wish: ir.Reasoning, draft: Draft) -> None:
    report = draft.report
    if draft.own and wish.form != MADE:
        body["think"] = wish.effort if wish.effort is not None else wish.mode == "on"
        return
    restore({}, wish.extra, report, "reasoning")
    off = wish.mode == "off" or wish.effort == "none" or wish.budget == 0
    if draft.facts.reasoning is False:
        if not off:
            report.lose("reasoning", "the model does not support reasoning", "hint")
        return
    if off:
        lose_effort(wish, report)
        body["think"] = False
        report.change("reasoning", "think", "no reasoning is written as `false`")
    elif wish.mode == "on" and wish.effort is None and wish.budget is None:
        body["think"] = True
    elif (effort := effort_of(wish, draft.facts, report, "think")) is not None:
        body["think"] = _level(effort, draft)
    lose_visibility(wish, draft, shown=True)


def _level(effort: str, draft: Draft) -> str:
    if effort in LEVELS:
        return effort
    level = _LEVELS.get(effort, "medium")
    draft.report.change("reasoning.effort", "think", f"{effort} is written as {level}")
    return level


def _lose_foreign(request: ir.Request, draft: Draft) -> None:
    """Report as lost the request's top-level fields and cache settings for which this dialect has no member.
    The service tiers "auto" and "default" are not reported.
    """
    report = draft.report
    FIELDS.lose(request, report)
    for key in request.metadata or ():
        report.lose(f"metadata.{key}", "the Ollama API has no metadata", "hint")
    if request.tier not in {None, "auto", "default"}:
        report.lose("tier", "the Ollama API has only one service tier")
    if (cache := request.cache) is not None:
        FIELDS.lose(cache, report, "cache")
        restore({}, cache.extra, report, "cache")


FIELDS: Final = Fields(
    NAME,
    handled={
        encode_request: (
            *("model", "stream", "stream_usage", "truncation"),
            *(f"sampling.{member}" for member in _TOKENS),
        ),
        encode_messages: ("system", "messages"),
        encode_tools: ("tools", "tool_choice", "parallel"),
        encode_options: ("sampling.n", *PLACES),
        _encode_output: within("output", "kind schema name description strict modalities"),
        _encode_reasoning: within("reasoning", "mode effort budget summary visible"),
        _lose_foreign: ("metadata", "tier"),
    },
    lost={
        **ANSWERS_ONLY,
        "prediction": "the Ollama API has no predicted output",
        "sampling.logit_bias": "the Ollama API has no logit bias",
        "output.verbosity": "the Ollama API has no verbosity",
        "output.audio": "the Ollama API has no audio",
        **dict.fromkeys(
            within("cache", "key mode ttl retention mark"), "the Ollama API has no prompt cache settings"
        ),
    },
)
"""For each field of ir.Request, the function that encodes it, or the loss reason."""
