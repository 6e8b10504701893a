"""Ollama's official Python client, unchanged, over providers of other protocols (rows 2.12-2.15, 5.4)."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import ollama
import pytest
import pytest_asyncio

from tests.e2e.embeddings.providers import LENGTH, expected
from tests.e2e.ollama.conftest import EMBEDDERS, EVERY, MODELS, SEALS, SHARED, Stage

pytestmark = SHARED
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest_asyncio.fixture(loop_scope="module")
async def client(stage: Stage) -> AsyncIterator[Any]:
    async with ollama.AsyncClient(stage.base) as client:
        yield client


def asked(content: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content, **fields}]


@EVERY
async def test_a_conversation(stage: Stage, client: Any, dialect: str) -> None:
    options = {"temperature": 0.25, "num_predict": 64, "stop": ["END"]}
    messages = [{"role": "system", "content": "Be kind."}, *asked("Hello there!")]
    began = time.time_ns()
    answer = await client.chat(MODELS[dialect], messages, options=options)
    passed = time.time_ns() - began
    assert answer.message.content == "Hello there!"
    assert (answer.model, answer.done, answer.done_reason) == (MODELS[dialect], True, "stop")
    assert answer.prompt_eval_count == 12
    assert answer.eval_count == 7
    assert 0 < answer.total_duration <= passed or dialect == "ollama"  # whose own server says how long
    sent = stage.sent(dialect)
    assert sent.system == ["Be kind."]
    assert [sent.setting(name) for name in ("limit", "stop")] == [64, ["END"]]


@EVERY
async def test_a_stream(client: Any, dialect: str) -> None:
    parts = [part async for part in await client.chat(MODELS[dialect], asked("Hello there!"), stream=True)]
    assert "".join(part.message.content for part in parts) == "Hello there!"
    assert len(parts) > 2
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert {part.model for part in parts} == {MODELS[dialect]}
    assert parts[-1].eval_count == 7


def get_weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: its name
    """
    return f"Sunny in {city}"


async def called(
    client: Any, dialect: str, messages: list[Any], *, stream: bool, **options: Any
) -> ollama.Message:
    """The answer that calls the tool."""
    options |= {"tools": [get_weather]}
    if not stream:
        whole: ollama.Message = (await client.chat(MODELS[dialect], messages, **options)).message
        return whole
    chunks = await client.chat(MODELS[dialect], messages, stream=True, **options)
    calls = [call async for chunk in chunks for call in chunk.message.tool_calls or ()]
    return ollama.Message(role="assistant", tool_calls=calls)


@EVERY
@pytest.mark.parametrize("stream", [False, True])
async def test_tools_and_their_results(stage: Stage, client: Any, dialect: str, stream: bool) -> None:
    messages: list[Any] = asked("Weather in Paris?")
    first = await called(client, dialect, messages, stream=stream)
    (call,) = first.tool_calls or ()
    assert call.function.name == "get_weather"
    assert call.function.arguments == {"city": "Paris"}
    result = {"role": "tool", "tool_name": "get_weather", "content": get_weather(**call.function.arguments)}
    messages += [first, result]
    answer = await client.chat(MODELS[dialect], messages, tools=[get_weather])
    assert answer.message.content == "Weather in Paris?"
    assert stage.sent(dialect).results == 1


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_return_to_their_origin(stage: Stage, client: Any, dialect: str, stream: bool) -> None:
    """This client drops the ids of calls, and knows no signatures."""
    messages: list[Any] = asked(f"Weather in Paris, carefully{'!' * stream}")
    for turn in range(2):  # the second call is told by a history that holds the first
        first = await called(client, dialect, messages, stream=stream, think=True)
        messages += [first, {"role": "tool", "tool_name": "get_weather", "content": "Sunny"}]
        answer = await client.chat(MODELS[dialect], messages, tools=[get_weather], think=True)
        assert json.dumps(stage.sent(dialect).body).count(SEALS[dialect]) == turn + 1
        messages += [answer.message, *asked("Weather of tomorrow, carefully")]


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
async def test_thoughts_come_before_the_answer(client: Any, dialect: str) -> None:
    answer = await client.chat(MODELS[dialect], asked("Think hard."), think=True)
    assert (answer.message.thinking, answer.message.content) == ("Well…", "Done.")
    parts = [p async for p in await client.chat(MODELS[dialect], asked("Think."), think="high", stream=True)]
    said = [(part.message.thinking or "", part.message.content) for part in parts]
    assert "".join(thought for thought, _ in said) == "Well…"
    first_words = next(place for place, (_, words) in enumerate(said) if words)
    assert not any(thought for thought, _ in said[first_words:])


async def test_a_form_of_the_answer(stage: Stage, client: Any) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    await client.chat(MODELS["openai_chat"], asked("Where?"), format=schema)
    form = stage.sent("openai_chat").body["response_format"]
    assert form["json_schema"]["schema"]["properties"] == schema["properties"]
    await client.chat(MODELS["openai_chat"], asked("Where? As JSON."), format="json")
    assert stage.sent("openai_chat").body["response_format"] == {"type": "json_object"}


@EVERY
async def test_pictures(stage: Stage, client: Any, dialect: str) -> None:
    await client.chat(MODELS[dialect], asked("What is it?", images=[PIXEL]))
    assert PIXEL in stage.sent(dialect).seen.raw.decode()


@EVERY
async def test_a_prompt(stage: Stage, client: Any, dialect: str) -> None:
    told = {"system": "Be kind.", "context": [], "options": {"temperature": 0.5}}
    answer = await client.generate(MODELS[dialect], "Hello there!", **told)
    assert (answer.response, answer.done_reason, answer.eval_count) == ("Hello there!", "stop", 7)
    assert stage.sent(dialect).system == ["Be kind."]
    parts = [part async for part in await client.generate(MODELS[dialect], "Hello there!", stream=True)]
    assert "".join(part.response for part in parts) == "Hello there!"
    assert {part.model for part in parts} == {MODELS[dialect]}


async def test_nothing_is_asked_of_a_provider_to_load_a_model(stage: Stage, client: Any) -> None:
    before = len(stage.providers["openai_chat"].seen)
    assert (await client.generate(MODELS["openai_chat"])).done_reason == "load"
    answer = await client.chat(MODELS["openai_chat"], keep_alive=0)
    assert (answer.done_reason, answer.message.content) == ("unload", "")
    assert len(stage.providers["openai_chat"].seen) == before


@pytest.mark.parametrize("dialect", list(EMBEDDERS))
async def test_vectors(client: Any, dialect: str) -> None:
    answer = await client.embed(EMBEDDERS[dialect], ["a", "b"], dimensions=LENGTH)
    one = await client.embed(EMBEDDERS[dialect], "a", dimensions=LENGTH)
    assert answer.model == EMBEDDERS[dialect]
    assert [list(one.embeddings[0])] == [list(answer.embeddings[0])]
    assert [math.hypot(*vector) for vector in answer.embeddings] == pytest.approx([1, 1], abs=2e-3)
    assert answer.prompt_eval_count > 0
    assert list((await client.embed(EMBEDDERS[dialect], [])).embeddings) == []
    old = await client.embeddings(EMBEDDERS[dialect], "a")
    direction = [number / math.hypot(*old.embedding) for number in old.embedding]
    if dialect != "simulate":
        assert list(old.embedding) == pytest.approx(expected("a"))
        assert list(one.embeddings[0]) == pytest.approx(direction, abs=1e-3)


async def test_lists_and_details(stage: Stage, client: Any) -> None:
    listed = {model.model: model for model in (await client.list()).models}
    assert "Mine:latest" in listed
    assert "simulate/echo:latest" in listed
    for model in listed.values():
        assert len(model.digest) == 64
        assert model.size == 0
        assert model.modified_at.tzinfo is not None
    shown = await client.show("mine:latest")
    assert shown.parameters.split() == ["temperature", "0.5"]
    assert "completion" in shown.capabilities
    assert shown.modelinfo["general.architecture"] == "simulate"
    assert "vision" in (await client.show(MODELS["anthropic"])).capabilities
    assert list((await client.ps()).models) == []


@pytest.mark.parametrize("name", ["Mine", "mine", "MINE:latest", "simulate/echo:latest", "Simulate/Echo"])
async def test_names_in_any_case_with_the_usual_tag_or_without(client: Any, name: str) -> None:
    answer = await client.chat(name, asked("Hello there!"))
    assert (answer.model, answer.message.content) == (name, "Hello there!")
    parts = [part.model async for part in await client.generate(name, "Hi", stream=True)]
    assert set(parts) == {name}


async def test_names_that_differ_in_capitals_are_told_apart(client: Any) -> None:
    answers = [await client.chat(name, asked("Hi")) for name in ("Two:latest", "two", "Two")]
    assert [answer.eval_count for answer in answers] == [1, 9, 1]


async def test_copies_and_what_is_created(stage: Stage, client: Any) -> None:
    await client.copy(MODELS["anthropic"], "gpt-3.5-turbo")
    assert (await client.chat("gpt-3.5-turbo:latest", asked("Hi"))).message.content == "Hi"
    body = {"model": "gpt-3.5-turbo", "messages": asked("Hi")}
    async with stage.session.post(f"{stage.base}/v1/chat/completions", json=body) as answer:
        assert (await answer.json())["model"] == "gpt-3.5-turbo"  # other protocols know the name too
    steps = [
        step.status
        async for step in await client.create(
            "mario",
            from_="gpt-3.5-turbo",
            system="You are Mario.",
            parameters={"num_predict": 33, "stop": ["END"], "mirostat": 1},
            messages=[{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Mario."}],
            stream=True,
        )
    ]
    assert steps[-1] == "success"
    assert any("mirostat" in step for step in steps)
    await client.chat("mario", asked("Hello"))
    sent = stage.sent("anthropic")
    assert sent.system == ["You are Mario."]
    assert [texts for _, texts in sent.turns] == [["Who?"], ["Mario."], ["Hello"]]
    assert [sent.setting(name) for name in ("limit", "stop")] == [33, ["END"]]
    await client.chat("mario", [{"role": "system", "content": "Luigi."}, *asked("Hello")])
    assert (stage.sent("anthropic").system, len(stage.sent("anthropic").turns)) == (["Luigi."], 1)
    shown = await client.show("Mario")
    assert '"""You are Mario."""' in shown.modelfile
    assert shown.parameters.split() == ["stop", '"END"', "num_predict", "33"]
    await client.delete("gpt-3.5-turbo")
    assert (await client.chat("mario", asked("Hello"))).message.content == "Who?"  # it does not rest on it
    await client.delete("MARIO:latest")
    with pytest.raises(ollama.ResponseError) as gone:
        await client.chat("mario", asked("Hello"))
    assert gone.value.status_code == 404


async def test_what_opens_a_conversation_need_not_ask(stage: Stage, client: Any) -> None:
    opening = [{"role": "assistant", "content": "Hello!"}]
    parameters = {"num_predict": 33.0, "seed": -1, "num_ctx": 4096.0}
    await client.create("greeter", from_=MODELS["openai_chat"], messages=opening, parameters=parameters)
    shown = await client.show("greeter")
    assert shown.parameters.split() == ["num_predict", "33", "num_ctx", "4096"]
    await client.chat("greeter", asked("Hi"))
    assert [texts for _, texts in stage.sent("openai_chat").turns] == [["Hello!"], ["Hi"]]
    await client.delete("greeter")


async def test_what_cannot_be_managed(client: Any) -> None:
    refusals: list[tuple[Any, int]] = [
        (client.delete("Mine"), 400),
        (client.delete("nobody"), 404),
        (client.copy("nobody", "x"), 404),
        (client.copy("simulate/echo", "Mine"), 400),
        (client.copy("simulate/echo", "mine:latest"), 400),
        (client.copy("simulate/echo", "kept"), 400),
        (client.copy("simulate/echo", "simulate/lorem"), 400),
        (client.copy("simulate/echo", "no good"), 400),
        (client.create("x", from_="nobody"), 404),
        (client.create("x", from_="simulate/echo", template="{{ .Prompt }}"), 400),
        (client.create("x", files={"a.gguf": "sha256:" + "0" * 64}), 400),
        (client.create("x", from_="simulate/echo", parameters={"temperature": "hot"}), 400),
        (client.create("x", from_="simulate/echo", parameters={"num_ctx": 0}), 400),
        (client.create("x", from_="simulate/echo", system="x" * 300_000), 413),
        (client.create("x", from_="simulate/echo", messages=[{"role": "x", "content": ""}]), 400),
        (client.push("simulate/echo"), 400),
        (client.show("nobody"), 404),
        (client.pull("nobody"), 404),
    ]
    for refused, status in refusals:
        with pytest.raises(ollama.ResponseError) as error:
            await refused
        assert error.value.status_code == status, error.value


async def test_pulling_what_is_there(client: Any) -> None:
    assert (await client.pull(MODELS["gemini"])).status == "success"
    steps = [step.status async for step in await client.pull("Mine", stream=True)]
    assert steps == ["pulling manifest", "success"]
    with pytest.raises(ollama.ResponseError, match="file does not exist"):
        [step async for step in await client.pull("nobody", stream=True)]


async def heard(answer: Any, *, stream: bool) -> list[Any]:
    """What there is to hear of an answer."""
    return [part async for part in await answer] if stream else [await answer]


@pytest.mark.parametrize("stream", [False, True])
async def test_failures(client: Any, stream: bool) -> None:
    with pytest.raises(ollama.ResponseError) as missing:
        await heard(client.chat("nobody", asked("Hi"), stream=stream), stream=stream)
    assert (missing.value.status_code, missing.value.error) == (404, "model 'nobody' not found")
    for model, status, words, fields in (
        ("simulate/fail:500", 502, "fail", {}),
        ("simulate/fail:429", 429, "fail", {}),
        ("Mine", 400, 'option "temperature" must be of type float32', {"options": {"temperature": "hot"}}),
    ):
        with pytest.raises(ollama.ResponseError, match=words) as failed:
            await heard(client.chat(model, asked("Hi"), stream=stream, **fields), stream=stream)
        assert failed.value.status_code == status, failed.value


async def test_the_blocking_client(stage: Stage) -> None:
    def talk() -> list[Any]:
        with ollama.Client(stage.base) as client:
            said: list[Any] = [client.chat("Mine", asked("Hello there!")).message.content]
            said += ["".join(p.response for p in client.generate("Mine", "Hi you", stream=True))]
            said += [len(client.embed("Mine", "a", dimensions=4).embeddings[0]), len(client.ps().models)]
            client.copy("Mine", "yours")
            said += ["yours:latest" in [model.model for model in client.list().models]]
            return [*said, client.delete("yours").status]

    assert await asyncio.to_thread(talk) == ["Hello there!", "Hi you", 4, 0, True, "success"]


async def test_a_stream_that_breaks_off_ends_in_a_line(client: Any) -> None:
    with pytest.raises(ollama.ResponseError):
        [part async for part in await client.chat("simulate/die", asked("Hi"), stream=True)]
