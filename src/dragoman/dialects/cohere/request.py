"""Cohere chat requests, decoded and encoded. `history` decodes and encodes the messages, `tools` the tools.

Values of the IR's `forms` and `form`: Request.forms has "stream": "false" if the client stated false, and
"strict_tools": "true" or "false" as stated; Output.form is "response_format" if the client stated the type
"text", and "native" for a format that the IR cannot express. `thinking.type` "enabled" is Reasoning.mode
"on", "disabled" is "off".
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.reasoning import lose_visibility
from dragoman.dialects.cohere.check import SCALARS
from dragoman.dialects.cohere.history import decode_messages, encode_messages
from dragoman.dialects.cohere.terms import (
    LEAST_P,
    MOST_K,
    MOST_P,
    MOST_PENALTY,
    MOST_STOPS,
    NAME,
    PATH,
    leftovers,
    restore,
)
from dragoman.dialects.cohere.tools import STRICT, decode_choice, decode_tools, encode_tools
from dragoman.dialects.efforts import EFFORT_BUDGETS, lose_effort
from dragoman.dialects.fields import ANSWERS_ONLY, Fields, within
from dragoman.dialects.leftovers import lose_items
from dragoman.dialects.request import MADE, Target, WireRequest
from dragoman.errors import WireError

_NAMES: Final = {"k": "top_k", "p": "top_p"}
_SAMPLING: Final = {member: _NAMES.get(member, member) for member in SCALARS}
"""Member of a request -> the field of ir.Sampling."""
MAPS: Final = frozenset(
    {
        *_SAMPLING,
        *("model", "messages", "stream", "stop_sequences", "max_tokens", "tools", "tool_choice", STRICT),
        *("response_format", "thinking"),
    }
)
"""Members of a request with an IR field; all other members are leftovers in `extra`."""
_STEERED: Final = frozenset({*_SAMPLING, "stop_sequences"})
_FORMAT: Final = frozenset({"type", "json_schema"})
_THINKING: Final = frozenset({"type", "token_budget"})
_MODES: Final = {"enabled": "on", "disabled": "off"}
_TYPES: Final = {"on": "enabled", "off": "disabled"}
_NO_SAMPLING: Final = ir.Sampling()
_UNBOUNDED: Final = frozenset({"high", "xhigh", "max"})
"""Efforts that are written as thinking without a budget. Cohere's compatibility API has only `none` and
`high`: https://docs.cohere.com/docs/compatibility-api, read 2026-11.
"""


def decode_request(wire: WireRequest) -> ir.Request:
    """Decode a request that `check` has accepted. Raises WireError for a message that cannot be decoded
    although `check` does not refuse it.
    """
    body = wire.body
    get = body.get
    keys = body.keys()
    forms: dict[str, str] = {}
    if get("stream") is False:
        forms["stream"] = "false"
    if type(get(STRICT)) is bool:
        forms[STRICT] = "true" if body[STRICT] else "false"
    tools, choice = get("tools"), get("tool_choice")
    stop = get("stop_sequences")
    sampling = _NO_SAMPLING
    if not keys.isdisjoint(_STEERED):
        stated = {field: body[member] for member, field in _SAMPLING.items() if body.get(member) is not None}
        sampling = ir.Sampling(**stated, stop=tuple(stop) if stop is not None else None)
    return ir.Request(
        dialect=NAME,
        model=get("model"),
        messages=decode_messages(get("messages") or ()),
        tools=None if tools is None else decode_tools(tools, strict=get(STRICT) is True),
        tool_choice=None if choice is None else decode_choice(choice),
        sampling=sampling,
        max_output=get("max_tokens"),
        output=_decode_output(get("response_format")),
        reasoning=_decode_reasoning(get("thinking")),
        stream=get("stream") is True,
        forms=forms or None,
        extra=leftovers(body, MAPS),
    )


def brief(wire: WireRequest) -> ir.Request:
    """Decode only the fields on which the form of the response depends: the model, and whether it streams."""
    return ir.Request(NAME, wire.body.get("model"), stream=wire.body.get("stream") is True)


def _decode_output(wire: dict[str, Any] | None) -> ir.Output | None:
    if wire is None:
        return None
    extra = leftovers(wire, _FORMAT)
    kind, schema = wire.get("type"), wire.get("json_schema")
    if kind == "json_object":
        if schema is not None:
            return ir.Output("schema", schema, extra=extra)
        return ir.Output("json", extra=extra)
    if kind == "text" and schema is None:
        return ir.Output("text", extra=extra, form="response_format")
    return ir.Output("text", extra={NAME: dict(wire)}, form="native")


def _decode_reasoning(wire: dict[str, Any] | None) -> ir.Reasoning | None:
    if wire is None:
        return None
    kind = wire.get("type")
    return ir.Reasoning(
        _MODES.get(kind, kind) if type(kind) is str else None,
        budget=wire.get("token_budget"),
        extra=leftovers(wire, _THINKING),
    )


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """Encode a request for an upstream of this dialect. Changes and losses are reported to `target.report`.

    Raises WireError, with an IR path, for what cannot be sent and may not be left out, such as a user's
    sound, a free-text tool, a response with anything but text (`output.modalities`), or more than one
    candidate (`sampling.n`).
    """
    draft = Draft.of(request, target, NAME)
    forms = (request.forms or {}) if draft.own else {}
    body: dict[str, Any] = {"model": target.model if target.model is not None else request.model}
    body["messages"] = encode_messages(request, draft)
    lose_items(request, target.report)
    if request.tools is not None or request.tool_choice is not None or request.parallel is not None:
        encode_tools(body, request, draft)
    elif STRICT in forms:
        body[STRICT] = forms[STRICT] == "true"
    if request.sampling is not _NO_SAMPLING:
        _encode_sampling(body, request.sampling, draft)
    if request.max_output is not None:
        body["max_tokens"] = request.max_output
    if request.output is not None:
        _encode_output(body, request.output, draft)
    if request.reasoning is not None:
        _encode_reasoning(body, request.reasoning, draft)
    # The specification requires `stream`: https://docs.cohere.com/reference/chat, read 2026-11.
    if not draft.own or request.stream or "stream" in forms:
        body["stream"] = request.stream
    FIELDS.lose(request, draft.report)
    if request.cache is not None:
        FIELDS.lose(request.cache, draft.report, "cache")
        restore({}, request.cache.extra, draft.report, "cache")
    restore(body, request.extra, draft.report, "")
    return WireRequest("chat", body, path=PATH)


def _encode_sampling(body: dict[str, Any], sampling: ir.Sampling, draft: Draft) -> None:
    if sampling.n is not None and sampling.n > 1:
        raise WireError("the Cohere API returns only one candidate", "sampling.n", "unsupported_value")
    for member, field in _SAMPLING.items():
        if (value := getattr(sampling, field)) is not None:
            body[member] = value
    if sampling.stop is not None:
        body["stop_sequences"] = list(sampling.stop)
    FIELDS.lose(sampling, draft.report, "sampling")
    if not draft.own:
        _fit_sampling(body, sampling, draft)


def _fit_sampling(body: dict[str, Any], sampling: ir.Sampling, draft: Draft) -> None:
    """Bring sampling values of another dialect, which are in `body` already, into Cohere's ranges, and report
    each change. A negative seed is removed, and so are stop sequences after the fifth.
    """
    report = draft.report
    if sampling.top_p is not None and not LEAST_P <= sampling.top_p <= MOST_P:
        body["p"] = min(max(sampling.top_p, LEAST_P), MOST_P)
        report.change("sampling.top_p", "p", f"the Cohere API accepts {LEAST_P} to {MOST_P}")
    for member in ("frequency_penalty", "presence_penalty"):
        value = body.get(member)
        if value is not None and not 0 <= value <= MOST_PENALTY:
            body[member] = min(max(value, 0.0), MOST_PENALTY)
            report.change(f"sampling.{member}", member, "limited to the range of the Cohere API")
            report.lose(f"sampling.{member}", "the Cohere API accepts 0 to 1", "quality")
    if (sampling.top_k or 0) > MOST_K or (sampling.top_k or 0) < 0:
        body["k"] = MOST_K if (sampling.top_k or 0) > 0 else 0
        report.change("sampling.top_k", "k", f"the Cohere API accepts 0 to {MOST_K}")
    if (sampling.seed or 0) < 0:
        del body["seed"]
        report.lose("sampling.seed", "the Cohere API has no negative seeds")
    if sampling.stop is not None and len(sampling.stop) > MOST_STOPS:
        body["stop_sequences"] = body["stop_sequences"][:MOST_STOPS]
        report.lose("sampling.stop", f"the Cohere API accepts {MOST_STOPS} stop sequences", "meaning")


def _encode_output(body: dict[str, Any], output: ir.Output, draft: Draft) -> None:
    wire: dict[str, Any] = {}
    if output.kind == "schema":
        wire = {"type": "json_object", "json_schema": output.schema}
        _lose_words(output, draft)
    elif output.kind == "json":
        wire = {"type": "json_object"}
    elif draft.own and output.form == "response_format":
        wire = {"type": "text"}
    if wire and "tools" in body and not draft.own:  # normally `emulate` has asked for the form by a tool
        draft.report.lose("output", "the Cohere API accepts no form of the response beside tools")
        wire = {}
    if wire or (draft.own and output.form == "native"):
        body["response_format"] = wire
    restore(wire, output.extra, draft.report, "output")
    FIELDS.lose(output, draft.report, "output")
    if any(kind != "text" for kind in output.modalities or ()):
        raise WireError("the Cohere API generates only text", "output.modalities", "unsupported_modality")


def _lose_words(output: ir.Output, draft: Draft) -> None:
    """Report the name, the description and the strictness of an output schema, for which Cohere has no
    members: the description as lost, the others as changes, because the answer follows the schema anyway.
    """
    report = draft.report
    if output.name is not None:
        report.change("output.name", "", "the schema of a response has no name in the Cohere API")
    if output.description is not None:
        report.lose("output.description", "the schema of a response has no description in the Cohere API")
    if output.strict is not None:
        report.change("output.strict", "response_format", "the Cohere API always follows the schema")


def _encode_reasoning(body: dict[str, Any], reasoning: ir.Reasoning, draft: Draft) -> None:
    wire: dict[str, Any] = {}
    own = draft.own and reasoning.form != MADE
    if own:
        if reasoning.mode is not None:
            wire["type"] = _TYPES.get(reasoning.mode, reasoning.mode)
        if reasoning.budget is not None:
            wire["token_budget"] = reasoning.budget
    elif draft.facts.reasoning is False:
        if reasoning.mode != "off" and reasoning.effort != "none":
            draft.report.lose("reasoning", "the model does not support reasoning", "hint")
        restore({}, reasoning.extra, draft.report, "reasoning")
        return
    else:
        wire = _thinking(reasoning, draft)
        lose_visibility(reasoning, draft, shown=True)
    if wire or own:
        body["thinking"] = wire
    restore(wire, reasoning.extra, draft.report, "reasoning")


def _thinking(wish: ir.Reasoning, draft: Draft) -> dict[str, Any]:
    """Return `thinking` for the reasoning that a request of another dialect asks for. The first rule that
    applies decides:

      1. the mode "off", the effort "none" or the budget 0: thinking is disabled
      2. a positive budget: thinking with this budget
      3. an effort in `_UNBOUNDED`: thinking without a limit; any other effort: thinking with the budget that
         `EFFORT_BUDGETS` has for it
      4. the mode "on": thinking without a limit
      5. {}: the model decides, because nothing is asked for, or only another mode or a negative budget

    What differs from the request is reported.
    """
    report, budget, effort = draft.report, wish.budget, wish.effort
    if wish.mode == "off" or effort == "none" or budget == 0:
        lose_effort(wish, report)
        report.change("reasoning", "thinking.type", "thinking is disabled")
        return {"type": "disabled"}
    if budget is not None and budget > 0:
        if effort is not None:
            report.lose("reasoning.effort", "the thinking budget is sent instead", "hint")
        return {"type": "enabled", "token_budget": budget}
    if effort is not None and effort not in _UNBOUNDED:
        tokens = EFFORT_BUDGETS.get(effort, EFFORT_BUDGETS["low"])
        report.change("reasoning.effort", "thinking.token_budget", f"written as a budget of {tokens} tokens")
        return {"type": "enabled", "token_budget": tokens}
    if effort is not None:
        report.change("reasoning.effort", "thinking.type", "thinking is enabled, without a limit")
        return {"type": "enabled"}
    if wish.mode == "on":
        return {"type": "enabled"}
    if wish.mode is not None or budget is not None:
        report.change("reasoning", "", "the model decides how much it thinks")
    return {}


FIELDS: Final = Fields(
    NAME,
    handled={
        encode_request: ("model", "stream", "stream_usage", "max_output"),
        encode_messages: ("system", "messages"),
        encode_tools: ("tools", "tool_choice", "parallel"),
        _encode_sampling: (
            "sampling.stop",
            "sampling.n",
            *(f"sampling.{field}" for field in _SAMPLING.values()),
        ),
        _encode_output: within("output", "kind schema modalities"),
        _lose_words: within("output", "name description strict"),
        _encode_reasoning: within("reasoning", "mode effort budget summary visible"),
    },
    lost={
        **ANSWERS_ONLY,
        "metadata": "the Cohere API has no metadata",
        "tier": "the Cohere API has no service tiers",
        "prediction": "the Cohere API has no predicted output",
        "sampling.min_p": "the Cohere API has no min_p",
        "sampling.repetition_penalty": "the Cohere API has no repetition penalty",
        "sampling.top_logprobs": "the Cohere API states only the probability of the chosen token",
        "sampling.logit_bias": "the Cohere API has no logit_bias",
        "output.verbosity": "the Cohere API has no verbosity",
        "output.audio": "the Cohere API has no audio",
        **dict.fromkeys(
            within("cache", "key mode ttl retention mark"),
            "the Cohere API has no settings of its prompt cache",
        ),
    },
)
"""Field of ir.Request -> the function that encodes it, or the reason for which it is lost."""
