"""What the simulator says, judged as a stream and as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator

from dragoman import ir
from dragoman.upstreams.simulate.answer import MEDIUM, counted, drafted, events
from dragoman.upstreams.simulate.plan import Plan, told
from dragoman.upstreams.simulate.plan import plan as plan_of
from dragoman.upstreams.simulate.words import tokens

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ir.Function("get_weather", parameters=CITY)
SEARCH = ir.Function("search")
RUN = ir.Function("run", kind="custom")
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def request(text: str = "Hello", **more: Any) -> ir.Request:
    return ir.Request("chat", "m", (ir.Message("user", (ir.Text(text),)),), **more)


def say(asked: ir.Request, model: str = "lorem", seed: int = 0) -> ir.Response:
    plan, said = told(plan_of(model), asked)
    checker, fold = ir.Checker(), ir.Fold()
    for event in events(asked, drafted(asked, plan, said, seed)):
        checker.add(event)
        fold.add(event)
    assert checker.state == "over"
    return fold.response()


def first(asked: ir.Request, model: str = "lorem") -> ir.Candidate:
    return say(asked, model).candidates[0]


def text(asked: ir.Request, model: str = "lorem") -> str:
    (block,) = first(asked, model).blocks
    assert isinstance(block, ir.Text)
    return block.text


def called(asked: ir.Request, model: str = "lorem") -> list[str]:
    return [block.name for block in first(asked, model).blocks if isinstance(block, ir.ToolCall)]


def test_echo_says_what_the_user_said() -> None:
    assert text(request("Grüße 👋\n  twice"), "echo") == "Grüße 👋\n  twice"
    assert text(request("Hello\nsimulate: lorem:0"), "echo") == ""


def test_the_same_request_gets_the_same_answer_and_another_another() -> None:
    one = say(request())
    assert say(request()) == one
    assert say(request("Hello!")) != one
    assert say(request(), seed=1) != one
    assert say(request(stream=True, user="u", sampling=ir.Sampling(temperature=1.0))) == one
    assert 24 <= len(tokens(text(request()))) < 72


def test_length_and_limit() -> None:
    assert len(tokens(text(request(), "lorem:200"))) == 200
    whole = text(request(), "lorem:30")
    assert first(request(max_output=30), "lorem:30").stop == ir.Stop("end")
    cut = first(request(max_output=7), "lorem:30")
    assert cut.stop == ir.Stop("length")
    assert cut.blocks == (ir.Text("".join(tokens(whole)[:7])),)
    assert first(request(max_output=0), "echo") == ir.Candidate((ir.Text(""),), ir.Stop("length"))
    assert first(request(""), "echo").stop == ir.Stop("end")


def test_thoughts_count_against_the_limit() -> None:
    thinking = say(request(max_output=5), "think")
    (block,) = thinking.candidates[0].blocks
    assert isinstance(block, ir.Thinking)
    assert thinking.usage is not None
    assert (thinking.usage.output, thinking.usage.reasoning) == (0, 5)


@pytest.mark.parametrize(
    ("stop", "said", "sequence"),
    [(("c",), "a b ", "c"), (("d", "b"), "a ", "b"), (("x", ""), "a b c d", None), (("a",), "", "a")],
)
def test_stop_sequences(stop: tuple[str, ...], said: str, sequence: str | None) -> None:
    candidate = first(request("a b c d", sampling=ir.Sampling(stop=stop)), "echo")
    assert candidate.blocks == (ir.Text(said),)
    assert candidate.stop == (ir.Stop("sequence", sequence=sequence) if sequence else ir.Stop("end"))


@pytest.mark.parametrize(
    ("reasoning", "model", "thinks"),
    [
        (None, "lorem", False),
        (None, "think", True),
        (ir.Reasoning(effort="low"), "lorem", True),
        (ir.Reasoning(budget=2000, mode="on"), "lorem", True),
        (ir.Reasoning(effort="none"), "lorem", False),
        (ir.Reasoning(mode="off"), "lorem", False),
        (ir.Reasoning(summary="auto"), "lorem", False),
    ],
)
def test_thinking(reasoning: ir.Reasoning | None, model: str, thinks: bool) -> None:
    response = say(request(reasoning=reasoning), model)
    kinds = [type(block) for block in response.candidates[0].blocks]
    assert kinds == [ir.Thinking, ir.Text] if thinks else [ir.Text]
    assert response.usage is not None
    assert bool(response.usage.reasoning) is thinks


def test_refusing() -> None:
    candidate = first(request(), "refuse")
    assert [type(block) for block in candidate.blocks] == [ir.Refusal]
    assert candidate.stop == ir.Stop("filter")


@pytest.mark.parametrize(
    ("asked", "model", "names"),
    [
        (request(tools=(WEATHER, SEARCH)), "lorem", []),
        (request("Please use get_weather.", tools=(WEATHER, SEARCH)), "lorem", ["get_weather"]),
        (request("Get weather and SEARCH", tools=(WEATHER, SEARCH)), "lorem", ["get_weather", "search"]),
        (request("researching", tools=(SEARCH,)), "lorem", []),
        (request("search get_weather", tools=(WEATHER, SEARCH), parallel=False), "lorem", ["get_weather"]),
        (request("search", tools=(SEARCH,), tool_choice=ir.ToolChoice("none")), "lorem", []),
        (request(tools=(WEATHER, SEARCH), tool_choice=ir.ToolChoice("any")), "lorem", ["get_weather"]),
        (request("search", tools=(WEATHER, SEARCH), tool_choice=ir.ToolChoice("any")), "lorem", ["search"]),
        (
            request(tools=(WEATHER, SEARCH), tool_choice=ir.ToolChoice("tool", ("search",))),
            "lorem",
            ["search"],
        ),
        (
            request("get_weather", tools=(WEATHER, SEARCH), tool_choice=ir.ToolChoice("auto", ("search",))),
            "lorem",
            [],
        ),
        (request(tools=(WEATHER, SEARCH)), "tools", ["get_weather"]),
        (request(tools=(WEATHER, SEARCH)), "tools:3", ["get_weather", "search", "get_weather"]),
        (request("search", tools=(WEATHER, SEARCH)), "tools:2", ["search", "search"]),
        (request(tools=(WEATHER,), parallel=False), "tools:2", ["get_weather"]),
        (request(), "tools", []),
        (request(tools=(ir.ProviderTool("x", "web_search", {}),)), "tools", []),
    ],
)
def test_which_tools_are_called(asked: ir.Request, model: str, names: list[str]) -> None:
    assert called(asked, model) == names
    assert first(asked, model).stop == ir.Stop("tool" if names else "end")


def test_calls_have_valid_arguments_and_ids_of_their_own() -> None:
    calls = first(request(tools=(WEATHER,)), "tools:3").blocks
    for call in calls:
        assert isinstance(call, ir.ToolCall)
        OAS31Validator(CITY).validate(json.loads(call.arguments))
    assert len({call.id for call in calls if isinstance(call, ir.ToolCall)}) == 3
    (custom,) = first(request(tools=(RUN,)), "tools").blocks
    assert isinstance(custom, ir.ToolCall)
    assert (custom.kind, custom.arguments != "") == ("custom", True)
    (bare,) = first(request(tools=(SEARCH,)), "tools").blocks
    assert isinstance(bare, ir.ToolCall)
    assert bare.arguments == "{}"


def test_a_tools_result_is_answered_in_text() -> None:
    asked = request("get_weather", tools=(WEATHER,))
    call, other = ir.ToolCall("1", "get_weather", "{}"), ir.ToolCall(None, "search", "{}")
    results = (
        ir.Message("user", (ir.ToolResult("1", (ir.Text("sunny"), ir.Media("image", data="AA=="))),)),
        ir.Message("user", (ir.ToolResult(None, (ir.Json({"found": 2}),), name="search"),)),
    )
    turn = (*asked.messages, ir.Message("assistant", (call, other)), *results)
    said = text(ir.Request("chat", "m", turn, tools=(WEATHER,)), "tools+echo")
    assert said == 'The tool get_weather returned: sunny The tool search returned: {"found":2}'
    forced = ir.Request("chat", "m", turn, tools=(WEATHER,), tool_choice=ir.ToolChoice("any"))
    assert called(forced) == ["get_weather"]
    later = (*turn, ir.Message("assistant", (ir.Text(said),)), ir.Message("user", (ir.Text("Thanks"),)))
    assert text(ir.Request("chat", "m", later), "echo") == "Thanks"


def test_tools_that_a_user_names_are_called_once_each() -> None:
    """Agents offer them one after the other: first a handoff, then what the next agent has."""
    asked = request("get_weather and then search", tools=(WEATHER,))
    found = ir.ToolResult("1", (ir.Text("ok"),))
    turn = (*asked.messages, ir.Message("assistant", (ir.ToolCall("1", "search", "{}"),)))
    beside = (*turn, ir.Message("user", (found, ir.Text("Remember to search."))))
    turn = (*turn, ir.Message("user", (found,)))
    assert called(ir.Request("chat", "m", turn, tools=(WEATHER,))) == ["get_weather"]
    assert called(ir.Request("chat", "m", beside, tools=(SEARCH,))) == []
    again = (*turn, ir.Message("user", (ir.Text("Once more: search"),)))
    assert called(ir.Request("chat", "m", again, tools=(WEATHER, SEARCH))) == ["search"]


def test_answers_in_json() -> None:
    by_schema = text(request(output=ir.Output("schema", SCHEMA)))
    OAS31Validator(SCHEMA).validate(json.loads(by_schema))
    assert json.loads(text(request(" Hi ", output=ir.Output("json")), "echo")) == {"answer": "Hi"}
    assert list(json.loads(text(request(output=ir.Output("json"))))) == ["answer"]
    assert text(request(output=ir.Output("text")), "echo") == "Hello"


def test_several_candidates_come_interleaved_and_differ() -> None:
    asked = request(sampling=ir.Sampling(n=3))
    response = say(asked)
    assert [candidate.index for candidate in response.candidates] == [0, 1, 2]
    assert len({candidate.blocks for candidate in response.candidates}) == 3
    order = [
        event.candidate
        for event in events(asked, drafted(asked, Plan(), "", 0))
        if isinstance(event, ir.TextDelta)
    ]
    assert order[:6] == [0, 1, 2, 0, 1, 2]


def test_usage_counts_what_was_said() -> None:
    response = say(request("Hello world"), "echo")
    assert response.usage == ir.Usage(input=4 + 2, output=2, reasoning=0)
    both = say(request("Hello world", sampling=ir.Sampling(n=2)), "echo")
    assert both.usage == ir.Usage(input=6, output=4, reasoning=0)
    asked = request("Hello world")
    (start, *_) = events(asked, drafted(asked, Plan(), "", 0))
    assert start == ir.Start("simulate", model="m", usage=ir.Usage(input=6))


@pytest.mark.parametrize(
    ("block", "count"),
    [
        (ir.Text("Hello world"), 2),
        (ir.Refusal("no"), 1),
        (ir.Thinking("well then"), 2),
        (ir.Media("image", data="AA=="), MEDIUM),
        (ir.Media("document", text="Hello world"), 2),
        (ir.ToolCall("1", "f", "a b"), 3),
        (ir.ToolResult("1", (ir.Text("Hello world"), ir.Text("x"))), 3),
        (ir.Json({"a": 1}), 2),
        (ir.Native("x", "y", {"a": 1}), 2),
    ],
)
def test_what_blocks_count(block: ir.Block, count: int) -> None:
    asked = ir.Request("chat", "m", (ir.Message("user", (block,)),))
    assert counted(asked) == 4 + count
    assert counted(ir.Request("chat", "m", system=(block,))) == count


def test_definitions_of_tools_count() -> None:
    assert counted(request(tools=(WEATHER,))) > counted(request()) + 5


def test_logprobs_are_of_the_tokens() -> None:
    (block,) = first(request("Hello world", sampling=ir.Sampling(logprobs=True)), "echo").blocks
    assert isinstance(block, ir.Text)
    assert block.logprobs is not None
    assert [one.token for one in block.logprobs] == ["Hello", " world"]
    assert [one.top for one in block.logprobs] == [None, None]
    top = ir.Sampling(logprobs=True, top_logprobs=3)
    (block,) = first(request("Hi", sampling=top), "echo").blocks
    assert isinstance(block, ir.Text)
    assert block.logprobs is not None
    assert block.logprobs[0].top is not None
    assert len(block.logprobs[0].top) == 3


@given(
    st.sampled_from(["lorem", "echo", "think", "tools:2", "refuse", "lorem:0", "think+tools"]),
    st.text(max_size=40),
    st.none() | st.integers(0, 40),
    st.none() | st.integers(1, 4),
    st.lists(st.text(max_size=2), max_size=2),
    st.sampled_from([None, ir.Output("json"), ir.Output("schema", SCHEMA)]),
    st.booleans(),
)
@settings(max_examples=120)
def test_the_grammar_holds_whatever_is_asked(
    model: str,
    said: str,
    limit: int | None,
    n: int | None,
    stop: list[str],
    output: ir.Output | None,
    tools: bool,
) -> None:
    asked = request(
        said,
        max_output=limit,
        sampling=ir.Sampling(n=n, stop=tuple(stop)),
        output=output,
        tools=(WEATHER, RUN) if tools else None,
    )
    response = say(asked, model)
    assert len(response.candidates) == (n or 1)
    assert response.usage is not None
    assert response.usage.output_total <= (limit if limit is not None else 10**9) * (n or 1)
    assert ir.fold(ir.unfold(response)) == response
