"""Fields of requests, there and back, and from other protocols."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.gemini.request import MAPPED, PATH, STREAM_PATH, brief, decode_request, encode_request
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target
from dragoman.errors import WireError
from tests.unit.dialects.gemini.asking import (
    WEATHER,
    back,
    changed,
    config,
    foreign,
    lost,
    read,
    wire,
    written,
)


def test_the_model_and_the_stream_are_in_the_path() -> None:
    request = decode_request(wire(STREAM_PATH))
    assert (request.model, request.stream, request.stream_usage) == ("gemini-x", True, True)
    assert brief(wire(STREAM_PATH)) == ir.Request("gemini", "gemini-x", stream=True, stream_usage=True)
    assert (brief(wire()).stream, decode_request(wire()).stream) == (False, False)
    out = encode_request(foreign(stream=True), Target(Report("gemini"), "gemini-y"))
    assert (out.path, out.params) == (STREAM_PATH, {"model": "gemini-y"})
    assert out.body.keys() == {"contents"}
    assert encode_request(foreign(), Target(Report("gemini"))).path == PATH


CONFIG: dict[str, Any] = {
    "temperature": 0.5,
    "topP": 0.9,
    "topK": 40,
    "candidateCount": 2,
    "stopSequences": ["END"],
    "seed": 7,
    "presencePenalty": 0.1,
    "frequencyPenalty": 0.2,
    "responseLogprobs": True,
    "logprobs": 3,
}
SAMPLING = ir.Sampling(
    temperature=0.5,
    top_p=0.9,
    top_k=40,
    n=2,
    stop=("END",),
    seed=7,
    presence_penalty=0.1,
    frequency_penalty=0.2,
    logprobs=True,
    top_logprobs=3,
)


def test_sampling() -> None:
    assert read(generationConfig={**CONFIG, "maxOutputTokens": 9}).sampling == SAMPLING
    assert back(generationConfig=CONFIG)["generationConfig"] == CONFIG
    out, report = config(sampling=SAMPLING, max_output=9)
    assert out == {**CONFIG, "maxOutputTokens": 9}
    assert not report.losses


def test_snake_case_is_read_and_camel_case_written() -> None:
    body = {
        "system_instruction": {"parts": [{"text": "S"}]},
        "generation_config": {"max_output_tokens": 5, "thinking_config": {"include_thoughts": True}},
        "tool_config": {"function_calling_config": {"allowed_function_names": ["f"], "mode": "ANY"}},
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"a_b": 1}}]}],
        "service_tier": "flex",
        "safety_settings": [{"category": "C", "threshold": "T"}],
    }
    assert back(**body) == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "S"}]},
        "generationConfig": {"maxOutputTokens": 5, "thinkingConfig": {"includeThoughts": True}},
        "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["f"], "mode": "ANY"}},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"a_b": 1}}]}],
        "serviceTier": "flex",
        "safetySettings": [{"category": "C", "threshold": "T"}],
    }
    assert not (read(**body).extra or {"gemini": {}})["gemini"].keys() & MAPPED


def test_single_objects_stand_for_lists() -> None:
    request = read(
        contents={"role": "user", "parts": {"text": "Hi"}},
        systemInstruction={"parts": {"text": "S"}},
        tools={"functionDeclarations": {"name": "f"}},
    )
    assert request.messages == (ir.Message("user", (ir.Text("Hi"),)),)
    assert request.system == (ir.Text("S"),)
    assert request.tools == (ir.Function("f"),)


def test_what_the_ir_does_not_name_comes_back_in_place() -> None:
    body: dict[str, Any] = {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}], "later": 1}],
        "systemInstruction": {"role": "user", "parts": [{"text": "S"}], "later": 2},
        "generationConfig": {
            "imageConfig": {"aspectRatio": "1:1"},
            "mediaResolution": "MEDIA_RESOLUTION_LOW",
        },
        "toolConfig": {"retrievalConfig": {"languageCode": "de"}, "includeServerSideToolInvocations": True},
        "safetySettings": [{"category": "C", "threshold": "T"}],
        "cachedContent": "cachedContents/1",
        "labels": {"snake_case": "a"},
        "store": False,
    }
    assert back(**body) == body
    assert read(**body).store is False


def test_leftovers_of_another_protocol_are_named() -> None:
    _, report = written(foreign(extra={"elsewhere": {"verbosity": 1, "none": None}}))
    assert lost(report) == [("verbosity", "hint")]


@pytest.mark.parametrize(
    ("tier", "word", "again"),
    [("default", "standard", "default"), ("flex", "flex", "flex"), ("priority", "priority", "priority")],
)
def test_tiers(tier: str, word: str, again: str) -> None:
    body, _ = written(foreign(tier=tier))
    assert body["serviceTier"] == word
    assert read(serviceTier=word).tier == again


def test_tiers_that_are_none_here() -> None:
    body, report = written(foreign(tier="scale"))
    assert "serviceTier" not in body
    assert lost(report) == [("tier", "hint")]
    assert "serviceTier" not in written(foreign(tier="auto"))[0]


@pytest.mark.parametrize(
    ("members", "places"),
    [
        ({"user": "u"}, [("user", "hint")]),
        ({"safety_identifier": "u"}, [("safety_identifier", "hint")]),
        ({"metadata": {"a": "b"}}, [("metadata", "hint")]),
        ({"store": True}, [("store", "hint")]),
        ({"store": False}, []),
        ({"previous": "r"}, [("previous", "meaning")]),
        ({"background": True}, [("background", "quality")]),
        ({"cache": ir.Caching("k", ttl="1h")}, [("cache.key", "hint"), ("cache.ttl", "hint")]),
        ({"sampling": ir.Sampling(logit_bias={"1": 5})}, [("sampling.logit_bias", "meaning")]),
        ({"sampling": ir.Sampling(logit_bias={})}, []),
        ({"sampling": ir.Sampling(min_p=0.1)}, [("sampling.min_p", "quality")]),
        ({"sampling": ir.Sampling(repetition_penalty=1.1)}, [("sampling.repetition_penalty", "quality")]),
        ({"parallel": False}, [("parallel", "hint")]),
        ({"tool_choice": ir.ToolChoice("any")}, [("tool_choice", "hint")]),
    ],
)
def test_what_has_no_place_here(members: dict[str, Any], places: list[tuple[str, str]]) -> None:
    body, report = written(foreign(**members))
    assert body.keys() == {"contents"}
    assert lost(report) == places


def test_what_others_state_as_their_default_is_left_out() -> None:
    assert config(sampling=ir.Sampling(n=1, logprobs=False, top_logprobs=0, stop=()))[0] == {}


def test_more_answers_than_there_are() -> None:
    assert config(sampling=ir.Sampling(n=8))[0] == {"candidateCount": 8}
    with pytest.raises(WireError, match="at most 8"):
        config(sampling=ir.Sampling(n=9))


def test_penalties_end_below_two() -> None:
    out, report = config(sampling=ir.Sampling(presence_penalty=2, frequency_penalty=-2))
    assert out == {"presencePenalty": 1.99, "frequencyPenalty": -2}
    assert changed(report) == ["sampling.presence_penalty"]


def test_stop_sequences_have_an_end() -> None:
    out, report = config(sampling=ir.Sampling(stop=("a", "b", "", "c", "d", "e", "f")))
    assert out == {"stopSequences": ["a", "b", "c", "d", "e"]}
    assert lost(report) == [("sampling.stop", "hint"), ("sampling.stop", "meaning")]


def test_long_seeds_are_folded_always_to_the_same() -> None:
    out, report = config(sampling=ir.Sampling(seed=2**40 + 5))
    assert out == {"seed": 5}
    assert changed(report) == ["sampling.seed"]
    assert config(sampling=ir.Sampling(seed=2**31 - 1))[0] == {"seed": 2**31 - 1}


def test_models_that_take_no_sampling() -> None:
    out, report = config(Facts(sampling=False), sampling=ir.Sampling(temperature=0.5, seed=1))
    assert out == {"seed": 1}
    assert lost(report) == [("sampling.temperature", "quality")]


def test_the_bound_of_an_answer() -> None:
    out, report = config(Facts(max_output=100), max_output=500)
    assert out == {"maxOutputTokens": 100}
    assert lost(report) == [("max_output", "quality")]
    assert changed(report) == ["max_output"]


def test_a_whole_number_is_one_however_it_is_written() -> None:
    assert read(generationConfig={"topK": 40.0}).sampling.top_k == 40
    assert type(read(generationConfig={"topK": 40.0}).sampling.top_k) is int


# --- Tools ---------------------------------------------------------------------------------------

TOOL = ir.Function("look", "Looks.", WEATHER)


def test_functions_are_one_tool() -> None:
    body, report = written(foreign(tools=(TOOL, ir.Function("hear"))))
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "look", "description": "Looks.", "parametersJsonSchema": WEATHER},
                {"name": "hear"},
            ]
        }
    ]
    assert not report.losses
    assert not report.changes
    assert read(tools=body["tools"]).tools == (TOOL, ir.Function("hear"))


def test_our_own_schemas_stay_in_their_form() -> None:
    declared = [
        {"name": "a", "parameters": {"type": "OBJECT", "properties": {"x": {"type": "STRING"}}}},
        {"name": "b", "parametersJsonSchema": {"type": "object", "not": {}}, "behavior": "BLOCKING"},
    ]
    tools = [{"functionDeclarations": declared}, {"googleSearch": {"timeRangeFilter": {}}}]
    assert back(tools=tools)["tools"] == tools
    first = (read(tools=tools).tools or ())[0]
    assert isinstance(first, ir.Function)
    assert first.parameters == {"type": "object", "properties": {"x": {"type": "string"}}}


def test_a_schema_is_cleaned_and_must_be_an_object() -> None:
    schema = {"properties": {"x": {"type": "string", "pattern": "a+"}}}
    body, report = written(foreign(tools=(ir.Function("f", parameters=schema),)))
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == {
        "type": "object",
        "properties": {"x": {"type": "string", "description": '{pattern: "a+"}'}},
    }
    assert lost(report) == [("tools[0].parameters.properties.x.pattern", "quality")]
    assert changed(report) == ["tools[0].parameters"]


@pytest.mark.parametrize(
    ("choice", "calling", "place"),
    [
        (ir.ToolChoice("auto"), {"mode": "AUTO"}, []),
        (ir.ToolChoice("none"), {"mode": "NONE"}, []),
        (ir.ToolChoice("any"), {"mode": "ANY"}, []),
        (ir.ToolChoice("tool", ("look",)), {"mode": "ANY", "allowedFunctionNames": ["look"]}, []),
        (
            ir.ToolChoice("any", ("look", "hear")),
            {"mode": "ANY", "allowedFunctionNames": ["look", "hear"]},
            [],
        ),
        (
            ir.ToolChoice("any", ("look",)),
            {"mode": "ANY", "allowedFunctionNames": ["look"]},
            ["tool_choice"],
        ),
        (
            ir.ToolChoice("auto", ("look",)),
            {"mode": "VALIDATED", "allowedFunctionNames": ["look"]},
            ["tool_choice"],
        ),
    ],
)
def test_choices(choice: ir.ToolChoice, calling: dict[str, Any], place: list[str]) -> None:
    body, report = written(foreign(tools=(TOOL, ir.Function("hear")), tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": calling}
    assert changed(report) == place
    if not place:
        assert read(toolConfig=body["toolConfig"]).tool_choice == choice


@pytest.mark.parametrize(
    ("choice", "lost_choice"),
    [
        (ir.ToolChoice("tool", ("web_search",)), [("tool_choice", "quality")]),
        (ir.ToolChoice("any", ("web_search",)), [("tool_choice", "quality")]),
        (ir.ToolChoice("auto", ("web_search",)), []),
    ],
)
def test_a_tool_of_the_provider_is_no_allowed_function(
    choice: ir.ToolChoice, lost_choice: list[tuple[str, str]]
) -> None:
    search = ir.ProviderTool("anthropic", "web_search", {}, "web_search")
    body, report = written(foreign(tools=(TOOL, search), tool_choice=choice))
    assert {"googleSearch": {}} in body["tools"]
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "NONE"}
    assert lost(report) == lost_choice
    both = ir.ToolChoice("any", ("look", "web_search"))
    body, _ = written(foreign(tools=(TOOL, search), tool_choice=both))
    calling = {"mode": "ANY", "allowedFunctionNames": ["look"]}
    assert body["toolConfig"]["functionCallingConfig"] == calling


@pytest.mark.parametrize(
    "calling",
    [
        {"mode": "VALIDATED"},
        {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        {"mode": "MODE_UNSPECIFIED"},
        {"streamFunctionCallArguments": True},
        {},
    ],
)
def test_modes_that_only_this_api_has_come_back(calling: dict[str, Any]) -> None:
    assert back(toolConfig={"functionCallingConfig": calling})["toolConfig"] == {
        "functionCallingConfig": calling
    }


def test_a_choice_of_another_protocol_alone() -> None:
    _, report = written(foreign(tools=(TOOL,), tool_choice=ir.ToolChoice("native", native={"type": "mcp"})))
    assert lost(report) == [("tool_choice", "meaning")]


def test_models_that_cannot_be_forced() -> None:
    request = foreign(tools=(TOOL,), tool_choice=ir.ToolChoice("tool", ("look",)))
    body, report = written(request, Facts(forced_tool=False))
    assert body["toolConfig"]["functionCallingConfig"]["mode"] == "VALIDATED"
    assert lost(report) == [("tool_choice", "quality")]


@pytest.mark.parametrize(
    ("choice", "mode", "losses"),
    [
        (None, "VALIDATED", []),
        (ir.ToolChoice("auto"), "VALIDATED", []),
        (ir.ToolChoice("any"), "ANY", []),
        (ir.ToolChoice("none"), "NONE", [("tools[0].strict", "hint")]),
    ],
)
def test_strict_tools(choice: ir.ToolChoice | None, mode: str, losses: list[Any]) -> None:
    strict = ir.Function("look", parameters=WEATHER, strict=True)
    body, report = written(foreign(tools=(strict,), tool_choice=choice))
    assert body["toolConfig"]["functionCallingConfig"]["mode"] == mode
    assert lost(report) == losses
    assert changed(report) == ([] if losses else ["tools[0].strict"])


def test_serial_calls_cannot_be_asked_for() -> None:
    _, report = written(foreign(tools=(TOOL,), parallel=False))
    assert lost(report) == [("parallel", "quality")]
    assert not written(foreign(tools=(TOOL,), parallel=True))[1].losses


SEARCH = ir.ProviderTool("elsewhere", "web_search", {"type": "x"}, options={"max_uses": 3})


@pytest.mark.parametrize(
    ("kind", "key"),
    [("web_search", "googleSearch"), ("web_fetch", "urlContext"), ("code_execution", "codeExecution")],
)
def test_tools_of_other_providers_become_our_own(kind: str, key: str) -> None:
    body, report = written(foreign(tools=(ir.ProviderTool("elsewhere", kind, {}),)))
    assert body["tools"] == [{key: {}}]
    assert changed(report) == ["tools[0]"]
    assert (read(tools=[{key: {}}]).tools or ())[0] == ir.ProviderTool("gemini", kind, {key: {}}, kind)


def test_the_providers_own_tools_cannot_be_chosen() -> None:
    request = foreign(
        tools=(ir.ProviderTool("elsewhere", "web_search", {}),), tool_choice=ir.ToolChoice("any")
    )
    body, report = written(request)
    assert "toolConfig" not in body
    assert lost(report) == [("tool_choice", "quality")]


@pytest.mark.parametrize(
    ("choice", "tools", "functions"),
    [
        (ir.ToolChoice("none"), [], {"mode": "NONE"}),
        (ir.ToolChoice("auto", ("look",)), [], {"mode": "VALIDATED", "allowedFunctionNames": ["look"]}),
        (ir.ToolChoice("auto", ("look", "web_search")), ["googleSearch"], None),
        (ir.ToolChoice("auto"), ["googleSearch"], {"mode": "AUTO"}),
        (
            ir.ToolChoice("tool", ("look",)),
            ["googleSearch"],
            {"mode": "ANY", "allowedFunctionNames": ["look"]},
        ),
    ],
)
def test_the_providers_own_tools_are_left_out_if_the_client_forbids_them(
    choice: ir.ToolChoice, tools: list[str], functions: dict[str, Any] | None
) -> None:
    search = ir.ProviderTool("elsewhere", "web_search", {}, "web_search")
    body, report = written(foreign(tools=(search, TOOL), tool_choice=choice))
    assert [key for tool in body["tools"] for key in tool] == [*tools, "functionDeclarations"]
    if functions is not None:
        assert body["toolConfig"]["functionCallingConfig"] == functions
    assert not lost(report)
    assert "tools[0]" in changed(report)


def test_the_providers_own_tools_alone_are_left_out_if_the_client_forbids_them() -> None:
    tools = (SEARCH, ir.ProviderTool("elsewhere", "image_generation", {}))
    request = foreign(tools=tools, tool_choice=ir.ToolChoice("none"))
    body, report = written(request, Facts(draws=True))
    assert body.keys() == {"contents"}
    assert not lost(report)
    assert changed(report) == ["tools[0]", "tools[1]", "tool_choice"]


def test_what_our_own_search_leaves_out_is_said_in_the_fields_words() -> None:
    tools = [{"googleSearch": {"exclude_domains": ["a.b"]}}]
    (search,) = read(tools=tools).tools or ()
    assert isinstance(search, ir.ProviderTool)
    assert search.options == {"blocked_domains": ["a.b"]}
    assert back(tools=tools)["tools"] == tools


def test_what_a_tool_of_another_provider_cannot_say_here() -> None:
    _, report = written(foreign(tools=(SEARCH, ir.ProviderTool("elsewhere", "computer", {}))))
    assert lost(report) == [("tools[0].options.max_uses", "quality"), ("tools[1]", "meaning")]


def test_functions_beside_the_providers_own_tools() -> None:
    body, _ = written(foreign(tools=(TOOL, ir.ProviderTool("elsewhere", "web_search", {}))))
    assert body["toolConfig"] == {"includeServerSideToolInvocations": True}
    assert [list(tool) for tool in body["tools"]] == [["functionDeclarations"], ["googleSearch"]]
    body, report = written(
        foreign(tools=(TOOL, ir.ProviderTool("elsewhere", "web_search", {}))), Facts(mixed_tools=False)
    )
    assert [list(tool) for tool in body["tools"]] == [["functionDeclarations"]]
    assert lost(report) == [("tools[1]", "meaning")]


def test_functions_of_another_dialect_are_declared_together() -> None:
    """Google's own keep their places: several tools with declarations come back as they were."""
    other = ir.Function("other", None, {"type": "object"})
    body, _ = written(foreign(tools=(TOOL, ir.ProviderTool("elsewhere", "web_search", {}), other)))
    assert [list(tool) for tool in body["tools"]] == [["functionDeclarations"], ["googleSearch"]]
    assert [one["name"] for one in body["tools"][0]["functionDeclarations"]] == [TOOL.name, "other"]
    tools = [{"functionDeclarations": [{"name": name}]} for name in "ab"]
    apart = [tools[0], {"googleSearch": {}}, tools[1]]
    assert back(tools=apart)["tools"] == apart


def test_a_tool_that_draws_is_a_kind_of_answer_for_models_that_draw() -> None:
    tools = (ir.ProviderTool("elsewhere", "image_generation", {"type": "image_generation"}),)
    body, report = written(foreign(tools=tools), Facts(draws=True))
    assert "tools" not in body
    assert body["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"]}
    assert [change.path for change in report.changes] == ["tools[0]"]
    assert report.losses == []
    stated = ir.Output(modalities=("image",))
    body, _ = written(foreign(tools=tools, output=stated), Facts(draws=True))
    assert body["generationConfig"] == {"responseModalities": ["IMAGE"]}
    body, report = written(foreign(tools=tools))
    assert "generationConfig" not in body
    assert [loss.path for loss in report.losses] == ["tools[0]"]
