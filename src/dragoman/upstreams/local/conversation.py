"""Translates an IR chat request for a model on this machine: its messages, tools, sampling and grammar. Pure.

A field that the model has no use for is reported as a loss. A request for something that the model cannot do
(images, tools with free text, a schema that no grammar can enforce) is refused; the error names the place as
a path in the IR.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.fields import Fields, within
from dragoman.dialects.leftovers import lose_members
from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed, WireError
from dragoman.upstreams.local.grammar import CallableTool, call_grammar, json_grammar
from dragoman.upstreams.local.protocol import Draw, Invocation, PromptTurn, ToolSpec


class ModelRequest(msgspec.Struct, frozen=True):
    """A chat request in the form of the model process. turns: the messages; the system prompt, if there is
    one, is the first. tools: the tools that may be called. draw: the sampling. limit: the most tokens of the
    answer, None = the request states no limit. stop: the stop sequences. grammar: the GBNF grammar that the
    answer must follow, None = any text. forced: True = the answer can only be a tool call; then `stop` and
    `chosen` are empty. chosen: the names of the tools that the model may call by its own choice.
    """

    turns: tuple[PromptTurn, ...]
    tools: tuple[ToolSpec, ...]
    draw: Draw
    limit: int | None
    stop: tuple[str, ...]
    grammar: str | None
    forced: bool
    chosen: frozenset[str]


def translate(request: ir.Request, report: Report, draw: Draw) -> ModelRequest:
    """Return a request in the form of the model process. report: gets the losses. draw: the model's default
    sampling; each value that the request states replaces the default. The default repetition penalty is not
    used if the answer must follow a grammar.

    Raises RequestFailed for a request that is not supported. Raises WireError for an invalid request, for a
    number that the engine cannot hold, and for a schema that no grammar can enforce.
    """
    _lose_fields(request, report)
    offered, forced = _offered(request, report)
    grammar = _grammar(request, offered, forced=forced, report=report)
    if grammar is not None:
        # JSON repeats its punctuation and keys, so a default repetition penalty would damage it.
        draw = msgspec.structs.replace(draw, repetition=1.0)
    return ModelRequest(
        turns=tuple(_turns(request, report)),
        tools=tuple(_spec(tool) for _, tool in offered),
        draw=_draw(request.sampling, draw),
        limit=_integer("max_output", request.max_output, _LONG),
        # Stop sequences are for prose. Within a call one would cut an argument.
        stop=() if forced else request.sampling.stop or (),
        grammar=grammar,
        forced=forced,
        chosen=frozenset() if forced else frozenset(tool.name for _, tool in offered),
    )


def _lose_fields(request: ir.Request, report: Report) -> None:
    FIELDS.lose(request, report)
    FIELDS.lose(request.sampling, report, "sampling")
    if request.reasoning is not None and not _declined(request.reasoning):
        report.lose("reasoning", "embedded models do not support reasoning", "quality")
    if request.cache is not None:
        FIELDS.lose(request.cache, report, "cache")
    if request.parallel and request.tools:
        report.lose("parallel", "embedded models make one tool call at a time", "quality")
    _lose_extra(request.extra, "", report)


def _declined(reasoning: ir.Reasoning) -> bool:
    """Return whether the request wants no reasoning. True if the mode is "off", the effort "none" or the
    budget 0. Also True if the request states no mode, effort, budget or summary, and does not make reasoning
    visible.
    """
    if (reasoning.mode, reasoning.effort, reasoning.budget, reasoning.summary) == (None, None, None, None):
        return not reasoning.visible
    return reasoning.mode == "off" or reasoning.effort == "none" or reasoning.budget == 0


def _lose_extra(extra: ir.Extra, where: str, report: Report) -> None:
    for dialect, members in (extra or {}).items():
        lose_members(members, report, where, dialect)


def _turns(request: ir.Request, report: Report) -> Iterator[PromptTurn]:
    if request.system:
        yield PromptTurn("system", _text(request.system, "system", report))
    names = {
        block.id: block.name
        for message in request.messages
        for block in message.blocks
        if isinstance(block, ir.ToolCall) and block.id is not None
    }
    for index, message in enumerate(request.messages):
        where = f"messages[{index}]"
        if message.name is not None:
            report.lose(f"{where}.name", "embedded models do not use the names of authors", "hint")
        if message.cache is not None:
            report.lose(f"{where}.cache", "embedded models have no prompt cache", "hint")
        _lose_extra(message.extra, where, report)
        if message.role == "assistant":
            yield _assistant_turn(message.blocks, f"{where}.blocks", report)
        elif message.role == "user":
            yield from _user_turns(message.blocks, f"{where}.blocks", names, report)
        else:
            yield PromptTurn("system", _text(message.blocks, f"{where}.blocks", report))


def _assistant_turn(blocks: Sequence[ir.Block], where: str, report: Report) -> PromptTurn:
    calls: list[Invocation] = []
    for index, block in enumerate(blocks):
        if isinstance(block, ir.ToolCall) and block.by != "provider":
            _lose_parts(block, f"{where}[{index}]", report)
            calls.append(Invocation(block.name, block.arguments, block.id))
    return PromptTurn("assistant", _text(blocks, where, report), tuple(calls))


def _user_turns(
    blocks: Sequence[ir.Block], where: str, names: dict[str, str], report: Report
) -> Iterator[PromptTurn]:
    """Split a user message, in the order of its blocks: yield one turn for each result of a client's tool,
    and one turn for each group of adjacent other blocks. A message without blocks gives one empty turn.
    where: the path of `blocks` in the IR. names: {id of a call: name of the called tool}.
    """
    start = 0
    for index, block in enumerate(blocks):
        if isinstance(block, ir.ToolResult) and block.by != "provider":
            if index > start:
                yield PromptTurn("user", _text(blocks, where, report, start, index))
            _lose_parts(block, f"{where}[{index}]", report)
            name = block.name or names.get(block.id or "")
            text = _text(block.content, f"{where}[{index}].content", report)
            yield PromptTurn("tool", text, name=name, id=block.id)
            start = index + 1
    if start < len(blocks) or not blocks:
        yield PromptTurn("user", _text(blocks, where, report, start))


def _text(
    blocks: Sequence[ir.Block], where: str, report: Report, start: int = 0, end: int | None = None
) -> str:
    """Return the text of blocks[start:end], joined by newlines. Calls of the client's tools and their results
    are left out. Reasoning, calls of a provider's own tools, and blocks that only one dialect has are left
    out and reported as lost. Raises RequestFailed for a picture, sound or file that has neither `text` nor
    `blocks`. where: the path of `blocks` in the IR.
    """
    texts = (
        _block(block, f"{where}[{index}]", report)
        for index, block in enumerate(blocks[start:end], start)
        if not (isinstance(block, ir.ToolCall | ir.ToolResult) and block.by != "provider")
    )
    return "\n".join(text for text in texts if text)


def _block(block: ir.Block, where: str, report: Report) -> str:
    _lose_parts(block, where, report)
    match block:
        case ir.Text() | ir.Refusal():
            return block.text
        case ir.Json():
            return msgspec.json.encode(block.value).decode()
        case ir.Media() if block.text is not None:
            return block.text
        case ir.Media() if block.blocks is not None:
            return _text(block.blocks, f"{where}.blocks", report)
        case ir.Media():
            message = f"The embedded models accept only text, not {block.kind}."
            raise unsupported(message, where, "unsupported_modality")
        case ir.Thinking():
            report.lose(where, "reasoning is not sent back to embedded models", "quality")
        case ir.Native():
            report.lose(where, no_form(block.dialect, block.kind))
        case _:
            report.lose(where, "calls of a provider's own tools are not sent to embedded models", "quality")
    return ""


def _lose_parts(block: ir.Block, where: str, report: Report) -> None:
    if getattr(block, "cache", None) is not None:
        report.lose(f"{where}.cache", "embedded models have no prompt cache", "hint")
    if getattr(block, "sealed", None) is not None and not isinstance(block, ir.Thinking):
        report.lose(f"{where}.sealed", "encrypted reasoning can only be read by its own provider", "quality")
    if getattr(block, "citations", ()):
        report.lose(f"{where}.citations", "a prompt cannot contain citations", "hint")
    _lose_extra(getattr(block, "extra", None), where, report)


def unsupported(message: str, param: str, code: str = "unsupported_value") -> RequestFailed:
    """Return (not raise) the error for a request that is not supported. param: the path of the unsupported
    value in the IR.
    """
    return RequestFailed(ir.Fault("unsupported", message, code=code, param=param))


def _offered(request: ir.Request, report: Report) -> tuple[list[tuple[int, ir.Function]], bool]:
    """Return (the tools that may be called, each with its index in the request; whether the answer must be a
    call). Tools that the client does not run are reported as lost. Raises RequestFailed for a tool with free
    text instead of JSON arguments, WireError if a call is required but no tool can be called.
    """
    choice = request.tool_choice or ir.ToolChoice("auto")
    if choice.mode == "none":
        return [], False
    if choice.mode == "native":
        report.lose("tool_choice", "embedded models do not support this tool choice")
    tools: list[tuple[int, ir.Function]] = []
    for index, tool in enumerate(request.tools or ()):
        where = f"tools[{index}]"
        if not isinstance(tool, ir.Function):
            report.lose(where, f"embedded models cannot run a {tool.kind} tool")
            continue
        if tool.kind == "custom":
            message = "The embedded models call tools with JSON arguments, not with free text."
            raise unsupported(message, where)
        if tool.cache is not None:
            report.lose(f"{where}.cache", "embedded models have no prompt cache", "hint")
        _lose_extra(tool.extra, where, report)
        if not choice.names or tool.name in choice.names:
            tools.append((index, tool))
    forced = choice.mode in {"any", "tool"}
    if forced and not tools:
        raise WireError("None of the tools in this request can be called.", "tool_choice", "invalid_value")
    if not forced:
        for index, tool in tools:
            if tool.strict:
                lost = "only a forced tool call is guaranteed to match its schema"
                report.lose(f"tools[{index}].strict", lost, "quality")
    return tools, forced


def _grammar(
    request: ir.Request, offered: list[tuple[int, ir.Function]], *, forced: bool, report: Report
) -> str | None:
    output = request.output or ir.Output()
    if any(kind != "text" for kind in output.modalities or ()):
        message = "The embedded models generate only text."
        raise unsupported(message, "output.modalities", "unsupported_modality")
    FIELDS.lose(output, report, "output")
    _lose_extra(output.extra, "output", report)
    calls = [
        CallableTool(tool.name, _parameters(tool), f"tools[{index}].parameters") for index, tool in offered
    ]
    if forced:
        return call_grammar(calls)
    if output.kind == "text":
        return None
    schema = output.schema if output.kind == "schema" else None
    return call_grammar(calls, (schema, "output.schema")) if calls else json_grammar(schema, "output.schema")


def _parameters(tool: ir.Function) -> dict[str, Any] | None:
    """Return the schema of a tool's arguments, with the type "object" if the schema states no type; None =
    the tool states no schema, or an empty one, so it takes no arguments.
    """
    return {"type": "object", **tool.parameters} if tool.parameters else None


def _spec(tool: ir.Function) -> ToolSpec:
    schema = json.dumps(tool.parameters, ensure_ascii=False) if tool.parameters else None
    return ToolSpec(tool.name, tool.description, schema)


_LARGEST: Final = 3.4028234663852886e38
_FLOAT: Final = (-_LARGEST, _LARGEST)
"""The engine computes with 32-bit floats, and takes a larger number as infinite."""
_WHOLE: Final = (-(2**31), 2**31 - 1)
_LONG: Final = (-(2**63), 2**63 - 1)
_TOKEN: Final = (0, 2**31 - 1)
_DIGITS: Final = re.compile(r"[0-9]{1,4000}")


def _integer(field: str, value: int | None, limits: tuple[int, int]) -> int | None:
    """Return the number unchanged (None = not stated). Raises WireError if it is outside of the limits (both
    included). field: its path in the IR.
    """
    return None if value is None else int(_held(field, value, limits))


def _float(field: str, value: float | None) -> float | None:
    """Return the number as a float (None = not stated). Raises WireError if it is outside of the range of
    32-bit floats. field: its path in the IR.
    """
    return None if value is None else float(_held(field, value, _FLOAT))


def _held(field: str, value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    if low <= value <= high:
        return value
    kind = "integer" if isinstance(low, int) else "decimal"
    side = "below_min" if value < low else "above_max"
    message = f"The embedded models accept only numbers from {low} to {high} here."
    raise WireError(message, field, f"{kind}_{side}_value")


def _draw(sampling: ir.Sampling, draw: Draw) -> Draw:
    stated = {
        "temperature": _float("sampling.temperature", sampling.temperature),
        "top_p": _float("sampling.top_p", sampling.top_p),
        "top_k": _integer("sampling.top_k", sampling.top_k, _WHOLE),
        "min_p": _float("sampling.min_p", sampling.min_p),
        "seed": _integer("sampling.seed", sampling.seed, _LONG),
        "frequency": _float("sampling.frequency_penalty", sampling.frequency_penalty),
        "presence": _float("sampling.presence_penalty", sampling.presence_penalty),
        "repetition": _float("sampling.repetition_penalty", sampling.repetition_penalty),
        "bias": _bias(sampling.logit_bias),
        "top_logprobs": (sampling.top_logprobs or 0) if sampling.logprobs else None,
    }
    return msgspec.structs.replace(draw, **{key: value for key, value in stated.items() if value is not None})


def _bias(biases: dict[str, float] | None) -> tuple[tuple[int, float], ...] | None:
    if not biases:
        return None
    where = "sampling.logit_bias"
    found: list[tuple[int, float]] = []
    for token, bias in biases.items():
        if not _DIGITS.fullmatch(token):
            raise WireError("Tokens in logit_bias must be token numbers.", where, "invalid_value")
        found.append((int(_held(where, int(token), _TOKEN)), float(_held(where, bias, _FLOAT))))
    return tuple(found)


FIELDS: Final = Fields(
    "of embedded models",
    handled={
        # The upstream reads `model`, `stream`, `stream_usage` and `sampling.n` itself.
        translate: ("model", "stream", "stream_usage", "max_output", "sampling.n", "sampling.stop"),
        _turns: ("system", "messages"),
        _offered: ("tools", "tool_choice"),
        _lose_fields: ("parallel",),
        _declined: within("reasoning", "mode effort budget summary visible"),
        _grammar: within("output", "kind schema name strict modalities"),
        _draw: within(
            "sampling",
            "temperature top_p top_k min_p seed frequency_penalty presence_penalty repetition_penalty "
            "logprobs top_logprobs logit_bias",
        ),
    },
    lost={
        "user": "embedded models do not use the end user's id",
        "safety_identifier": "embedded models do not use the end user's id",
        "metadata": "embedded models store no responses",
        "tier": "embedded models have one service tier",
        "store": "embedded models store no responses",
        "prediction": "embedded models generate every token",
        "moderation": "embedded models do not moderate",
        "previous": "embedded models keep no earlier responses",
        "conversation": "embedded models keep no conversations",
        "background": "embedded models have no background mode",
        "output.verbosity": "embedded models do not support it",
        "output.description": "embedded models do not support it",
        "output.audio": "embedded models generate only text",
        **dict.fromkeys(
            within("cache", "key mode ttl retention mark"), "embedded models have no prompt cache"
        ),
    },
)
"""How each field of a request is treated. A schema for the answer (`output.schema`) is enforced by the
grammar, whether it is strict or not, and under any name.
"""
