"""What an embedded model is asked, what it cannot be told, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.fields import PLACES
from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed, WireError
from dragoman.upstreams.local import protocol
from dragoman.upstreams.local.conversation import ModelRequest, translate
from dragoman.upstreams.local.prompts import structured
from dragoman.upstreams.local.protocol import Draw, Generate, Invocation, Options, PromptTurn, ToolSpec
from tests.unit.dialects.stated import ZEROS, stating

CITY = {"properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ir.Function("weather", "Tells the weather.", CITY)
NOW = ir.Function("now")
MARK = ir.CacheMark()


def request(*messages: ir.Message, **fields: Any) -> ir.Request:
    return ir.Request("openai_chat", "m", messages or (user("Hi"),), **fields)


def user(*parts: str | ir.Block) -> ir.Message:
    return ir.Message("user", tuple(ir.Text(part) if isinstance(part, str) else part for part in parts))


def asked(request: ir.Request, draw: Draw = Draw()) -> tuple[ModelRequest, dict[str, str]]:  # noqa: B008
    report = Report("local")
    result = translate(request, report, draw)
    losses, _ = report.located(lambda path: path)
    return result, {loss.path: loss.severity for loss in losses}


def test_a_conversation_keeps_its_order_and_its_words() -> None:
    result, losses = asked(
        request(
            ir.Message("developer", (ir.Text("Be brief."),)),
            user("One", "Two"),
            ir.Message(
                "assistant",
                (ir.Text("I look."), ir.ToolCall("c1", "weather", '{"city":"Paris"}'), ir.Refusal("No.")),
            ),
            user("Before", ir.ToolResult("c1", (ir.Text("sunny"), ir.Json({"t": 21}))), "After"),
            user(ir.ToolResult("c2", (), name="now")),
            system=(ir.Text("Top."),),
        )
    )
    assert result.turns == (
        PromptTurn("system", "Top."),
        PromptTurn("system", "Be brief."),
        PromptTurn("user", "One\nTwo"),
        PromptTurn("assistant", "I look.\nNo.", (Invocation("weather", '{"city":"Paris"}', "c1"),)),
        PromptTurn("user", "Before"),
        PromptTurn("tool", 'sunny\n{"t":21}', name="weather", id="c1"),
        PromptTurn("user", "After"),
        PromptTurn("tool", "", name="now", id="c2"),
    )
    assert losses == {}


def test_a_document_that_is_text_is_read() -> None:
    blocks = ir.Media("document", blocks=(ir.Text("inside"),))
    result, _ = asked(request(user("See:", ir.Media("document", text="outside"), blocks)))
    assert result.turns == (PromptTurn("user", "See:\noutside\ninside"),)


def test_an_empty_message_stays_a_turn() -> None:
    assert asked(request(user()))[0].turns == (PromptTurn("user"),)


@pytest.mark.parametrize(
    ("bad", "param", "code"),
    [
        (
            request(user("See", ir.Media("image", url="https://x"))),
            "messages[0].blocks[1]",
            "unsupported_modality",
        ),
        (
            request(user(ir.ToolResult("1", (ir.Text("a"), ir.Media("image", data="eA=="))))),
            "messages[0].blocks[0].content[1]",
            "unsupported_modality",
        ),
        (request(system=(ir.Media("document", url="https://x"),)), "system[0]", "unsupported_modality"),
        (
            request(output=ir.Output(modalities=("text", "audio"))),
            "output.modalities",
            "unsupported_modality",
        ),
        (request(tools=(NOW, ir.Function("free", kind="custom"))), "tools[1]", "unsupported_value"),
    ],
)
def test_what_cannot_be_done_is_refused_at_its_place(bad: ir.Request, param: str, code: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        asked(bad)
    fault = caught.value.fault
    assert (fault.kind, fault.param, fault.code, fault.http_status) == ("unsupported", param, code, 400)


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (request(output=ir.Output("schema", {"items": {"pattern": "a"}})), "output.schema.items.pattern"),
        (
            request(tools=(NOW, ir.Function("f", None, {"not": {}})), tool_choice=ir.ToolChoice("any")),
            "tools[1].parameters.not",
        ),
        (request(tool_choice=ir.ToolChoice("any")), "tool_choice"),
        (request(tools=(NOW,), tool_choice=ir.ToolChoice("tool", ("other",))), "tool_choice"),
        (request(sampling=ir.Sampling(logit_bias={"Paris": 1})), "sampling.logit_bias"),
        (request(sampling=ir.Sampling(logit_bias={"-1": 1})), "sampling.logit_bias"),
        (request(sampling=ir.Sampling(logit_bias={"99999999999": 1})), "sampling.logit_bias"),
        (request(sampling=ir.Sampling(logit_bias={"9" * 24: 1})), "sampling.logit_bias"),
        (request(sampling=ir.Sampling(logit_bias={"9" * 5000: 1})), "sampling.logit_bias"),
        (request(sampling=ir.Sampling(logit_bias={"1": 1e39})), "sampling.logit_bias"),
        (request(sampling=ir.Sampling(top_k=2**31)), "sampling.top_k"),
        (request(sampling=ir.Sampling(top_k=-(10**30))), "sampling.top_k"),
        (request(sampling=ir.Sampling(seed=2**63)), "sampling.seed"),
        (request(sampling=ir.Sampling(seed=-(10**23))), "sampling.seed"),
        (request(sampling=ir.Sampling(temperature=1e39)), "sampling.temperature"),
        (request(sampling=ir.Sampling(temperature=10**400)), "sampling.temperature"),
        (request(sampling=ir.Sampling(top_p=1e39)), "sampling.top_p"),
        (request(sampling=ir.Sampling(min_p=-1e39)), "sampling.min_p"),
        (request(sampling=ir.Sampling(frequency_penalty=1e39)), "sampling.frequency_penalty"),
        (request(sampling=ir.Sampling(presence_penalty=1e39)), "sampling.presence_penalty"),
        (request(sampling=ir.Sampling(repetition_penalty=1e39)), "sampling.repetition_penalty"),
        (request(max_output=10**30), "max_output"),
    ],
)
def test_what_cannot_be_read_is_an_error_at_its_place(bad: ir.Request, path: str) -> None:
    with pytest.raises(WireError) as caught:
        asked(bad)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("lossy", "expected"),
    [
        (
            request(reasoning=ir.Reasoning(effort="high"), user="u", tier="priority"),
            {"reasoning": "quality", "user": "hint", "tier": "hint"},
        ),
        (request(previous="resp_1", store=True), {"previous": "meaning", "store": "hint"}),
        (
            request(cache=ir.Caching(key="k"), metadata={"a": 1}, background=True),
            {"cache.key": "hint", "metadata": "hint", "background": "quality"},
        ),
        (request(reasoning=ir.Reasoning(effort="none")), {}),
        (request(reasoning=ir.Reasoning(visible=False)), {}),
        (request(reasoning=ir.Reasoning(visible=True)), {"reasoning": "quality"}),
        (request(extra={"openai_chat": {"odd": {}, "empty": None}}), {"odd": "hint"}),
        (
            request(prediction=(ir.Text("a"),), moderation={"model": "m"}),
            {"prediction": "hint", "moderation": "meaning"},
        ),
        (request(tools=(NOW,), parallel=True), {"parallel": "quality"}),
        (request(parallel=True), {}),
        (
            request(ir.Message("user", (), name="Ann", cache=MARK, extra={"x": {"y": 1}})),
            {"messages[0].name": "hint", "messages[0].cache": "hint", "messages[0].y": "hint"},
        ),
        (
            request(user(ir.Text("a", cache=MARK, citations=(ir.Citation(),)))),
            {"messages[0].blocks[0].cache": "hint", "messages[0].blocks[0].citations": "hint"},
        ),
        (
            request(ir.Message("assistant", (ir.Thinking("hm"), ir.Text("a")))),
            {"messages[0].blocks[0]": "quality"},
        ),
        (
            request(
                ir.Message("assistant", (ir.ToolCall("1", "now", sealed=ir.Sealed("gemini", "c2ln")),)),
                ir.Message("user", (ir.ToolResult("1", cache=MARK),)),
            ),
            {"messages[0].blocks[0].sealed": "quality", "messages[1].blocks[0].cache": "hint"},
        ),
        (request(user(ir.Native("gemini", "odd", {}))), {"messages[0].blocks[0]": "meaning"}),
        (
            request(
                ir.Message(
                    "assistant",
                    (ir.ToolCall("1", "search", by="provider"), ir.ToolResult("1", by="provider")),
                )
            ),
            {"messages[0].blocks[0]": "quality", "messages[0].blocks[1]": "quality"},
        ),
        (request(tools=(ir.ProviderTool("openai", "web_search", {}),)), {"tools[0]": "meaning"}),
        (
            request(tools=(ir.Function("f", strict=True, cache=MARK, extra={"x": {"y": 1}}),)),
            {"tools[0].strict": "quality", "tools[0].cache": "hint", "tools[0].y": "hint"},
        ),
        (request(tools=(ir.Function("f", strict=True),), tool_choice=ir.ToolChoice("any")), {}),
        (request(tools=(NOW,), tool_choice=ir.ToolChoice("native", native=1)), {"tool_choice": "meaning"}),
        (
            request(output=ir.Output(verbosity="low", description="A place.", extra={"x": {"y": 1}})),
            {"output.verbosity": "quality", "output.description": "quality", "output.y": "hint"},
        ),
    ],
)
def test_what_is_not_told_is_named(lossy: ir.Request, expected: dict[str, str]) -> None:
    assert asked(lossy)[1] == expected


@pytest.mark.parametrize(
    ("choice", "tools", "forced"),
    [
        (None, {"weather", "now"}, False),
        (ir.ToolChoice("auto", ("now",)), {"now"}, False),
        (ir.ToolChoice("none"), set(), False),
        (ir.ToolChoice("any"), {"weather", "now"}, True),
        (ir.ToolChoice("any", ("weather",)), {"weather"}, True),
        (ir.ToolChoice("tool", ("now",)), {"now"}, True),
    ],
)
def test_the_choice_of_tools_is_obeyed(choice: ir.ToolChoice | None, tools: set[str], forced: bool) -> None:
    sampling = ir.Sampling(stop=("}",))
    result, _ = asked(request(tools=(WEATHER, NOW), tool_choice=choice, sampling=sampling))
    assert {tool.name for tool in result.tools} == tools
    assert result.forced is forced
    assert result.chosen == (set() if forced else tools)
    assert (result.grammar is not None) is forced
    assert result.stop == (() if forced else ("}",))


def test_a_tool_is_told_with_all_that_is_known_of_it() -> None:
    result, _ = asked(request(tools=(WEATHER, NOW)))
    assert result.tools == (ToolSpec("weather", "Tells the weather.", json.dumps(CITY)), ToolSpec("now"))


def test_all_that_is_not_refused_fits_into_a_message() -> None:
    large = {"type": "object", "properties": {"é": {"type": "integer", "maximum": 10**30}}}
    stated = ir.Sampling(
        temperature=10**30, top_k=2**31 - 1, seed=-(2**63), logit_bias={"2147483647": -(10**30)}
    )
    tools = (ir.Function("f", None, large),)
    result, _ = asked(request(tools=tools, sampling=stated, max_output=2**63 - 1))
    order = Generate(1, Options("a"), result.turns, tools=result.tools, draw=result.draw, limit=result.limit)
    read = protocol.order(protocol.frame(order)[4:])
    assert read == order
    assert isinstance(read, Generate)
    assert structured((), read.tools)[1][0]["function"]["parameters"] == large


def test_arguments_are_an_object_even_where_their_schema_does_not_say_so() -> None:
    forced = ir.ToolChoice("any")
    result, _ = asked(request(tools=(ir.Function("f", None, {"description": "d"}),), tool_choice=forced))
    assert result.grammar is not None
    assert result.grammar.startswith(r'root ::= "{\"name\": \"f\", \"arguments\": " tool0-0 "}"')
    assert 'tool0-0 ::= ("{" ' in result.grammar


@pytest.mark.parametrize(
    ("output", "tools", "root"),
    [
        (ir.Output("json"), (), "root ::= object"),
        (ir.Output("schema", {"const": 7}), (), "root ::= answer-0"),
        (
            ir.Output("schema", {"const": 7}),
            (NOW,),
            r'root ::= "{\"name\": \"now\", \"arguments\": " "{}" "}" | answer-0',
        ),
    ],
)
def test_the_form_of_the_answer_is_a_grammar(
    output: ir.Output, tools: tuple[ir.Tool, ...], root: str
) -> None:
    result, _ = asked(request(output=output, tools=tools), Draw(repetition=1.1))
    assert result.grammar is not None
    assert result.grammar.splitlines()[0] == root
    assert result.draw.repetition == 1.0


def test_stated_sampling_replaces_the_models_own() -> None:
    own = Draw(temperature=0.2, top_p=0.9, repetition=1.1)
    stated = ir.Sampling(
        temperature=0.0,
        top_k=1,
        min_p=0.1,
        seed=3,
        frequency_penalty=0.5,
        presence_penalty=0.25,
        logprobs=True,
        top_logprobs=2,
        logit_bias={"12": -100, "7": 1.5},
    )
    result, losses = asked(request(sampling=stated, max_output=9), own)
    assert result.draw == Draw(
        temperature=0.0,
        top_k=1,
        top_p=0.9,
        min_p=0.1,
        repetition=1.1,
        frequency=0.5,
        presence=0.25,
        seed=3,
        bias=((12, -100.0), (7, 1.5)),
        top_logprobs=2,
    )
    assert (result.limit, losses) == (9, {})
    assert asked(request(sampling=ir.Sampling(logprobs=True)))[0].draw.top_logprobs == 0
    assert (
        asked(request(sampling=ir.Sampling(repetition_penalty=1.3), output=ir.Output("json")))[
            0
        ].draw.repetition
        == 1.3
    )


# --- Fields ------------------------------------------------------------------------------------

UNTOLD = {
    *("model", "stream", "stream_usage", "truncation", "sampling.n"),  # the gateway and the upstream do them
    "parallel",  # an embedded model never makes two calls at once
    *("output.name", "output.strict"),  # the grammar enforces a schema under any name, always
    "output.schema",  # the value is another title
    "reasoning.mode",  # it is off
}
"""Fields that need not be told with the values of `SAID`."""


def reaches(without: ir.Request, stated: ir.Request, place: str) -> bool:
    """Whether the model is told a field, or is not asked, or a loss names the field."""
    try:
        told, losses = asked(stated)
    except (RequestFailed, WireError):
        return True
    return told != asked(without)[0] or not losses.keys().isdisjoint({place, place.partition(".")[0]})


@pytest.mark.parametrize("place", PLACES)
def test_a_stated_field_is_told_or_reported(place: str) -> None:
    without, stated = stating("openai_chat", place)
    assert reaches(without, stated, place) is (place not in UNTOLD)


@pytest.mark.parametrize("place", [place for place in ZEROS if place != "reasoning.budget"])
def test_a_zero_that_asks_for_something_is_told_or_reported(place: str) -> None:
    without, stated = stating("openai_chat", place, ZEROS[place])
    assert reaches(without, stated, place)
