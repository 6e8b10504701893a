"""Tools and their choice."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.cohere.request import decode_request
from dragoman.errors import WireError
from tests.unit.dialects.cohere.speaking import SCHEMA, foreign, lost, wire, written

LOOK, OTHER = ir.Function("look", parameters=SCHEMA), ir.Function("other", parameters=SCHEMA)
STRICT = ir.Function("look", parameters=SCHEMA, strict=True)


@pytest.mark.parametrize(
    ("choice", "word", "names"),
    [
        (ir.ToolChoice("auto"), None, ["look", "other"]),
        (ir.ToolChoice("none"), "NONE", ["look", "other"]),
        (ir.ToolChoice("any"), "REQUIRED", ["look", "other"]),
        (ir.ToolChoice("any", ("other",)), "REQUIRED", ["other"]),
        (ir.ToolChoice("auto", ("other",)), None, ["other"]),
        (ir.ToolChoice("tool", ("look",)), "REQUIRED", ["look"]),
    ],
)
def test_choices(choice: ir.ToolChoice, word: str | None, names: list[str]) -> None:
    body, report = written(foreign(tools=(LOOK, OTHER), tool_choice=choice))
    assert body.get("tool_choice") == word
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    assert lost(report) == {}


@pytest.mark.parametrize(
    ("tools", "strict", "losses"),
    [
        ((STRICT,), True, {}),
        ((LOOK,), None, {}),
        ((STRICT, OTHER), None, {"tools[0].strict": "quality"}),
        (
            (ir.Function("f", parameters={"type": "object"}, strict=True),),
            None,
            {"tools[0].strict": "quality"},
        ),
    ],
)
def test_strictness_is_for_all(tools: Any, strict: bool | None, losses: dict[str, str]) -> None:
    body, report = written(foreign(tools=tools))
    assert body.get("strict_tools") is strict
    assert {path: severity for path, severity in lost(report).items() if severity == "quality"} == losses


def test_strictness_is_read_for_each() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
    (read,) = decode_request(wire(tools=[tool], strict_tools=True)).tools or ()
    assert read == STRICT


def test_a_null_type_is_that_of_a_function() -> None:
    tool = {"type": None, "function": {"name": "look", "parameters": SCHEMA}}
    (read,) = decode_request(wire(tools=[tool])).tools or ()
    assert read == LOOK


def test_what_it_lacks() -> None:
    search = ir.ProviderTool("anthropic", "web_search", {})
    body, report = written(foreign(tools=(LOOK, search), parallel=False))
    assert len(body["tools"]) == 1
    assert lost(report) == {"tools[1]": "meaning", "parallel": "quality"}
    with pytest.raises(WireError) as refused:
        written(foreign(tools=(ir.Function("f", kind="custom"),)))
    assert refused.value.path == "tools[0]"


def test_a_choice_without_tools_is_no_loss_of_meaning() -> None:
    _, report = written(foreign(tool_choice=ir.ToolChoice("any")))
    assert lost(report) == {"tool_choice": "hint"}
