"""What is kept of answers: whose it is, where it goes on, what happens when it cannot be kept (3.11, 4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from dragoman.state.store import StoreFailed
from tests.e2e.conftest import Provide
from tests.e2e.responses.conftest import Gate, Opened
from tests.e2e.responses.speaking import MODELS, speaking, told
from tests.e2e.sent import Sent

Served = Callable[..., Awaitable[Gate]]
ECHO = "simulate/echo"
SLOW = "simulate/lorem:40+rate:20"
MINE, YOURS = "the-first-client-key", "the-second-client-key"


async def ask(client: Any, input: Any, **fields: Any) -> Any:
    return await client.responses.create(**{"model": ECHO, "input": input, **fields})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_turn_goes_on_at_another_provider(served: Served, provide: Provide, stream: bool) -> None:
    """And on at a third, with the whole history each time."""
    dialects = ("anthropic", "gemini", "openai_responses", "mistral")
    providers = {dialect: await provide(speaking(dialect)) for dialect in dialects}
    rows = {
        dialect: {"dialect": dialect, "base_url": provider.url, "keys": ["up-key"]}
        for dialect, provider in providers.items()
    }
    gate = await served({"providers": rows, "retries": {"attempts": 1}})
    previous: dict[str, Any] = {}
    expected: list[str] = []
    for place, dialect in enumerate((*dialects, "anthropic")):
        model = MODELS[dialect].replace("up/", f"{dialect}/")
        answer = await ask(gate.client, f"think: {place}", model=model, stream=stream, **previous)
        if stream:
            answer = [event async for event in answer][-1].response
        said = [part.text for item in answer.output if item.type == "message" for part in item.content]
        assert "".join(said) == f"think: {place}"
        expected += [f"user: think: {place}"]
        assert told(Sent(dialect, providers[dialect].last)) == expected
        expected += [f"assistant: think: {place}"]
        previous = {"previous_response_id": answer.id}


async def test_what_belongs_to_another_does_not_exist(served: Served) -> None:
    keys = [{"key": MINE, "name": "me"}, {"key": YOURS, "name": "you"}]
    gate = await served({"auth": {"keys": keys}}, key=MINE)
    mine = gate.client
    answer = await ask(mine, "Mine.")
    running = await ask(mine, "Mine too.", model=SLOW, background=True)
    conversation = await mine.conversations.create(items=[{"role": "user", "content": "Mine."}])
    item = (await mine.conversations.items.list(conversation.id)).data[0].id
    said = (await mine.responses.input_items.list(answer.id)).data[0].id
    async with AsyncOpenAI(base_url=f"{gate.base}/v1", api_key=YOURS, max_retries=0) as yours:
        responses: Any = yours.responses
        conversations: Any = yours.conversations
        for id_ in (answer.id, running.id):
            for refused in (
                responses.retrieve(id_),
                responses.retrieve(id_, stream=True),
                responses.delete(id_),
                responses.cancel(id_),
                responses.input_items.list(id_),
                ask(yours, "x", previous_response_id=id_),
                responses.compact(model=ECHO, previous_response_id=id_),
                responses.input_tokens.count(model=ECHO, previous_response_id=id_),
            ):
                with pytest.raises(openai.NotFoundError):
                    await refused
        for refused in (
            ask(yours, "x", conversation=conversation.id),
            ask(yours, [{"type": "item_reference", "id": said}]),
            ask(yours, [{"type": "item_reference", "id": item}]),
            ask(yours, [{"type": "item_reference", "id": answer.output[0].id}]),
            conversations.retrieve(conversation.id),
            conversations.update(conversation.id, metadata={}),
            conversations.delete(conversation.id),
            conversations.items.list(conversation.id),
            conversations.items.create(conversation.id, items=[{"role": "user", "content": "x"}]),
            conversations.items.retrieve(item, conversation_id=conversation.id),
            conversations.items.delete(item, conversation_id=conversation.id),
        ):
            with pytest.raises(openai.NotFoundError):
                await refused
        async with yours.responses.connect() as socket:
            await socket.response.create(model=ECHO, input="x", previous_response_id=answer.id)
            assert (await socket.recv()).to_dict()["status"] == 404
    assert (await mine.responses.retrieve(answer.id)).output_text == "Mine."
    assert (await mine.responses.cancel(running.id)).status == "cancelled"
    assert len((await mine.conversations.items.list(conversation.id)).data) == 1


async def test_references_and_what_continues_them(opened: Opened) -> None:
    """An item that is only named, in this turn and in the turns that rest on it."""
    gate = await opened("anthropic")
    first = await ask(gate.client, "think: one", model=gate.models.text)
    named = [{"type": "item_reference", "id": first.output[-1].id}, {"role": "user", "content": "Two."}]
    opening = {"role": "user", "content": "Zero."}
    second = await ask(gate.client, [opening, *named], model=gate.models.text)
    expected = ["user: Zero.", "assistant: think: one", "user: Two."]
    assert told(Sent("anthropic", gate.provider.last)) == expected
    await ask(gate.client, "Three.", model=gate.models.text, previous_response_id=second.id)
    assert told(Sent("anthropic", gate.provider.last)) == [*expected, "assistant: Two.", "user: Three."]
    with pytest.raises(openai.NotFoundError):
        await ask(gate.client, [opening, {"type": "item_reference", "id": "msg_none"}])


async def test_what_rests_on_a_compaction(opened: Opened) -> None:
    gate = await opened("openai_responses")
    short = await gate.client.responses.compact(model=gate.models.text, input="One.")
    items = [item.model_dump(exclude_unset=True, warnings=False) for item in short.output]
    second = await ask(gate.client, [*items, {"role": "user", "content": "Two."}], model=gate.models.text)
    await ask(gate.client, "Three.", model=gate.models.text, previous_response_id=second.id)
    said = told(Sent("openai_responses", gate.provider.last))
    assert [said[0], *said[2:]] == ["user: One.", "user: Two.", "assistant: Two.", "user: Three."]
    assert said[1].startswith("user: Summary of the conversation")


async def test_what_is_not_to_be_stored(served: Served) -> None:
    gate = await served({})
    answer = await ask(gate.client, "Hello!", store=False)
    assert answer.store is False
    for refused in (
        gate.client.responses.retrieve(answer.id),
        ask(gate.client, "x", previous_response_id=answer.id),
    ):
        with pytest.raises(openai.NotFoundError):
            await refused
    with pytest.raises(openai.BadRequestError) as mistake:
        await ask(gate.client, "x", store=False, background=True)
    assert mistake.value.param == "store"


async def test_nothing_is_retained(served: Served) -> None:
    gate = await served({"responses": {"retain": False}})
    answer = await ask(gate.client, "Hello!", store=True)
    assert answer.store is False
    stream = await ask(gate.client, "Hello!", stream=True)
    assert [event async for event in stream][-1].response.store is False
    with pytest.raises(openai.NotFoundError):
        await gate.client.responses.retrieve(answer.id)
    for refused in (ask(gate.client, "x", background=True), gate.client.conversations.create()):
        with pytest.raises(openai.BadRequestError):
            await refused
    async with gate.client.responses.connect() as socket:  # what a connection remembers goes with it
        previous: dict[str, Any] = {}
        for _ in range(2):
            await socket.response.create(model=ECHO, input="Hello!", **previous)
            while (event := await socket.recv()).type != "response.completed":
                assert event.type != "error", event
            previous = {"previous_response_id": event.response.id}


async def test_what_has_not_finished_is_not_continued(served: Served) -> None:
    gate = await served({})
    running = await ask(gate.client, "x", model=SLOW, background=True)
    with pytest.raises(openai.ConflictError) as conflict:
        await ask(gate.client, "And?", previous_response_id=running.id)
    assert (conflict.value.code, conflict.value.param) == ("response_not_finished", "previous_response_id")
    await gate.client.responses.cancel(running.id)


async def test_what_is_deleted_while_it_runs(served: Served) -> None:
    gate = await served({})
    running = await ask(gate.client, "x", model=SLOW, background=True)
    await gate.client.responses.delete(running.id)
    await gate.gateway.background.drain(5)
    assert not gate.gateway.background.running
    with pytest.raises(openai.NotFoundError):
        await gate.client.responses.retrieve(running.id)


async def test_what_has_expired(served: Served) -> None:
    gate = await served({"responses": {"ttl": "1s"}})
    answer = await ask(gate.client, "Hello!")
    conversation = await gate.client.conversations.create()
    await asyncio.sleep(0.6)
    continued = await ask(gate.client, "And?", previous_response_id=answer.id)
    await asyncio.sleep(0.6)
    assert (await gate.client.responses.retrieve(answer.id)).id == answer.id, "what continues it extends it"
    with pytest.raises(openai.NotFoundError):
        await gate.client.conversations.retrieve(conversation.id)
    await asyncio.sleep(1.1)
    for id_ in (answer.id, continued.id):
        with pytest.raises(openai.NotFoundError):
            await gate.client.responses.retrieve(id_)


async def test_a_database_that_cannot_be_reached(served: Served, tmp_path: Path) -> None:
    """Plain answers come, and say that they are not stored; what needs the database is refused."""
    folder = tmp_path / "state"
    folder.write_text("a file where a folder should be")
    gate = await served({"stores": {"sql": f"sqlite:///{folder}/state.db"}})
    assert (await ask(gate.client, "Hello!")).store is False
    events = [event async for event in await ask(gate.client, "Hello!", stream=True)]
    assert events[-1].type == "response.completed"
    assert events[-1].response.store is False
    for refused in (
        ask(gate.client, "x", background=True),
        ask(gate.client, "x", previous_response_id="resp_1"),
        gate.client.responses.retrieve("resp_1"),
        gate.client.conversations.create(),
    ):
        with pytest.raises(openai.InternalServerError) as failed:
            await refused
        assert (failed.value.status_code, failed.value.code) == (503, "store_unavailable")


async def test_a_database_that_is_lost_meanwhile(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = await served({})
    first = await ask(gate.client, "Hello!")

    async def fails(*_: Any, **__: Any) -> Any:
        raise StoreFailed("gone")

    with monkeypatch.context() as lost:
        lost.setattr(gate.gateway.keeping.store.responses, "save", fails)
        answer = await ask(gate.client, "And?", previous_response_id=first.id)
        assert answer.store is False
        with pytest.raises(openai.InternalServerError):
            await ask(gate.client, "x", background=True)
    assert (await ask(gate.client, "And?", previous_response_id=first.id)).store is True
