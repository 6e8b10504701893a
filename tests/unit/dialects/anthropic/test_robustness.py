"""Whatever arrives, a codec answers with a value or with an error that it raises on purpose."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.anthropic.saying import reply
from tests.unit.dialects.replies import showing

WORDS = st.sampled_from(
    [
        "text",
        "type",
        "thinking",
        "tool_use",
        "tool_result",
        "image",
        "source",
        "base64",
        "url",
        "data",
        "id",
        "",
        "x",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=6,
)
BLOCKS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["text", "image", "document", "thinking", "tool_use", "tool_result", "web_search_tool_result"]
        )
    },
    optional=dict.fromkeys(
        (
            *("text", "source", "thinking", "signature", "data", "id", "name", "input", "tool_use_id"),
            *("content", "citations", "cache_control", "title", "is_error"),
        ),
        VALUES,
    ),
)
REQUEST: dict[str, Any] = {
    "model": "m",
    "max_tokens": 10,
    "system": [{"type": "text", "text": "S"}],
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "tool", "name": "f"},
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["END"],
    "cache_control": {"type": "ephemeral"},
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "model": "m",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


@given(st.sampled_from(sorted(REQUEST)), VALUES, st.lists(BLOCKS, max_size=3))
def test_requests(member: str, value: Any, blocks: list[Any]) -> None:
    body = {**REQUEST, "messages": [{"role": "user", "content": blocks}], member: value}
    asked = WireRequest("chat", body)
    try:
        DIALECT.request.check(asked)
    except WireError:
        return
    request = DIALECT.request.decode(asked)
    out = DIALECT.request.encode(request, Target(Report("anthropic"), "m"))
    msgspec.json.encode(out.body)


@given(st.sampled_from(sorted(MESSAGE)), VALUES, st.lists(BLOCKS | VALUES, max_size=3))
def test_answers(member: str, value: Any, content: list[Any]) -> None:
    body = {**MESSAGE, "content": content, member: value}
    try:
        response = DIALECT.response.decode(body, STANDARD)
    except (WireError, RequestFailed):
        return
    list(ir.unfold(response))


@given(st.sampled_from(sorted(MESSAGE)), VALUES)
def test_relayed_answers(member: str, value: Any) -> None:
    try:
        DIALECT.relay.response(msgspec.json.encode({**MESSAGE, member: value}), showing("shown"))
    except (WireError, RequestFailed):
        return


EVENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
                *("message_delta", "message_stop", "ping", "error", "other"),
            ]
        )
    },
    optional={
        "index": st.integers(0, 2) | VALUES,
        "content_block": BLOCKS | VALUES,
        "delta": VALUES
        | st.fixed_dictionaries(
            {
                "type": st.sampled_from(
                    ["text_delta", "input_json_delta", "citations_delta", "signature_delta"]
                )
            },
            optional=dict.fromkeys(
                (
                    *(
                        "text",
                        "source",
                        "thinking",
                        "signature",
                        "data",
                        "id",
                        "name",
                        "input",
                        "tool_use_id",
                    ),
                    *("content", "citations", "cache_control", "title", "is_error"),
                ),
                VALUES,
            ),
        ),
        "usage": VALUES,
        "message": VALUES | st.just(MESSAGE),
        "error": VALUES,
    },
)


@given(st.lists(EVENTS, max_size=8))
def test_streams_are_legal_up_to_what_breaks_them(frames: list[dict[str, Any]]) -> None:
    decoder, checker = DIALECT.stream.decoder(STANDARD), ir.Checker()
    relay = DIALECT.relay.stream(reply(model="shown"))
    start = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}
    try:
        for frame in (start, *frames):
            for event in decoder.feed(msgspec.json.encode(frame)):
                checker.add(event)
        for event in decoder.close():
            checker.add(event)
        assert checker.state == "over"
    except WireError:
        pass
    try:
        for frame in (start, *frames):
            relay.feed(msgspec.json.encode(frame))
        relay.close()
    except (WireError, RequestFailed):
        pass
