"""Stored chat completions: kept by the gateway for every model, read with the official client."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.chat import ChatCompletion

from dragoman.testing.provider import Answer, FakeProvider, Seen, Streamed, Whole
from tests.e2e import stubs
from tests.e2e.calls import MODELS
from tests.e2e.conftest import Provide, Serve
from tests.e2e.stubs import Said

HELLO: list[Any] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Hello, "}, {"type": "text", "text": "you."}]},
]


class Stored:
    """A gateway before one provider, and official clients of two keys."""

    def __init__(self, ann: AsyncOpenAI, ben: AsyncOpenAI, model: str, provider: FakeProvider) -> None:
        self.ann = ann
        self.ben = ben
        self.model = model
        self.provider = provider

    async def ask(self, **fields: Any) -> Any:
        asked: dict[str, Any] = {"model": self.model, "messages": HELLO, "store": True, **fields}
        return await self.ann.chat.completions.create(**asked)

    async def listed(self, **wanted: Any) -> list[str]:
        return [one.id async for one in self.ann.chat.completions.list(**wanted)]


Start = Callable[..., Awaitable[Stored]]


@pytest.fixture(params=["memory", "sqlite"])
def start(
    request: pytest.FixtureRequest, serve: Serve, provide: Provide, stack: AsyncExitStack, tmp_path: Path
) -> Start:
    async def begin(dialect: str = "openai_chat", *answers: Any, **more: Any) -> Stored:
        provider = await provide(*answers)
        sql = "memory" if request.param == "memory" else f"sqlite:///{tmp_path}/state.db"
        row = {"base_url": provider.url, "keys": ["up-key"], "dialect": dialect}
        keys = [{"name": name, "key": f"{name}-key-of-a-good-length"} for name in ("ann", "ben")]
        config = {"providers": {"up": row}, "auth": {"keys": keys}, "stores": {"sql": sql}, **more}
        base = await serve(json.dumps(config))
        clients = [
            await stack.enter_async_context(
                AsyncOpenAI(base_url=f"{base}/v1", api_key=f"{name}-key-of-a-good-length", max_retries=0)
            )
            for name in ("ann", "ben")
        ]
        return Stored(clients[0], clients[1], MODELS[dialect], provider)

    return begin


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "gemini", "mistral"])
async def test_an_answer_of_every_model_is_kept(start: Start, dialect: str) -> None:
    """5.35: listed, read, changed, its messages read, deleted; the provider stores nothing."""
    talk = await start(dialect, stubs.DIALECTS[dialect](Said("Hello there!")))
    told = await talk.ask(metadata={"team": "x"}, temperature=0.5, user="u1")
    sent = talk.provider.last.body
    assert "store" not in sent
    assert "team" not in json.dumps(sent)

    completions = talk.ann.chat.completions
    assert await talk.listed() == [told.id]
    kept = await completions.retrieve(told.id)
    assert isinstance(kept, ChatCompletion)
    assert kept.choices == told.choices
    assert kept.usage == told.usage
    assert (kept.model, kept.created, kept.object) == (told.model, told.created, "chat.completion")
    more = kept.model_dump()
    assert (more["metadata"], more["temperature"], more["input_user"]) == ({"team": "x"}, 0.5, "u1")
    assert more["request_id"].startswith("req_")

    messages = [one async for one in completions.messages.list(told.id)]
    assert [one.id for one in messages] == [f"{told.id}-0", f"{told.id}-1"]
    assert [one.content for one in messages] == ["Be brief.", "Hello, you."]
    assert messages[1].content_parts is not None
    assert [part.type for part in messages[1].content_parts] == ["text", "text"]
    latest = await completions.messages.list(told.id, order="desc", limit=1)
    assert (latest.data[0].id, latest.has_more) == (f"{told.id}-1", True)
    rest = await completions.messages.list(told.id, order="desc", after=f"{told.id}-1")
    assert ([one.id for one in rest.data], rest.has_more) == ([f"{told.id}-0"], False)

    changed = await completions.update(told.id, metadata={"team": "y"})
    assert changed.model_dump()["metadata"] == {"team": "y"}
    assert await talk.listed(metadata={"team": "x"}) == []
    assert await talk.listed(metadata={"team": "y"}) == [told.id]

    gone = await completions.delete(told.id)
    assert (gone.id, gone.deleted, gone.object) == (told.id, True, "chat.completion.deleted")
    for missing in (completions.retrieve, completions.delete):
        with pytest.raises(NotFoundError) as refused:
            await missing(told.id)
        assert told.id in refused.value.message


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
async def test_a_stream_is_kept_as_the_answer_that_it_was(start: Start, dialect: str) -> None:
    """Before its client has read the last of it; with its usage, although nobody asked for that."""
    talk = await start(dialect, stubs.DIALECTS[dialect](Said("Hello there!")))
    stream = await talk.ask(stream=True)
    text, id_ = "", ""
    async for chunk in stream:
        id_ = chunk.id
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            if chunk.choices[0].finish_reason:
                break
    await stream.response.aclose()
    kept = await talk.ann.chat.completions.retrieve(id_)
    assert kept.choices[0].message.content == text == "Hello there!"
    assert kept.choices[0].finish_reason == "stop"
    assert kept.usage is not None
    assert kept.usage.completion_tokens > 0


@pytest.mark.parametrize("created", ["1" + "0" * 400, "1e400", "-1", '"now"', "true"])
async def test_an_odd_time_spoils_no_good_answer(start: Start, created: str) -> None:
    answer = (
        '{"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "created": %s, '
        '"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, '
        '"finish_reason": "stop"}]}'
    )
    talk = await start("openai_chat", Whole(answer % created))
    told = await talk.ann.chat.completions.with_raw_response.create(
        model=talk.model, messages=HELLO, store=True
    )
    assert json.loads(told.text, parse_int=str, parse_float=str)["choices"][0]["message"]["content"] == "Hi."
    kept = await talk.ann.chat.completions.with_raw_response.retrieve("chatcmpl-1")
    assert b'"created":%b' % created.encode() in kept.content.replace(b": ", b":")


async def test_pages_and_filters(start: Start) -> None:
    numbers = itertools.count()

    def answer(seen: Seen) -> Answer:
        script = stubs.anthropic(Said("Hi."))
        assert callable(script)
        told = script(seen)
        assert isinstance(told, Whole)
        return Whole({**told.body, "id": f"msg_{next(numbers)}"})

    talk = await start("anthropic", answer, aliases={"fast": MODELS["anthropic"]})
    ids = [(await talk.ask(metadata={"run": str(place % 2)})).id for place in range(4)]
    other = (await talk.ask(model="fast")).id
    assert await talk.listed() == [*ids, other]
    assert await talk.listed(order="desc") == [other, *reversed(ids)]
    assert await talk.listed(limit=2) == [*ids, other]  # the client goes through all pages
    first = await talk.ann.chat.completions.list(limit=2)
    assert ([one.id for one in first.data], first.has_more) == (ids[:2], True)
    assert await talk.listed(metadata={"run": "1"}) == [ids[1], ids[3]]
    assert await talk.listed(model="fast") == [other]
    assert await talk.listed(metadata={"run": "1"}, after=ids[1]) == [ids[3]]


async def test_what_one_key_keeps_no_other_sees(start: Start) -> None:
    talk = await start("openai_chat", stubs.openai_chat(Said("Hi.")))
    told = await talk.ask()
    theirs = talk.ben.chat.completions
    assert [one async for one in theirs.list()] == []
    for ask in (
        theirs.retrieve(told.id),
        theirs.update(told.id, metadata={}),
        theirs.delete(told.id),
        theirs.messages.list(told.id),
    ):
        with pytest.raises(NotFoundError):
            await ask
    assert await talk.listed() == [told.id]


async def test_nothing_is_kept_that_nobody_asked_for_or_that_failed(start: Start) -> None:
    broken = Streamed([b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'], die=True)
    talk = await start("openai_chat", stubs.openai_chat(Said("Hi.")))
    await talk.ask(store=False)
    assert "store" in talk.provider.last.body
    talk.provider.answers.clear()
    talk.provider.answers.append(broken)
    with pytest.raises(Exception, match=r"broke|closed|connection"):
        async for _ in await talk.ask(stream=True):
            pass
    assert await talk.listed() == []


async def test_odd_questions_are_refused_by_name(start: Start) -> None:
    talk = await start("openai_chat", stubs.openai_chat(Said("Hi.")))
    told = await talk.ask()
    completions = talk.ann.chat.completions
    odd: list[tuple[str, Any]] = [
        ("limit", completions.list(limit=0)),
        ("after", completions.list(after="chatcmpl-nope")),
        ("order", completions.list(extra_query={"order": "up"})),
        ("after", completions.messages.list(told.id, after="nope")),
        ("metadata", completions.update(told.id, metadata={"k": "v" * 513})),
        ("metadata", completions.update(told.id, metadata=None, extra_body={"metadata": [1]})),
    ]
    for param, ask in odd:
        with pytest.raises(BadRequestError) as refused:
            await ask
        assert refused.value.param == param


async def test_a_gateway_that_retains_nothing_leaves_it_to_the_provider(start: Start) -> None:
    talk = await start("openai_chat", stubs.openai_chat(Said("Hi.")), responses={"retain": False})
    await talk.ask(metadata={"a": "b"})
    assert talk.provider.last.body["store"] is True
    assert await talk.listed() == []
