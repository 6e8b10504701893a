"""A relayed answer passes although its usage cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.dialects.openai_chat import DIALECT
from tests.unit.dialects.replies import showing


@pytest.mark.parametrize("usage", ["none", [1], 5, None, {}])
def test_an_answer_is_not_withheld_for_its_usage(usage: Any) -> None:
    body = json.dumps({"choices": [{"index": 0}], "usage": usage}).encode()
    passed, counted = DIALECT.relay.response(body, showing(None))
    assert passed == body
    assert counted is None


@pytest.mark.parametrize("number", ["1e999", "9" * 5000])
def test_a_number_that_nobody_can_read_is_no_reason_to_pay_again(number: str) -> None:
    body = b'{"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":2,"x":%b}}' % number.encode()
    sent, usage = DIALECT.relay.response(body, showing(None))
    assert (sent, usage) == (body, None)
