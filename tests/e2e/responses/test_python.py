"""The official Python client, unchanged but for its base URL, over every upstream (2.11, 3.11 to 3.13)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.e2e.responses.conftest import ALSO_EMBEDDED, Gate
from tests.e2e.responses.speaking import WEATHER
from tests.e2e.sent import Sent

HELLO = "Hello there!"


class City(BaseModel):
    """What is asked for in one form."""

    name: str
    people: int


async def ask(gate: Gate, input: Any = HELLO, model: str | None = None, **fields: Any) -> Any:
    return await gate.client.responses.create(
        model=model or gate.models.text, input=input, **gate.models.bound, **fields
    )


async def settled(gate: Gate, answer: Any) -> Any:
    """An answer in the background once it has come to its end."""
    async with asyncio.timeout(60):
        while answer.status in {"queued", "in_progress"}:
            await asyncio.sleep(0.05)
            answer = await gate.client.responses.retrieve(answer.id)
    return answer


def shown(answer: Any) -> dict[str, Any]:
    """An answer as it was sent, without what the client's helpers add to it."""
    body: dict[str, Any] = answer.model_dump(mode="json", exclude_unset=True, warnings=False)
    for item in body["output"]:
        for part in [item, *(item.get("content") or ())]:
            part.pop("parsed", None)
            part.pop("parsed_arguments", None)
    return body


def words(gate: Gate, answer: Any, expected: str) -> None:
    """Hold an answer's text to what its model would say."""
    assert answer.output_text == expected if gate.models.echoes else answer.output_text


@ALSO_EMBEDDED
async def test_an_answer(gate: Gate) -> None:
    answer = await ask(gate, instructions="Be brief.", metadata={"a": "b"}, temperature=0.5)
    assert (answer.object, answer.id[:5]) == ("response", "resp_")
    assert answer.status in {"completed", "incomplete"}
    words(gate, answer, HELLO)
    assert (answer.instructions, answer.metadata, answer.store) == ("Be brief.", {"a": "b"}, True)
    assert answer.model
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    if gate.dialect is not None:
        sent = Sent(gate.dialect, gate.provider.last)
        assert sent.system == ["Be brief."]
        assert not sent.body.get("store")


@pytest.mark.parametrize("prompt", [HELLO, "think: of it", "Weather in Paris?"])
async def test_a_stream(gate: Gate, prompt: str) -> None:
    """What its accumulator gathers is what the stream's last event says."""
    fields: dict[str, Any] = {"include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low"}}
    if prompt.startswith("Weather"):
        fields["tools"] = [WEATHER]
    async with gate.client.responses.stream(model=gate.models.text, input=prompt, **fields) as stream:
        events = [event async for event in stream]
        last = events[-1]
        final = await stream.get_final_response()
    kinds = [event.type for event in events]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert "".join(deltas) == final.output_text
    assert shown(final)["output"] == shown(last.response)["output"]
    kept = await gate.client.responses.retrieve(final.id)
    assert shown(kept) == shown(last.response)
    if prompt == HELLO:
        words(gate, final, HELLO)


async def test_a_form(gate: Gate) -> None:
    answer = await gate.client.responses.parse(model=gate.models.text, input="A city.", text_format=City)
    assert answer.status == "completed"
    assert isinstance(answer.output_parsed, City)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_tools_and_their_results(gate: Gate, stream: bool) -> None:
    """Twice by the answer's id: a call, its result, and what is said of it."""
    model = gate.models.calling
    fields: dict[str, Any] = {"tools": [WEATHER], "model": model}
    asked = "Weather in Paris, please: get_weather"
    if stream:
        events = [event async for event in await ask(gate, asked, stream=True, **fields)]
        first = events[-1].response
    else:
        first = await ask(gate, asked, **fields)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather"]
    assert isinstance(json.loads(calls[0].arguments)["city"], str)
    result = {"type": "function_call_output", "call_id": calls[0].call_id, "output": "sunny"}
    second = await ask(gate, [result], previous_response_id=first.id, **fields)
    assert "sunny" in second.output_text
    third = await ask(gate, "Thanks!", previous_response_id=second.id, model=gate.models.text)
    words(gate, third, "Thanks!")
    if gate.dialect is not None:
        sent = Sent(gate.dialect, gate.provider.last)
        said = [text for _, texts in sent.turns for text in texts]
        assert [text for text in said if text not in {"sunny", ""}] == [asked, "It is sunny.", "Thanks!"]
        assert sent.results == 1


async def test_what_is_kept(gate: Gate) -> None:
    first = await ask(gate, "One.")
    second = await ask(gate, "Two.", previous_response_id=first.id)
    responses = gate.client.responses
    assert shown(await responses.retrieve(second.id)) == shown(second)
    listed = [item async for item in responses.input_items.list(second.id, order="asc", limit=1)]
    assert [item.role for item in listed] == ["user", "assistant", "user"]
    assert [item.content[0].text for item in listed] == ["One.", first.output_text, "Two."]
    newest = [item async for item in responses.input_items.list(second.id)]
    assert newest == listed[::-1]
    page = await responses.input_items.list(second.id, order="asc", after=listed[0].id, limit=1)
    assert (page.data, page.has_more) == ([listed[1]], True)
    with pytest.raises(openai.BadRequestError):
        await responses.cancel(second.id)
    await responses.delete(second.id)
    for call in (responses.retrieve, responses.delete, responses.cancel):
        with pytest.raises(openai.NotFoundError):
            await call(second.id)
    assert shown(await responses.retrieve(first.id)) == shown(first)


@ALSO_EMBEDDED
async def test_in_the_background(gate: Gate) -> None:
    asked = await ask(gate, background=True)
    assert (asked.status, asked.background, asked.output) == ("queued", True, [])
    answer = await settled(gate, asked)
    assert answer.status in {"completed", "incomplete"}
    words(gate, answer, HELLO)
    next_ = await ask(gate, "And?", previous_response_id=answer.id)
    words(gate, next_, "And?")


async def test_a_background_stream_goes_on_where_it_was_left(gate: Gate) -> None:
    slow = await ask(gate, "slow: one two three four", model=gate.models.slowly, background=True, stream=True)
    begun = []
    async for event in slow:
        begun.append(event)
        if len(begun) == 6:
            break
    await slow.close()
    assert [event.type for event in begun[:2]] == ["response.created", "response.queued"]
    id_ = begun[0].response.id
    resumed = await gate.client.responses.retrieve(id_, stream=True, starting_after=begun[-1].sequence_number)
    rest = [event async for event in resumed]
    numbers = [event.sequence_number for event in [*begun, *rest]]
    assert numbers == list(range(len(numbers)))
    final = rest[-1].response
    assert final.status in {"completed", "incomplete"}
    deltas = [e.delta for e in [*begun, *rest] if e.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text
    again = await gate.client.responses.retrieve(id_, stream=True)
    assert [event.sequence_number async for event in again] == numbers


@ALSO_EMBEDDED
async def test_a_background_answer_is_cancelled(gate: Gate) -> None:
    model = gate.models.slowly
    asked = await ask(gate, "slow: " + "many words " * 20, model=model, background=True)
    cancelled = await gate.client.responses.cancel(asked.id)
    assert cancelled.status == "cancelled"
    assert (await gate.client.responses.cancel(asked.id)).status == "cancelled"
    assert (await gate.client.responses.retrieve(asked.id)).status == "cancelled"
    stream = await gate.client.responses.retrieve(asked.id, stream=True)
    events = [event async for event in stream]
    assert events[-1].type in {"response.failed", "response.incomplete"}
    assert events[-1].response.status == "cancelled"


async def test_a_socket(gate: Gate) -> None:
    """One connection, turn after turn, of which nothing is stored."""
    async with gate.client.responses.connect() as socket:
        previous = ""
        for prompt in ("One.", "Two."):
            more = {"previous_response_id": previous} if previous else {}
            await socket.response.create(model=gate.models.text, input=prompt, store=False, **more)
            while (event := await socket.recv()).type != "response.completed":
                assert event.type != "error", event
            words(gate, event.response, prompt)
            previous = event.response.id
        await socket.response.create(model=gate.models.text, input="x", previous_response_id="resp_none")
        event = await socket.recv()
        assert (event.type, event.to_dict()["status"]) == ("error", 404)
    with pytest.raises(openai.NotFoundError):
        await gate.client.responses.retrieve(previous)
    if gate.dialect is not None:
        said = [" ".join(texts) for _, texts in Sent(gate.dialect, gate.provider.last).turns]
        assert said == ["One.", "One.", "Two."]


async def test_conversations(gate: Gate) -> None:
    conversations = gate.client.conversations
    first = {"type": "message", "role": "user", "content": "I am Ada."}
    made = await conversations.create(items=[first], metadata={"topic": "names"})
    assert (made.object, made.metadata) == ("conversation", {"topic": "names"})
    answer = await ask(gate, "Who am I?", conversation=made.id)
    assert answer.conversation.id == made.id
    items = [item async for item in conversations.items.list(made.id, order="asc", limit=2)]
    assert [item.role for item in items] == ["user", "user", "assistant"]
    if gate.dialect is not None:
        said = [text for _, texts in Sent(gate.dialect, gate.provider.last).turns for text in texts]
        assert said == ["I am Ada.", "Who am I?"]
    added = await conversations.items.create(made.id, items=[{**first, "content": "I am 36."}])
    got = await conversations.items.retrieve(added.data[0].id, conversation_id=made.id)
    assert got == added.data[0]
    await conversations.items.delete(items[0].id, conversation_id=made.id)
    left = [item.id async for item in conversations.items.list(made.id)]
    assert left == [got.id, items[2].id, items[1].id]
    assert (await conversations.update(made.id, metadata={"topic": "age"})).metadata == {"topic": "age"}
    assert (await conversations.retrieve(made.id)).metadata == {"topic": "age"}
    assert (await conversations.delete(made.id)).deleted is True
    with pytest.raises(openai.NotFoundError):
        await conversations.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        await ask(gate, "Still?", conversation=made.id)


async def test_compaction(gate: Gate) -> None:
    first = await ask(gate, "One.")
    short = await gate.client.responses.compact(
        model=gate.models.text, previous_response_id=first.id, input="Two."
    )
    assert [item.type for item in short.output] == ["message", "message", "compaction"]
    answer = await ask(gate, [*shown(short)["output"], {"role": "user", "content": "Three."}])
    words(gate, answer, "Three.")
    if gate.dialect is not None:
        said = [text for _, texts in Sent(gate.dialect, gate.provider.last).turns for text in texts]
        assert (said[:2], said[-1]) == (["One.", "Two."], "Three.")


@ALSO_EMBEDDED
async def test_counting(gate: Gate) -> None:
    responses = gate.client.responses
    short = await responses.input_tokens.count(model=gate.models.text, input="Hello!")
    long = await responses.input_tokens.count(model=gate.models.text, input="Hello! " * 100)
    assert 0 < short.input_tokens < long.input_tokens - 90
