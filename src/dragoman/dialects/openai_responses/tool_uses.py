"""Counts the uses of OpenAI's own tools in an answer, which are billed in addition to the model's tokens.

An answer states its web searches and the tokens of its pictures in `tool_usage`. Other uses, and uses that
`tool_usage` does not state, are counted from the calls in `output`.

https://developers.openai.com/api/docs/guides/tools-web-search (2026-11)
https://developers.openai.com/api/docs/pricing#built-in-tools (2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.tool_units import PICTURES, SEARCHES, counted, unit_of_item

UNIT: Final = "_requests"
"""The end of the names of counts of tool uses in `Usage.detail` (`web_search_requests`)."""
_BILLED: Final = re.compile(rb'"(?:web_search|file_search|code_interpreter|shell|image_generation)_call"')
DRAWS: Final = b'"image_generation"'
"""The JSON text of `tools` contains this text if one of the tools makes pictures."""
_UNNAMED: Final = "image_generation"
"""Stands for the model that made the pictures, if the answer does not name it."""
_KINDS: Final = {"text_tokens": "text", "image_tokens": "image"}


def may_tell(output: bytes) -> bool:
    """Whether the JSON text of an `output` may have calls that are billed. False = it has none."""
    return _BILLED.search(output) is not None


def with_tools(usage: ir.Usage, answer: Mapping[str, Any]) -> ir.Usage:
    """Return the usage of an answer with the uses of tools that the answer states: counts in `detail`, and in
    `others` the tokens of the model that made pictures, which replace the count of pictures. A number of
    searches in `tool_usage` replaces the number of calls in `output`.

    usage: without the uses of tools. answer: the decoded response object, or a mapping with its members
    `output`, `tool_usage` and `tools`; each may be missing.
    """
    counts = _called(answer.get("output"))
    stated = answer.get("tool_usage")
    others = usage.others
    if isinstance(stated, dict):
        searched = _count(stated.get("web_search"), "num_requests")
        if searched is not None:
            counts[SEARCHES] = searched
        if (drawn := _drawn(stated.get("image_gen"))) is not None:
            counts.pop(PICTURES, None)
            others = (*others, (_model(answer.get("tools")), drawn))
    counts = {unit: count for unit, count in counts.items() if count}
    if not counts and others is usage.others:
        return usage
    detail = {**(usage.detail or {}), **counts} or None
    return msgspec.structs.replace(usage, detail=detail, others=others)


def report_uses(usage: ir.Usage, answer: Mapping[str, Any], report: Report) -> None:
    """Report, as lost, each count of tool uses in `usage` that is not 0 and differs from the count that the
    client reads in `answer`, the response object for the client (its `output`, `tool_usage` and `tools`; each
    may be missing). Tokens of pictures are not compared.
    """
    detail = usage.detail
    if detail is None or not any(key.endswith(UNIT) for key in detail):
        return
    told = with_tools(ir.Usage(), answer).detail or {}
    for key, count in detail.items():
        if count and key.endswith(UNIT) and told.get(key) != count:
            report.lose(f"usage.detail.{key}", "the answer shows another number of these uses", "hint")


def _called(output: Any) -> dict[str, int]:
    """Return the number of billed calls in an `output`, by the name of the count in `Usage.detail`. {} if
    `output` is not a list.
    """
    items = output if isinstance(output, list) else ()
    units = (unit_of_item(item) for item in items if isinstance(item, dict))
    return counted(unit for unit in units if unit is not None)


def _drawn(stated: Any) -> ir.Usage | None:
    """Return the tokens of pictures as a usage, with the tokens of texts and images apart in `detail`; None =
    both the input and the output tokens are 0 or not stated. stated: the value of `tool_usage.image_gen`.
    """
    read, written = _count(stated, "input_tokens"), _count(stated, "output_tokens")
    if not read and not written:
        return None
    detail = {
        f"{side}_{kind}": count
        for side in ("input", "output")
        for name, kind in _KINDS.items()
        if (count := _count(stated.get(f"{side}_tokens_details"), name)) is not None
    }
    return ir.Usage(read, output=written, detail=detail or None)


def _model(tools: Any) -> str:
    """Return the model that makes pictures, as an answer's `tools` name it; `_UNNAMED` if they name none."""
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and tool.get("type") == "image_generation":
            model = tool.get("model")
            if isinstance(model, str) and model:
                return model
    return _UNNAMED


def _count(holder: Any, name: str) -> int | None:
    count = holder.get(name) if isinstance(holder, dict) else None
    return count if type(count) is int and count >= 0 else None
