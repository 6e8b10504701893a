"""Short ways to say answers and streams, for the tests of this folder; OpenAI's own types judge them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.response import decode_response, encode_response
from dragoman.dialects.openai_responses.stream_decoder import ResponsesDecoder
from dragoman.dialects.openai_responses.stream_encoder import ResponsesEncoder
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Framing, Reply

FOREIGN = "elsewhere"
"""The name of a dialect that this codec knows nothing of."""
NAME = "openai_responses"
START = ir.Start(FOREIGN, "id-1", "gpt", 1_700_000_001)
USAGE: dict[str, Any] = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 17,
}
_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def reply(
    model: str | None = None,
    framing: Framing = "sse",
    echo: Mapping[str, Any] | None = None,
    id: str = "resp_a",
) -> Reply:
    """What an answer to a client of the Responses API is written for."""
    report = Report(NAME, "response")
    return Reply(ir.Request(NAME, "asked-for"), report, id, 1_700_000_000, model, framing, echo or {})


def message(*parts: dict[str, Any] | str, id: str = "msg_1", **more: Any) -> dict[str, Any]:
    """A message item; a string is a text."""
    content = [text(part) if isinstance(part, str) else part for part in parts]
    return {
        "type": "message",
        "id": id,
        "status": "completed",
        "role": "assistant",
        "content": content,
        **more,
    }


def text(words: str, **more: Any) -> dict[str, Any]:
    """A part of a message."""
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": [], **more}


def call(arguments: str = "{}") -> dict[str, Any]:
    """A call of a function."""
    return {
        "type": "function_call",
        "id": "fc_1",
        "status": "completed",
        "call_id": "call_1",
        "name": "look",
        "arguments": arguments,
    }


def body(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response object of a provider's."""
    return {
        "id": "resp_up",
        "object": "response",
        "created_at": 1_700_000_002,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-up",
        "output": list(output),
        "usage": USAGE,
        **more,
    }


def read(value: dict[str, Any]) -> ir.Response:
    """A whole answer in IR terms."""
    return decode_response(json.loads(json.dumps(value)), STANDARD)


def written(response: ir.Response, for_: Reply | None = None) -> dict[str, Any]:
    """A whole answer as a client reads it, once OpenAI's own type has."""
    out: dict[str, Any] = json.loads(json.dumps(encode_response(response, for_ or reply())))
    Response.model_validate(out)
    return out


def foreign(*blocks: ir.Block, stop: str = "end", **more: Any) -> ir.Response:
    """An answer of another protocol."""
    candidate = ir.Candidate(blocks, msgspec.convert({"reason": stop}, ir.Stop))
    return ir.Response(
        FOREIGN, "id-1", "gpt", 1_700_000_001, (candidate,), ir.Usage(input=1, output=2), **more
    )


def streamed(*events: ir.Event, for_: Reply | None = None) -> bytes:
    """The bytes of these events."""
    encoder = ResponsesEncoder(for_ or reply())
    return b"".join(encoder.feed(event) for event in events)


def payloads(data: bytes) -> list[dict[str, Any]]:
    """The events in the bytes, each read by OpenAI's own types; without `[DONE]`."""
    found = []
    for frame in data.decode().split("\n\n")[:-1]:
        name, _, payload = frame.partition("\n")
        if name == "data: [DONE]":
            continue
        value = json.loads(payload.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        _EVENT.validate_python(value)
        found.append(value)
    assert [value["sequence_number"] for value in found] == list(range(len(found)))
    return found


def kinds(values: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the events are, without the prefix that they share."""
    return [value["type"].removeprefix("response.") for value in values]


def events(*values: dict[str, Any] | bytes) -> list[ir.Event]:
    """The events of a stream of these payloads, which is then closed."""
    decoder = ResponsesDecoder(STANDARD)
    found: list[ir.Event] = []
    for value in values:
        found += decoder.feed(value if isinstance(value, bytes) else msgspec.json.encode(value))
    return found + decoder.close()


def sent(kind: str, **members: Any) -> dict[str, Any]:
    """One event of a provider's stream."""
    return {"type": kind if kind in {"error", "keepalive"} else f"response.{kind}", **members}


CREATED = sent("created", sequence_number=0, response=body(status="in_progress", usage=None))
