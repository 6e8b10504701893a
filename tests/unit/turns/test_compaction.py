"""Compaction: a summary travels in an item of its own and comes back as a message."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.turns.compaction import compacted, opened, remembered


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
