"""Row 0.4: Gemini behind a chat client, and what only Gemini does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.testing.provider import Streamed, Whole
from tests.e2e.answers.gemini import gemini
from tests.e2e.answers.said import Said
from tests.e2e.conftest import Conversation, Converse
from tests.matrix.faces.openai_chat import chat, chat_chunks
from tests.matrix.heard import Heard, Spent

STREAMS = pytest.mark.parametrize("stream", [False, True])
MODEL = "gemini/gemini-2.5-flash"
GEMINI_3 = "gemini/gemini-3.1-pro-preview"
SEAL = "U2lnbmVkIGJ5IEdlbWluaS4="


async def heard(talk: Conversation, *, stream: bool, **fields: Any) -> Heard:
    if not stream:
        return chat(await talk.ask(**fields))
    options = {"stream": True, "stream_options": {"include_usage": True}}
    return chat_chunks([chunk async for chunk in await talk.ask(**options, **fields)])


@STREAMS
async def test_a_request_has_geminis_own_path_credential_and_form(converse: Converse, stream: bool) -> None:
    """0.4: roles, systemInstruction, generationConfig; nothing of the chat form is left."""
    talk = await converse("gemini", gemini(Said()), model=MODEL)
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "How are you?"},
    ]
    fields = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 50, "stop": ["END"], "presence_penalty": 0.1}
    await heard(talk, stream=stream, messages=messages, **fields)
    sent = talk.provider.last
    method = "streamGenerateContent" if stream else "generateContent"
    assert (sent.method, sent.path) == ("POST", f"/v1beta/models/gemini-2.5-flash:{method}")
    assert sent.query == ({"alt": "sse"} if stream else {})
    assert sent.headers["x-goog-api-key"] == "up-key"
    assert not {"authorization", "x-api-key"} & set(sent.headers)
    assert sent.body == {
        "systemInstruction": {"parts": [{"text": "Be kind."}, {"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi."}]},
            {"role": "model", "parts": [{"text": "Hello."}]},
            {"role": "user", "parts": [{"text": "How are you?"}]},
        ],
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "maxOutputTokens": 50,
            "stopSequences": ["END"],
            "presencePenalty": 0.1,
        },
    }
    assert talk.losses == {}


@STREAMS
async def test_thoughts_and_cached_tokens_are_counted(converse: Converse, stream: bool) -> None:
    """0.4: completion_tokens holds the thoughts, prompt_tokens the cached ones; details tell them apart."""
    said = Said(input_tokens=100, cached_tokens=64, output_tokens=30, reasoning_tokens=21)
    talk = await converse("gemini", gemini(said), model=MODEL)
    usage = (await heard(talk, stream=stream)).usage
    assert usage == Spent(input=100, cached=64, output=30, thought=21, total=130)


@STREAMS
@pytest.mark.parametrize(
    ("stop", "finish"), [("filter", "content_filter"), ("length", "length"), ("end", "stop")]
)
async def test_how_an_answer_ended(converse: Converse, stop: Any, finish: str, stream: bool) -> None:
    """0.4: SAFETY is content_filter, MAX_TOKENS length; what had been said is kept."""
    talk = await converse("gemini", gemini(Said("Half of it", stop=stop)), model=MODEL)
    first = (await heard(talk, stream=stream)).first
    assert (first.text, first.finish) == ("Half of it", finish)


@STREAMS
@pytest.mark.parametrize(
    "answer",
    [
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
        {"candidates": [{"content": {}, "finishReason": "SAFETY", "index": 0}]},
    ],
    ids=["the prompt", "the answer"],
)
async def test_what_is_blocked_altogether_is_an_answer_of_nothing(
    converse: Converse, answer: dict[str, Any], stream: bool
) -> None:
    """0.4: a client that reads `choices[0]` finds it, with content_filter."""
    body = {**answer, "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}, "modelVersion": "g"}
    talk = await converse("gemini", Streamed([body], line_end="\r\n") if stream else Whole(body), model=MODEL)
    told = await heard(talk, stream=stream)
    assert (told.first.text, told.first.finish) == ("", "content_filter")
    assert told.usage is not None
    assert told.usage.input == 5


ADDRESS = {"type": "object", "properties": {"street": {"type": "string"}}, "additionalProperties": False}
PARAMETERS = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "home": {"$ref": "#/$defs/address", "description": "Where they live."},
        "kind": {"const": "person"},
        "age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 150, "multipleOf": 5},
    },
    "required": ["home"],
    "additionalProperties": False,
    "$defs": {"address": ADDRESS},
}


async def test_schemas_are_cleaned_and_what_is_refused_is_named(converse: Converse) -> None:
    """0.4: references stand alone, const is an enum, bounds are kept; what has no form is a loss."""
    talk = await converse("gemini", gemini(Said()), model=MODEL)
    tool = {"type": "function", "function": {"name": "keep", "parameters": PARAMETERS}}
    await talk.ask(tools=[tool])
    declared = talk.provider.last.body["tools"][0]["functionDeclarations"][0]
    schema = declared["parametersJsonSchema"]
    assert schema["properties"]["kind"]["enum"] == ["person"]
    age = schema["properties"]["age"]
    assert (age["type"], age["minimum"], age["maximum"]) == ("integer", 0, 149)
    assert set(age) <= {"type", "minimum", "maximum", "description"}
    assert schema["$defs"]["address"]["properties"] == {"street": {"type": "string"}}
    assert schema["required"] == ["home"]
    place = "$.tools[0].function.parameters.properties.age.multipleOf"
    assert talk.losses[place] == "quality"
    assert "meaning" not in talk.losses.values()


def calling(messages: list[Any], told: Any) -> None:
    """Add what the client keeps of an answer that calls, and results."""
    message = told.choices[0].message
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": call.function.model_dump(include={"name", "arguments"}),
        }
        for call in message.tool_calls
    ]
    messages.append({"role": "assistant", "content": message.content, "tool_calls": calls})
    messages += [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]


LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


async def test_gemini_3_gets_its_signatures_back(converse: Converse) -> None:
    """0.27: although the client keeps nothing but ids, names and arguments."""
    calls = (("", "look", '{"where": "up"}'), ("", "look", '{"where": "down"}'))
    talk = await converse("gemini", gemini(Said("", calls, seal=SEAL)), gemini(Said("Done.")), model=GEMINI_3)
    messages: list[Any] = [{"role": "user", "content": "Look up and down."}]
    told = await talk.ask(messages=messages, tools=[LOOK])
    ids = [call.id for call in told.choices[0].message.tool_calls]
    assert all(ids)
    assert len(set(ids)) == 2
    calling(messages, told)
    assert (await talk.ask(messages=messages, tools=[LOOK])).choices[0].message.content == "Done."
    parts = talk.provider.last.body["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [SEAL, None]
    assert [part["functionCall"]["args"] for part in parts] == [json.loads(text) for _, _, text in calls]


async def test_calls_that_another_model_made_are_taken_by_gemini_3(converse: Converse) -> None:
    """0.27: a history from elsewhere holds no signature, and gets the documented placeholder."""
    talk = await converse("gemini", gemini(Said("Done.")), model=GEMINI_3)
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    assert (await talk.ask(messages=messages, tools=[LOOK])).choices[0].message.content == "Done."
    part = talk.provider.last.body["contents"][1]["parts"][0]
    assert part["thoughtSignature"] == "skip_thought_signature_validator"
    assert any("thoughtSignature" in change.to for change in talk.exchanges[-1].changes)


async def test_a_call_that_was_never_answered_gets_an_error(converse: Converse) -> None:
    """Gemini refuses a count of results that is not that of the calls."""
    talk = await converse("gemini", gemini(Said()), model=MODEL)
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        for n in (1, 2)
    ]
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_2", "content": "sunny"},
        {"role": "user", "content": "Well?"},
    ]
    await talk.ask(messages=messages, tools=[LOOK])
    answers = [
        part["functionResponse"]["response"]
        for part in talk.provider.last.body["contents"][2]["parts"]
        if "functionResponse" in part
    ]
    assert list(answers[0]) == ["error"]
    assert answers[1] == {"output": "sunny"}
