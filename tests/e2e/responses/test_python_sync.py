"""The official Python client without a loop: the same calls, once each, and its WebSocket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.e2e.responses.conftest import Gate, Opened
from tests.e2e.responses.speaking import WEATHER

UPSTREAMS = ["anthropic", "openai_responses", "simulate"]


class City(BaseModel):
    """What is asked for in one form."""

    name: str
    people: int


class Part:
    """One client and the names of the models that it asks for."""

    def __init__(self, gate: Gate, client: OpenAI) -> None:
        self.models = gate.models
        self.client: Any = client

    def ask(self, input: Any, **fields: Any) -> Any:
        return self.client.responses.create(**{"model": self.models.text, "input": input, **fields})


def answers(part: Part) -> None:
    first = part.ask("One.")
    second = part.ask("Two.", previous_response_id=first.id)
    assert (first.output_text, second.output_text) == ("One.", "Two.")
    responses = part.client.responses
    assert responses.retrieve(second.id).to_dict() == second.to_dict()
    listed = list(responses.input_items.list(second.id, order="asc", limit=2))
    assert [item.content[0].text for item in listed] == ["One.", "One.", "Two."]
    responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        responses.retrieve(second.id)


def streams(part: Part) -> None:
    with part.client.responses.stream(model=part.models.text, input="Hello there!") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == events[-1].response.output_text == "Hello there!"
    parsed = part.client.responses.parse(model=part.models.text, input="A city.", text_format=City)
    assert isinstance(parsed.output_parsed, City)


def tools(part: Part) -> None:
    fields = {"model": part.models.calling, "tools": [WEATHER]}
    first = part.ask("Weather in Paris, please: get_weather", **fields)
    (call,) = [item for item in first.output if item.type == "function_call"]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    assert "sunny" in part.ask([result], previous_response_id=first.id, **fields).output_text


def background(part: Part) -> None:
    answer = part.ask("Hello there!", background=True)
    end = time.monotonic() + 60
    while answer.status in {"queued", "in_progress"}:
        assert time.monotonic() < end
        time.sleep(0.05)
        answer = part.client.responses.retrieve(answer.id)
    assert answer.output_text == "Hello there!"
    slow = part.ask("slow: one two three", model=part.models.slowly, background=True, stream=True)
    begun = [next(slow) for _ in range(4)]
    slow.close()
    id_ = begun[0].response.id
    rest = list(part.client.responses.retrieve(id_, stream=True, starting_after=begun[-1].sequence_number))
    numbers = [event.sequence_number for event in [*begun, *rest]]
    assert numbers == list(range(len(numbers)))
    running = part.ask("slow: " + "many words " * 20, model=part.models.slowly, background=True)
    assert part.client.responses.cancel(running.id).status == "cancelled"


def conversations(part: Part) -> None:
    own = part.client.conversations
    made = own.create(items=[{"role": "user", "content": "I am Ada."}])
    assert part.ask("Who am I?", conversation=made.id).conversation.id == made.id
    items = list(own.items.list(made.id, order="asc"))
    assert [item.content[0].text for item in items] == ["I am Ada.", "Who am I?", "Who am I?"]
    assert own.items.retrieve(items[0].id, conversation_id=made.id).id == items[0].id
    own.items.delete(items[0].id, conversation_id=made.id)
    added = own.items.create(made.id, items=[{"role": "user", "content": "x"}])
    assert own.update(made.id, metadata={"a": "b"}).metadata == own.retrieve(made.id).metadata
    assert next(iter(own.items.list(made.id))).id == added.data[0].id
    assert own.delete(made.id).deleted is True


def short(part: Part) -> None:
    responses = part.client.responses
    made = responses.compact(model=part.models.text, input="One.")
    items = [item.model_dump(exclude_unset=True, warnings=False) for item in made.output]
    assert part.ask([*items, {"role": "user", "content": "Two."}]).output_text == "Two."
    assert responses.input_tokens.count(model=part.models.text, input="Hello!").input_tokens > 0


def sockets(part: Part) -> None:
    previous: dict[str, Any] = {}
    with part.client.responses.connect() as socket:
        for prompt in ("One.", "Two."):
            socket.response.create(model=part.models.text, input=prompt, store=False, **previous)
            while (event := socket.recv()).type != "response.completed":
                assert event.type != "error", event
            assert event.response.output_text == prompt
            previous = {"previous_response_id": event.response.id}


PARTS = [answers, streams, tools, background, conversations, short, sockets]


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("upstream", UPSTREAMS)
async def test_without_a_loop(opened: Opened, upstream: str, part: Callable[[Part], None]) -> None:
    gate = await opened(upstream)

    def run() -> None:
        with OpenAI(base_url=f"{gate.base}/v1", api_key="dummy-key", max_retries=0, timeout=60) as client:
            part(Part(gate, client))

    await asyncio.to_thread(run)
