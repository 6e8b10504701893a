"""Legacy completions through a gateway, asked by the official client: relayed, translated, refused."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from dragoman.testing.provider import Streamed, Whole
from tests.e2e.conftest import Conversation, Converse, Provide, Serve, up
from tests.e2e.stubs import Said, anthropic, openai_chat

STATED = {"id": "cmpl-up", "object": "text_completion", "created": 1790000000, "model": "instruct"}
ANSWER = {
    **STATED,
    "choices": [{"text": " down.", "index": 0, "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
}
CHUNKS = [
    {**STATED, "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": word}]}
    for text, word in ((" do", None), ("wn.", "stop"))
]
MODEL = "up/instruct"
Behind = Callable[..., Awaitable[Conversation]]


@pytest.fixture
def behind(serve: Serve, provide: Provide, stack: AsyncExitStack) -> Behind:
    """Let the official client talk to a provider of completions that gives this answer.

    more: of the configuration.
    """

    async def start(answer: Whole | Streamed, **more: Any) -> Conversation:
        provider = await provide(answer)
        base = await serve(json.dumps(up(provider.url, "openai_completions") | more))
        client = AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0)
        return Conversation(await stack.enter_async_context(client), MODEL, provider, [])

    return start


async def test_a_prompt_reaches_a_chat_model(converse: Converse) -> None:
    """4.18: one message of a user, and at most 16 tokens where nothing is said."""
    talk = await converse("openai_chat", openai_chat(Said("Hello there!")))
    told = await talk.client.completions.create(model=talk.model, prompt="Say hello.", suffix="Bye.")
    assert told.object == "text_completion"
    assert (told.choices[0].text, told.choices[0].finish_reason) == ("Hello there!", "stop")
    sent = talk.provider.last
    assert sent.path == "/v1/chat/completions"
    assert sent.body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}]
    assert sent.body["max_completion_tokens"] == 16
    assert talk.losses == {"$.suffix": "meaning"}


async def test_the_gateway_repeats_the_prompt(converse: Converse) -> None:
    """4.18: `echo`, in an answer and in a stream, before an upstream that cannot."""
    talk = await converse("anthropic", anthropic(Said("Hello there!")), anthropic(Said("Hello there!")))
    asked: dict[str, Any] = {"model": talk.model, "prompt": "Say: ", "echo": True, "max_tokens": 9}
    told = await talk.client.completions.create(**asked)
    assert told.choices[0].text == "Say: Hello there!"
    stream = await talk.client.completions.create(**asked, stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join([choice.text for chunk in chunks for choice in chunk.choices]) == "Say: Hello there!"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert talk.losses == {}


@pytest.mark.parametrize("prompt", [[1212, 318], [[1212], [318]]], ids=str)
async def test_only_completions_take_tokens(behind: Behind, converse: Converse, prompt: Any) -> None:
    """4.18: passed on as they are; refused, not guessed at, where the model speaks another protocol."""
    talk = await behind(Whole(ANSWER))
    told = await talk.client.completions.create(model=MODEL, prompt=prompt, max_tokens=2)
    assert told.choices[0].text == " down."
    assert talk.provider.last.path == "/v1/completions"
    assert talk.provider.last.body == {"model": "instruct", "prompt": prompt, "max_tokens": 2}
    other = await converse("openai_chat")
    with pytest.raises(BadRequestError) as refused:
        await other.client.completions.create(model=other.model, prompt=prompt)
    assert (refused.value.code, refused.value.param) == ("unsupported_value", "prompt")
    assert other.provider.seen == []


async def test_completions_take_several_prompts_at_once(behind: Behind) -> None:
    talk = await behind(Whole(ANSWER))
    await talk.client.completions.create(model=MODEL, prompt=["One:", "Two:"], max_tokens=2)
    assert [seen.body["prompt"] for seen in talk.provider.seen] == [["One:", "Two:"]]


async def test_a_stream_is_relayed_under_the_name_that_was_asked_for(behind: Behind) -> None:
    talk = await behind(Streamed([*CHUNKS, b"data: [DONE]\n\n"]), aliases={"old": MODEL})
    stream = await talk.client.completions.create(model="old", prompt="Run", stream=True)
    chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].text for chunk in chunks] == [" do", "wn."]
    assert {chunk.model for chunk in chunks} == {"old"}


async def test_a_chat_client_reaches_a_completions_model(behind: Behind) -> None:
    """A question becomes a prompt; a conversation is refused with its place."""
    talk = await behind(Whole(ANSWER))
    told = await talk.ask(messages=[{"role": "user", "content": "Run"}])
    assert told.choices[0].message.content == " down."
    assert talk.provider.last.body == {"model": "instruct", "prompt": "Run", "max_tokens": 4096}
    turns = [("user", "Run"), ("assistant", " down."), ("user", "More")]
    messages = [{"role": role, "content": text} for role, text in turns]
    with pytest.raises(BadRequestError) as refused:
        await talk.ask(messages=messages)
    assert refused.value.param == "messages[1]"


async def test_the_model_may_stand_in_the_path(behind: Behind) -> None:
    """The oldest clients ask at /v1/engines/{model}/completions, without a model in the body."""
    talk = await behind(Whole(ANSWER))
    told = await talk.client.post(
        f"/engines/{MODEL}/completions", cast_to=dict[str, Any], body={"prompt": "Run", "max_tokens": 2}
    )
    assert told["choices"][0]["text"] == " down."
    assert talk.provider.last.body == {"prompt": "Run", "max_tokens": 2, "model": "instruct"}
    with pytest.raises(BadRequestError):
        await talk.client.post(f"/engines/{MODEL}/completions", cast_to=dict[str, Any], body={})
    with pytest.raises(NotFoundError):
        await talk.client.post("/engines/completions", cast_to=dict[str, Any], body={"prompt": "Run"})


async def test_chats_of_the_oldest_clients_are_no_completions(behind: Behind) -> None:
    """`ChatCompletion.create(engine=…)` of `openai` 0.27 asks at /v1/engines/{model}/chat/completions."""
    talk = await behind(Whole(ANSWER))
    asked = {"messages": [{"role": "user", "content": "Run"}], "max_tokens": 2}
    told = await talk.client.post(f"/engines/{MODEL}/chat/completions", cast_to=dict[str, Any], body=asked)
    assert told["choices"][0]["message"]["content"] == " down."
    assert talk.provider.last.body == {"model": "instruct", "prompt": "Run", "max_tokens": 2}
