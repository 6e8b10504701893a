"""Requests, both directions: each member, and what becomes of what has none."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama import DIALECT
from dragoman.errors import WireError
from tests.unit.dialects.ollama.speaking import USER, asked, changed, foreign, lost, read, wire, written

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


# --- Streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [{}, {"stream": None}, {"stream": True}])
def test_who_says_nothing_gets_a_stream(members: dict[str, Any]) -> None:
    request = read(**members)
    assert request.stream is request.stream_usage is True
    assert DIALECT.request.brief(wire(asked(**members))).stream is True


def test_a_whole_answer_is_asked_for_in_words() -> None:
    assert read(stream=False).stream is False
    assert written(foreign())["stream"] is False
    assert written(foreign(stream=True))["stream"] is True


# --- Options -------------------------------------------------------------------------------------

OPTIONS = {
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.1,
    "seed": 7,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "repeat_penalty": 1.1,
    "stop": ["a", "b"],
    "num_predict": 9,
}
SAMPLING = ir.Sampling(
    temperature=0.5,
    top_p=0.9,
    top_k=40,
    min_p=0.1,
    seed=7,
    frequency_penalty=0.1,
    presence_penalty=0.2,
    repetition_penalty=1.1,
    stop=("a", "b"),
)


def test_options_that_the_field_knows() -> None:
    request = read(options=OPTIONS)
    assert (request.sampling, request.max_output, request.extra) == (SAMPLING, 9, None)
    assert written(foreign(sampling=SAMPLING, max_output=9))["options"] == OPTIONS


def test_options_of_the_engine_stay_with_it() -> None:
    options = {"num_ctx": 8192, "num_predict": -1, "seed": -1, "top_k": 2.5, "mirostat": 0}
    request = read(options=options)
    assert (request.sampling, request.max_output) == (ir.Sampling(), None)
    assert request.extra == {"ollama": {f"options.{key}": value for key, value in options.items()}}
    assert written(request)["options"] == options


def test_whole_numbers_may_be_written_as_decimals() -> None:
    request = read(options={"num_predict": 9.0, "top_k": 40.0})
    assert (request.max_output, request.sampling.top_k) == (9, 40)
    assert type(request.sampling.top_k) is int


def test_no_options_are_none() -> None:
    assert "options" not in written(foreign())
    assert "options" not in written(read(options={"seed": None}))


def test_what_sampling_cannot_say_is_named() -> None:
    report = Report("ollama")
    sampling = ir.Sampling(logit_bias={"5": 1.0}, seed=-3)
    assert "options" not in written(foreign(sampling=sampling), report)
    assert lost(report) == {
        "sampling.logit_bias": "meaning",
        "sampling.seed": "hint",
    }


def test_several_answers_are_refused() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(sampling=ir.Sampling(n=2)))
    assert (caught.value.path, caught.value.code) == ("sampling.n", "unsupported_value")


def test_one_answer_is_no_loss() -> None:
    report = Report("ollama")
    written(foreign(sampling=ir.Sampling(n=1, logit_bias={})), report)
    assert report.losses == []


def test_more_tokens_than_the_model_can_give_are_a_loss() -> None:
    report = Report("ollama")
    body = written(foreign(max_output=900), report, Facts(max_output=100))
    assert (body["options"], lost(report)) == ({"num_predict": 100}, {"max_output": "quality"})


def test_a_model_without_sampling() -> None:
    report = Report("ollama")
    body = written(foreign(sampling=ir.Sampling(0.5, seed=1)), report, Facts(sampling=False))
    assert (body["options"], lost(report)) == ({"seed": 1}, {"sampling.temperature": "quality"})


# --- Thinking ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("think", "wish"),
    [
        (True, ir.Reasoning("on")),
        (False, ir.Reasoning("off")),
        ("high", ir.Reasoning(effort="high")),
        ("", None),
        (None, None),
    ],
)
def test_thinking_is_a_switch_or_a_level(think: Any, wish: ir.Reasoning | None) -> None:
    request = read(think=think)
    assert request.reasoning == wish
    assert written(request).get("think") == (think if wish else None)


@pytest.mark.parametrize(
    ("wish", "think"),
    [
        (ir.Reasoning("on"), True),
        (ir.Reasoning("off"), False),
        (ir.Reasoning(effort="none"), False),
        (ir.Reasoning(budget=0), False),
        (ir.Reasoning(effort="minimal"), "low"),
        (ir.Reasoning(effort="medium"), "medium"),
        (ir.Reasoning(effort="xhigh"), "max"),
        (ir.Reasoning(effort="max"), "max"),
        (ir.Reasoning("on", budget=4000), "high"),
        (ir.Reasoning("adaptive"), None),
    ],
)
def test_others_wishes_to_think(wish: ir.Reasoning, think: Any) -> None:
    assert written(foreign(reasoning=wish)).get("think") == think


def test_a_model_that_does_not_think_is_not_asked_to() -> None:
    report = Report("ollama")
    body = written(foreign(reasoning=ir.Reasoning(effort="high")), report, Facts(reasoning=False))
    assert ("think" in body, lost(report)) == (False, {"reasoning": "hint"})


# --- The form of the answer ----------------------------------------------------------------------


def test_forms() -> None:
    assert read(format="json").output == ir.Output("json")
    assert read(format=SCHEMA).output == ir.Output("schema", SCHEMA, strict=True)
    assert read(format="").output is None
    report = Report("ollama")
    output = ir.Output("schema", SCHEMA, "name", "what it is", strict=True, verbosity="low")
    told = {**SCHEMA, "title": "name", "description": "what it is"}
    assert written(foreign(output=output), report)["format"] == told
    assert lost(report) == {"output.verbosity": "quality"}
    assert changed(report) == {"output.name", "output.description", "output.schema"}
    assert written(foreign(output=ir.Output("json")))["format"] == "json"
    assert "format" not in written(foreign(output=ir.Output("text")))


def test_a_schema_that_has_its_own_title() -> None:
    report = Report("ollama")
    schema = {**SCHEMA, "title": "another"}
    assert written(foreign(output=ir.Output("schema", schema, "name")), report)["format"] == schema
    assert lost(report) == {"output.name": "hint"}
    assert changed(report) == set()


def test_thoughts_are_shown_as_they_are() -> None:
    report = Report("ollama")
    written(foreign(reasoning=ir.Reasoning(effort="high", summary="auto", visible=True)), report)
    assert lost(report) == {}
    assert changed(report) == {"reasoning.summary", "reasoning.visible"}
    written(foreign(reasoning=ir.Reasoning(effort="high", summary="concise", visible=False)), report)
    assert lost(report) == {"reasoning.summary": "hint", "reasoning.visible": "hint"}


def test_answers_that_are_no_text_are_refused() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(output=ir.Output(modalities=("text", "audio"))))
    assert (caught.value.path, caught.value.code) == ("output.modalities", "unsupported_modality")


# --- The rest ------------------------------------------------------------------------------------


def test_truncation() -> None:
    assert (read(truncate=True).truncation, read(truncate=False).truncation) == ("auto", "disabled")
    assert written(foreign(truncation="auto"))["truncate"] is True
    assert written(foreign(truncation="disabled"))["truncate"] is False
    assert "truncate" not in written(foreign())


def test_what_only_this_server_has_rides_along() -> None:
    request = read(keep_alive="5m", shift=False)
    assert request.extra == {"ollama": {"keep_alive": "5m", "shift": False}}
    assert {key: written(request)[key] for key in ("keep_alive", "shift")} == {
        "keep_alive": "5m",
        "shift": False,
    }


def test_another_dialects_leftovers_are_named() -> None:
    report = Report("ollama")
    assert "odd" not in written(foreign(extra={"another": {"odd": 1, "null": None}}), report)
    assert lost(report) == {"odd": "hint"}


def test_what_has_no_place_is_named() -> None:
    report = Report("ollama")
    request = foreign(
        previous="r",
        conversation="c",
        background=True,
        store=True,
        moderation={"model": "x"},
        user="u",
        safety_identifier="s",
        prediction=(ir.Text("p"),),
        metadata={"k": "v"},
        tier="flex",
        cache=ir.Caching("key", retention="24h"),
    )
    written(request, report)
    assert lost(report) == {
        "previous": "meaning",
        "conversation": "meaning",
        "background": "quality",
        "store": "hint",
        "moderation": "meaning",
        "user": "hint",
        "safety_identifier": "hint",
        "prediction": "hint",
        "metadata.k": "hint",
        "tier": "hint",
        "cache.key": "hint",
        "cache.retention": "hint",
    }


def test_what_says_nothing_is_no_loss() -> None:
    report = Report("ollama")
    written(foreign(store=False, tier="auto", background=False, metadata={}), report)
    assert report.losses == []


# --- Tools ---------------------------------------------------------------------------------------

WEATHER = ir.Function("weather", "The weather.", {"type": "object"})
TIME = ir.Function("time")


def names(body: dict[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in body.get("tools", ())]


def test_tools() -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA, "odd": 1}, "beside": 2}
    request = read(tools=[tool])
    extra = {"ollama": {"beside": 2, "function.odd": 1}}
    assert request.tools == (ir.Function("weather", parameters=SCHEMA, extra=extra),)
    assert written(request)["tools"] == [tool]
    assert read(tools=[]).tools is None


def test_a_tool_without_a_schema_gets_an_empty_one() -> None:
    function = written(foreign(tools=(TIME,)))["tools"][0]["function"]
    assert function == {"name": "time", "parameters": {"type": "object", "properties": {}}}


@pytest.mark.parametrize(
    ("choice", "offered", "losses"),
    [
        (ir.ToolChoice("auto"), ["weather", "time"], {}),
        (ir.ToolChoice("none"), [], {}),
        (ir.ToolChoice("any"), ["weather", "time"], {"tool_choice": "meaning"}),
        (ir.ToolChoice("tool", ("time",)), ["time"], {"tool_choice": "meaning"}),
        (ir.ToolChoice("auto", ("weather",)), ["weather"], {}),
        (ir.ToolChoice("native", native="x"), ["weather", "time"], {"tool_choice": "meaning"}),
    ],
)
def test_the_choice_among_tools(choice: ir.ToolChoice, offered: list[str], losses: dict[str, str]) -> None:
    report = Report("ollama")
    assert names(written(foreign(tools=(WEATHER, TIME), tool_choice=choice), report)) == offered
    assert lost(report) == losses


def test_what_tools_cannot_say_is_named() -> None:
    report = Report("ollama")
    strict = ir.Function("f", parameters={"type": "object"}, strict=True, cache=ir.CacheMark())
    search = ir.ProviderTool("another", "web_search", {})
    assert names(written(foreign(tools=(strict, search), parallel=False), report)) == ["f"]
    assert lost(report) == {
        "tools[0].strict": "quality",
        "tools[0].cache": "hint",
        "tools[1]": "meaning",
        "parallel": "quality",
    }


def test_free_text_tools_are_refused() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(tools=(ir.Function("f", kind="custom"),)))
    assert caught.value.path == "tools[0]"


def test_a_plain_message() -> None:
    assert written(foreign())["messages"] == [USER]
