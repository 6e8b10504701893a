"""Rows 4.11, 2.31: the official Python client gets vectors from every kind of provider and the simulator."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.util import find_spec

import msgspec
import pytest
from openai import AsyncOpenAI, BadRequestError

from dragoman.exchange import Exchange
from dragoman.testing.provider import FakeProvider
from tests.e2e.conftest import Provide, Serve, up
from tests.e2e.embeddings.providers import LENGTH, MODELS, PROVIDERS, expected

EVERY = pytest.mark.parametrize("dialect", PROVIDERS)
TEXTS = ["The capital of France is Paris.", "Cats sleep all day.", "Paris is in France."]


class Talk(msgspec.Struct):
    """The client, the provider behind the gateway, and what became of each request."""

    client: AsyncOpenAI
    provider: FakeProvider
    exchanges: list[Exchange]


Start = Callable[[str], Awaitable[Talk]]


@pytest.fixture
def talk(provide: Provide, serve: Serve, stack: AsyncExitStack) -> Start:
    """A provider of a dialect with a gateway before it."""

    async def start(dialect: str) -> Talk:
        provider = await provide(PROVIDERS[dialect])
        exchanges: list[Exchange] = []
        base = await serve(json.dumps(up(provider.url, dialect)), observers=[exchanges.append])
        client = AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0)
        return Talk(await stack.enter_async_context(client), provider, exchanges)

    return start


@EVERY
async def test_vectors_come_in_order_and_equal_in_both_encodings(talk: Start, dialect: str) -> None:
    """The client asks for base64 unless it is told otherwise."""
    talking = await talk(dialect)
    ask, model = talking.client.embeddings.create, MODELS[dialect]
    packed = await ask(model=model, input=TEXTS)
    listed = await ask(model=model, input=TEXTS, encoding_format="float")
    for answer in (packed, listed):
        assert answer.model == model.removeprefix("up/")
        assert [one.index for one in answer.data] == [0, 1, 2]
        assert [one.object for one in answer.data] == ["embedding"] * 3
        assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
        for one, text in zip(answer.data, TEXTS, strict=True):
            assert one.embedding == pytest.approx(expected(text), abs=1e-6)
            assert math.hypot(*one.embedding) == pytest.approx(1, abs=1e-6)
    assert talking.exchanges[-1].end == "done"
    assert talking.exchanges[-1].losses == ()


@EVERY
async def test_one_text_and_a_length(talk: Start, dialect: str) -> None:
    talking = await talk(dialect)
    answer = await talking.client.embeddings.create(model=MODELS[dialect], input=TEXTS[0], dimensions=64)
    assert len(answer.data) == 1
    assert answer.data[0].embedding == pytest.approx(expected(TEXTS[0], 64), abs=1e-6)


@pytest.mark.parametrize(("dialect", "sizes"), [("gemini", [100, 100, 50]), ("mistral", [250])])
async def test_more_inputs_than_a_provider_takes_are_asked_for_in_order(
    talk: Start, dialect: str, sizes: list[int]
) -> None:
    talking = await talk(dialect)
    texts = [f"text {number}" for number in range(250)]
    answer = await talking.client.embeddings.create(model=MODELS[dialect], input=texts)
    assert [one.index for one in answer.data] == list(range(250))
    for one, text in zip(answer.data, texts, strict=True):
        assert one.embedding == pytest.approx(expected(text), abs=1e-6)
    key = "requests" if dialect == "gemini" else "input"
    assert [len(seen.body[key]) for seen in talking.provider.seen] == sizes
    assert len(talking.exchanges[-1].attempts) == 1


async def test_many_tokens_are_more_than_one_request_to_mistral(talk: Start) -> None:
    talking = await talk("mistral")
    texts = ["word " * 4000, "again " * 4000, "and again " * 4000]
    answer = await talking.client.embeddings.create(model=MODELS["mistral"], input=texts)
    assert len(answer.data) == 3
    assert [len(seen.body["input"]) for seen in talking.provider.seen] == [2, 1]


async def test_tokens_reach_openai_and_nobody_else(talk: Start) -> None:
    relayed = await talk("openai_chat")
    answer = await relayed.client.embeddings.create(model=MODELS["openai_chat"], input=[[1, 2], [3]])
    assert len(answer.data[1].embedding) == LENGTH
    assert relayed.provider.last.body["input"] == [[1, 2], [3]]
    translated = await talk("gemini")
    with pytest.raises(BadRequestError) as refused:
        await translated.client.embeddings.create(model=MODELS["gemini"], input=[[1, 2], [3]])
    assert refused.value.param == "input[0]"
    assert translated.provider.seen == []


@pytest.mark.skipif(find_spec("bpe_openai") is None, reason="the extra `tokens` is not installed")
@pytest.mark.parametrize("dialect", ["gemini", "mistral", "openai_chat"])
async def test_tokens_of_a_public_vocabulary_are_texts(
    provide: Provide, serve: Serve, stack: AsyncExitStack, dialect: str
) -> None:
    """As LangChain writes them; the client's name for the model tells which vocabulary it is. A server that
    takes tokens reads them by its own model's.
    """
    provider = await provide(PROVIDERS[dialect])
    exchanges: list[Exchange] = []
    model = "up/nomic-embed-text" if dialect == "openai_chat" else MODELS[dialect]
    aliases = {"aliases": {"text-embedding-3-small": model}}
    base = await serve(json.dumps(up(provider.url, dialect) | aliases), observers=[exchanges.append])
    client = await stack.enter_async_context(AsyncOpenAI(base_url=f"{base}/v1", api_key="x", max_retries=0))
    ask = client.embeddings.create
    answer = await ask(model="text-embedding-3-small", input=[[15339, 1917], [15339]])
    assert answer.data[0].embedding == pytest.approx(expected("hello world"), abs=1e-6)
    assert answer.data[1].embedding == pytest.approx(expected("hello"), abs=1e-6)
    changed = [change.path for change in exchanges[-1].changes if change.to != "$.usage"]
    assert changed == ["$.input[0]", "$.input[1]"]
    with pytest.raises(BadRequestError) as refused:
        await ask(model="text-embedding-3-small", input=[[15339], [100_257]])
    assert refused.value.param == "input[1]"
    assert len(provider.seen) == 1


async def test_the_simulator_ranks_by_words(serve: Serve, stack: AsyncExitStack) -> None:
    base = await serve("aliases: {vectors: simulate/echo}")
    client = await stack.enter_async_context(AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key"))
    ask = client.embeddings.create
    answer = await ask(model="vectors", input=TEXTS, dimensions=64)
    again = await ask(model="vectors", input=TEXTS, dimensions=64)
    capital, cats, paris = (one.embedding for one in answer.data)
    assert [one.embedding for one in again.data] == [capital, cats, paris]
    assert _near(capital, paris) > _near(capital, cats)
    assert answer.usage.prompt_tokens > 0
    with pytest.raises(BadRequestError) as refused:
        await ask(model="vectors", input="x", dimensions=10**9)
    assert refused.value.param == "dimensions"


def _near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
