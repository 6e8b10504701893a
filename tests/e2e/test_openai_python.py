"""The official OpenAI client, unchanged but for base URL and key, over each upstream dialect.

The providers are strict: they refuse what the real ones refuse.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from dragoman.testing.provider import Whole
from tests.e2e import stubs
from tests.e2e.answers.mistral import nine
from tests.e2e.conftest import Conversation, Converse, Serve

EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and then some pixels").decode()


@EVERY
async def test_text(converse: Converse, dialect: str) -> None:
    talk = await converse(dialect, stubs.DIALECTS[dialect](stubs.Said()))
    answer = await talk.ask()
    assert answer.choices[0].message.content == "Hello there!"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.object == "chat.completion"
    assert answer.id
    assert answer.created
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        12,
        7,
        19,
    )


@EVERY
async def test_stream(converse: Converse, dialect: str) -> None:
    talk = await converse(dialect, stubs.DIALECTS[dialect](stubs.Said("A longer answer, in pieces.")))
    chunks = [chunk async for chunk in await talk.ask(stream=True)]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "A longer answer, in pieces."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert not any(chunk.usage for chunk in chunks)


@EVERY
async def test_stream_with_usage(converse: Converse, dialect: str) -> None:
    talk = await converse(dialect, stubs.DIALECTS[dialect](stubs.Said()))
    chunks = [chunk async for chunk in await talk.ask(stream=True, stream_options={"include_usage": True})]
    assert chunks[-1].choices == []
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (12, 7)
    assert not any(chunk.usage for chunk in chunks[:-1])


@EVERY
@pytest.mark.parametrize("stream", [False, True])
async def test_tools_in_parallel_over_three_turns(converse: Converse, dialect: str, stream: bool) -> None:
    calls = (("call_1", "get_weather", '{"city": "Paris"}'), ("call_2", "get_weather", '{"city": "Rome"}'))
    speak = stubs.DIALECTS[dialect]
    talk = await converse(
        dialect,
        speak(stubs.Said("I will look.", calls)),
        speak(stubs.Said("", (("call_3", "get_weather", '{"city": "Oslo"}'),))),
        speak(stubs.Said("Warm, warm and cold.")),
    )
    messages: list[Any] = [{"role": "user", "content": "Weather in Paris, Rome and Oslo?"}]
    seen: list[list[tuple[str, str]]] = []
    for _ in range(3):
        message = await _message(talk, messages, stream=stream)
        messages.append(message)
        calls_made = message.get("tool_calls") or []
        seen.append(
            [(c["function"]["name"], json.loads(c["function"]["arguments"])["city"]) for c in calls_made]
        )
        messages += [{"role": "tool", "tool_call_id": c["id"], "content": "fine"} for c in calls_made]
    assert seen == [[("get_weather", "Paris"), ("get_weather", "Rome")], [("get_weather", "Oslo")], []]
    assert messages[-1]["content"] == "Warm, warm and cold."
    assert len(talk.provider.seen) == 3
    _check_history(dialect, talk.provider.last.body)


def _check_history(dialect: str, body: dict[str, Any]) -> None:
    """The third turn's request: two calls with their results, one call with its result."""
    if dialect == "gemini":
        assert [c["role"] for c in body["contents"]] == ["user", "model", "user", "model", "user"]
        answers = [part["functionResponse"] for part in body["contents"][2]["parts"]]
        assert [(answer["id"], answer["name"]) for answer in answers] == [
            ("call_1", "get_weather"),
            ("call_2", "get_weather"),
        ]
        return
    history = body["messages"]
    if dialect == "anthropic":
        assert [m["role"] for m in history] == ["user", "assistant", "user", "assistant", "user"]
        assert [b["type"] for b in history[2]["content"]] == ["tool_result", "tool_result"]
        assert [b["tool_use_id"] for b in history[2]["content"]] == ["call_1", "call_2"]
    else:
        assert [m["role"] for m in history] == ["user", "assistant", "tool", "tool", "assistant", "tool"]
        made = str if dialect == "openai_chat" else nine
        assert [m["tool_call_id"] for m in history[2:4]] == [made("call_1"), made("call_2")]


async def _message(talk: Conversation, messages: list[Any], *, stream: bool) -> dict[str, Any]:
    if not stream:
        answer = await talk.ask(messages=messages, tools=[WEATHER])
        choice = answer.choices[0]
    else:
        async with talk.client.chat.completions.stream(
            model=talk.model, messages=messages, tools=[WEATHER]
        ) as running:
            choice = (await running.get_final_completion()).choices[0]
    assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
    return {
        "role": "assistant",
        "content": choice.message.content,
        **(
            {
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.function.name, "arguments": call.function.arguments},
                    }
                    for call in choice.message.tool_calls
                ]
            }
            if choice.message.tool_calls
            else {}
        ),
    }


@EVERY
async def test_an_image_arrives_byte_for_byte(converse: Converse, dialect: str) -> None:
    talk = await converse(dialect, stubs.DIALECTS[dialect](stubs.Said("A picture.")))
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    await talk.ask(messages=[{"role": "user", "content": parts}])
    if dialect == "gemini":
        sent = talk.provider.last.body["contents"][0]["parts"][1]
        assert sent["inlineData"] == {"mimeType": "image/png", "data": PNG}
        return
    sent = talk.provider.last.body["messages"][0]["content"][1]
    if dialect == "anthropic":
        assert sent["source"] == {"type": "base64", "media_type": "image/png", "data": PNG}
    else:
        assert sent == parts[1]


class City(BaseModel):
    """What the structured answer must hold."""

    name: str
    people: int


@pytest.mark.parametrize(
    ("dialect", "model"),
    [*((dialect, "") for dialect in stubs.DIALECTS), ("anthropic", "up/claude-3-haiku-20240307")],
)
async def test_a_json_schema_comes_back_as_plain_content(
    converse: Converse, dialect: str, model: str
) -> None:
    """Anthropic's older models lack a schema mode, so a tool stands in for it."""
    answer = '{"name": "Paris", "people": 2100000}'
    said = stubs.Said(answer) if not model else stubs.Said("", (("toolu_1", "City", answer),))
    talk = await converse(dialect, stubs.DIALECTS[dialect](said))
    parsed = await talk.client.chat.completions.parse(
        model=model or talk.model, messages=[{"role": "user", "content": "Paris"}], response_format=City
    )
    assert parsed.choices[0].message.parsed == City(name="Paris", people=2_100_000)
    assert parsed.choices[0].finish_reason == "stop"
    assert not parsed.choices[0].message.tool_calls
    if model:
        assert talk.provider.last.body["tool_choice"]["type"] == "tool"


@EVERY
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_request_error", openai.BadRequestError),
        (429, "rate_limit_error", openai.RateLimitError),
        (500, "api_error", openai.InternalServerError),
        (529, "overloaded_error", openai.InternalServerError),
    ],
)
async def test_upstream_errors_raise_the_clients_own_exceptions(
    converse: Converse, dialect: str, status: int, code: str, kind: type[openai.APIStatusError]
) -> None:
    talk = await converse(dialect, stubs.refusal(dialect, status, code, "No, for a reason."))
    with pytest.raises(kind) as caught:
        await talk.ask()
    assert "No, for a reason." in caught.value.message
    assert caught.value.request_id


@EVERY
async def test_a_model_that_the_provider_does_not_know_is_a_404(converse: Converse, dialect: str) -> None:
    code = "not_found_error" if dialect == "anthropic" else "model_not_found"
    talk = await converse(dialect, stubs.refusal(dialect, 404, code, "The model does not exist"))
    with pytest.raises(openai.NotFoundError) as caught:
        await talk.ask()
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


@EVERY
async def test_a_bad_value_is_a_400_with_its_param(converse: Converse, dialect: str) -> None:
    talk = await converse(dialect, stubs.DIALECTS[dialect](stubs.Said()))
    with pytest.raises(openai.BadRequestError) as caught:
        await talk.ask(temperature=9)
    assert caught.value.param == "temperature"
    assert talk.provider.seen == []


@EVERY
@pytest.mark.parametrize("status", [401, 403])
async def test_our_own_refused_credential_is_not_the_clients_fault(
    converse: Converse, dialect: str, status: int
) -> None:
    kind = "authentication_error" if status == 401 else "permission_error"
    talk = await converse(dialect, stubs.refusal(dialect, status, kind, "Incorrect API key provided: up-key"))
    with pytest.raises(openai.InternalServerError) as caught:
        await talk.ask()
    assert caught.value.status_code == 502
    assert "up-key" not in caught.value.message


@EVERY
async def test_a_stream_that_dies_raises_and_has_no_fake_finish(converse: Converse, dialect: str) -> None:
    talk = await converse(dialect, stubs.DIALECTS[dialect](stubs.Said("Half an ans", die=True)))
    got: list[Any] = []

    async def read() -> None:
        async for chunk in await talk.ask(stream=True):
            got.append(chunk)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(openai.APIError):
        await read()
    assert "".join(chunk.choices[0].delta.content or "" for chunk in got) == "Half an ans"
    assert not any(chunk.choices[0].finish_reason for chunk in got)


@EVERY
async def test_legacy_functions_come_back_as_a_function_call(converse: Converse, dialect: str) -> None:
    said = stubs.Said("", (("toolu_1", "get_weather", '{"city": "Paris"}'),))
    native = stubs.DIALECTS[dialect](said)
    # What is relayed comes back in the form that the provider itself chose for the client's.
    talk = await converse(dialect, Whole(_legacy_answer()) if dialect == "openai_chat" else native)
    answer = await talk.ask(functions=[WEATHER["function"]])
    assert answer.choices[0].finish_reason == "function_call"
    assert answer.choices[0].message.function_call.name == "get_weather"
    assert json.loads(answer.choices[0].message.function_call.arguments) == {"city": "Paris"}


def _legacy_answer() -> dict[str, Any]:
    call = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    message = {"role": "assistant", "content": None, "function_call": call}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4",
        "choices": [{"index": 0, "message": message, "finish_reason": "function_call"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


async def test_an_openai_upstream_gets_the_clients_body_with_only_the_model_rewritten(
    converse: Converse,
) -> None:
    talk = await converse("openai_chat", stubs.openai_chat(stubs.Said()), strict=False)
    fields = {
        "temperature": 0.25,
        "user": "u-1",
        "seed": 7,
        "logit_bias": {"50256": -100},
        "extra_body": {"some_new_field": {"deep": [1, 2.50, "ü"]}},
    }
    await talk.ask(**fields)
    sent = talk.provider.last
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == "Bearer up-key"
    assert sent.body == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Hello!"}],
        "temperature": 0.25,
        "user": "u-1",
        "seed": 7,
        "logit_bias": {"50256": -100},
        "some_new_field": {"deep": [1, 2.5, "ü"]},
    }


async def test_an_anthropic_upstream_gets_its_own_form(converse: Converse) -> None:
    talk = await converse("anthropic", stubs.anthropic(stubs.Said()))
    await talk.ask(
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        stop=["END"],
    )
    sent = talk.provider.last
    assert sent.path == "/v1/messages"
    assert sent.headers["x-api-key"] == "up-key"
    assert sent.headers["anthropic-version"]
    assert "authorization" not in sent.headers
    assert [block["text"] for block in sent.body["system"]] == ["Be kind.", "Be brief."]
    assert sent.body["stop_sequences"] == ["END"]
    assert sent.body["max_tokens"] > 0


async def test_models_are_listed_and_found(serve: Serve) -> None:
    base = await serve("aliases: {fast: simulate/echo, 'org/mine:7b': simulate/echo}\n")
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="any") as client:
        listed = [model.id async for model in client.models.list()]
        assert listed == sorted(set(listed))
        assert {"fast", "org/mine:7b"} <= set(listed)
        assert (await client.models.retrieve("org/mine:7b")).object == "model"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("nope")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("path", ["", "/v1"])
async def test_every_spelling_of_the_base_url(serve: Serve, path: str) -> None:
    base = await serve("aliases: {m: simulate/echo}\n")
    async with AsyncOpenAI(base_url=f"{base}{path}", api_key="any") as client:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert answer.model == "m"


async def test_keys(serve: Serve) -> None:
    base = await serve("auth: {keys: [secret-key-1]}\naliases: {m: simulate/echo}\n")
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0) as wrong:
        with pytest.raises(openai.AuthenticationError) as caught:
            await wrong.models.list()
    assert caught.value.response.headers["www-authenticate"].startswith("Bearer")
    assert caught.value.code == "invalid_api_key"
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="secret-key-1") as right:
        assert (await right.models.list()).data
