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
