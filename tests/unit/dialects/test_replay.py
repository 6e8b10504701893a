"""Items that OpenAI's servers refuse: thoughts without their seal, and ids of another form."""

from typing import Any

import pytest

from dragoman.dialects.replay import is_strange


@pytest.mark.parametrize(
    ("item", "strange"),
    [
        ({"type": "reasoning", "id": "rs_1", "encrypted_content": "x"}, False),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, True),
        ({"type": "message", "id": "msg_1"}, False),
        ({"role": "user", "content": "a"}, False),
        ({"role": "assistant", "id": "0e35a9f2", "content": "a"}, True),
        ({"type": "function_call", "id": "fc_" + "a" * 62}, True),
        ({"type": "function_call", "id": None}, False),
        ({"type": "custom_tool_call", "id": "any-1"}, False),
        ({"type": "custom_tool_call", "id": "not one"}, True),
        ({"type": "computer_call", "id": "0e35a9f2"}, False),
        ("text", False),
    ],
)
def test_what_is_strange(item: Any, strange: bool) -> None:
    assert is_strange(item) is strange
