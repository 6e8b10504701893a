"""What every dialect says of a tool choice that has no tools to choose from, or that forbids them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.emulate import emulate
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS

USER = ir.Message("user", (ir.Text("x"),))
SEARCH = ir.ProviderTool("elsewhere", "web_search", {}, "web_search")
LOOK = ir.Function("look")


def sent(dialect: str, **fields: object) -> tuple[str, Report]:
    report = Report(dialect)
    request = ir.Request("elsewhere", "m", (USER,), **fields)  # type: ignore[arg-type]
    written = DIALECTS[dialect].request.encode(request, Target(report, "m"))
    return str(written.body), report


def told(report: Report) -> set[str | None]:
    """The places of losses and changes."""
    return {loss.path for loss in report.losses} | {change.path for change in report.changes}


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "openai_completions"])
def test_leftovers_of_a_choice_without_tools_are_named(dialect: str) -> None:
    choice = ir.ToolChoice("auto", extra={"elsewhere": {"odd": 1}})
    _, report = sent(dialect, tool_choice=choice)
    assert told(report) & {"tool_choice", "tool_choice.odd"}


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "openai_completions"])
@pytest.mark.parametrize("mode", ["auto", "none", "any"])
@pytest.mark.parametrize("tools", [None, (SEARCH,), (LOOK,), (LOOK, SEARCH)])
@pytest.mark.parametrize("output", [None, ir.Output("json")])
@pytest.mark.parametrize("facts", [UNKNOWN, Facts(tool_mode="xml")])
def test_leftovers_of_a_choice_are_always_lost_by_name(
    dialect: str, mode: Any, tools: Any, output: ir.Output | None, facts: Facts
) -> None:
    choice = ir.ToolChoice(mode, extra={"elsewhere": {"odd": 1}})
    request = ir.Request("elsewhere", "m", (USER,), tools=tools, tool_choice=choice, output=output)
    target, report = DIALECTS[dialect], Report(dialect)
    emulated = emulate(request, target.abilities, facts, STANDARD, report).request
    target.request.encode(emulated, Target(report, "m", facts=facts))
    lost = [loss.path for loss in report.losses]
    assert "tool_choice.odd" in lost or "tool_choice" in lost


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "openai_completions"])
@pytest.mark.parametrize("tools", [(SEARCH,), (SEARCH, LOOK)], ids=["alone", "beside a function"])
def test_no_search_goes_out_that_the_client_forbids(dialect: str, tools: tuple[ir.Tool, ...]) -> None:
    body, report = sent(dialect, tools=tools, tool_choice=ir.ToolChoice("none"))
    if "earch" in body:  # then the choice says so
        assert "'type': 'none'" in body or "'tool_choice': 'none'" in body
        assert "web_search_options" not in body
    else:
        assert "tools[0]" in told(report)
