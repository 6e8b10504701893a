"""The order that a stream of Anthropic's protocol keeps; its events have the official types."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "redacted_thinking": set[str](),
}


def frames(raw: bytes) -> list[dict[str, Any]]:
    """A stream's events. Insists on the framing that clients rely on: a name, one line of data, LF alone."""
    assert b"\r" not in raw
    assert raw.endswith(b"\n\n")
    found = []
    for block in raw[:-2].split(b"\n\n"):
        name, data = block.split(b"\n")
        value = json.loads(data.removeprefix(b"data: "))
        assert name == f"event: {value['type']}".encode()
        found.append(value)
    return found


def held(events: list[dict[str, Any]]) -> None:
    """A whole stream: the message's start, one block after the other, its delta, its stop; pings anywhere."""
    said = [event for event in events if event["type"] != "ping"]
    for event in said:
        EVENTS.validate_python(event, strict=False)
    assert said[0]["type"] == "message_start"
    assert Message.model_validate(said[0]["message"]).content == []
    assert [event["type"] for event in said[-2:]] == ["message_delta", "message_stop"]
    number, opened = 0, None
    for event in said[1:-2]:
        assert event["index"] == number
        match event["type"]:
            case "content_block_start":
                assert opened is None
                opened = event["content_block"]["type"]
            case "content_block_delta":
                assert opened is not None
                assert event["delta"]["type"] in _DELTAS[opened]
            case kind:
                assert kind == "content_block_stop"
                opened, number = None, number + 1
    assert opened is None


class Heard(msgspec.Struct, frozen=True):
    """What a stream says, block by block."""

    texts: tuple[str, ...]
    stop: str | None


def heard(events: list[dict[str, Any]]) -> Heard:
    """The texts and the stop reason of a whole stream."""
    held(events)
    texts: dict[int, str] = {}
    stop = None
    for event in events:
        if event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta":
            texts[event["index"]] = texts.get(event["index"], "") + event["delta"]["text"]
        elif event["type"] == "message_delta":
            stop = event["delta"]["stop_reason"]
    return Heard(tuple(texts.values()), stop)
