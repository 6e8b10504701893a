"""Annotations that are no objects: the answer is kept, its own clients get them, all others are told."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from tests.unit.dialects.openai_chat.speaking import (
    START,
    chunk,
    deltas_of,
    events,
    folded,
    read,
    streamed,
    told,
)

NOTE: dict[str, Any] = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A"}}
ODD: list[Any] = ["https://b", 5, ["c"], NOTE]
OTHERS = sorted(set(DIALECTS) - {"openai_chat"})


def test_the_answer_s_own_client_gets_them() -> None:
    (candidate,) = read({"content": "Hi.", "annotations": [None, *ODD]}).candidates
    body, report = told(*candidate.blocks, dialect="openai_chat")
    assert body["choices"][0]["message"]["annotations"] == ODD
    assert not report.losses


def test_a_stream_is_not_ended_by_them() -> None:
    frames = (chunk({"content": "Hi."}), chunk({"annotations": ODD}), chunk(finish="stop"))
    (text,) = folded(*frames).candidates[0].blocks
    assert isinstance(text, ir.Text)
    assert (text.text, len(text.citations)) == ("Hi.", 4)
    deltas = deltas_of(streamed([START, *events(*frames)[1:]]))
    assert [note for delta in deltas for note in delta.get("annotations", ())] == ODD


@pytest.mark.parametrize("name", OTHERS)
def test_clients_of_other_protocols_get_the_text_and_a_loss(name: str) -> None:
    report = Report(name, "response")
    answer = read({"content": "Hello.", "annotations": ODD[:3]})
    body = DIALECTS[name].response.encode(answer, Reply(ir.Request(name, "m"), report, "answer-1", 1))
    assert "Hello." in str(body)
    named = [loss.path for loss in report.losses if "citations" in loss.path]
    assert named
    assert "https://b" not in str(body)
