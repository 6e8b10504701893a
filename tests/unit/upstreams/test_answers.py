"""What a provider's answer may be at most."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bounds import Kept
from dragoman.dialects.request import Operation
from dragoman.errors import RequestFailed, WireError
from dragoman.upstreams.account import Redaction
from dragoman.upstreams.answers import (
    MAX_REFUSAL,
    PART,
    TOO_MANY_BLOCKS,
    TOO_MANY_VALUES,
    AnswerLimits,
    Parts,
    read_bounded,
    read_refusal,
    refuse_blocks,
)
from dragoman.wire.sse import ANSWER_TOO_LARGE

LIMITS = AnswerLimits(values=1000, numbers=5000, stream=100, blocks=3)
STREAMED = AnswerLimits(values=4000, blocks=3)
"""Whose events may hold 1,000 values each."""


def refused(body: bytes, operation: Operation = "chat") -> str | None:
    try:
        if operation == "chat":
            STREAMED.hold_event(body)
        else:
            LIMITS.hold(body, operation)
    except WireError as error:
        return error.code
    return None


def listed(count: int) -> bytes:
    return b"[" + b"1," * (count - 1) + b"1]"


NONE = Redaction(())


class Arriving:
    """An answer whose body comes in these pieces."""

    status = 200

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.reads = 0

    async def chunk(self) -> bytes:
        self.reads += 1
        return self.pieces.pop(0) if self.pieces else b""


def test_values_are_counted_outside_of_strings() -> None:
    assert refused(b'{"a":"' + b"[,{" * 5000 + b'"}') is None
    assert refused(b'{"a":' + b"[" * 1500 + b"]" * 1500 + b"}") == TOO_MANY_VALUES


def test_an_eighth_may_stand_outside_of_log_probabilities() -> None:
    body: dict[str, Any] = {"choices": [{"message": {}, "logprobs": {"content": [[1]] * 300}}]}
    assert refused(json.dumps(body).encode()) is None
    body["choices"][0]["message"]["x"] = [[1]] * 300
    assert refused(json.dumps(body).encode()) == TOO_MANY_VALUES


def test_twenty_alternatives_to_each_of_4000_tokens_are_fine() -> None:
    told = {"token": "word", "logprob": -0.25, "bytes": [119, 111, 114, 100]}
    token = {**told, "top_logprobs": [told] * 20}
    body = {"choices": [{"message": {"content": "word"}, "logprobs": {"content": [token] * 4000}}]}
    assert AnswerLimits().hold_chat(json.dumps(body).encode())
    AnswerLimits().hold_plain(body)


def test_what_is_no_json_is_left_to_its_decoder() -> None:
    assert refused(b"," * 500) is None


def test_only_the_beginning_of_a_dense_answer_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def count(body: bytes, most: int) -> int:
        looked.append(len(body))
        return most + 1

    monkeypatch.setattr("dragoman.upstreams.answers.count_values", count)
    assert refused(b"[]," * 1_000_000) == TOO_MANY_VALUES
    assert looked == [4000]  # four bytes for each of the values that an event may hold


def test_vectors_have_numbers_and_few_lists() -> None:
    assert refused(listed(4000), "embed") is None
    assert refused(listed(6000), "embed") == TOO_MANY_VALUES
    assert refused(b"[" + b"[1]," * 1100 + b"[1]]", "embed") == TOO_MANY_VALUES


def test_sound_is_not_counted() -> None:
    assert refused(b"ID3" + b"[,{" * 5000, "speech") is None
    assert refused(b"[" + b"[]," * 5000 + b"1]", "speech") == TOO_MANY_VALUES


@pytest.mark.parametrize("operation", ["image", "transcription", "moderation", "rerank", "count"])
def test_other_answers_are_held_to_all_values(operation: Operation) -> None:
    assert refused(listed(900), operation) is None
    assert refused(listed(1100), operation) == TOO_MANY_VALUES


def test_a_whole_answer_has_few_blocks() -> None:
    texts = tuple(ir.Text("a") for _ in range(2))
    fine = ir.Response(dialect="x", candidates=(ir.Candidate(texts),))
    assert LIMITS.hold_blocks(fine) is fine
    with pytest.raises(WireError) as caught:
        LIMITS.hold_blocks(ir.Response(dialect="x", candidates=(ir.Candidate(texts),) * 2))
    assert caught.value.code == TOO_MANY_BLOCKS


def test_a_stream_opens_few_blocks() -> None:
    opened = 0
    for index in range(3):
        batch: list[ir.Event] = [ir.Open(index, ir.Text("")), ir.TextDelta(index, "a")]
        opened = refuse_blocks(batch, opened, LIMITS, Kept())
    with pytest.raises(WireError) as many:
        refuse_blocks([ir.Cite(2, ir.Citation("url", "u"))], opened, LIMITS, Kept())
    assert many.value.code == TOO_MANY_BLOCKS


@pytest.mark.parametrize(
    "event",
    [
        ir.Open(0, ir.Native("x", "odd", {"a": [{}] * 600})),
        ir.Close(0, ir.Json([[]] * 600)),
        ir.Cite(0, ir.Citation("url", source={"a": [{}] * 600})),
        ir.More({"x": {"a": [{}] * 600}}),
    ],
    ids=["open", "close", "cite", "more"],
)
def test_the_blocks_of_a_stream_hold_no_more_than_a_whole_answer(event: ir.Event) -> None:
    kept = Kept(STREAMED.event_values)
    refuse_blocks([event], 0, LIMITS, kept)
    with pytest.raises(WireError) as many:
        refuse_blocks([event, ir.More({"x": {"b": [{}] * 600}})], 0, LIMITS, kept)
    assert many.value.code == TOO_MANY_VALUES


def test_a_member_that_is_told_again_takes_the_place_of_the_earlier_one() -> None:
    kept = Kept(STREAMED.event_values)
    for _ in range(9):
        refuse_blocks([ir.More({"x": {"results": [{}] * 600}})], 0, LIMITS, kept)
    with pytest.raises(WireError) as many:
        refuse_blocks([ir.More({"x": {f"k{n}": 1}}) for n in range(1001)], 0, LIMITS, kept)
    assert many.value.code == TOO_MANY_BLOCKS


async def test_a_large_read_is_worked_on_in_parts() -> None:
    sent = bytes(range(256)) * 400
    parts = Parts()
    for whole in (sent, sent[: 2 * PART], sent[: PART + 1]):
        found = [parts.first(whole)]
        while parts.more:
            found.append(await parts.next())
        assert b"".join(found) == whole
        assert all(0 < len(part) <= PART for part in found)


async def test_little_of_a_refusal_is_read() -> None:
    answer = Arriving(*[b"a" * 65536] * 100)
    assert await read_refusal(answer, NONE) == b"a" * MAX_REFUSAL  # type: ignore[arg-type]
    assert answer.reads == 4
    many = b'{"error":{"message":"m","x":[' + b"[]," * 50_000 + b"1]}}"
    assert len(await read_refusal(Arriving(many), NONE)) == 20_000  # type: ignore[arg-type]


@pytest.mark.parametrize("shown", range(1, len("a-key-of-ours-1") + 1))
@pytest.mark.parametrize("more", [b"", b" and more"], ids=["at the end of a piece", "within a piece"])
async def test_no_cut_shows_a_part_of_a_secret(shown: int, more: bytes) -> None:
    key = b"a-key-of-ours-1"
    before = b"x" * (MAX_REFUSAL - shown)
    body = before + key + more
    pieces = [body[: MAX_REFUSAL - 1], body[MAX_REFUSAL - 1 :]] if more else [body[:MAX_REFUSAL], body]
    told = await read_refusal(Arriving(*pieces), Redaction([key.decode()]))  # type: ignore[arg-type]
    assert told.removeprefix(before) in (b"", (b"[redacted]" + more)[:shown])


async def test_a_whole_refusal_may_end_as_a_secret_begins() -> None:
    told = await read_refusal(Arriving(b"no model a-key"), Redaction(["a-key-of-ours-1"]))  # type: ignore[arg-type]
    assert told == b"no model a-key"


async def test_a_bounded_read() -> None:
    assert await read_bounded(Arriving(b"ab", b"cd"), 4, "up") == b"abcd"  # type: ignore[arg-type]
    with pytest.raises(RequestFailed) as caught:
        await read_bounded(Arriving(b"ab", b"cde"), 4, "up")  # type: ignore[arg-type]
    assert caught.value.fault.code == ANSWER_TOO_LARGE
