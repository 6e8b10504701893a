"""What attempts without an answer have cost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dragoman import ir
from dragoman.engine.spent import note_answer, note_unanswered, was_sent
from dragoman.exchange import AttemptRecord
from dragoman.providers.rates import Level, Period, Rates, completed
from tests.unit.engine.accounts import Accounts
from tests.unit.engine.stage import Reply, broken, json_reply, refusal


def record(**more: Any) -> AttemptRecord:
    return AttemptRecord("a", "one/gpt", None, "relay", 1.0, **more)


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ({}, False),
        ({"sent": 2.0}, True),
        ({"sent": 2.0, "status": 200}, True),
        ({"sent": 2.0, "status": 429}, False),
        ({"sent": 2.0, "fault": ir.Fault("timeout", "Late.")}, True),
        ({"sent": 2.0, "fault": ir.Fault("upstream", "Broken.")}, True),
        ({"sent": 2.0, "fault": ir.Fault("overloaded", "Busy.")}, False),
        ({"fault": ir.Fault("timeout", "Not connected.")}, False),
    ],
)
def test_whether_a_provider_may_have_worked(more: Any, sent: bool) -> None:
    assert was_sent(record(**more)) is sent


async def test_an_estimate_that_fails_hides_no_other_error(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> ir.Usage:
        raise ValueError("no vocabulary")

    asked: Any = SimpleNamespace(light=True, exchange=SimpleNamespace(id="ex_1"))
    attempt = record()
    await note_unanswered(asked, attempt, fails, lambda _: None)
    assert attempt.usage is None
    assert "exchange ex_1: its usage could not be estimated" in caplog.text
    await note_unanswered(asked, attempt, lambda: ir.Usage(input=3), lambda _: None)
    assert attempt.usage == ir.Usage(input=3)


BY_TOKENS = Rates((Period((Level(-1, completed({"input": 10**9, "output_audio": 12 * 10**9})),)),), "a test")


def units(body: bytes, operation: str, *replies: Reply) -> dict[str, int]:
    accounts = Accounts()
    accounts.stage.script("one", *replies)
    accounts.stage.plays(body, operation=operation)
    assert accounts.book.record.estimated is bool(accounts.book.record.units)
    return dict(accounts.book.record.units)


SPEECH = b'{"model": "one/gpt", "input": "Hello", "voice": "alloy"}'
PICTURE = b'{"model": "one/gpt", "prompt": "A cat", "n": 2}'
VECTOR = b'{"model": "one/gpt", "input": "Hello there"}'


def test_what_was_sent_counts_if_the_answer_is_lost() -> None:
    broken_off = [Reply(200, {}, [broken()])] * 3
    assert units(SPEECH, "speech", *broken_off) == {"characters": 15}
    assert units(PICTURE, "image", *broken_off)["input"] > 0
    assert units(VECTOR, "embed", *broken_off)["input"] > 0


def test_what_was_refused_counts_nothing() -> None:
    assert units(SPEECH, "speech", *[refusal(400)] * 3) == {}


def test_sound_that_is_passed_on_counts_its_text() -> None:
    sound = Reply(200, {"content-type": "audio/mpeg"}, [b"sound"])
    assert units(SPEECH, "speech", sound) == {"characters": 5}


def test_sound_of_a_model_that_bills_tokens_counts_as_tokens() -> None:
    """OpenAI's gpt-4o-mini-tts states nothing beside the sound."""
    accounts = Accounts(prices={"one/gpt": BY_TOKENS})
    accounts.stage.script("one", Reply(200, {"content-type": "audio/mpeg"}, [b"so", b"und"]))
    accounts.stage.plays(SPEECH, operation="speech")
    record = accounts.book.record
    assert record.units == {"input": 3, "output_audio": 8}
    assert (record.cost, record.estimated) == (3 * 1_000 + 8 * 12_000, True)


def test_sound_that_was_never_made_counts_only_its_text() -> None:
    accounts = Accounts(prices={"one/gpt": BY_TOKENS})
    accounts.stage.script("one", *[Reply(200, {"content-type": "audio/mpeg"}, [broken()])] * 3)
    accounts.stage.plays(SPEECH, operation="speech")
    assert "output_audio" not in accounts.book.record.units


@pytest.mark.parametrize(
    ("prices", "more", "units", "guessed"),
    [
        ({"output_audio": 12}, {}, {"input": 3, "output_audio": 8}, True),
        ({"output_audio": 12}, {"usage": ir.Usage(3, output=9)}, {"characters": 5}, False),
        ({"characters": 15}, {}, {"characters": 5}, False),
        ({}, {}, {"characters": 5}, False),
        (None, {}, {"characters": 5}, False),
    ],
)
def test_an_answer_counts_by_what_bills_it(
    prices: dict[str, int] | None, more: Any, units: dict[str, int], guessed: bool
) -> None:
    request = ir.SpeechRequest("openai_chat", "gpt", "Hello")
    response = ir.SpeechResponse(b"sound", "mp3", "audio/mpeg", **more)
    found, rates = record(), None
    if prices is not None:
        rates = Rates((Period((Level(-1, {"input": 1, **prices}),)),), "a test")
    note_answer(request, response, found, rates)
    assert (found.units, found.guessed) == (units, guessed)


def test_a_recording_whose_length_nobody_states_counts_by_its_size() -> None:
    found = record()
    request = ir.TranscriptionRequest("openai_chat", "gpt", ir.File(b"x" * 160_000))
    note_answer(request, ir.TranscriptionResponse("Hello"), found, None)
    assert (found.units, found.guessed) == ({"input_audio_ms": 10_000}, True)
    note_answer(request, ir.TranscriptionResponse("Hello", duration=7.0), found, None)
    assert (found.units, found.guessed) == ({"input_audio_ms": 7_000}, False)


def test_pictures_that_state_their_tokens_are_not_counted() -> None:
    used = {"input_tokens": 3, "output_tokens": 7, "total_tokens": 10}
    accounts = Accounts()
    accounts.stage.script("one", json_reply({"created": 1, "data": [{"b64_json": "eA=="}], "usage": used}))
    accounts.stage.plays(PICTURE, operation="image")
    assert accounts.book.record.units == {"input": 3, "output": 7}
    assert not accounts.book.record.estimated


def test_texts_that_were_read_count_by_their_size() -> None:
    vector = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    assert units(VECTOR, "embed", json_reply(vector)) == {"input": 11}
    ranked = {"results": [{"index": 0, "relevance_score": 0.5}]}
    query = b'{"model": "one/gpt", "query": "Hello", "documents": ["there"]}'
    assert units(query, "rerank", json_reply(ranked)) == {"input": 16}
