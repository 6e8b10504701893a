"""Repeated chunks: recognised by their bytes, and never another chunk taken for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.chat.template import Template
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.testing import corpus
from dragoman.testing.case import APIS, split
from tests.unit.dialects.openai_chat.speaking import chunk


def learnt(frame: bytes, sent: bytes | None = None) -> Template:
    template = Template()
    template.learn(frame, msgspec.json.decode(frame), sent)
    return template


REPEATED = [
    {"content": "a"},
    {"content": "a", "role": "assistant"},
    {"content": "", "reasoning_content": "a"},
    {"content": None, "reasoning": "a", "channel": "analysis"},
    {"tool_calls": [{"index": 0, "function": {"arguments": "a"}}]},
]
TEXTS = ["", "b", 'say "hi"', "back\\slash", "\n\t", "é\u2028😀", '"content":"x"', '{"usage":1}', "[DONE]"]


def with_text(delta: dict[str, Any], text: str) -> dict[str, Any]:
    """The same delta with another text."""
    return msgspec.json.decode(msgspec.json.encode(delta).replace(b'"a"', msgspec.json.encode(text)))


@pytest.mark.parametrize("delta", REPEATED)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("padding", [None, "", "x7Yz"])
def test_another_text_is_read_without_decoding(delta: dict[str, Any], text: str, padding: str | None) -> None:
    def frame(delta: dict[str, Any], padding: str | None) -> bytes:
        more = {} if padding is None else {"obfuscation": padding}
        return chunk(delta, usage=None, **more)

    template = learnt(frame(delta, None if padding is None else "first"))
    assert template.known
    assert template.text(frame(with_text(delta, text), padding)) == text


NEVER = [
    {"content": "a", "reasoning": "b"},
    {"content": ["a"]},
    {"refusal": "a"},
    {"content": "a", "annotations": [{}]},
    {"tool_calls": [{"index": 0, "id": "c", "function": {"arguments": "a"}}]},
    {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "a"}}]},
    {
        "tool_calls": [
            {"index": 0, "function": {"arguments": "a"}},
            {"index": 1, "function": {"arguments": "b"}},
        ]
    },
    {"tool_calls": [{"index": 0, "function": {"arguments": {}}}]},
    {"tool_calls": [{"index": 0, "function": {}}]},
    {},
]


@pytest.mark.parametrize("delta", NEVER)
def test_a_chunk_that_says_more_than_a_text_is_not_learnt(delta: dict[str, Any]) -> None:
    assert not learnt(chunk(delta)).known


@pytest.mark.parametrize(
    "frame",
    [
        chunk({"content": "a"}, "stop"),
        chunk({"content": "a"}, usage={"prompt_tokens": 1}),
        chunk(choices=[]),
        chunk(choices=[{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": []}}]),
        chunk(choices=[{"index": i, "delta": {"content": "a"}} for i in (0, 1)]),
        # Escaped in another way than we write it: where it stands cannot be seen
        chunk({"content": "é"}).replace("é".encode(), b"\\u00e9"),
    ],
)
def test_other_chunks_are_not_learnt(frame: bytes) -> None:
    assert not learnt(frame).known


OTHERS = [
    chunk({"content": "b"}, "stop"),
    chunk({"content": "b"}, id="other"),
    chunk({"content": "b"}, usage={"prompt_tokens": 1}),
    chunk({"content": "b", "refusal": "No."}),
    chunk({"content": None}),
    chunk({"content": ["b"]}),
    chunk({"reasoning": "b"}),
    chunk(choices=[{"index": 1, "delta": {"content": "b"}, "finish_reason": None}]),
    b"[DONE]",
    b'{"error":{"message":"No."}}',
    b"",
]


@pytest.mark.parametrize("frame", OTHERS)
def test_another_chunk_is_not_taken_for_the_repeated_one(frame: bytes) -> None:
    assert learnt(chunk({"content": "a"})).text(frame) is None


def test_two_texts_that_are_the_same_cannot_be_confused() -> None:
    frame = b'{"id":"a","choices":[{"delta":{"role":"a","content":"a"},"finish_reason":null}]}'
    template = learnt(frame)
    # The first `"a"` after `delta` is the role: decoding shows that it is not the text.
    assert not template.known


@pytest.mark.parametrize("text", [":", ",", "}", "content"])
def test_a_text_like_the_protocol_is_not_looked_for_in_the_wrong_place(text: str) -> None:
    frame = chunk({"content": text})
    template = learnt(frame)
    if template.known:
        assert template.text(chunk({"content": "b"})) == "b"
    assert quickly([frame, chunk({"content": "b"})]) == slowly([frame, chunk({"content": "b"})])


def test_a_name_that_the_client_knows_is_put_in_everywhere() -> None:
    before = b'{"model":"m","choices":[{"delta":{"content":"a"}}]}'
    template = learnt(before, b'data: {"model":"mine","choices":[{"delta":{"content":"a"}}]}\n\n')
    assert template.relayed(before.replace(b'"a"', b'"b"')) == (
        b'data: {"model":"mine","choices":[{"delta":{"content":"b"}}]}\n\n'
    )
    after = b'{"choices":[{"delta":{"content":"a"}}],"model":"m","obfuscation":"x","object":"o"}'
    template = learnt(after, after.replace(b'"m"', b'"mine"'))
    assert template.relayed(after.replace(b'"a"', b'"b"').replace(b'"x"', b'"yz"')) == (
        b'{"choices":[{"delta":{"content":"b"}}],"model":"mine","obfuscation":"yz","object":"o"}'
    )
    assert template.relayed(b"{}") is None


def test_a_stream_that_repeats_nothing_is_given_up() -> None:
    template = Template()
    frames = [chunk({"content": "a"}, id=str(number)) for number in range(20)]
    learnt = [template.learn(frame, msgspec.json.decode(frame)) for frame in frames]
    assert learnt[0]
    assert not learnt[-1]


# --- The same events, whichever way a frame is read --------------------------------------------


def slowly(frames: list[bytes]) -> list[ir.Event]:
    """The events, with white space before each frame, so that none repeats the bytes of another."""
    decoder = DIALECT.stream.decoder(STANDARD)
    told = [
        event
        for number, frame in enumerate(frames)
        for event in decoder.feed(b" " * (number + 1) + frame if frame[:1] == b"{" else frame)
    ]
    return told + decoder.close()


def quickly(frames: list[bytes]) -> list[ir.Event]:
    decoder = DIALECT.stream.decoder(STANDARD)
    return [event for frame in frames for event in decoder.feed(frame)] + decoder.close()


PIECE = st.sampled_from(
    [
        *({"content": text} for text in ("a", "b", "", 'x"y')),
        {"reasoning_content": "r"},
        {"reasoning": "r"},
        {
            "tool_calls": [
                {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
        {"tool_calls": [{"index": 1, "function": {"name": "g", "arguments": "["}}]},
        {"refusal": "n"},
        {},
    ]
)
CHUNK = st.builds(
    lambda delta, finish, more: chunk(delta, finish, **more),
    PIECE,
    st.sampled_from([None, None, None, None, "stop"]),
    st.sampled_from(
        [{}, {}, {"obfuscation": "x1"}, {"obfuscation": "y"}, {"provider": "p"}, {"usage": None}]
    ),
)


@given(st.lists(CHUNK, max_size=25))
def test_any_stream_gives_the_same_events_quickly_and_slowly(frames: list[bytes]) -> None:
    assert quickly(frames) == slowly(frames)


@pytest.mark.wire
@pytest.mark.parametrize("api", APIS["openai_chat"])
def test_recorded_streams_give_the_same_events_quickly_and_slowly(recorded: Path, api: str) -> None:
    for exchange in corpus.read(recorded, api):
        if exchange.response is not None and exchange.response.sse is not None:
            frames = split(exchange.response.sse.encode())
            try:
                told = quickly(frames)
            except WireError:
                continue
            assert told == slowly(frames), exchange.id


def test_padding_that_could_hide_something_is_not_skipped() -> None:
    template = learnt(chunk({"content": "a"}, obfuscation="x"))
    assert template.text(chunk({"content": "b"}, obfuscation="y")) == "b"
    for odd in ('y","usage":"z', "y z", "y\\"):
        assert template.text(chunk({"content": "b"}, obfuscation="@").replace(b"@", odd.encode())) is None


def test_padding_in_another_spelling_is_not_learnt() -> None:
    assert not learnt(
        chunk({"content": "a"}, obfuscation="x").replace(b'"obfuscation":', b'"obfuscation": ')
    ).known
