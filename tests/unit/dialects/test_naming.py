"""What tools of namespaces are called where there are none, and that every call finds its way back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dragoman import ir
from dragoman.dialects.dialect import EVERY_FEATURE, USUAL_FEATURES
from dragoman.dialects.emulate import Emulation, emulate
from dragoman.dialects.facts import UNKNOWN
from dragoman.dialects.loss import Report
from dragoman.dialects.naming import flat, legal_name
from dragoman.dialects.quirks import STANDARD
from dragoman.upstreams.upstream import Native

NAME = r"[A-Za-z0-9_-]{1,64}"
PLAIN = Native(USUAL_FEATURES, NAME)
GROUPED = Native(EVERY_FEATURE - {"builtins"}, NAME)
CRM = ir.Namespace("crm", "Customers.")
OPS = ir.Namespace("ops")


def request(*tools: ir.Tool, **members: Any) -> ir.Request:
    return ir.Request("agents", "m", tools=tools, **members)


def asked(value: ir.Request, target: Native = PLAIN) -> tuple[Emulation, Report]:
    report = Report("t")
    return emulate(value, target, UNKNOWN, STANDARD, report), report


def names(emulation: Emulation) -> list[str]:
    return [tool.name for tool in emulation.request.tools or () if isinstance(tool, ir.Function)]


def back(emulation: Emulation, *calls: ir.ToolCall) -> list[tuple[str | None, str]]:
    restorer = emulation.restorer(Report("t", "response"))
    response = ir.Response("t", candidates=(ir.Candidate(calls),))
    if restorer is not None:
        response = restorer.whole(response)
    blocks = response.candidates[0].blocks
    return [(block.namespace, block.name) for block in blocks if isinstance(block, ir.ToolCall)]


def called(*calls: tuple[str | None, str]) -> tuple[ir.Message, ...]:
    return tuple(
        ir.Message("assistant", (ir.ToolCall(f"c{number}", name, "{}", namespace=space),))
        for number, (space, name) in enumerate(calls)
    )


def sent(emulation: Emulation) -> list[tuple[str | None, str]]:
    blocks = [block for message in emulation.request.messages for block in message.blocks]
    return [(block.namespace, block.name) for block in blocks if isinstance(block, ir.ToolCall)]


@pytest.mark.parametrize(
    ("space", "name", "whole"),
    [
        (None, "find", "find"),
        ("crm", "find", "crm__find"),
        ("mcp__crm", "find", "mcp__crm__find"),
        ("mcp__crm__", "find", "mcp__crm__find"),
    ],
)
def test_a_namespace_and_a_name_are_one_name(space: str | None, name: str, whole: str) -> None:
    assert flat(space, name) == whole


def test_tools_of_one_name_stay_apart_and_come_back() -> None:
    tools = (ir.Function("find"), ir.Function("find", namespace=CRM), ir.Function("find", namespace=OPS))
    emulation, report = asked(request(*tools))
    assert names(emulation) == ["find", "crm__find", "ops__find"]
    assert all(getattr(tool, "namespace", None) is None for tool in emulation.request.tools or ())
    calls = [ir.ToolCall(str(number), name) for number, name in enumerate(names(emulation))]
    assert back(emulation, *calls) == [(None, "find"), ("crm", "find"), ("ops", "find")]
    assert [change.path for change in report.changes] == [
        "tools[1].namespace.description",
        "tools[1].name",
        "tools[2].name",
    ]
    assert report.losses == []


def test_a_name_that_the_client_has_given_is_not_taken_from_it() -> None:
    tools = (ir.Function("find", namespace=CRM), ir.Function("crm__find"), ir.Function("d", namespace=OPS))
    emulation, _ = asked(request(*tools))
    first, second, third = names(emulation)
    assert (second, third) == ("crm__find", "ops__d")
    assert first != second
    assert re.fullmatch(NAME, first)
    calls = (ir.ToolCall("1", first), ir.ToolCall("2", second))
    assert back(emulation, *calls) == [("crm", "find"), (None, "crm__find")]


def test_long_names_are_shortened_alike_whatever_stands_beside_them() -> None:
    long = [ir.Function(f"{'x' * 50}{end}", namespace=ir.Namespace("n" * 30)) for end in "ab"]
    emulation, _ = asked(request(*long))
    first, second = names(emulation)
    assert first != second
    assert first.startswith("n" * 30 + "__x")
    assert all(re.fullmatch(NAME, name) for name in (first, second))
    alone, _ = asked(request(long[1], ir.Function("other")))
    assert names(alone) == [second, "other"]


def test_what_is_said_of_a_namespace_is_system_text() -> None:
    odd = ir.Namespace("a b", "Odd.", {"agents": {"icon": "x"}})
    tools = (
        ir.Function("x", namespace=CRM),
        ir.Function("y", namespace=CRM),
        ir.Function("z", namespace=odd),
    )
    emulation, report = asked(request(*tools, system=(ir.Text("Be brief."),)))
    told = "Tools whose names begin with `crm__`: Customers.\nTools whose names begin with `a_b__`: Odd."
    assert emulation.request.system == (ir.Text("Be brief."), ir.Text(told))
    assert names(emulation) == ["crm__x", "crm__y", "a_b__z"]
    assert [(loss.path, loss.severity) for loss in report.losses] == [("tools[2].namespace.icon", "hint")]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ir.ToolChoice("tool", ("find",), namespaces=("crm",)), ir.ToolChoice("tool", ("crm__find",))),
        (ir.ToolChoice("tool", ("only",)), ir.ToolChoice("tool", ("ops__only",))),
        (ir.ToolChoice("tool", ("find",)), ir.ToolChoice("tool", ("find",))),
        (ir.ToolChoice("tool", ("crm__find",)), ir.ToolChoice("tool", ("crm__find",))),
        (
            ir.ToolChoice("auto", ("run", "find", "only"), namespaces=(None, "ops", "ops")),
            ir.ToolChoice("auto", ("run", "ops__find", "ops__only")),
        ),
        (ir.ToolChoice("any"), ir.ToolChoice("any")),
    ],
)
def test_a_choice_names_what_is_offered(choice: ir.ToolChoice, written: ir.ToolChoice) -> None:
    tools = (
        ir.Function("run"),
        ir.Function("find", namespace=CRM),
        ir.Function("find", namespace=OPS),
        ir.Function("only", namespace=OPS),
    )
    emulation, _ = asked(request(*tools, tool_choice=choice))
    assert emulation.request.tool_choice == written


def test_the_history_calls_tools_by_the_names_that_are_offered() -> None:
    tools = (ir.Function("look"), ir.Function("find", namespace=CRM))
    history = called(("crm", "find"), (None, "find"), ("look", "look"), ("gone", "old"), (None, "older"))
    emulation, _ = asked(request(*tools, messages=history))
    assert sent(emulation) == [
        (None, "crm__find"),
        (None, "crm__find"),  # the only one of that name
        (None, "look"),  # a tool that was found by search
        (None, "gone__old"),
        (None, "older"),
    ]
    calls = [ir.ToolCall(str(number), name) for number, (_, name) in enumerate(sent(emulation))]
    found = [("crm", "find"), ("crm", "find"), (None, "look"), ("gone", "old"), (None, "older")]
    assert back(emulation, *calls) == found


def test_calls_of_the_providers_own_tools_keep_their_names() -> None:
    call = ir.ToolCall("1", "find", "{}", by="provider", namespace="server")
    value = request(ir.Function("find", namespace=CRM), messages=(ir.Message("assistant", (call,)),))
    emulation, _ = asked(value)
    assert emulation.request.messages == value.messages
    assert back(emulation, call) == [("server", "find")]


def test_a_target_with_namespaces_gets_them() -> None:
    tools = (ir.Function("a b", namespace=CRM), ir.Function("find", namespace=OPS), ir.Function("find"))
    emulation, _ = asked(request(*tools, messages=called(("crm", "a b"))), GROUPED)
    assert emulation.request.tools == (replace(tools[0], name="a_b"), *tools[1:])
    assert emulation.request.system == ()
    assert sent(emulation) == [("crm", "a_b")]
    calls = (ir.ToolCall("1", "a_b", namespace="crm"), ir.ToolCall("2", "a_b"))
    assert back(emulation, *calls) == [("crm", "a b"), (None, "a_b")]


def test_free_text_tools_of_namespaces_come_back_as_such() -> None:
    lacks = Native(USUAL_FEATURES - {"custom_tools"}, NAME)
    tools = (ir.Function("run", kind="custom", namespace=CRM), ir.Function("run", namespace=OPS))
    emulation, _ = asked(request(*tools), lacks)
    restorer = emulation.restorer(Report("t", "response"))
    assert restorer is not None
    calls = (ir.ToolCall("1", "crm__run", '{"input":"x"}'), ir.ToolCall("2", "ops__run", '{"input":"x"}'))
    response = restorer.whole(ir.Response("t", candidates=(ir.Candidate(calls),)))
    assert response.candidates[0].blocks == (
        ir.ToolCall("1", "run", "x", "custom", namespace="crm"),
        ir.ToolCall("2", "run", '{"input":"x"}', namespace="ops"),
    )


@given(
    st.lists(
        st.tuples(st.sampled_from([None, "a", "a__b", "b", "x" * 60]), st.text(max_size=70)), unique=True
    )
)
def test_no_two_tools_meet_and_all_come_back(tools: list[tuple[str | None, str]]) -> None:
    offered = [
        ir.Function(name, namespace=None if space is None else ir.Namespace(space)) for space, name in tools
    ]
    emulation, _ = asked(request(*offered))
    made = names(emulation)
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(NAME, name) for name in made)
    calls = [ir.ToolCall(str(number), name) for number, name in enumerate(made)]
    assert back(emulation, *calls) == tools


def test_an_endless_name_costs_no_more_than_a_long_one() -> None:
    name = legal_name("x" * 1_000_000, NAME, ())
    assert re.fullmatch(NAME, name)
    assert name != legal_name("x" * 1_000_001, NAME, ())


def test_a_tool_that_the_vendor_has_named_keeps_its_name() -> None:
    call = ir.ToolCall("c1", "$web_search", "{}", form="type:builtin_function")
    result = ir.ToolResult("c1", (ir.Text("{}"),), "$web_search")
    history = (ir.Message("assistant", (call,)), ir.Message("user", (result,)))
    emulation, report = asked(request(messages=history))
    assert emulation.request.messages == history
    assert not report.changes
