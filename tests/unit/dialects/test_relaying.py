"""What the base class of the chat relays reads in a response."""

from __future__ import annotations

import pytest

from dragoman.dialects.table import DIALECTS


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"service_tier": "priority"', b"[]", b"{}", b'{"service_tier": 5, "usage": 5}'],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_unreadable_body_states_no_tier(dialect: str, body: bytes) -> None:
    assert DIALECTS[dialect].relay.tier(body) is None


def test_a_tier_is_read_at_its_place() -> None:
    usage = b'{"usage": {"service_tier": "priority"}, "service_tier": "flex"}'
    assert DIALECTS["anthropic"].relay.tier(usage) == "priority"
    assert DIALECTS["openai_chat"].relay.tier(usage) == "flex"
