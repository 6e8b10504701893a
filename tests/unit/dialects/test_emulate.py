"""What is asked for in another form, and that the client sees none of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dragoman import ir
from dragoman.dialects.access import Paths
from dragoman.dialects.dialect import (
    EVERY_FEATURE,
    Abilities,
    Dialect,
    ErrorCodec,
    Feature,
    RequestCodec,
    ResponseCodec,
    StreamCodec,
)
from dragoman.dialects.emulate import Emulation, emulate
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.fields import PLACES, Fields
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat.relay import RELAY
from dragoman.dialects.prompted.notation import NOTATIONS
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import WireError

NAMED = {"n": {"type": "integer", "$anchor": "n"}}
NAME = r"[A-Za-z0-9_-]{1,64}"


def unused(*_: Any) -> Any:
    raise AssertionError("emulation needs no codec")


def target(*lacks: Feature, tool_name: str = NAME) -> Dialect:
    return Dialect(
        name="t",
        title="T",
        spec="",
        version="",
        paths=Paths(),
        request=RequestCodec(
            check=unused,
            decode=unused,
            encode=unused,
            locate=unused,
            brief=unused,
            fields=Fields("t", handled={unused: PLACES}, lost={}),
            members=frozenset(),
        ),
        response=ResponseCodec(decode=unused, encode=unused),
        stream=StreamCodec(framing="sse", content_type="", decoder=unused, encoder=unused),
        errors=ErrorCodec(decode=unused, encode=unused),
        relay=RELAY,
        abilities=Abilities(features=EVERY_FEATURE - set(lacks), tool_name=tool_name),
    )


def ask(request: ir.Request, dialect: Dialect, facts: Facts = UNKNOWN, quirks: Quirks = STANDARD) -> Any:
    report = Report("t")
    return emulate(request, dialect.abilities, facts, quirks, report), report


USER = ir.Message("user", (ir.Text("Hello"),))
PLAIN = ir.Request("chat", "m", (USER,))
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
SCHEMA = ir.Output("schema", PERSON, "person", "A person.", strict=True, form="json_schema")
WEATHER = ir.Function("weather", parameters={"type": "object"})
SEARCH = ir.Function("search")


def restored(emulation: Emulation, response: ir.Response) -> Any:
    """A whole answer on its way back, as a flight's steps lead it."""
    restorer = emulation.restorer(Report("t", "response"))
    return response if restorer is None else restorer.whole(response)


def test_nothing_is_done_where_nothing_is_lacking() -> None:
    tools = (WEATHER, ir.Function("run", kind="custom", format={"type": "text"}))
    request = replace(PLAIN, tools=tools, output=SCHEMA)
    emulation, report = ask(request, target())
    assert emulation == Emulation(request)
    assert emulation.request is request
    assert emulation.restorer(Report("t", "response")) is None
    assert (report.losses, report.changes) == ([], [])
    response = ir.Response("t")
    assert restored(emulation, response) is response
    plain, _ = ask(PLAIN, target("schema", "json", "custom_tools", "forced_thinking"))
    assert plain.request is PLAIN


@pytest.mark.parametrize(
    ("dialect", "facts", "quirks"),
    [
        (target("schema"), UNKNOWN, STANDARD),
        (target(), Facts(structured=False), STANDARD),
        (target(), UNKNOWN, Quirks(json_schema=False)),
    ],
)
def test_a_schema_is_asked_for_as_a_forced_tool(dialect: Dialect, facts: Facts, quirks: Quirks) -> None:
    emulation, report = ask(replace(PLAIN, output=SCHEMA), dialect, facts, quirks)
    request = emulation.request
    (tool,) = request.tools
    assert (tool.name, tool.parameters) == ("person", PERSON)
    assert tool.description.startswith("A person.\n")
    assert request.tool_choice == ir.ToolChoice("tool", ("person",))
    assert request.parallel is False
    assert request.output is None
    assert [change.path for change in report.changes] == ["output"]
    assert report.losses == []
    seen = restored(
        emulation,
        ir.Response(
            "t",
            candidates=(ir.Candidate((ir.ToolCall("1", "person", '{"name":"Ann"}'),), ir.Stop("tool")),),
        ),
    )
    assert seen.candidates == (ir.Candidate((ir.Text('{"name":"Ann"}'),), ir.Stop("end")),)


@pytest.mark.parametrize(
    ("asked", "dialect", "facts", "streams"),
    [
        (replace(PLAIN, tools=(WEATHER,)), target(), Facts(streams_tools=False), False),
        (replace(PLAIN, tools=(WEATHER,)), target(), UNKNOWN, True),
        (PLAIN, target(), Facts(streams_tools=False), True),
        (
            replace(PLAIN, messages=(USER, ir.Message("assistant", (ir.ToolCall("1", "weather", "{}"),)))),
            target(),
            Facts(streams_tools=False),
            False,
        ),
        # The answer's own tool is one, too; tools in the prompt are none.
        (replace(PLAIN, output=SCHEMA), target("schema"), Facts(streams_tools=False), False),
        (replace(PLAIN, tools=(WEATHER,)), target(), Facts(streams_tools=False, tool_mode="json"), True),
    ],
)
def test_a_model_that_does_not_stream_with_tools(
    asked: ir.Request, dialect: Dialect, facts: Facts, streams: bool
) -> None:
    emulation, report = ask(replace(asked, stream=True, stream_usage=True), dialect, facts)
    assert (emulation.request.stream, emulation.request.stream_usage) == (streams, True if streams else None)
    assert ("stream" in [change.path for change in report.changes]) is not streams


def test_other_wishes_about_the_output_stay() -> None:
    output = replace(SCHEMA, verbosity="low")
    emulation, _ = ask(replace(PLAIN, output=output), target("schema"))
    assert emulation.request.output == ir.Output(verbosity="low")


def test_json_mode_is_a_tool_with_any_object() -> None:
    emulation, _ = ask(replace(PLAIN, output=ir.Output("json")), target("json"))
    (tool,) = emulation.request.tools
    assert (tool.name, tool.parameters) == ("answer", {"type": "object", "additionalProperties": True})
    native, _ = ask(replace(PLAIN, output=ir.Output("json")), target("schema"), Facts(structured=False))
    assert native.undo is None


@pytest.mark.parametrize(
    ("choice", "forced"),
    [
        (None, ir.ToolChoice("any")),
        (ir.ToolChoice("auto"), ir.ToolChoice("any")),
        (ir.ToolChoice("auto", ("search",)), ir.ToolChoice("any", ("search", "person"))),
        (ir.ToolChoice("none"), ir.ToolChoice("tool", ("person",))),
    ],
)
def test_the_clients_own_tools_stay_callable(choice: ir.ToolChoice | None, forced: ir.ToolChoice) -> None:
    request = replace(PLAIN, tools=(WEATHER, SEARCH), tool_choice=choice, output=SCHEMA, parallel=True)
    emulation, _ = ask(request, target("schema"))
    assert [tool.name for tool in emulation.request.tools] == ["weather", "search", "person"]
    assert emulation.request.tool_choice == forced
    assert emulation.request.parallel is (forced.mode == "any")


@pytest.mark.parametrize("choice", [ir.ToolChoice("any"), ir.ToolChoice("tool", ("weather",))])
def test_a_forced_call_needs_no_form(choice: ir.ToolChoice) -> None:
    request = replace(PLAIN, tools=(WEATHER,), tool_choice=choice, output=SCHEMA)
    emulation, report = ask(request, target("schema"))
    assert emulation == Emulation(replace(request, output=None))
    assert [(loss.path, loss.severity) for loss in report.losses] == [("output", "hint")]


def test_the_answers_tool_takes_no_name_of_the_clients() -> None:
    request = replace(PLAIN, tools=(ir.Function("person"),), output=SCHEMA)
    emulation, _ = ask(request, target("schema"))
    first, second = emulation.request.tools
    assert first.name == "person"
    assert second.name != "person"
    assert re.fullmatch(NAME, second.name)
    call = ir.ToolCall("1", "person", "{}")
    candidate = ir.Candidate((call, ir.ToolCall("2", second.name, '{"a":1}')), ir.Stop("tool"))
    seen = restored(emulation, ir.Response("t", candidates=(candidate,)))
    assert seen.candidates[0].blocks == (call, ir.Text('{"a":1}'))
    assert seen.candidates[0].stop == ir.Stop("tool")


@pytest.mark.parametrize(
    ("schema", "parameters", "written", "seen"),
    [
        (
            {"type": "array", "items": {"$ref": "#/$defs/n"}, "contains": {"$ref": "#n"}, "$defs": NAMED},
            {
                "type": "object",
                "properties": {
                    "value": {
                        "type": "array",
                        "items": {"$ref": "#/properties/value/$defs/n"},
                        "contains": {"$ref": "#n"},
                        "$defs": NAMED,
                    }
                },
                "required": ["value"],
            },
            '{"value": [1, 2]}',
            "[1, 2]",
        ),
        (
            {"anyOf": [{"type": "null"}, {"$ref": "#"}], "title": "t"},
            {
                "type": "object",
                "properties": {
                    "value": {"anyOf": [{"type": "null"}, {"$ref": "#/properties/value"}], "title": "t"}
                },
                "required": ["value"],
            },
            '{"value":null}',
            "null",
        ),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}, '{"a":1}', '{"a":1}'),
    ],
)
def test_schemas_whose_root_is_no_object(
    schema: Any, parameters: dict[str, Any], written: str, seen: str
) -> None:
    emulation, _ = ask(replace(PLAIN, output=ir.Output("schema", schema)), target("schema"))
    assert emulation.request.tools[0].parameters == parameters
    candidate = ir.Candidate((ir.ToolCall("1", "answer", written),), ir.Stop("tool"))
    back = restored(emulation, ir.Response("t", candidates=(candidate,)))
    assert back.candidates[0].blocks == (ir.Text(seen),)


@pytest.mark.parametrize(
    ("facts", "reasoning", "choice", "instructed"),
    [
        (UNKNOWN, None, None, False),
        (Facts(forced_tool=False), None, None, True),
        (Facts(tools=False), None, None, True),
        (UNKNOWN, None, ir.ToolChoice("native", native={}), True),
        (UNKNOWN, ir.Reasoning(mode="on", budget=2000), None, True),
        (UNKNOWN, ir.Reasoning(effort="high"), None, True),
        (UNKNOWN, ir.Reasoning(effort="none"), None, False),
        (UNKNOWN, ir.Reasoning(mode="off", budget=2000), None, False),
        (UNKNOWN, ir.Reasoning(mode="on", budget=0), None, False),
        (UNKNOWN, ir.Reasoning(summary="auto"), None, False),
    ],
)
def test_where_nothing_can_be_forced_it_is_an_instruction(
    facts: Facts, reasoning: ir.Reasoning | None, choice: ir.ToolChoice | None, instructed: bool
) -> None:
    request = replace(PLAIN, output=SCHEMA, reasoning=reasoning, tool_choice=choice)
    emulation, report = ask(request, target("schema", "json", "forced_thinking"), facts)
    losses = [(loss.path, loss.severity) for loss in report.losses]
    assert losses == ([("output", "quality")] if instructed else [])
    assert emulation.undo is not None
    assert emulation.undo.told is instructed
    if instructed:
        (told,) = emulation.request.system
        assert json.dumps(PERSON, separators=(",", ":")) in told.text
        assert emulation.request.output is None


def test_an_instruction_leaves_the_clients_messages_in_their_places() -> None:
    head = (ir.Message("system", (ir.Text("a"),)), ir.Message("developer", (ir.Text("b"),)))
    cannot = Facts(forced_tool=False)
    request = replace(PLAIN, messages=(*head, USER, head[0]), output=SCHEMA)
    emulation, _ = ask(request, target("schema"), cannot)
    assert emulation.request.messages == request.messages
    assert emulation.request.output == ir.Output("json")
    top, _ = ask(replace(request, system=(ir.Text("top"),)), target("schema"), cannot)
    assert top.request.messages == request.messages
    assert [block.text.split()[0] for block in top.request.system] == ["top", "Answer"]
    mode, _ = ask(replace(PLAIN, output=ir.Output("json")), target("json"), cannot)
    assert "Schema" not in mode.request.system[0].text


def test_what_is_refused_beside_an_instruction_is_named_where_the_client_wrote_it() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": [sound]}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": PERSON}},
    }
    source, target_ = DIALECTS["openai_chat"], DIALECTS["anthropic"]
    with pytest.raises(WireError) as caught:
        translated(body, source, target_, facts=Facts(structured=False, forced_tool=False))
    assert caught.value.path is not None
    assert source.locator(WireRequest("chat", body))(caught.value.path) == "$.messages[1].content[0]"


GRAMMAR = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[0-9]+"}}
RUN = ir.Function("run", "Runs code.", kind="custom", format={"type": "text"})


def test_tools_with_free_text_are_functions_with_a_string() -> None:
    history = (
        USER,
        ir.Message("assistant", (ir.Text("ok"), ir.ToolCall("1", "run", 'say "hi"', kind="custom"))),
        ir.Message("user", (ir.ToolResult("1", (ir.Text("hi"),), kind="custom"),)),
        ir.Message("assistant", (ir.ToolCall("2", "weather", "{}"),)),
    )
    request = replace(
        PLAIN,
        messages=history,
        tools=(WEATHER, RUN, ir.Function("dial", kind="custom", format=GRAMMAR)),
        tool_choice=ir.ToolChoice("tool", ("run",), kind="custom"),
    )
    emulation, report = ask(request, target("custom_tools"))
    sent = emulation.request
    assert sent.tools[0] is WEATHER
    assert (sent.tools[1].kind, sent.tools[1].format, sent.tools[1].description) == (
        "function",
        None,
        "Runs code.",
    )
    assert sent.tools[1].parameters["required"] == ["input"]
    assert "[0-9]+" in sent.tools[2].parameters["properties"]["input"]["description"]
    assert sent.tool_choice == ir.ToolChoice("tool", ("run",))
    assert sent.messages[1].blocks == (ir.Text("ok"), ir.ToolCall("1", "run", '{"input":"say \\"hi\\""}'))
    assert sent.messages[2].blocks == (ir.ToolResult("1", (ir.Text("hi"),)),)
    assert sent.messages[0] is USER
    assert sent.messages[3] is history[3]
    assert [change.path for change in report.changes] == ["tools[1]", "tools[2]"]
    assert [(loss.path, loss.severity) for loss in report.losses] == [("tools[2].format", "quality")]
    candidate = ir.Candidate((ir.ToolCall("3", "run", '{"input":"x"}'),), ir.Stop("tool"))
    seen = restored(emulation, ir.Response("t", candidates=(candidate,)))
    assert seen.candidates[0].blocks == (ir.ToolCall("3", "run", "x", kind="custom"),)


def test_free_text_in_the_history_alone_is_rewritten_too() -> None:
    call = ir.Message("assistant", (ir.ToolCall("1", "run", "x", kind="custom"),))
    emulation, _ = ask(replace(PLAIN, messages=(USER, call)), target("custom_tools"))
    assert emulation.request.messages[1].blocks == (ir.ToolCall("1", "run", '{"input":"x"}'),)
    assert emulation.request.tools is None


def test_names_are_made_legal_everywhere_and_come_back() -> None:
    server_call = ir.ToolCall("9", "get weather", by="provider")
    request = replace(
        PLAIN,
        messages=(
            USER,
            ir.Message("assistant", (ir.ToolCall("1", "get weather", "{}"), ir.ToolCall("2", "ok", "{}"))),
            ir.Message("user", (ir.ToolResult("1", (), "get weather"), ir.ToolResult("2"))),
            ir.Message("assistant", (server_call,)),
        ),
        tools=(ir.Function("get weather"), SEARCH, ir.ProviderTool("t", "web_search", {})),
        tool_choice=ir.ToolChoice("any", ("get weather", "search")),
    )
    emulation, report = ask(request, target())
    sent = emulation.request
    assert [getattr(tool, "name", None) for tool in sent.tools] == ["get_weather", "search", None]
    assert sent.tool_choice == ir.ToolChoice("any", ("get_weather", "search"))
    assert sent.messages[1].blocks[0] == ir.ToolCall("1", "get_weather", "{}")
    assert sent.messages[2].blocks == (ir.ToolResult("1", (), "get_weather"), ir.ToolResult("2"))
    assert sent.messages[3].blocks == (server_call,)
    assert [change.path for change in report.changes] == ["tools[0].name"]
    calls = (ir.ToolCall("3", "get_weather", "{}"), ir.ToolCall("4", "search", "{}"))
    seen = restored(
        emulation,
        ir.Response("t", candidates=(ir.Candidate(calls, ir.Stop("tool")),), usage=ir.Usage(output=1)),
    )
    assert [block.name for block in seen.candidates[0].blocks] == ["get weather", "search"]
    assert seen.usage == ir.Usage(output=1)


@pytest.mark.parametrize(
    ("name", "pattern", "legal"),
    [
        ("get weather", NAME, "get_weather"),
        ("a.b:c/d", NAME, "a_b_c_d"),
        ("a.b", r"[A-Za-z0-9_.:-]{1,128}", "a.b"),
        ("9lives", r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}", "_9lives"),
        ("über", NAME, "_ber"),
        ("-", r"[a-z][a-z0-9_]*", None),
        ("x" * 200, NAME, None),
        ("", NAME, "_"),
        ("\ud800", NAME, "_"),
    ],
)
def test_legal_names(name: str, pattern: str, legal: str | None) -> None:
    request = replace(PLAIN, tools=(ir.Function(name),))
    emulation, _ = ask(request, target(tool_name=pattern))
    made = emulation.request.tools[0].name
    assert re.fullmatch(pattern, made)
    assert legal in (None, made)
    again, _ = ask(request, target(tool_name=pattern))
    assert again == emulation


@given(st.lists(st.text(max_size=80), unique=True, max_size=8))
def test_renamed_tools_never_meet(names: list[str]) -> None:
    request = replace(PLAIN, tools=tuple(ir.Function(name) for name in names))
    emulation, _ = ask(request, target())
    made = [tool.name for tool in emulation.request.tools]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(NAME, name) for name in made)
    calls = tuple(ir.ToolCall(None, name) for name in made)
    seen = restored(emulation, ir.Response("t", candidates=(ir.Candidate(calls),)))
    assert [block.name for block in seen.candidates[0].blocks] == names


def test_names_that_meet_get_a_mark_of_their_own() -> None:
    request = replace(PLAIN, tools=(ir.Function("a b"), ir.Function("a_b"), ir.Function("a.b")))
    emulation, _ = ask(request, target())
    first, second, third = (tool.name for tool in emulation.request.tools)
    assert (second, first != second, third != second, first != third) == ("a_b", True, True, True)
    assert first.startswith(("_a_b", "a_b_"))
    reordered = replace(PLAIN, tools=(ir.Function("a_b"), ir.Function("a b")))
    assert ask(reordered, target())[0].request.tools[1].name == first


def test_a_pattern_that_no_name_fits_is_a_mistake_of_the_dialect() -> None:
    with pytest.raises(ValueError, match="no valid name for"):
        ask(replace(PLAIN, tools=(ir.Function("a"),)), target(tool_name="[0-9]{99}"))


def test_all_at_once() -> None:
    request = replace(
        PLAIN,
        tools=(ir.Function("run it", kind="custom"), ir.Function("get x")),
        output=replace(SCHEMA, name="run it"),
    )
    emulation, _ = ask(request, target("schema", "json", "custom_tools"))
    names = [tool.name for tool in emulation.request.tools]
    assert len(set(names)) == 3
    blocks = (
        ir.ToolCall("1", names[0], '{"input":"x"}'),
        ir.ToolCall("2", names[1], "{}"),
        ir.ToolCall("3", names[2], '{"name":"Ann"}'),
    )
    seen = restored(emulation, ir.Response("t", candidates=(ir.Candidate(blocks, ir.Stop("tool")),)))
    assert seen.candidates[0].blocks == (
        ir.ToolCall("1", "run it", "x", kind="custom"),
        ir.ToolCall("2", "get x", "{}"),
        ir.Text('{"name":"Ann"}'),
    )


CALL = ir.ToolCall("1", "find", "{}", "builtin")
SEARCH_TOOLS = ir.Function("find", "Finds tools.", {"type": "object"})
OFFERED = ir.ProviderTool("agents", "find", {"type": "find"}, function=SEARCH_TOOLS)


def test_tools_that_the_client_runs_are_functions() -> None:
    history = (
        USER,
        ir.Message("assistant", (ir.Native("agents", "f", {}, stands_for=CALL),)),
        ir.Message(
            "user",
            (ir.Native("agents", "r", {}, stands_for=ir.ToolResult("1", (ir.Text("weather"),))),),
            tools=(WEATHER, SEARCH, ir.ProviderTool("agents", "odd", {})),
        ),
        ir.Message("developer", (ir.Native("agents", "x", {}),), tools=(SEARCH,)),
    )
    other = ir.ProviderTool("agents", "code_execution", {})
    request = replace(PLAIN, messages=history, tools=(other, OFFERED, WEATHER))
    emulation, report = ask(request, target("builtins"))
    sent = emulation.request
    assert sent.tools == (other, SEARCH_TOOLS, WEATHER, SEARCH)
    assert sent.messages[1].blocks == (ir.ToolCall("1", "find", "{}"),)
    assert sent.messages[2].blocks == (ir.ToolResult("1", (ir.Text("weather"),)),)
    assert sent.messages[3].blocks == history[3].blocks
    assert [(change.path, change.to) for change in report.changes] == [
        ("tools[1]", "tools[1]"),
        ("messages[2]", "tools[3]"),
    ]
    calls = (ir.ToolCall("2", "find", '{"q":1}'), ir.ToolCall("3", "search", "{}"))
    seen = restored(emulation, ir.Response("t", candidates=(ir.Candidate(calls, ir.Stop("tool")),)))
    assert seen.candidates[0].blocks == (replace(calls[0], kind="builtin"), calls[1])


def test_a_target_that_has_them_gets_the_tools_of_the_protocol() -> None:
    native = ir.Native("agents", "f", {}, stands_for=CALL)
    request = replace(PLAIN, tools=(OFFERED,), messages=(ir.Message("assistant", (native,)),))
    emulation, report = ask(request, target())
    assert emulation == Emulation(request)
    assert report.changes == []


def test_two_tools_of_one_name_would_not_be_told_apart() -> None:
    request = replace(PLAIN, tools=(OFFERED, ir.Function("find")))
    emulation, _ = ask(request, target("builtins"))
    assert emulation.request.tools == request.tools
    assert emulation.undo is None


def test_tools_known_from_the_history_alone_are_offered() -> None:
    told = ir.Message(
        "developer", (ir.Native("agents", "x", {}, stands_for=ir.Text("More.")),), tools=(SEARCH,)
    )
    emulation, _ = ask(replace(PLAIN, messages=(told, USER)), target("builtins"))
    assert emulation.request.tools == (SEARCH,)
    assert emulation.request.messages[0].blocks == (ir.Text("More."),)
    none, _ = ask(replace(PLAIN, messages=(replace(told, tools=()), USER)), target("builtins"))
    assert none.request.tools is None
    untouched, _ = ask(replace(PLAIN, tools=(WEATHER,)), target("builtins"))
    assert untouched.request.messages is PLAIN.messages


# Forced calls and tools in text -------------------------------------------------------------------

ANY = ir.ToolChoice("any")
LOOK = ir.Function("look", parameters=PERSON)
COMPLETES = target("forced_tool", "schema", "json")
"""A protocol without forms of the answer, which some vendors add."""


@pytest.mark.parametrize(
    ("dialect", "facts", "quirks", "by_schema"),
    [
        (target(), UNKNOWN, STANDARD, False),
        (target("forced_tool"), UNKNOWN, STANDARD, True),
        (target(), Facts(forced_tool=False), STANDARD, True),
        (target(), UNKNOWN, Quirks(forced_calls=False), True),
        (target("forced_tool", "schema"), UNKNOWN, STANDARD, False),
        (target("forced_tool"), Facts(structured=False), STANDARD, False),
        (target(), Facts(tool_mode="xml"), STANDARD, True),
        (COMPLETES, UNKNOWN, STANDARD, False),
        (COMPLETES, UNKNOWN, Quirks(completion_format=True), True),
        (COMPLETES, Facts(structured=False), Quirks(completion_format=True), False),
    ],
)
def test_a_call_that_cannot_be_forced_is_asked_for_by_a_schema(
    dialect: Dialect, facts: Facts, quirks: Quirks, *, by_schema: bool
) -> None:
    asked = replace(PLAIN, tools=(LOOK,), tool_choice=ANY)
    emulation, report = ask(asked, dialect, facts, quirks)
    output = emulation.request.output
    assert (output is not None and output.kind == "schema") is by_schema
    assert emulation.divides is by_schema
    if not by_schema:
        assert emulation.request is asked
        return
    assert report.losses == []
    answer = ir.Response("t", candidates=(ir.Candidate((ir.Text('{"name":"Ann"}'),), ir.Stop("end")),))
    called = ir.ToolCall(None, "look", '{"name":"Ann"}')
    assert restored(emulation, answer).candidates == (ir.Candidate((called,), ir.Stop("tool")),)


@pytest.mark.parametrize("output", [SCHEMA, ir.Output("json")])
def test_a_vendor_may_add_forms_of_the_answer(output: ir.Output) -> None:
    asked = replace(PLAIN, output=output)
    assert ask(asked, COMPLETES, UNKNOWN, Quirks(completion_format=True))[0].request is asked
    assert ask(asked, COMPLETES)[0].undo.told


def test_the_tools_stay_where_only_the_model_refuses_to_be_forced() -> None:
    asked = replace(PLAIN, tools=(LOOK,), tool_choice=ANY)
    model, _ = ask(asked, target(), Facts(forced_tool=False))
    assert (model.request.tools, model.request.tool_choice) == ((LOOK,), ir.ToolChoice("none"))
    protocol, _ = ask(asked, target("forced_tool"))
    assert (protocol.request.tools, protocol.request.tool_choice) == (None, None)


def test_a_schema_is_no_forced_tool_where_none_can_be_forced() -> None:
    """Neither emulation leans on the other."""
    asked = replace(PLAIN, output=SCHEMA)
    for dialect, quirks in (
        (target("schema", "forced_tool"), STANDARD),
        (target("schema"), Quirks(forced_calls=False)),
    ):
        emulation, report = ask(asked, dialect, UNKNOWN, quirks)
        assert emulation.undo is not None
        assert emulation.undo.told
        assert [loss.path for loss in report.losses] == ["output"]


def test_a_forced_call_has_the_clients_names_and_free_text() -> None:
    space = ir.Namespace("files")
    run = ir.Function("run it", kind="custom", namespace=space)
    asked = replace(
        PLAIN, tools=(run,), tool_choice=ir.ToolChoice("tool", ("run it",), "custom", namespaces=("files",))
    )
    emulation, _ = ask(asked, target("forced_tool"))
    output = emulation.request.output
    assert output is not None
    assert set(output.schema["properties"]) == {"input"}
    answer = ir.Response("t", candidates=(ir.Candidate((ir.Text('{"input":"ls"}'),), ir.Stop("end")),))
    (call,) = restored(emulation, answer).candidates[0].blocks
    assert (call.name, call.namespace, call.kind, call.arguments) == ("run it", "files", "custom", "ls")


@pytest.mark.parametrize("mode", ["xml", "hermes", "json"])
def test_tools_in_text(mode: Any) -> None:
    facts = Facts(tools=False, tool_mode=mode)
    asked = replace(PLAIN, tools=(LOOK, RUN))
    emulation, report = ask(asked, target(), facts)
    assert emulation.request.tools is None
    assert emulation.divides
    assert "tools" in [change.path for change in report.changes]
    said = NOTATIONS[mode].call("run", '{"input":"ls"}')
    answer = ir.Response("t", candidates=(ir.Candidate((ir.Text(f"So: {said}"),), ir.Stop("end")),))
    text, call = restored(emulation, answer).candidates[0].blocks
    assert (text.text, call.kind, call.arguments) == ("So: ", "custom", "ls")
    history = ir.Message("assistant", (ir.ToolCall("1", "look", "{}"),))
    later, _ = ask(replace(PLAIN, messages=(USER, history)), target(), facts)
    assert later.undo is None
    assert later.request.messages[1].blocks == (ir.Text(NOTATIONS[mode].call("look", "{}")),)


def test_a_schema_beside_tools_in_text_is_told_in_words() -> None:
    facts = Facts(tool_mode="json")
    emulation, report = ask(replace(PLAIN, tools=(LOOK,), output=SCHEMA), target(), facts)
    assert emulation.request.output is None
    assert [loss.path for loss in report.losses] == ["output"]
    verbose, _ = ask(replace(PLAIN, tools=(LOOK,), output=ir.Output(verbosity="low")), target(), facts)
    assert verbose.request.output == ir.Output(verbosity="low")
    alone, _ = ask(replace(PLAIN, output=SCHEMA), target(), facts)
    assert alone.request.output == SCHEMA


def test_a_forced_call_in_text_is_told_where_there_is_no_schema() -> None:
    emulation, report = ask(
        replace(PLAIN, tools=(LOOK,), tool_choice=ANY), target(), Facts(tool_mode="xml", structured=False)
    )
    assert emulation.divides
    assert [(loss.path, loss.severity) for loss in report.losses] == [("tool_choice", "quality")]


def test_a_schema_output_without_a_schema_is_the_json_mode() -> None:
    wish = ir.Output("schema", name="n", description="d", strict=True, modalities=("text",))
    emulation, report = ask(replace(PLAIN, output=wish), target())
    assert emulation.request.output == ir.Output("json", modalities=("text",))
    assert [loss.path for loss in report.losses] == ["output.name", "output.description"]
    assert [change.path for change in report.changes] == ["output.kind"]
    own = replace(PLAIN, dialect=report.dialect, output=wish)
    assert ask(own, target())[0].request is own
