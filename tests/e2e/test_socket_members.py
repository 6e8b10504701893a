"""What the members of a message on a Responses socket do: `generate`, `stream`, `background` and the like."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from dragoman.testing.provider import FakeProvider
from tests.e2e import stubs
from tests.e2e.conftest import Provide, Serve

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


async def ask(socket: ClientConnection, **members: Any) -> list[dict[str, Any]]:
    """The events of one answer."""
    await socket.send(json.dumps({"type": "response.create", "model": "up/gpt-4o", **members}))
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in {"response.completed", "error"}:
        events.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))
    return events


@pytest.fixture
async def provider(provide: Provide) -> FakeProvider:
    return await provide(stubs.openai_chat(stubs.Said("Here.")))


@pytest.fixture
async def address(serve: Serve, provider: FakeProvider) -> str:
    base = await serve(f"providers: {{up: {{base_url: '{provider.url}', keys: [k]}}}}\n")
    return base.replace("http", "ws", 1) + "/v1/responses"


@pytest.mark.parametrize("said", [{"input": []}, {}, {"input": [], "previous_response_id": None}])
async def test_a_warm_up_needs_no_input(address: str, provider: FakeProvider, said: dict[str, Any]) -> None:
    """Its instructions and tools are what it makes known; it is continued by the first question."""
    async with connect(address) as socket:
        warm = await ask(socket, generate=False, store=False, instructions="Be kind.", tools=[TOOL], **said)
        response = warm[-1]["response"]
        assert [event["type"] for event in warm] == [
            "response.created",
            "response.in_progress",
            "response.completed",
        ]
        assert (response["output"], response["usage"]["total_tokens"]) == ([], 0)
        assert (response["instructions"], response["tools"][0]["name"]) == ("Be kind.", "f")
        assert not provider.seen
        told = await ask(socket, previous_response_id=response["id"], input="Hi", store=False, generate=True)
        assert told[-1]["response"]["output"][0]["content"][0]["text"] == "Here."
        assert b"generate" not in provider.last.raw


async def test_what_asks_a_model_needs_input_after_a_warm_up_too(
    address: str, provider: FakeProvider
) -> None:
    async with connect(address) as socket:
        empty: list[dict[str, Any]] = [{"input": []}, {"input": [], "generate": None}]
        for members in empty:
            (error,) = await ask(socket, **members)
            assert (error["status"], error["error"]["code"]) == (400, "empty_array")
        warm = await ask(socket, generate=False, store=False, input=[])
        known = {"previous_response_id": warm[-1]["response"]["id"], "store": False}
        (error,) = await ask(socket, **known, input=[])
        assert (error["status"], error["error"]["param"]) == (400, "input")
    assert not provider.seen


ODD: list[tuple[str, Any]] = [
    *[("generate", "no"), ("generate", 0), ("generate", [])],
    *[("stream", "yes"), ("stream", 1)],
    *[("stream_options", 5), ("stream_options", "x"), ("stream_options", [])],
    *[("background", True), ("background", "x"), ("stream_id", 7)],
]


@pytest.mark.parametrize(("member", "value"), ODD)
async def test_a_member_of_another_type_is_named(
    address: str, provider: FakeProvider, member: str, value: Any
) -> None:
    async with connect(address) as socket:
        (error,) = await ask(socket, **{"input": "Hi", member: value})
        assert (error["status"], error["error"]["param"]) == (400, member)
        assert not provider.seen
        assert len(await ask(socket, input="Hi", store=False)) > 3


async def test_what_belongs_to_http_changes_nothing(address: str, provider: FakeProvider) -> None:
    """Codex sends `stream`; the specification allows none of these."""
    async with connect(address) as socket:
        for members in (
            {"stream": True},
            {"stream": False},
            {"stream": None, "stream_options": {"include_obfuscation": False}, "background": False},
        ):
            events = await ask(socket, input="Hi", store=False, **members)
            assert events[0]["type"] == "response.created"
            assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Here."
