"""Whole answers of completions, both directions: what begins with the prompt, and what is lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_completions import DIALECT
from dragoman.dialects.openai_completions.terms import NAME
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.errors import RequestFailed, WireError

HEAD: dict[str, Any] = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}
ECHO = {"echo": "true"}


def reply(report: Report | None = None, **fields: Any) -> Reply:
    asked = ir.Request(NAME, "m", (ir.Message("user", (ir.Text("Say: "),)),), **fields)
    return Reply(asked, report or Report(NAME, "response"), id="cmpl-9", created=9)


def test_anothers_answer_begins_with_the_prompt_and_counts_from_its_end() -> None:
    tokens = (ir.Logprob("He", -1.0), ir.Logprob("llo", -2.0))
    answer = ir.Response(
        "other", candidates=(ir.Candidate((ir.Text("Hello", logprobs=tokens),), ir.Stop("end")),)
    )
    shown = DIALECT.response.encode(answer, reply(forms=ECHO))
    assert shown["choices"][0]["text"] == "Say: Hello"
    assert shown["choices"][0]["logprobs"]["text_offset"] == [5, 7]
    assert DIALECT.response.encode(answer, reply())["choices"][0]["text"] == "Hello"
    own = msgspec.structs.replace(answer, dialect=NAME)  # its upstream has repeated the prompt already
    assert DIALECT.response.encode(own, reply(forms=ECHO))["choices"][0]["text"] == "Hello"


def test_what_is_no_text_is_named_as_lost() -> None:
    report = Report(NAME, "response")
    blocks = (ir.Thinking("Hm"), ir.Text("So"), ir.ToolCall("1", "f"))
    answer = ir.Response("other", candidates=(ir.Candidate(blocks, ir.Stop("tool")),))
    shown = DIALECT.response.encode(answer, reply(report))["choices"][0]
    assert (shown["text"], shown["finish_reason"]) == ("So", "stop")
    assert {loss.path: loss.severity for loss in report.losses} == {
        "candidates[0].blocks[0]": "hint",
        "candidates[0].blocks[2]": "meaning",
        "candidates[0].stop.reason": "meaning",
    }


def test_an_error_inside_a_good_status_is_no_answer() -> None:
    with pytest.raises(RequestFailed):
        DIALECT.response.decode({"error": {"message": "no", "type": "server_error"}}, STANDARD)
    with pytest.raises(WireError):
        DIALECT.response.decode(HEAD, STANDARD)
    with pytest.raises(WireError):
        DIALECT.response.decode({**HEAD, "choices": [{}]}, STANDARD)
