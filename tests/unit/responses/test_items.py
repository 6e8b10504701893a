"""Items as they are kept, and compactions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.responses.compaction import compacted, opened, remembered
from dragoman.responses.items import items_of, kept, kind, wanted


def test_a_text_is_a_message_of_the_user() -> None:
    part = {"type": "input_text", "text": "Hi"}
    assert items_of("Hi") == [{"type": "message", "role": "user", "content": [part]}]
    assert items_of(None) == []
    assert items_of([{"a": 1}]) == [{"a": 1}]


def test_what_has_no_id_gets_one_and_a_type() -> None:
    given: list[dict[str, Any]] = [
        {"role": "user", "content": "a"},
        {"type": "function_call", "id": "fc_1", "call_id": "c"},
        {"type": "odd"},
    ]
    items = kept(given, iter("12").__next__)
    assert [item.id for item in items] == ["msg_1", "fc_1", "item_2"]
    assert json.loads(items[0].body) == {"role": "user", "content": "a", "type": "message", "id": "msg_1"}
    assert json.loads(items[1].body) == given[1]


def test_references_and_unsealed_thoughts_are_looked_up() -> None:
    given: list[dict[str, Any]] = [
        {"id": "msg_1"},
        {"type": "item_reference", "id": "msg_2"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "x"},
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "user", "id": "msg_3"},
    ]
    assert kind(given[0]) == "item_reference"
    assert wanted(given) == ["msg_1", "msg_2", "rs_1"]


def test_a_summary_comes_back_as_a_message() -> None:
    item = compacted("They said Ä.", "cmp_1")
    message = opened(item)
    assert message is not None
    assert message["role"] == "user"
    assert message["content"][0]["text"].endswith("They said Ä.")


@pytest.mark.parametrize(
    "content", ["gAAAA", "dgmc1.!", "dgmc1.bm8=", "dgmc1.e30=", "dgmc1.WzFd", None, 5, "dgmc1.ÿ"]
)
def test_what_is_no_summary_of_ours_stays(content: Any) -> None:
    assert opened({"type": "compaction", "encrypted_content": content}) is None
    assert opened({"type": "message", "encrypted_content": compacted("a", "b")["encrypted_content"]}) is None


def test_the_users_latest_words_are_remembered() -> None:
    def said(text: str, role: str = "user") -> dict[str, Any]:
        return {"type": "message", "role": role, "content": text}

    items = [said("a" * 79_000), said("b" * 900), said("no", "assistant"), said("c")]
    assert [item["content"][0] for item in remembered(items)] == ["b", "c"]
    assert remembered([said("a" * 90_000)]) == []
