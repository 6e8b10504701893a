"""What every dialect says of a tool choice that has no tools to choose from, or that forbids them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.emulate import emulate
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.notation import NOTATIONS
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.tool_choices import allowed_names
from dragoman.dialects.translation import translated
from tests.unit.dialects.stated import WITH_TOOLS

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


@pytest.mark.parametrize("dialect", WITH_TOOLS)
def test_leftovers_of_a_choice_without_tools_are_named(dialect: str) -> None:
    choice = ir.ToolChoice("auto", extra={"elsewhere": {"odd": 1}})
    _, report = sent(dialect, tool_choice=choice)
    assert told(report) & {"tool_choice", "tool_choice.odd"}


@pytest.mark.parametrize("dialect", WITH_TOOLS)
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


@pytest.mark.parametrize("dialect", WITH_TOOLS)
@pytest.mark.parametrize("tools", [(SEARCH,), (SEARCH, LOOK)], ids=["alone", "beside a function"])
def test_no_search_goes_out_that_the_client_forbids(dialect: str, tools: tuple[ir.Tool, ...]) -> None:
    body, report = sent(dialect, tools=tools, tool_choice=ir.ToolChoice("none"))
    if "earch" in body:  # then the choice says so
        assert "'type': 'none'" in body or "'tool_choice': 'none'" in body
        assert "web_search_options" not in body
    else:
        assert "tools[0]" in told(report)


RESPONSES, CLAUDE = DIALECTS["openai_responses"], DIALECTS["anthropic"]
FUNCTION = {"type": "function", "name": "look", "parameters": {"type": "object"}}


@pytest.mark.parametrize("beside", [(), (FUNCTION,)])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("web_search", "web_search"),
        ("web_search_preview", "web_search"),
        ("code_interpreter", "code_execution"),
    ],
)
def test_a_tool_of_the_provider_that_must_be_called_is_chosen_by_its_name(
    kind: str, name: str, beside: tuple[dict[str, Any], ...]
) -> None:
    tool = {"type": kind, **({"container": {"type": "auto"}} if kind == "code_interpreter" else {})}
    body = {"model": "m", "input": "News?", "tools": [tool, *beside], "tool_choice": {"type": kind}}
    sent = translated(body, RESPONSES, CLAUDE)
    assert sent.body["tool_choice"] == {"type": "tool", "name": name}
    assert sent.losses == ()
    own = translated(body, RESPONSES, RESPONSES)
    assert own.body["tool_choice"] == {"type": kind}


@pytest.mark.parametrize("dialect", ["gemini", "mistral", "cohere", "bedrock", "ollama", "openai_chat"])
@pytest.mark.parametrize("beside", [(), (FUNCTION,)])
def test_a_tool_of_the_provider_that_cannot_be_forced_is_named(
    dialect: str, beside: tuple[dict[str, Any], ...]
) -> None:
    tools, choice = [{"type": "web_search"}, *beside], {"type": "web_search"}
    body = {"model": "m", "input": "News?", "tools": tools, "tool_choice": choice}
    sent = translated(body, RESPONSES, DIALECTS[dialect])
    lost = {loss.path for loss in sent.losses}
    assert "$.tool_choice" in lost
    searches = dialect in {"gemini", "openai_chat"}
    assert ("$.tools[0]" in lost) is not searches


def test_a_choice_of_a_tool_that_was_lost_does_not_go_out() -> None:
    tools, choice = [{"type": "file_search", "vector_store_ids": ["vs_1"]}, FUNCTION], {"type": "file_search"}
    body = {"model": "m", "input": "Find it.", "tools": tools, "tool_choice": choice}
    sent = translated(body, RESPONSES, CLAUDE)
    assert "tool_choice" not in sent.body
    assert {(loss.path, loss.severity) for loss in sent.losses} == {
        ("$.tools[0]", "meaning"),
        ("$.tool_choice", "meaning"),
    }


def test_a_search_that_anthropics_client_forces_is_the_only_allowed_tool() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    tools = [search, {"name": "look", "input_schema": {"type": "object"}}]
    body = {
        "model": "m",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": "News?"}],
        "tools": tools,
    }
    sent = translated({**body, "tool_choice": {"type": "tool", "name": "web_search"}}, CLAUDE, RESPONSES)
    only = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}
    assert sent.body["tool_choice"] == only
    assert sent.losses == ()


@pytest.mark.parametrize(
    "name", [name for name in DIALECTS if "forced_tool" in DIALECTS[name].abilities.features]
)
@pytest.mark.parametrize("parallel", [None, False])
def test_a_tool_for_the_answer_forbids_parallel_calls_where_the_protocol_can(
    name: str, parallel: bool | None
) -> None:
    dialect, report = DIALECTS[name], Report(name)
    form = ir.Output("schema", {"type": "object"})
    asked = ir.Request("elsewhere", "m", (USER,), output=form, parallel=parallel)
    request = emulate(asked, dialect.abilities, Facts(structured=False), STANDARD, report).request
    dialect.request.encode(request, Target(report, "m"))
    forbids = "single_call" in dialect.abilities.features
    assert request.tool_choice is not None
    assert request.tool_choice.mode == "tool"
    assert request.parallel is (False if forbids else parallel)
    lost = [loss.path for loss in report.losses if loss.path == "parallel"]
    assert lost == (["parallel"] if parallel is False and not forbids else [])


@pytest.mark.parametrize("choice", [None, ir.ToolChoice("any")], ids=["free", "forced"])
@pytest.mark.parametrize(("parallel", "calls"), [(None, 2), (False, 1)])
def test_one_call_in_text_is_one_in_the_whole_answer(choice: Any, parallel: Any, calls: int) -> None:
    request = ir.Request("elsewhere", "m", (USER,), tools=(LOOK,), tool_choice=choice, parallel=parallel)
    report = Report("openai_chat")
    abilities = DIALECTS["openai_chat"].abilities
    restorer = emulate(request, abilities, Facts(tool_mode="xml"), STANDARD, report).restorer(report)
    assert restorer is not None
    said = ir.Text(NOTATIONS["xml"].call("look", "{}"))
    answer = ir.Response("t", candidates=(ir.Candidate((said, said), ir.Stop("end")),))
    blocks = restorer.whole(answer).candidates[0].blocks
    assert sum(isinstance(block, ir.ToolCall) for block in blocks) == calls


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "openai_completions"])
def test_a_ban_on_calls_without_tools_loses_nothing(dialect: str) -> None:
    _, report = sent(dialect, tool_choice=ir.ToolChoice("none"))
    assert report.losses == []


@pytest.mark.parametrize("place", ["tools", "toolConfig.tools"])
def test_only_a_choice_among_named_tools_leaves_tools_out(place: str) -> None:
    report = Report("t")
    for choice in (None, ir.ToolChoice("auto"), ir.ToolChoice("tool", ("look",)), ir.ToolChoice("none")):
        assert allowed_names(choice, report, place) is None
    assert report.changes == []
    assert allowed_names(ir.ToolChoice("any", ("look",)), report, place) == frozenset({"look"})
    assert [(change.path, change.to) for change in report.changes] == [("tool_choice", place)]
