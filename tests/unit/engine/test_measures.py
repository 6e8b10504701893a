"""What requests beside chat ask for, and by which of it a model bills."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.engine.measures import billable, extended, measures, tokens_of
from dragoman.providers.rates import Level, Period, Rates, completed
from dragoman.wire.wav import Pcm, wav


def rates(**prices: int) -> Rates:
    return Rates((Period((Level(-1, completed(prices)),)),), "a test")


def image(**more: Any) -> ir.ImageRequest:
    return ir.ImageRequest("openai_chat", "gpt", "A cat", **more)


def speech(text: str, **more: Any) -> ir.SpeechRequest:
    return ir.SpeechRequest("openai_chat", "gpt", text, **more)


def recording(data: bytes = b"", **more: Any) -> ir.TranscriptionRequest:
    return ir.TranscriptionRequest("openai_chat", "gpt", ir.File(data, **more))


@pytest.mark.parametrize(
    ("request_", "units"),
    [
        (image(), {"images": 1, "output_image": 6240, "input": 3}),
        (image(count=3, quality="low"), {"images/low": 3, "output_image": 3 * 408, "input": 3}),
        (
            image(size="1024x1024", quality="medium"),
            {"images/medium/1024x1024": 1, "output_image": 1056, "input": 3},
        ),
        (image(size="1024x1024"), {"images/1024x1024": 1, "output_image": 4160, "input": 3}),
        (image(partials=2), {"images": 1, "output_image": 6440, "input": 3}),
        (
            image(action="edit", images=(ir.File(b"x"), ir.File(b"y"))),
            {"images": 1, "output_image": 6240, "input_image": 3200, "input": 3},
        ),
        (
            image(action="edit", images=(ir.File(b"x"),), fidelity="high"),
            {"images": 1, "output_image": 6240, "input_image": 7840, "input": 3},
        ),
        (speech(""), {}),
        (
            speech("x" * 100),
            {"characters": 100, "output_audio_ms": 10_000, "output_audio": 251, "input": 50},
        ),
        (
            speech("x" * 100, speed=2.0, instructions="y" * 20),
            {"characters": 100, "output_audio_ms": 5_000, "output_audio": 126, "input": 60},
        ),
        (recording(b"x" * 40_000), {"input_audio_ms": 10_000, "input_audio": 321, "output": 61}),
        (
            recording(wav(b"\0\0" * 48_000, Pcm(24_000))),
            {"input_audio_ms": 2_000, "input_audio": 65, "output": 13},
        ),
        (
            recording(url="https://a.example/b.mp3"),
            {"input_audio_ms": 60_000, "input_audio": 1921, "output": 361},
        ),
        (ir.RerankRequest("openai_chat", "gpt", "q", ("a", {"text": "b"})), {"search_units": 1}),
        (ir.RerankRequest("openai_chat", "gpt", "q", ("a",) * 101), {"search_units": 2}),
        (ir.RerankRequest("openai_chat", "gpt", "q", ("a" * 100_000,)), {"search_units": 2}),
        (ir.Request("Hi", "gpt"), {}),
    ],
)
def test_the_most_that_a_request_asks_for(request_: Any, units: dict[str, int]) -> None:
    assert measures(request_, most=True) == units


def test_what_it_probably_is_is_never_more() -> None:
    for one in (image(count=2), speech("x" * 1000), recording(b"x" * 100_000)):
        most, probable = measures(one, most=True), measures(one, most=False)
        assert most.keys() == probable.keys()
        assert all(probable[unit] <= amount for unit, amount in most.items())
    assert measures(recording(b"x" * 160_000), most=False)["input_audio_ms"] == 10_000


UNITS = {"characters": 100, "output_audio_ms": 9, "output_audio": 250, "input": 50}


@pytest.mark.parametrize(
    ("prices", "units"),
    [
        (None, {"characters": 100}),
        ({}, {"characters": 100}),
        ({"characters": 15}, {"characters": 100}),
        ({"output_audio_ms": 15}, {"output_audio_ms": 9}),
        ({"input": 1, "output": 2}, {"characters": 100}),
        ({"input": 1, "output_audio": 12}, {"output_audio": 250, "input": 50}),
        ({"characters": 15, "output_audio": 12}, {"characters": 100}),
    ],
)
def test_the_prices_say_by_what_a_model_bills(prices: Any, units: dict[str, int]) -> None:
    assert billable(UNITS, None if prices is None else rates(**prices)) == units


def test_a_price_of_any_picture_is_one_of_each() -> None:
    assert billable({"images/hd": 2, "output_image": 9}, rates(images=40)) == {"images/hd": 2}


def test_a_price_of_texts_is_none_of_pictures() -> None:
    edited = {"images": 1, "output_image": 6240, "input_image": 1600, "input": 3}
    assert billable(edited, rates(input=1, output=10)) == {"images": 1}
    assert billable(edited, rates(input=1, output_image=10)) == {
        "output_image": 6240,
        "input_image": 1600,
        "input": 3,
    }


def test_limits_count_tokens_of_every_kind() -> None:
    assert tokens_of({"images": 3, "input": 1, "input_image": 2, "output_image": 5}) == (3, 5)


def test_only_requests_for_pictures_are_extended() -> None:
    speech = ir.SpeechRequest("openai_chat", "m", "Hello", "alloy")
    assert extended(speech, [{"n": 4}]) is speech
    picture = ir.ImageRequest("openai_chat", "m", "A cat", count=2, quality="low")
    assert extended(picture, [{"n": 4, "quality": "hd", "size": 5}]) == msgspec.structs.replace(
        picture, count=4
    )
