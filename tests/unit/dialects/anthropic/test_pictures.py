"""Pictures and sounds that other models made, for Anthropic's clients, and pictures that these send back."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.quirks import STANDARD, Quirks
from tests.unit.dialects.anthropic.saying import FOREIGN, lost, payloads, streamed, wire, written

PNG = "iVBORw0KGgo="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
SEAL = ir.Sealed("gemini", "c2lnbmVk")
ASKED = {"role": "user", "content": "Bluer."}


def told(*said: ir.Event) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """What lies between the head and the tail of a stream, and what it lost."""
    start = ir.Start(FOREIGN, "id-1", "m")
    data, report = streamed(start, *said, ir.Finish(ir.Stop("end")), ir.End())
    return payloads(data)[1:-2], lost(report)


def block(number: int, wire: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a block that is told at once."""
    return [
        {"type": "content_block_start", "index": number, "content_block": wire},
        {"type": "content_block_stop", "index": number},
    ]


@pytest.mark.parametrize(
    "said",
    [
        [ir.Open(0, ir.Media("image", "image/png", PNG)), ir.Close(0)],
        [
            ir.Open(0, ir.Media("image", "image/png")),
            ir.MediaDelta(0, PNG[:4]),
            ir.MediaDelta(0, PNG[4:]),
            ir.Close(0),
        ],
        [ir.Open(0, ir.Media("image")), ir.Close(0, ir.Media("image", "image/png", PNG))],
    ],
)
def test_a_picture_is_told_whole(said: list[ir.Event]) -> None:
    assert told(*said) == (block(0, IMAGE), [])


def test_what_its_signature_is_stays_with_the_gateway() -> None:
    events, losses = told(
        ir.Open(0, ir.Media("image", "image/png")),
        ir.MediaDelta(0, PNG),
        ir.SealDelta(0, SEAL),
        ir.Close(0),
    )
    assert events == block(0, IMAGE)
    assert losses == [("candidates[0].blocks[0].sealed", "quality")]


def test_a_picture_between_words_that_are_still_open() -> None:
    events, _ = told(
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Look: "),
        ir.Open(1, ir.Media("image", "image/png")),
        ir.MediaDelta(1, PNG),
        ir.TextDelta(0, "there."),
        ir.Close(1),
        ir.Close(0),
    )
    assert "".join(one["delta"]["text"] for one in events if one["type"] == "content_block_delta") == (
        "Look: there."
    )
    assert events[-2:] == block(1, IMAGE)


def test_a_sound_is_told_in_its_words() -> None:
    events, losses = told(
        ir.Open(0, ir.Media("audio", "audio/pcm")),
        ir.MediaDelta(0, "AAAA", "Good "),
        ir.MediaDelta(0, "AAAA", "morning."),
        ir.Close(0),
    )
    assert events == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Good morning."}},
        {"type": "content_block_stop", "index": 0},
    ]
    assert losses == [("candidates[0].blocks[0]", "meaning")]


def test_a_sound_without_words_is_a_loss_alone() -> None:
    said = ir.Open(0, ir.Media("audio", "audio/pcm")), ir.MediaDelta(0, "AAAA"), ir.Close(0)
    assert told(*said) == ([], [("candidates[0].blocks[0]", "meaning")])


# --- In the history ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([{"role": "assistant", "content": [IMAGE]}], [{"role": "user", "content": [IMAGE]}]),
        (
            [{"role": "assistant", "content": [{"type": "text", "text": "Here."}, IMAGE]}, ASKED],
            [
                {"role": "assistant", "content": [{"type": "text", "text": "Here."}]},
                {"role": "user", "content": [IMAGE, {"type": "text", "text": "Bluer."}]},
            ],
        ),
        (
            [
                {
                    "role": "assistant",
                    "content": [IMAGE, {"type": "tool_use", "id": "a", "name": "f", "input": {}}],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                        {"type": "text", "text": "Bluer."},
                    ],
                },
                {"role": "assistant", "content": "Yes."},
            ],
            [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                        IMAGE,
                        {"type": "text", "text": "Bluer."},
                    ],
                },
                {"role": "assistant", "content": "Yes."},
            ],
        ),
    ],
)
def test_a_picture_that_is_sent_back_goes_to_the_users_turn(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    request = DIALECT.request.decode(wire(messages=[{"role": "user", "content": "Draw."}, *before]))
    body, report = written(request)
    assert body["messages"][1:] == after
    assert [change.path for change in report.changes] == ["messages[1]"]
    assert lost(report) == []


def test_a_history_with_pictures_of_an_assistants_is_not_relayed() -> None:
    users, drawn = {"role": "user", "content": [IMAGE]}, {"role": "assistant", "content": [IMAGE]}
    assert STANDARD.relays({"messages": [users, {"role": "assistant", "content": "Nice."}]})
    assert not STANDARD.relays({"messages": [users, drawn]})
    assert Quirks(answer_images=True).relays({"messages": [users, drawn]})
