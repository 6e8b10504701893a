"""Why an answer ended, in both directions."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from dragoman import ir
from dragoman.dialects.gemini.stops import STOP_WORDS, STOPS
from tests.unit.dialects.gemini.answering import body, candidate, foreign, lost, read, unjudged, written

READ: list[tuple[Any, str]] = [
    ("STOP", "end"),
    ("MAX_TOKENS", "length"),
    ("SAFETY", "filter"),
    ("RECITATION", "filter"),
    ("LANGUAGE", "filter"),
    ("BLOCKLIST", "filter"),
    ("PROHIBITED_CONTENT", "filter"),
    ("SPII", "filter"),
    ("MODEL_ARMOR", "filter"),
    ("IMAGE_SAFETY", "filter"),
    ("IMAGE_PROHIBITED_CONTENT", "filter"),
    ("IMAGE_RECITATION", "filter"),
    ("ESCALATION", "filter"),
    ("CONTINUATION", "pause"),
    ("MALFORMED_FUNCTION_CALL", "broken"),
    ("UNEXPECTED_TOOL_CALL", "broken"),
    ("TOO_MANY_TOOL_CALLS", "broken"),
    ("MALFORMED_RESPONSE", "broken"),
    ("MISSING_THOUGHT_SIGNATURE", "broken"),
    ("NO_IMAGE", "broken"),
    ("IMAGE_OTHER", "broken"),
    ("OTHER", "broken"),
    ("PUP_LIMITED_DISABLED", "other"),
    ("FINISH_REASON_UNSPECIFIED", "other"),
    ("SOMETHING_NEW", "other"),
    (1, "end"),
    (2, "length"),
    (3, "filter"),
    (4, "filter"),
    (5, "broken"),
    (99, "other"),
]


@pytest.mark.parametrize(("word", "reason"), READ)
def test_every_word_is_read_and_written_back(word: Any, reason: str) -> None:
    response = read(body(candidate("x", stop=word)))
    stop = response.candidates[0].stop
    assert stop is not None
    assert stop.reason == reason
    assert unjudged(response)["candidates"][0]["finishReason"] == word


def test_no_word_of_google_is_forgotten() -> None:
    known = {word for word, _ in READ}
    assert {word.value for word in types.FinishReason} <= known
    assert {word for word in STOPS if isinstance(word, str)} <= {word.value for word in types.FinishReason}


WRITTEN: list[tuple[ir.Stop, str, dict[str, str]]] = [
    (ir.Stop("end"), "STOP", {}),
    (ir.Stop("end", "stop"), "STOP", {}),
    (ir.Stop("length"), "MAX_TOKENS", {}),
    (ir.Stop("context"), "MAX_TOKENS", {"candidates[0].stop.reason": "quality"}),
    (
        ir.Stop("sequence", sequence="END"),
        "STOP",
        {"candidates[0].stop.reason": "quality", "candidates[0].stop.sequence": "hint"},
    ),
    (ir.Stop("filter"), "SAFETY", {}),
    (ir.Stop("pause"), "CONTINUATION", {}),
    (ir.Stop("compaction"), "STOP", {"candidates[0].stop.reason": "quality"}),
    (ir.Stop("broken"), "MALFORMED_RESPONSE", {}),
    (ir.Stop("error"), "OTHER", {"candidates[0].stop.reason": "quality"}),
    (ir.Stop("other", "mystery"), "OTHER", {"candidates[0].stop.reason": "quality"}),
    (ir.Stop("tool"), "STOP", {"candidates[0].stop.reason": "hint"}),
]


@pytest.mark.parametrize(("stop", "word", "losses"), WRITTEN, ids=lambda value: str(value)[:24])
def test_every_reason_has_a_word(stop: ir.Stop, word: str, losses: dict[str, str]) -> None:
    value, report = written(foreign("x", stop=stop))
    assert value["candidates"][0]["finishReason"] == word
    assert lost(report) == losses


def test_no_reason_is_forgotten() -> None:
    assert {stop.reason for stop, _, _ in WRITTEN} == STOP_WORDS.keys()


def test_an_unfinished_answer_has_no_reason() -> None:
    response = read(body(candidate("x", stop=None)))
    assert response.candidates[0].stop is None
    assert "finishReason" not in written(response)[0]["candidates"][0]


def test_an_explanation_is_a_finish_message() -> None:
    detail: dict[str, object] = {
        "category": "cyber",
        "explanation": "This looks like malware.",
        "empty": None,
    }
    value, report = written(foreign(stop=ir.Stop("filter", detail=detail)))
    assert value["candidates"][0]["finishMessage"] == "This looks like malware."
    assert lost(report) == {"candidates[0].stop.detail.category": "hint"}
    assert [(change.path, change.to) for change in report.changes] == [
        ("candidates[0].stop.detail.explanation", "candidates[].finishMessage")
    ]


def test_a_refused_prompt_of_another_protocol_is_a_filtered_answer() -> None:
    value, _ = written(foreign(stop=ir.Stop("filter")))
    assert value["candidates"][0] == {
        "content": {"parts": [], "role": "model"},
        "finishReason": "SAFETY",
        "index": 0,
    }
