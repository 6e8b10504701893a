"""2.11: usage reaches the client and the record, also where the provider states none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.exchange import Exchange
from dragoman.testing.provider import Answer, Seen, Whole
from dragoman.upstreams.upstream import Batches, Call
from tests.e2e import stubs
from tests.e2e.calls import Answered
from tests.e2e.conftest import Provide, Visit, up

TEXT = "Some words that nobody counted. " * 4
ASKED = {"stream": True, "stream_options": {"include_usage": True}}


class Echo:
    """An upstream of somebody's own, which knows nothing of tokens."""

    name = "echo"

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        async def answer() -> Batches:
            yield [ir.Start("echo", model=call.model), ir.Open(0, ir.Text(""))]
            yield [ir.TextDelta(0, TEXT)]
            yield [ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()]

        yield answer()


class Rewrites:
    """Changes what is asked, so that nothing is relayed."""

    async def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        return msgspec.structs.replace(request, user="me")


def silent(seen: Seen) -> Answer:
    """A small server that has never heard of `stream_options`."""
    if seen.body.get("stream"):
        return stubs.streamed("openai_chat", stubs.frames("openai_chat", TEXT))
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return Whole({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})


def told(answer: Answered, *, stream: bool) -> Any:
    """The usage that the client was told, None = none."""
    assert answer.text == TEXT
    if not stream:
        return answer.body.get("usage")
    chunks = [event for event in answer.events if isinstance(event, dict) and event.get("usage")]
    assert len(chunks) <= 1
    return chunks[0]["usage"] if chunks else None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("own", [False, True])
async def test_usage_that_nobody_states_is_estimated(
    visit: Visit, provide: Provide, stream: bool, own: bool
) -> None:
    exchanges: list[Exchange] = []
    provider = await provide(silent)
    options: dict[str, Any] = {"upstreams": {"echo": Echo()}} if own else {"hooks": [Rewrites()]}
    site = await visit(up(provider.url), observers=[exchanges.append], **options)
    answer = await site.ask("echo/m" if own else "up/gpt-4o", **(ASKED if stream else {}))
    usage = told(answer, stream=stream)
    assert usage["prompt_tokens"] == 9  # "Hello!" with what surrounds it
    assert 24 <= usage["completion_tokens"] <= 33
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    recorded = exchanges[-1].usage
    assert recorded is not None
    assert recorded.estimated
    assert recorded.total == usage["total_tokens"]


async def test_a_stream_whose_client_asked_for_no_usage_has_none(visit: Visit, provide: Provide) -> None:
    site = await visit(up((await provide(silent)).url), upstreams={"echo": Echo()}, hooks=[Rewrites()])
    assert told(await site.ask("echo/m", stream=True), stream=True) is None
    assert told(await site.ask("up/gpt-4o", stream=True), stream=True) is None


async def test_a_relayed_stream_whose_client_asked_for_no_usage_has_none(
    visit: Visit, provide: Provide
) -> None:
    site = await visit(up((await provide(silent)).url))
    assert told(await site.ask("up/gpt-4o", stream=True), stream=True) is None
