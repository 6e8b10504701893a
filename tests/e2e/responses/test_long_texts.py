"""A long text reaches official clients whole, and is kept as it was told, relayed and translated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dragoman.dialects.openai_responses.response import DEFAULTS
from dragoman.testing.provider import Seen, Whole
from tests.e2e.conftest import Provide, up
from tests.e2e.responses.conftest import Gate, Opened
from tests.e2e.responses.speaking import MODELS

USAGE = {
    "input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 1,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2,
}
LONG = f"long é {'x' * 70_000}"


async def told(gate: Gate, model: str, **fields: Any) -> Any:
    """The last event of a stream; its events are numbered, and their words are the text."""
    stream = await gate.client.responses.create(model=model, input=LONG, stream=True, **fields)
    events = [event async for event in stream]
    last = events[-1]
    assert last.type == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(words) == LONG == last.response.output_text
    return last.response


@pytest.mark.parametrize("upstream", ["openai_responses", "anthropic"])
@pytest.mark.parametrize("background", [False, True], ids=["direct", "background"])
async def test_a_long_stream_is_kept_as_it_was_told(opened: Opened, upstream: str, background: bool) -> None:
    gate = await opened(upstream)
    last = await told(gate, MODELS[upstream], background=background)
    assert last.store is True
    kept = await gate.client.responses.retrieve(last.id)
    assert kept.model_dump() == last.model_dump()
    again = await gate.client.responses.create(
        model=MODELS[upstream], input="And?", previous_response_id=last.id
    )
    assert again.output_text == "And?"


async def test_a_long_answer_that_could_not_be_kept_says_so(opened: Opened) -> None:
    gate = await opened("anthropic", responses={"max_size": "50kB"})
    last = await told(gate, MODELS["anthropic"])
    assert last.store is False


async def test_a_long_whole_answer_to_who_asked_for_a_stream(
    served: Callable[..., Awaitable[Gate]], provide: Provide
) -> None:
    def answer(_: Seen) -> Whole:
        part = {"type": "output_text", "text": LONG, "annotations": [], "logprobs": []}
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
        head = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m"}
        none = {"error": None, "incomplete_details": None, "service_tier": "default"}
        return Whole({**DEFAULTS, **head, **none, "usage": USAGE, "output": [{**item, "content": [part]}]})

    provider = await provide(answer)
    gate = await served(up(provider.url, "openai_responses"))
    last = await told(gate, MODELS["openai_responses"])
    kept = await gate.client.responses.retrieve(last.id)
    assert kept.model_dump() == last.model_dump()
