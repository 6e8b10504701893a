"""A delta for a block that is not open is told with the block's number."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.errors import WireError
from tests.unit.dialects.anthropic.saying import events

START = {
    "type": "message_start",
    "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []},
}


@pytest.mark.parametrize(
    "delta",
    [{"type": "text_delta", "text": ""}, {"type": "input_json_delta", "partial_json": "{"}, {"type": "new"}],
)
def test_the_block_is_named(delta: dict[str, Any]) -> None:
    with pytest.raises(WireError, match=r"^a delta for block 7, which is not open$"):
        events(START, {"type": "content_block_delta", "index": 7, "delta": delta})
