"""A stream without candidates says what a whole answer without them says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.testing.case import events_of, streamed

GEMINI = DIALECTS["gemini"]
RATED = {"safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]}
COUNTS = {"promptTokenCount": 3, "totalTokenCount": 3}
ANSWERED = {"candidates": [{"content": {"parts": [{"text": "a"}], "role": "model"}, "finishReason": "STOP"}]}
BODIES: dict[str, dict[str, Any]] = {
    "feedback without a reason": {"promptFeedback": RATED, "modelVersion": "m", "responseId": "r"},
    "counts only": {"usageMetadata": COUNTS, "modelVersion": "m", "responseId": "r"},
    "both": {"promptFeedback": RATED, "usageMetadata": COUNTS, "modelVersion": "m", "responseId": "r"},
    "a reason": {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "m", "responseId": "r"},
}


def reply() -> Reply:
    return Reply(ir.Request("gemini", "m"), Report("gemini", "response"), id="r", created=1)


def read(*chunks: dict[str, Any]) -> ir.Response:
    frames = [json.dumps(chunk).encode() for chunk in chunks]
    return ir.fold(events_of(GEMINI.stream.decoder(STANDARD), frames))


@pytest.mark.parametrize("name", BODIES)
def test_it_is_the_answer_that_it_would_be_whole(name: str) -> None:
    body = BODIES[name]
    whole = GEMINI.response.decode(body, STANDARD)
    told = read(body)
    assert told.error is None
    assert (told.candidates, told.usage, told.extra) == (whole.candidates, whole.usage, whole.extra)
    again = ir.fold(streamed(list(ir.unfold(whole)), GEMINI, reply()))
    assert again.candidates == whole.candidates


@pytest.mark.parametrize("name", BODIES)
def test_it_is_relayed_as_an_end(name: str) -> None:
    relay = GEMINI.relay.stream(reply())
    relay.feed(json.dumps(BODIES[name]).encode())
    relay.close()
    assert relay.done


def test_a_reason_outweighs_what_came_before_and_after() -> None:
    told = read(BODIES["counts only"], BODIES["a reason"], BODIES["feedback without a reason"])
    [candidate] = told.candidates
    assert candidate.stop is not None
    assert (candidate.stop.reason, candidate.stop.raw) == ("filter", "SAFETY")


def test_what_is_said_of_a_prompt_that_is_answered_is_kept() -> None:
    told = read(BODIES["feedback without a reason"], ANSWERED)
    assert [candidate.stop for candidate in told.candidates] == [ir.Stop("end")]
    assert told.extra == {"gemini": {"promptFeedback": RATED}}
