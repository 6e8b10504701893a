"""What attempts without an answer have cost."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.engine.spent import was_sent
from dragoman.exchange import AttemptRecord
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
