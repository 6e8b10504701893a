"""A value of each field of a request, and the protocols that have tools."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError

TOOL = ir.Function("look", parameters={"type": "object", "properties": {}})
SCHEMA = ir.Output(
    "schema", {"type": "object", "properties": {}, "additionalProperties": False}, name="answer"
)
SAID: dict[str, tuple[dict[str, Any], Any]] = {
    "model": ({}, "other"),
    "messages": ({}, (ir.Message("user", (ir.Text("Bye"),)),)),
    "system": ({}, (ir.Text("Be brief."),)),
    "tools": ({}, (TOOL,)),
    "tool_choice": ({"tools": (TOOL,)}, ir.ToolChoice("any")),
    "parallel": ({"tools": (TOOL,)}, False),
    "max_output": ({}, 500),
    "user": ({}, "ada"),
    "safety_identifier": ({}, "5f"),
    "metadata": ({}, {"team": "red"}),
    "tier": ({}, "flex"),
    "store": ({}, True),
    "prediction": ({}, (ir.Text("Hello."),)),
    "moderation": ({}, {"model": "omni"}),
    "previous": ({}, "resp_1"),
    "conversation": ({}, "conv_1"),
    "background": ({}, True),
    "truncation": ({}, "disabled"),
    "stream": ({}, True),
    "stream_usage": ({"stream": True}, False),
    "sampling.temperature": ({}, 0.5),
    "sampling.top_p": ({}, 0.5),
    "sampling.top_k": ({}, 5),
    "sampling.min_p": ({}, 0.5),
    "sampling.seed": ({}, 5),
    "sampling.frequency_penalty": ({}, 0.5),
    "sampling.presence_penalty": ({}, 0.5),
    "sampling.repetition_penalty": ({}, 1.5),
    "sampling.stop": ({}, ("END",)),
    "sampling.n": ({}, 2),
    "sampling.logprobs": ({}, True),
    "sampling.top_logprobs": ({"sampling": ir.Sampling(logprobs=True)}, 2),
    "sampling.logit_bias": ({}, {"5": 1.0}),
    "output.kind": ({}, "json"),
    "output.schema": ({"output": SCHEMA}, {**(SCHEMA.schema or {}), "title": "Answer"}),
    "output.name": ({"output": SCHEMA}, "other"),
    "output.description": ({"output": SCHEMA}, "What is asked for."),
    "output.strict": ({"output": SCHEMA}, False),
    "output.modalities": ({}, ("text", "image")),
    "output.audio": ({}, {"voice": "alloy", "format": "wav"}),
    "output.verbosity": ({}, "low"),
    "reasoning.mode": ({}, "off"),
    "reasoning.effort": ({}, "high"),
    "reasoning.budget": ({}, 2000),
    "reasoning.summary": ({"reasoning": ir.Reasoning(effort="high")}, "detailed"),
    "reasoning.visible": ({"reasoning": ir.Reasoning(effort="high")}, False),
    "cache.key": ({}, "key"),
    "cache.mode": ({}, "explicit"),
    "cache.ttl": ({}, "1h"),
    "cache.retention": ({}, "24h"),
    "cache.mark": ({}, ir.CacheMark()),
}
"""A value of each field, with what a request must state beside it."""
EMPTY: dict[str, ir.Value] = {
    "sampling": ir.Sampling(),
    "output": ir.Output(),
    "reasoning": ir.Reasoning(),
    "cache": ir.Caching(),
}

ZEROS: dict[str, Any] = {
    "sampling.temperature": 0.0,
    "sampling.top_p": 0.0,
    "sampling.top_k": 0,
    "sampling.min_p": 0.0,
    "sampling.seed": 0,
    "sampling.repetition_penalty": 0.0,
    "reasoning.budget": 0,
    "cache.key": "",
}
"""The zeros and empty texts that ask for something."""


def stating(dialect: str, place: str, zero: Any = None) -> tuple[ir.Request, ir.Request]:
    """A request without a value in a place, and the same with it. zero: a value instead of the usual one."""
    beside, value = SAID[place]
    value = value if zero is None else zero
    request = ir.Request(dialect, "model", (ir.Message("user", (ir.Text("Hello"),)),), **beside)
    holder, _, field = place.rpartition(".")
    stated = {field: value}
    if holder:
        stated = {holder: msgspec.structs.replace(getattr(request, holder) or EMPTY[holder], **stated)}
    return request, msgspec.structs.replace(request, **stated)


def has_tools(dialect: str) -> bool:
    """Whether the protocol has a member for tools: a foreign client's tool is neither refused nor lost."""
    request, report = stating("elsewhere", "tools")[1], Report(dialect)
    try:
        DIALECTS[dialect].request.encode(request, Target(report, "m"))
    except WireError:
        return False
    return not any((loss.path or "").startswith("tools") for loss in report.losses)


WITH_TOOLS = [name for name in DIALECTS if has_tools(name)]
