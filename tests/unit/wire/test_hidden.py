"""Secrets never pass, wherever the body is cut; everything else passes as it is and at once."""

from __future__ import annotations

import pytest

from dragoman.wire.hidden import Hider

KEY = "sk-live-0123456789abcdef"
MASK = b"[redacted]**************"


def through(body: bytes, size: int, *secrets: str) -> bytes:
    hider = Hider(secrets)
    pieces = (body[place : place + size] for place in range(0, len(body), size))
    return b"".join([*map(hider.feed, pieces), hider.rest()])


@pytest.mark.parametrize("size", range(1, 80))
def test_a_secret_is_hidden_wherever_the_body_is_cut(size: int) -> None:
    body = b'{"key":"' + KEY.encode() + b'","again":"x' + KEY.encode() + b'","rest":1}'
    assert through(body, size, KEY, "another-secret-of-a-good-length") == (
        b'{"key":"' + MASK + b'","again":"x' + MASK + b'","rest":1}'
    )


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_only_begins_as_a_secret_passes(size: int) -> None:
    body = b"sk-live-0123456789abcde sk-sk-live-01 " + bytes(range(256)) + b"sk-live"
    assert through(body, size, KEY) == body


def test_the_longer_one_of_two_secrets_is_hidden_whole() -> None:
    longer = f"Bearer {KEY}"
    assert through(longer.encode(), 3, KEY, longer) == b"[redacted]" + b"*" * (len(longer) - 10)


@pytest.mark.parametrize("size", range(1, 70))
def test_a_secret_that_begins_with_another_is_hidden_whole_wherever_the_body_is_cut(size: int) -> None:
    longer, mask = f"{KEY}-of-another", MASK + b"*" * len("-of-another")
    for body, shown in (
        (f"a {longer} b", b"a " + mask + b" b"),
        (f"a {KEY}-of-anoth {KEY}", b"a " + MASK + b"-of-anoth " + MASK),
        (KEY + longer, MASK + mask),
    ):
        assert through(body.encode(), size, KEY, longer) == shown


def test_only_a_possible_beginning_is_held_back() -> None:
    hider = Hider([KEY])
    assert hider.feed(b"data: {}\n\n") == b"data: {}\n\n"
    assert hider.feed(b"data: sk-live-0") == b"data: "
    assert hider.feed(b" no") == b"sk-live-0 no"
    assert hider.rest() == b""


def test_short_texts_and_no_texts_change_nothing() -> None:
    assert through(b"eu-central-1", 4, "eu-central-1", "") == b"eu-central-1"
    assert through(b"text", 1) == b"text"
