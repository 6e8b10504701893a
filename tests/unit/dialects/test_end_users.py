"""Whom requests name as their end user, in the words of each protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dragoman.dialects.end_users import LONGEST, of_body, of_headers


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"user": "ann"}, "ann"),
        ({"user": "ann", "safety_identifier": "hash"}, "hash"),
        ({"metadata": {"user_id": "ann"}}, "ann"),
        ({"litellm_metadata": {"user": "ann"}}, "ann"),
        ({"metadata": {"user_id": "user_1a2b_account_3c4d_session_5e6f-7890"}}, "user_1a2b_account_3c4d"),
        ({"metadata": {"user_id": '{"device_id":"d1","account_uuid":"a1","session_id":"s1"}'}}, "a1"),
        ({"metadata": {"user_id": '{"device_id":"d1","account_uuid":"","session_id":"s1"}'}}, "d1"),
        ({"user": "{no json"}, "{no json"),
        ({"user": '{"a":' * 2000}, ('{"a":' * 2000)[:LONGEST]),
        ({"user": '{"a": "\ud800"}'}, None),
        ({"user": "  ann "}, "ann"),
        ({"user": "x" * 500}, "x" * LONGEST),
        ({"user": "a\nb"}, None),
        ({"user": 7, "metadata": "x"}, None),
        ({"user": "", "metadata": {"user_id": None}}, None),
        ({}, None),
    ],
)
def test_bodies(body: Mapping[str, Any], name: str | None) -> None:
    assert of_body(body, {}) == name


def test_metadata_that_stays_in_the_gateway_is_read_too() -> None:
    assert of_body({}, {"user_id": "ann"}) == "ann"
    assert of_body({"user": "bob"}, {"user_id": "ann"}) == "bob"


def test_headers() -> None:
    assert of_headers({"x-litellm-end-user-id": "ann"}) == "ann"
    assert of_headers({"x-litellm-end-user-id": "ann", "x-dragoman-end-user": "bob"}) == "bob"
    assert of_headers({"x-dragoman-end-user": " "}) is None
    assert of_headers({}) is None
