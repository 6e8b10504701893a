"""Log probabilities as lists beside the text, there and back."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_completions import DIALECT
from dragoman.dialects.openai_completions.terms import NAME
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply

HEAD: dict[str, Any] = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}


LOGPROBS = {
    "tokens": [" a", "b"],
    "token_logprobs": [-1.0, -2.0],
    "top_logprobs": [{" a": -1.0, " c": -3.0}, {}],
    "text_offset": [40, 42],
}


def reply(report: Report | None = None, **fields: Any) -> Reply:
    asked = ir.Request(NAME, "m", (ir.Message("user", (ir.Text("Say: "),)),), **fields)
    return Reply(asked, report or Report(NAME, "response"), id="cmpl-9", created=9)


def choice(text: str, finish: str | None = "stop", logprobs: Any = None, index: int = 0) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}


def test_logprobs_keep_their_places() -> None:
    body = {**HEAD, "choices": [choice(" ab", logprobs=LOGPROBS)]}
    answer = DIALECT.response.decode(body, STANDARD)
    (block,) = answer.candidates[0].blocks
    assert isinstance(block, ir.Text)
    assert block.logprobs is not None
    assert [(token.token, token.logprob) for token in block.logprobs] == [(" a", -1.0), ("b", -2.0)]
    assert [len(token.top or ()) for token in block.logprobs] == [2, 0]
    assert DIALECT.response.encode(answer, reply())["choices"][0]["logprobs"] == LOGPROBS


@pytest.mark.parametrize(
    "odd",
    [
        LOGPROBS | {"token_logprobs": [None, -2.0]},
        LOGPROBS | {"text_offset": [40]},
        {"tokens": ["a"], "token_logprobs": [-1.0], "token_ids": [5]},
    ],
)
def test_lists_that_fit_no_tokens_stay_as_they_are(odd: dict[str, Any]) -> None:
    answer = DIALECT.response.decode({**HEAD, "choices": [choice(" ab", logprobs=odd)]}, STANDARD)
    assert answer.candidates[0].extra == {NAME: {"logprobs": odd}}
    assert DIALECT.response.encode(answer, reply())["choices"][0]["logprobs"] == odd


def test_of_alternatives_with_the_same_text_the_most_probable_stays() -> None:
    top = (ir.Logprob("\ufffd", -1.0, (226,)), ir.Logprob("\ufffd", -2.0, (227,)), ir.Logprob("a", -3.0))
    text = ir.Text("a", logprobs=(ir.Logprob("a", -3.0, top=top),))
    answer = ir.Response("openai_chat", candidates=(ir.Candidate((text,), ir.Stop("end")),))
    report = Report(NAME, "response")
    told = DIALECT.response.encode(answer, reply(report))["choices"][0]["logprobs"]
    assert told["top_logprobs"] == [{"\ufffd": -1.0, "a": -3.0}]
    assert "candidates[0].blocks[0].logprobs.top" in [loss.path for loss in report.losses]
