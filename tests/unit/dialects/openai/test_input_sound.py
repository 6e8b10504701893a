"""The length of the sound that a client sends, by the formats that sessions state."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from dragoman.dialects.openai.input_sound import InputSound, bytes_of


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}}, 48.0),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}, 32.0),
        ({"audio": {"input": {"format": {"type": "audio/pcm"}}}}, 48.0),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": True}}}}, 48.0),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 10**9}}}}, 96.0),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": -1}}}}, 16.0),
        ({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, 8.0),
        ({"audio": {"input": {"format": "pcm16"}}}, 48.0),
        ({"audio": {"input": {"format": {"type": "audio/opus", "rate": 48000}}}}, 8.0),
        ({"input_audio_format": "pcm16"}, 48.0),
        ({"input_audio_format": "g711_alaw"}, 8.0),
        ({"input_audio_format": "pcm16_8000hz"}, 16.0),
        ({"input_audio_format": "pcm16", "input_audio_sampling_rate": 16000}, 32.0),
        # a recorded session of xAI's states both
        (
            {"input_audio_format": "not specified", "audio": {"input": {"format": {"type": "audio/pcmu"}}}},
            8.0,
        ),
        ({"input_audio_format": "not specified"}, None),
        ({"input_audio_format": 3}, None),
        ({"audio": {"input": None}}, None),
        ({"audio": {"input": {"format": None}}}, None),
        ({"audio": 3}, None),
        ({}, None),
        (None, None),
    ],
)
def test_formats(settings: Any, rate: float | None) -> None:
    assert bytes_of(settings) == rate


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("escape", [False, True])
def test_sound_in_base64_is_measured(escape: bool) -> None:
    sound = base64.b64encode(bytes([255, 255, 255]) * 16_000).decode()  # `/` only
    value = raw(sound)
    if escape:
        value = value.replace(b"/", b"\\/")
    assert InputSound().milliseconds(value, 64_000) == 1000.0


@pytest.mark.parametrize("value", [3, None, {"data": "AAAA"}, ["AAAA"]])
def test_what_is_no_text_is_no_sound(value: Any) -> None:
    assert InputSound().milliseconds(raw(value), 100) == 0.0


def test_sound_that_a_repeated_member_hides_counts() -> None:
    assert InputSound().milliseconds(raw("AAAA"), 65_000) == 1000.0
    assert InputSound().milliseconds(raw("AAAA"), 900) == 3 / 48


def test_the_providers_word_counts_and_until_then_the_slower_format() -> None:
    one, second = InputSound(), raw("A" * 64_000)
    one.said({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 48_000}}}})
    assert one.milliseconds(second, 64_000) == 500.0  # the provider may never say anything
    one.said({"voice": "marin"})
    assert one.milliseconds(second, 64_000) == 500.0
    one.heard({"input_audio_format": "pcm16"})
    assert one.milliseconds(second, 64_000) == 1000.0
    one.heard({"voice": "marin"})
    one.said({"input_audio_format": "g711_ulaw"})
    assert one.milliseconds(second, 64_000) == 6000.0
    one.heard({"input_audio_format": "pcm16"})
    assert one.milliseconds(second, 64_000) == 1000.0
