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
from tests.unit.dialects.replies import showing


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


# --- Whole reads ---------------------------------------------------------------------------------


def sse(*frames: bytes) -> bytes:
    return b"".join(b"data: %b\n\n" % frame for frame in frames)


def running(first: bytes) -> Template:
    """A template that has learnt `first`, which its client gets with another model."""
    return learnt(first, sse(first).replace(b'"m-1"', b'"mine"'))


@pytest.mark.parametrize("more", [{}, {"obfuscation": "x1"}, {"usage": None}])
def test_events_that_repeat_pass_at_once(more: dict[str, Any]) -> None:
    frames = [chunk({"content": text}, **more) for text in TEXTS]
    template = running(chunk({"content": "a"}, **more))
    read = sse(*frames)
    assert template.run(read) == (read.replace(b'"model":"m-1"', b'"model":"mine"'), len(read))
    for frame in frames:
        assert template.run(sse(frame)) == (template.relayed(frame), len(sse(frame)))


def test_a_run_ends_where_another_event_begins() -> None:
    said = sse(chunk({"content": "b"}), chunk({"content": "c"}))
    template = learnt(chunk({"content": "a"}), sse(chunk({"content": "a"})))
    assert template.run(said + sse(chunk({"content": ""}, "stop"))) == (said, len(said))
    others = OTHERS[:-1]
    for other in (*map(sse, others), b": ping\n\n", b"event: error\ndata: {}\n\n", b"data: {", b"\n"):
        # A text that is no string, between the same bytes, is noticed only after the run has been cut.
        assert template.run(said + other + said) in ((said, len(said)), (b"", 0))
        assert template.run(other + said) == (b"", 0)


PARTED = b'},"finish_reason":null}],"obfuscation":"'
"""What stands between a text and the padding, whose last quote comes after it."""
MALFORMED = [
    b'"b',
    b'"b" x',
    b'"\xff"',
    b'"\t"',
    b'"\r"',
    b'"\\ud800"',
    b'"b","c"',
    b'"b"]\n["c"',
    b'"b"]["c"',
    b'"b"\ndata: 1',
]


@pytest.mark.parametrize(
    ("after", "first", "others"),
    [
        *((b"}}]}", b'"a"', [text]) for text in MALFORMED),
        *((b'"}', b'"a"' + PARTED + b"x", [text + PARTED + b"y"]) for text in MALFORMED),
        # As many separators as events, but not one in each
        (b'"}', b'"a"' + PARTED + b"x", [b'"b', b'"b"' + PARTED + b'c"' + PARTED + b"d"]),
        (b'"}', b'"a"' + PARTED + b"x", [b'"b","c', b'"b' + PARTED + b'"' + PARTED + b"d"]),
    ],
)
def test_no_malformed_event_is_in_a_run(after: bytes, first: bytes, others: list[bytes]) -> None:
    before = b'{"model":"m-1","choices":[{"index":0,"delta":{"content":'
    read = sse(before + first + after)
    template = running(before + first + after)
    assert template.run(read) == (read.replace(b"m-1", b"mine"), len(read))
    assert template.run(sse(*(before + other + after for other in others))) == (b"", 0)


def test_there_is_no_run_where_more_than_the_head_differs() -> None:
    late = b'{"choices":[{"delta":{"content":"a"}}],"model":"m-1","obfuscation":"x"}'
    assert running(late).run(sse(late)) == (b"", 0)
    assert running(chunk({"content": "a"}).replace(b"{", b"{\n", 1)).run(sse(chunk({"content": "a"}))) == (
        b"",
        0,
    )


@given(st.lists(CHUNK, max_size=25), st.sampled_from([None, "mine"]))
def test_any_stream_is_relayed_alike_in_runs_and_frame_by_frame(
    frames: list[bytes], model: str | None
) -> None:
    runs, plain = (DIALECT.relay.stream(showing(model)) for _ in range(2))
    read = sse(*frames)
    sent, at = b"", 0
    while at < len(read):
        data, size = runs.run(read[at:])  # type: ignore[attr-defined]
        end = at + size if size else read.index(b"\n\n", at) + 2
        sent += data if size else runs.feed(read[at + 6 : end - 2])
        at = end
    assert sent == b"".join(map(plain.feed, frames))
    assert (runs.usage, runs.content, runs.done) == (plain.usage, plain.content, plain.done)


@pytest.mark.parametrize("odd", [(b"", b'"a" "b"'), (b'"a""b"', b""), (b'"a","b"', b""), (b'"a"\t"b"', b" ")])
def test_a_run_has_one_string_in_each_event(odd: tuple[bytes, bytes]) -> None:
    frame = chunk({"content": "a"}, usage=None)
    template = learnt(frame, frame)
    good = b"data: %b\n\n" % frame
    assert template.run(good * 3) == (frame * 3, len(good) * 3)
    bad = b"".join(b"data: %b\n\n" % frame.replace(b'"content":"a"', b'"content":' + text) for text in odd)
    assert template.run(bad) == (b"", 0)


def test_a_model_that_is_called_like_a_member() -> None:
    frame = chunk({"content": "choices"}, usage=None)
    sent = frame.replace(b'"model":"', b'"model":"delta","x":"', 1)
    assert b'"delta"' in sent.split(b'"choices"')[0]
    template = learnt(frame, sent)
    assert template.run(b"data: %b\n\n" % frame.replace(b'"content":"choices"', b'"content":" there"')) == (
        b"",
        0,
    )
