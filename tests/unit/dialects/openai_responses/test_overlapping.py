"""Streams whose blocks overlap: each item that the client sees ends before the next one begins."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.openai_responses.terms import NAME
from tests.unit.dialects.openai_responses.answering import START, payloads, streamed

SPOKEN = ir.Media("audio", "audio/wav", id="audio_1")
CALL = ir.ToolCall("call_1", "look", "{}")
END: tuple[ir.Event, ...] = (ir.Finish(ir.Stop("end")), ir.End())


def text(index: int, *words: str) -> list[ir.Event]:
    return [ir.Open(index, ir.Text("")), *(ir.TextDelta(index, word) for word in words)]


def sound(index: int) -> list[ir.Event]:
    return [
        ir.Open(index, SPOKEN),
        ir.MediaDelta(index, transcript="Said"),
        ir.MediaDelta(index, data="AAAA"),
    ]


def closed(*indices: int) -> list[ir.Event]:
    return [ir.Close(index) for index in indices]


TEXT_THEN_SOUND = [*text(0, "Hel"), *sound(1), ir.TextDelta(0, "lo"), *closed(0, 1)]
SOUND_THEN_TEXT = [*sound(0), *text(1, "Hel", "lo"), *closed(0, 1)]
SOUND_BETWEEN = [*text(0, "Hello"), *closed(0), *sound(1), *closed(1), *text(2, "!"), *closed(2)]
SOUND_THEN_CALL = [*sound(0), ir.Open(1, CALL), *closed(0, 1)]
STREAMS = [TEXT_THEN_SOUND, SOUND_THEN_TEXT, SOUND_BETWEEN, SOUND_THEN_CALL]


@pytest.mark.parametrize("said", STREAMS)
def test_no_item_begins_inside_of_another(said: list[ir.Event]) -> None:
    values = payloads(streamed(START, *said, *END))
    running: int | None = None
    for value in values:
        number, kind = value.get("output_index"), value["type"]
        if kind == "response.output_item.added":
            assert running is None, values
            running = number
        if number is not None:
            assert running == number, value
        if kind == "response.output_item.done":
            running = None
    assert running is None


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        (TEXT_THEN_SOUND, ["Hello", "Said"]),
        (SOUND_THEN_TEXT, ["Hello", "Said"]),
        (SOUND_BETWEEN, ["Hello", "Said", "!"]),
    ],
)
def test_text_and_the_words_of_sound_are_parts_of_one_message(said: list[ir.Event], parts: list[str]) -> None:
    values = payloads(streamed(START, *said, *END))
    (message,) = values[-1]["response"]["output"]
    assert [part["text"] for part in message["content"]] == parts
    deltas: dict[int, str] = {}
    for value in values:
        if value["type"] == "response.output_text.delta":
            at = value["content_index"]
            deltas[at] = deltas.get(at, "") + value["delta"]
    assert [deltas[at] for at in sorted(deltas)] == parts


def test_a_part_of_the_clients_own_protocol_stays_in_its_message() -> None:
    item = ir.Item("msg_1")
    part: dict[str, Any] = {"type": "output_audio", "data": "AAAA", "transcript": "Said"}
    said: list[ir.Event] = [
        *(ir.Open(0, ir.Text("", item=item)), ir.TextDelta(0, "Hello"), ir.Close(0)),
        *(ir.Open(1, ir.Native(NAME, "output_audio", part, item=item)), ir.Close(1)),
    ]
    told = streamed(ir.Start(NAME, "resp_1", "m", 1), *said, *END)  # no part that OpenAI's own types know
    values = [json.loads(line[6:]) for line in told.splitlines() if line.startswith(b"data: {")]
    (message,) = values[-1]["response"]["output"]
    assert [part["type"] for part in message["content"]] == ["output_text", "output_audio"]
    added = [value for value in values if value["type"] == "response.content_part.added"]
    assert [(value["content_index"], value["part"]["type"]) for value in added] == [
        (0, "output_text"),
        (1, "output_audio"),
    ]
