"""One request from one dialect to another: what happens to it before it is encoded."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import Translation, translated
from dragoman.errors import WireError

BODY: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "user", "content": "word " * 300},
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "What did I say?"},
    ],
    "max_output_tokens": 99,
    "store": False,
}


def to(dialect: str, facts: Facts = UNKNOWN, **members: Any) -> Translation:
    return translated({**BODY, **members}, DIALECTS["openai_responses"], DIALECTS[dialect], facts=facts)


@pytest.mark.parametrize("dialect", ["anthropic", "openai_chat", "mistral"])
def test_truncation_follows_the_window_of_the_model(dialect: str) -> None:
    short = to(dialect, Facts(context=60), truncation="auto")
    assert len(short.body["messages"]) == 1
    lost = [(loss.path, loss.severity) for loss in short.losses if "left out" in loss.reason]
    assert lost == [("$.input[0]", "quality"), ("$.input[1]", "quality")]
    for truncation in (None, "disabled"):
        whole = to(dialect, Facts(context=60), truncation=truncation)
        assert len(whole.body["messages"]) == 3
        assert not [loss for loss in whole.losses if loss.path == "$.truncation"]


def test_without_a_window_the_wish_is_lost() -> None:
    sent = to("anthropic", truncation="auto")
    assert [(x.path, x.severity) for x in sent.losses if x.path == "$.truncation"] == [
        ("$.truncation", "hint")
    ]
    assert len(sent.body["messages"]) == 3


def test_its_own_protocol_is_told_of_it() -> None:
    sent = to("openai_responses", truncation="auto")
    assert sent.body["truncation"] == "auto"
    assert sent.losses == ()


def test_a_body_is_read_as_the_gateway_reads_it() -> None:
    """Cursor's, at chat's path; nonsense stays nonsense."""
    chat, anthropic = DIALECTS["openai_chat"], DIALECTS["anthropic"]
    body = {"messages": [{"role": "user", "content": "Hello!"}], "system": "Be brief."}
    assert translated(body, chat, anthropic).body["system"] == [{"type": "text", "text": "Be brief."}]
    with pytest.raises(WireError, match="messages"):
        translated({"model": "m"}, chat, anthropic)
