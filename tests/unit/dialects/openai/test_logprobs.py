"""Log probabilities in the form of chat: of OpenAI, and as parallel lists of other vendors."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.logprobs import encode_logprobs, in_objects, read_logprobs

LISTS: dict[str, Any] = {
    "tokens": ["Hi", "!"],
    "token_logprobs": [-0.5, -0.25],
    "top_logprobs": [{"Hi": -0.5, "Ho": -2.0}, None],
    "token_ids": [17, 0],
    "version": 2,
}


def test_parallel_lists_become_objects_and_nothing_is_dropped() -> None:
    assert in_objects(LISTS) == {
        "content": [
            {
                "token": "Hi",
                "logprob": -0.5,
                "top_logprobs": [{"token": "Hi", "logprob": -0.5}, {"token": "Ho", "logprob": -2.0}],
                "token_ids": 17,
            },
            {"token": "!", "logprob": -0.25, "token_ids": 0},
        ],
        "version": 2,
    }


@pytest.mark.parametrize("odd", [None, 5, {"content": []}, {**LISTS, "token_logprobs": [-0.5]}])
def test_any_other_value_is_unchanged(odd: Any) -> None:
    assert in_objects(odd) is odd


def test_alternatives_of_an_unknown_shape_make_tokens_unreadable() -> None:
    assert read_logprobs(in_objects({**LISTS, "top_logprobs": ["?", None]})["content"]) is None


def test_what_other_protocols_say_of_a_token_is_reported() -> None:
    report = Report("openai_chat", "response")
    token = ir.Logprob("Hi", -0.5, id=5, extra={"gemini": {"a": 1}, "openai_chat": {"b": 2}})
    assert encode_logprobs([token], report, "x") == [
        {"token": "Hi", "logprob": -0.5, "bytes": None, "b": 2},
    ]
    assert [loss.path for loss in report.losses] == ["x.logprobs.id", "x.logprobs.a"]
