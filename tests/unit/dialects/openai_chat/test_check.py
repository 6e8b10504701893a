"""A client's mistakes, told with the words, paths and codes of OpenAI's API."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError
from tests.unit.dialects.openai_chat.speaking import HELLO, wire


def tool(name: Any = "look", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def calls(*made: Any) -> tuple[Any, ...]:
    return (HELLO, {"role": "assistant", "tool_calls": list(made)})


CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
ODD = {"type": "object", "properties": {"x": []}}
STRICT = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
WRONG: list[tuple[WireRequest, str, str | None]] = [
    # Ranges and types of the scalars
    (wire(temperature=2.1), "temperature", "decimal_above_max_value"),
    (wire(temperature=-0.1), "temperature", "decimal_below_min_value"),
    (wire(temperature="hot"), "temperature", "invalid_type"),
    (wire(temperature=True), "temperature", "invalid_type"),
    (wire(top_p=1.5), "top_p", "decimal_above_max_value"),
    (wire(frequency_penalty=-2.5), "frequency_penalty", "decimal_below_min_value"),
    (wire(presence_penalty=3), "presence_penalty", "decimal_above_max_value"),
    (wire(n=0), "n", "integer_below_min_value"),
    (wire(n=129), "n", "integer_above_max_value"),
    (wire(n=1.5), "n", "invalid_type"),
    (wire(top_logprobs=21), "top_logprobs", "integer_above_max_value"),
    (wire(logprobs="yes"), "logprobs", "invalid_type"),
    (wire(seed="7"), "seed", "invalid_type"),
    (wire(max_tokens="many"), "max_tokens", "invalid_type"),
    (wire(max_tokens=1, max_completion_tokens=1), "max_tokens", "invalid_parameter_combination"),
    (wire(stop=5), "stop", "invalid_type"),
    (wire(stop=["a", 1]), "stop[1]", "invalid_type"),
    (wire(logit_bias=[1]), "logit_bias", "invalid_type"),
    (wire(logit_bias={"5": 101}), "logit_bias.5", "decimal_above_max_value"),
    (wire(model=5), "model", "invalid_type"),
    (wire(stream="true"), "stream", "invalid_type"),
    (wire(stream=True, stream_options=True), "stream_options", "invalid_type"),
    (wire(stream=True, stream_options={"include_usage": 1}), "stream_options.include_usage", "invalid_type"),
    (wire(stream_options={"include_usage": True}), "stream_options", None),
    (wire(modalities=[]), "modalities", "empty_array"),
    (wire(modalities="text"), "modalities", "invalid_type"),
    (wire(modalities=["text", 1]), "modalities[1]", "invalid_type"),
    (wire(verbosity="loud"), "verbosity", "invalid_value"),
    (wire(metadata={"k": 1}), "metadata.k", "invalid_type"),
    (wire(metadata={"k" * 65: "v"}), "metadata." + "k" * 65, "string_above_max_length"),
    (wire(metadata={"k": "v" * 513}), "metadata.k", "string_above_max_length"),
    (wire(metadata={str(i): "v" for i in range(17)}), "metadata", "object_above_max_properties"),
    (wire(web_search_options={"user_location": "here"}), "web_search_options.user_location", "invalid_type"),
    (
        wire(web_search_options={"user_location": {"approximate": "here"}}),
        "web_search_options.user_location.approximate",
        "invalid_type",
    ),
    (wire(reasoning="high"), "reasoning", "invalid_type"),
    # The form of the answer
    *(
        (wire(response_format={"type": kind, member: ODD}), f"response_format.{member}.properties.x", None)
        for kind in ("json_object", "json_schema")
        for member in ("schema", "value")
    ),
    (wire(guided_json=ODD), "guided_json.properties.x", None),
    (wire(structured_outputs={"json": ODD}), "structured_outputs.json.properties.x", None),
    (wire(response_format="json"), "response_format", "invalid_type"),
    (wire(response_format={}), "response_format.type", "missing_required_parameter"),
    (wire(response_format={"type": 1}), "response_format.type", "invalid_type"),
    (
        wire(response_format={"type": "json_schema"}),
        "response_format.json_schema",
        "missing_required_parameter",
    ),
    (
        wire(response_format={"type": "json_schema", "json_schema": {"name": "a b"}}),
        "response_format.json_schema.name",
        "invalid_value",
    ),
    (
        wire(response_format={"type": "json_schema", "json_schema": {"name": "a", "strict": 1}}),
        "response_format.json_schema.strict",
        "invalid_type",
    ),
    (
        wire(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": []}}),
        "response_format.json_schema.schema",
        "invalid_type",
    ),
    (
        wire(
            response_format={
                "type": "json_schema",
                "json_schema": {
                    "name": "a",
                    "schema": {"type": "object", "properties": {"x": {"type": "y"}}},
                },
            }
        ),
        "response_format.json_schema.schema.properties.x.type",
        None,
    ),
    (
        wire(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}},
            }
        ),
        "response_format.json_schema.schema.additionalProperties",
        None,
    ),
    # Messages
    (WireRequest("chat", {"model": "m"}), "messages", "missing_required_parameter"),
    (WireRequest("chat", {"model": "m", "messages": "Hello!"}), "messages", "invalid_type"),
    (WireRequest("chat", {"model": "m", "messages": []}), "messages", "empty_array"),
    (wire("Hello!"), "messages[0]", "invalid_type"),
    (wire({"content": "Hello!"}), "messages[0].role", "missing_required_parameter"),
    (wire({"role": "bot", "content": "Hello!"}), "messages[0].role", "invalid_value"),
    (wire({"role": ["user"], "content": "Hello!"}), "messages[0].role", "invalid_type"),
    (wire({"role": "user"}), "messages[0].content", "missing_required_parameter"),
    (wire({"role": "user", "content": 5}), "messages[0].content", "invalid_type"),
    (wire({"role": "user", "content": []}), "messages[0].content", "empty_array"),
    (wire({"role": "user", "content": ["Hello!"]}), "messages[0].content[0]", "invalid_type"),
    (wire({"role": "user", "content": [{}]}), "messages[0].content[0].type", "missing_required_parameter"),
    (wire({"role": "user", "content": [{"type": {}}]}), "messages[0].content[0].type", "invalid_type"),
    (
        wire({"role": "user", "content": [{"type": "text"}]}),
        "messages[0].content[0].text",
        "missing_required_parameter",
    ),
    (wire({"role": "user", "content": "x", "name": 5}), "messages[0].name", "invalid_type"),
    (
        wire({"role": "user", "content": [{"type": "image_url", "image_url": "https://a/b.png"}]}),
        "messages[0].content[0].image_url",
        "invalid_type",
    ),
    (
        wire({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
        "messages[0].content[0].image_url.url",
        "missing_required_parameter",
    ),
    (
        wire(
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "max"}}]}
        ),
        "messages[0].content[0].image_url.detail",
        "invalid_value",
    ),
    (
        wire({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA"}}]}),
        "messages[0].content[0].input_audio.format",
        "missing_required_parameter",
    ),
    (
        wire({"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf"}}]}),
        "messages[0].content[0].file.file_id",
        "missing_required_parameter",
    ),
    (
        wire({"role": "user", "content": [{"type": "file", "file": {"file_data": 5}}]}),
        "messages[0].content[0].file.file_data",
        "invalid_type",
    ),
    (wire(HELLO, {"role": "assistant"}), "messages[1].content", "missing_required_parameter"),
    (wire(HELLO, {"role": "assistant", "refusal": 5}), "messages[1].refusal", "invalid_type"),
    (
        wire(HELLO, {"role": "assistant", "content": [{"type": "refusal"}]}),
        "messages[1].content[0].refusal",
        "missing_required_parameter",
    ),
    (wire(HELLO, {"role": "assistant", "tool_calls": {}}), "messages[1].tool_calls", "invalid_type"),
    (wire(*calls("look")), "messages[1].tool_calls[0]", "invalid_type"),
    (wire(*calls({**CALL, "id": None})), "messages[1].tool_calls[0].id", "missing_required_parameter"),
    (wire(*calls({**CALL, "type": "other"})), "messages[1].tool_calls[0].type", "invalid_value"),
    (wire(*calls({**CALL, "type": []})), "messages[1].tool_calls[0].type", "invalid_type"),
    (
        wire(*calls({**CALL, "function": {"name": "look"}})),
        "messages[1].tool_calls[0].function.arguments",
        "missing_required_parameter",
    ),
    (
        wire(*calls({**CALL, "function": {"name": "look", "arguments": {}}})),
        "messages[1].tool_calls[0].function.arguments",
        "invalid_type",
    ),
    (
        wire(*calls({"id": "c", "type": "custom", "custom": {"name": "look"}})),
        "messages[1].tool_calls[0].custom.input",
        "missing_required_parameter",
    ),
    (
        wire(HELLO, {"role": "assistant", "function_call": {"name": "look"}}),
        "messages[1].function_call.arguments",
        "missing_required_parameter",
    ),
    (
        wire(HELLO, {"role": "assistant", "reasoning_details": ["x"]}),
        "messages[1].reasoning_details[0]",
        "invalid_type",
    ),
    (
        wire(HELLO, {"role": "tool", "content": "42"}),
        "messages[1].tool_call_id",
        "missing_required_parameter",
    ),
    (wire({"role": "tool", "tool_call_id": "c1"}), "messages[0].content", "missing_required_parameter"),
    (wire(HELLO, {"role": "function", "content": "42"}), "messages[1].name", "missing_required_parameter"),
    (wire({"role": "function", "name": "look"}), "messages[0].content", "missing_required_parameter"),
]


@pytest.mark.parametrize(
    ("request_", "path", "code"), WRONG, ids=[f"{i}-{w[1][:40]}" for i, w in enumerate(WRONG)]
)
def test_a_mistake_is_told_with_path_and_code(request_: WireRequest, path: str, code: str | None) -> None:
    with pytest.raises(WireError) as caught:
        DIALECT.request.check(request_)
    assert (caught.value.path, caught.value.code) == (path, code)


SAID = [
    (
        wire(temperature=3),
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
    ),
    (wire(n=0), "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead."),
    (wire(user=5), "Invalid type for 'user': expected a string, but got an integer instead."),
    (WireRequest("chat", {}), "messages is required and must be an array"),
    (
        WireRequest("chat", {"messages": []}),
        (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
            "array instead."
        ),
    ),
    (
        wire(tools=[tool("a b")]),
        (
            "Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'."
        ),
    ),
    (
        wire(tools=[tool("a" * 70)]),
        (
            "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64, "
            "but got a string with length 70 instead."
        ),
    ),
    (
        wire(tools=[tool(parameters={"type": "array"})]),
        (
            "Invalid schema for function 'look': schema must be a JSON Schema of 'type: \"object\"', "
            "got 'type: \"array\"'."
        ),
    ),
    (wire({"content": "x"}), "Missing required parameter: 'messages[0].role'."),
    (
        wire({"role": "bot"}),
        (
            "Invalid value: 'bot'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', "
            "'developer'."
        ),
    ),
]


@pytest.mark.parametrize(("request_", "sentence"), SAID)
def test_the_words_are_openais(request_: WireRequest, sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        DIALECT.request.check(request_)
    assert caught.value.message == sentence


RIGHT = [
    wire(),
    wire(stop="END", metadata={"k": "v"}, logit_bias={"5": -100}, modalities=["text"], verbosity="low"),
    wire(web_search_options={}),
    wire(web_search_options={"user_location": {"type": "approximate"}}),
    wire(web_search_options={"user_location": {"type": "approximate", "approximate": {"city": "Rome"}}}),
    wire(response_format={"type": "json_schema", "json_schema": {"strict": False}}),
    wire({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]}),
    wire({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}),
    wire(
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]}
    ),
    wire(
        temperature=2,
        top_p=1,
        n=128,
        frequency_penalty=-2,
        presence_penalty=2,
        top_logprobs=20,
        logprobs=True,
    ),
    wire(temperature=None, tools=None, stop=None, metadata=None, response_format=None),
    wire(unheard_of={"a": [1]}, provider={"order": ["x"]}),
    wire(
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "a", "strict": True, "schema": STRICT},
        }
    ),
    wire(response_format={"type": "json_object", "schema": {"type": "object"}}),
    wire(response_format={"type": "json_object", "schema": "x"}),
    wire(response_format={"type": "text", "schema": {"type": "x"}}),
    wire(guided_json="{}", structured_outputs={"regex": "a"}),
    wire(guided_json={"type": "object"}, structured_outputs={"json": {"type": "object"}}),
    wire(stream=True, stream_options={"include_usage": True, "include_obfuscation": False}),
    wire({"role": "user", "content": ""}),
    wire({"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://a/b.mp4"}}]}),
    wire({"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}),
    wire(*calls(CALL), {"role": "tool", "tool_call_id": "c1", "content": "42"}),
    wire({"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]}),
    wire({"role": "function", "name": "look", "content": None}),
    wire(HELLO, {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None}),
    wire(HELLO, {"role": "assistant", "audio": {"id": "audio-1"}}, HELLO),
    wire(HELLO, {"role": "assistant", "function_call": {"name": "look", "arguments": ""}}),
]


@pytest.mark.parametrize("request_", RIGHT)
def test_what_providers_take_passes(request_: WireRequest) -> None:
    DIALECT.request.check(request_)


# --- Every other field of the specification ------------------------------------------------------

APPROXIMATE = "web_search_options.user_location"
WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"audio": {"format": "wav"}}, "audio.voice", "missing_required_parameter"),
    ({"audio": {"voice": "alloy"}}, "audio.format", "missing_required_parameter"),
    ({"audio": {"voice": "alloy", "format": "midi"}}, "audio.format", "invalid_value"),
    ({"audio": {"voice": 5, "format": "wav"}}, "audio.voice", "invalid_type"),
    ({"audio": {"voice": {}, "format": "wav"}}, "audio.voice.id", "missing_required_parameter"),
    ({"modalities": ["text", "smell"]}, "modalities[1]", "invalid_value"),
    ({"prediction": "x"}, "prediction", "invalid_type"),
    ({"prediction": {"content": "x"}}, "prediction.type", "missing_required_parameter"),
    ({"prediction": {"type": "x", "content": "x"}}, "prediction.type", "invalid_value"),
    ({"prediction": {"type": "content"}}, "prediction.content", "missing_required_parameter"),
    ({"prediction": {"type": "content", "content": []}}, "prediction.content", "empty_array"),
    (
        {"prediction": {"type": "content", "content": [{"type": "text"}]}},
        "prediction.content[0].text",
        "missing_required_parameter",
    ),
    ({"moderation": {}}, "moderation.model", "missing_required_parameter"),
    ({"moderation": {"model": "m", "policy": []}}, "moderation.policy", "invalid_type"),
    (
        {"moderation": {"model": "m", "policy": {"input": {"mode": "warn"}}}},
        "moderation.policy.input.mode",
        "invalid_value",
    ),
    (
        {"moderation": {"model": "m", "policy": {"output": {}}}},
        "moderation.policy.output.mode",
        "missing_required_parameter",
    ),
    ({"safety_identifier": "x" * 129}, "safety_identifier", "string_above_max_length"),
    ({"prompt_cache_options": {"mode": "off"}}, "prompt_cache_options.mode", "invalid_value"),
    ({"prompt_cache_options": {"ttl": 5}}, "prompt_cache_options.ttl", "invalid_type"),
    ({"prompt_cache_retention": "1h"}, "prompt_cache_retention", "invalid_value"),
    (
        {"web_search_options": {"search_context_size": "huge"}},
        "web_search_options.search_context_size",
        "invalid_value",
    ),
    ({"web_search_options": {"user_location": {"type": "exact"}}}, f"{APPROXIMATE}.type", "invalid_value"),
    (
        {"web_search_options": {"user_location": {"approximate": {"city": 5}}}},
        f"{APPROXIMATE}.approximate.city",
        "invalid_type",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "description": 5}}},
        "response_format.json_schema.description",
        "invalid_type",
    ),
]


@pytest.mark.parametrize(("members", "path", "code"), WRONG_FIELDS)
def test_every_field_is_checked(members: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(WireError) as caught:
        DIALECT.request.check(wire(**members))
    assert (caught.value.path, caught.value.code) == (path, code)


def test_every_field_in_order_passes() -> None:
    DIALECT.request.check(
        wire(
            audio={"voice": {"id": "voice_1"}, "format": "pcm16"},
            modalities=["text", "audio", "image"],
            prediction={"type": "content", "content": [{"type": "text", "text": "x"}]},
            moderation={"model": "m", "policy": {"input": {"mode": "block"}, "output": None}},
            safety_identifier="x" * 128,
            prompt_cache_options={"mode": "explicit", "ttl": "30m"},
            prompt_cache_retention="24h",
            web_search_options={
                "search_context_size": "low",
                "user_location": {"type": "approximate", "approximate": {"city": "Bern", "country": None}},
            },
        )
    )
