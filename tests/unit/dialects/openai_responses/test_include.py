"""What is asked for beside the words of an answer, where nothing is stored at its provider."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.openai_responses.include import included
from dragoman.dialects.openai_responses.terms import ENCRYPTED, LOGPROBS
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.wire import json

THINKS, NEVER = Facts(reasoning=True), Facts(reasoning=False)


@pytest.mark.parametrize(
    ("asked", "facts", "stored", "sent"),
    [
        ([], UNKNOWN, False, [ENCRYPTED]),
        ([], THINKS, False, [ENCRYPTED]),
        ([], NEVER, False, []),
        ([], UNKNOWN, True, []),
        ([LOGPROBS, ENCRYPTED], UNKNOWN, False, [ENCRYPTED, LOGPROBS]),
        ([LOGPROBS, ENCRYPTED], UNKNOWN, True, [ENCRYPTED, LOGPROBS]),
        ([LOGPROBS, ENCRYPTED], NEVER, False, [LOGPROBS]),
        ([LOGPROBS, ENCRYPTED], NEVER, True, [LOGPROBS]),
    ],
)
def test_sealed_thoughts_are_asked_for_where_they_must_come_back(
    asked: list[str], facts: Facts, stored: bool, sent: list[str]
) -> None:
    assert included(asked, facts, stored=stored) == sent


@pytest.mark.parametrize(
    ("members", "facts", "sent"),
    [
        ({}, UNKNOWN, {"store": False, "include": [ENCRYPTED]}),
        ({"store": True, "include": None}, THINKS, {"store": False, "include": [ENCRYPTED]}),
        ({"store": True, "include": [LOGPROBS]}, THINKS, {"store": False, "include": [ENCRYPTED, LOGPROBS]}),
        ({"include": [ENCRYPTED]}, NEVER, {"store": False}),
    ],
)
def test_a_relayed_request_is_stored_nowhere_but_here(
    members: dict[str, Any], facts: Facts, sent: dict[str, Any]
) -> None:
    assert DIALECT.request.unstored is not None
    body = {"model": "m", "input": "Hi", **members}
    edits, _ = DIALECT.request.unstored(body, facts, STANDARD)
    relayed = DIALECT.relay.request(json.decode_head(json.encode(body)), edits)
    assert json.decode_object(relayed) == {"model": "m", "input": "Hi", **sent}


def test_what_a_vendor_refuses_is_not_sent() -> None:
    assert DIALECT.request.unstored is not None
    vendor = Quirks(refuses=frozenset({"include"}))
    edits, changes = DIALECT.request.unstored({"include": [LOGPROBS], "store": False}, UNKNOWN, vendor)
    assert edits == {"store": False, "include": UNSET}
    assert [(change.path, change.to) for change in changes] == [("$.include", "")]
    assert DIALECT.request.unstored({"store": False}, UNKNOWN, vendor)[1] == ()
