"""Completions of several prompts at models that speak another protocol: one question each."""

from __future__ import annotations

from typing import Any

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError

from dragoman.testing.provider import Streamed, Whole
from tests.e2e import stubs
from tests.e2e.conftest import Converse, Provide, Serve
from tests.e2e.stubs import Said

DIALECTS = {"openai_chat": stubs.openai_chat, "anthropic": stubs.anthropic, "gemini": stubs.gemini}
SAID = ("First.", "Second.", "Third.", "Fourth.")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_each_prompt_has_its_choice(converse: Converse, dialect: str) -> None:
    """3.11: in the order of the prompts, their usage added up, under an id of the protocol's own form."""
    talk = await converse(dialect, *[DIALECTS[dialect](Said(text)) for text in SAID[:2]])
    told = await talk.client.completions.create(model=talk.model, prompt=["One:", "Two:"], echo=True)
    assert [(choice.index, choice.text) for choice in told.choices] == [(0, "One:First."), (1, "Two:Second.")]
    assert [choice.finish_reason for choice in told.choices] == ["stop", "stop"]
    assert told.id.startswith("cmpl-")
    assert told.object == "text_completion"
    single = await converse(dialect, DIALECTS[dialect](Said("First.")))
    alone = await single.client.completions.create(model=single.model, prompt=["One:"])
    assert told.usage is not None
    assert alone.usage is not None
    assert told.usage.total_tokens == 2 * alone.usage.total_tokens
    assert alone.id.startswith("cmpl-")
    assert len(talk.provider.seen) == 2


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_each_prompt_has_its_choice_in_a_stream(converse: Converse, dialect: str) -> None:
    talk = await converse(dialect, *[DIALECTS[dialect](Said(text)) for text in SAID])
    stream = await talk.client.completions.create(
        model=talk.model,
        prompt=["One:", "Two:"],
        n=2,
        echo=True,
        stream=True,
        stream_options={"include_usage": True},
    )
    texts: dict[int, str] = {}
    ends: dict[int, str] = {}
    usages: list[Any] = []
    ids: set[str] = set()
    async for chunk in stream:
        ids.add(chunk.id)
        usages += [chunk.usage] if chunk.usage else []
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
            if choice.finish_reason:
                ends[choice.index] = choice.finish_reason
    assert texts == {0: "One:First.", 1: "One:Second.", 2: "Two:Third.", 3: "Two:Fourth."}
    assert ends == dict.fromkeys(range(4), "stop")
    assert len(ids) == len(usages) == 1
    assert ids.pop().startswith("cmpl-")
    assert "n" not in talk.provider.last.body


async def test_there_are_only_so_many(converse: Converse) -> None:
    talk = await converse("openai_chat")
    with pytest.raises(BadRequestError) as refused:
        await talk.client.completions.create(model=talk.model, prompt=["a"] * 9, n=2)
    assert (refused.value.code, refused.value.param) == ("unsupported_value", "prompt")
    assert talk.provider.seen == []


@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_fails_ends_all(converse: Converse, stream: bool) -> None:
    """No half of an answer passes for the whole of it."""
    failure = Whole({"error": {"message": "No.", "type": "server_error"}}, status=500)
    talk = await converse("openai_chat", stubs.openai_chat(Said("First.")), failure)

    async def read() -> None:
        answer: Any = await talk.client.completions.create(model=talk.model, prompt=["a", "b"], stream=stream)
        async for _ in answer:
            pass

    with pytest.raises(APIError, match="No\\."):
        await read()


async def test_one_that_breaks_off_ends_all(converse: Converse) -> None:
    """The next is not asked any more."""
    broken = Streamed([*stubs.frames("openai_chat", "First.")[:2], {"error": {"message": "No."}}])
    talk = await converse("openai_chat", broken, stubs.openai_chat(Said("Second.")))

    async def read() -> None:
        async for _ in await talk.client.completions.create(model=talk.model, prompt=["a", "b"], stream=True):
            pass

    with pytest.raises(APIError, match="No\\."):
        await read()
    assert len(talk.provider.seen) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstream_of_our_own_is_asked_each_too(serve: Serve, stream: bool) -> None:
    base = await serve("providers: {simulate: {enabled: true, first_token: 0, token_interval: 0}}")
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0) as client:
        answer: Any = await client.completions.create(
            model="simulate/lorem", prompt=["One", "Two", "Three"], stream=stream
        )
        choices = (
            [choice for chunk in [c async for c in answer] for choice in chunk.choices]
            if stream
            else (answer.choices)
        )
    texts: dict[int, str] = {}
    for choice in choices:
        texts[choice.index] = texts.get(choice.index, "") + choice.text
    assert sorted(texts) == [0, 1, 2]
    assert all(texts.values())


async def test_a_completion_without_a_model_goes_to_the_default_one(
    provide: Provide, serve: Serve, converse: Converse
) -> None:
    """3.11: as a chat request without one does."""
    talk = await converse("openai_chat", stubs.openai_chat(Said("Hi.")), default_model="up/gpt-4o")
    told = await talk.client.post("/completions", cast_to=dict[str, Any], body={"prompt": "Hello"})
    assert told["choices"][0]["text"] == "Hi."
    assert talk.provider.last.body["model"] == "gpt-4o"
    plain = await converse("openai_chat")
    with pytest.raises(BadRequestError) as refused:
        await plain.client.post("/completions", cast_to=dict[str, Any], body={"prompt": "Hello"})
    assert refused.value.param == "model"
