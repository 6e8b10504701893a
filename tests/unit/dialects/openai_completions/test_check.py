"""Mistakes of a request, with path and code; the expected values were written first."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.openai_completions import DIALECT
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError

GOOD: dict[str, Any] = {"model": "m", "prompt": "Hi"}


@pytest.mark.parametrize(
    ("members", "path", "code"),
    [
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": 5}, "prompt", "invalid_type"),
        ({"prompt": []}, "prompt", "empty_array"),
        ({"prompt": [True]}, "prompt[0]", "invalid_type"),
        ({"prompt": ["a", 1]}, "prompt[1]", "invalid_type"),
        ({"prompt": [1, "a"]}, "prompt[1]", "invalid_type"),
        ({"prompt": [[1], []]}, "prompt[1]", "empty_array"),
        ({"prompt": [[1], ["a"]]}, "prompt[1][0]", "invalid_type"),
        ({"prompt": [[1], 2]}, "prompt[1]", "invalid_type"),
        ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"logprobs": True}, "logprobs", "invalid_type"),
        ({"best_of": 21}, "best_of", "integer_above_max_value"),
        ({"best_of": 1, "n": 2}, "best_of", "invalid_value"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"temperature": 2.5}, "temperature", "decimal_above_max_value"),
        ({"echo": "yes"}, "echo", "invalid_type"),
        ({"suffix": 1}, "suffix", "invalid_type"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1", "decimal_above_max_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ],
)
def test_mistakes(members: dict[str, Any], path: str, code: str | None) -> None:
    with pytest.raises(WireError) as refused:
        DIALECT.request.check(WireRequest("chat", GOOD | members))
    assert (refused.value.path, refused.value.code) == (path, code)


@pytest.mark.parametrize(
    "members",
    [
        {"prompt": ""},
        {"prompt": ["a", "b"]},
        {"prompt": [1, 2]},
        {"prompt": [[1], [2]]},
        {"max_tokens": 0, "echo": True, "logprobs": 0},
        {"stop": "\n"},
        {"best_of": 3, "n": 2},
        {"stop": None, "top_p": None},
        {"of_a_vendor": {"x": 1}},
    ],
)
def test_what_passes(members: dict[str, Any]) -> None:
    DIALECT.request.check(WireRequest("chat", GOOD | members))
