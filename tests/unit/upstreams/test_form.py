"""Tests for `upstreams.form`."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.net.transport import Answer
from dragoman.upstreams.form import SPLITTERS, framing_of, is_success, page, streams, unreadable
from dragoman.wire.sse import ANSWER_TOO_LARGE


class Head(msgspec.Struct):
    """The head of an answer."""

    status: int
    headers: dict[str, str]


def answer(kind: str | None = None, status: int = 200) -> Answer:
    return cast("Any", Head(status, {} if kind is None else {"content-type": kind}))


@pytest.mark.parametrize(("status", "well"), [(199, False), (200, True), (299, True), (300, False)])
def test_success_is_two_hundred_and_up(status: int, *, well: bool) -> None:
    assert is_success(answer(status=status)) is well


@pytest.mark.parametrize(
    ("kind", "is_stream"),
    [
        ("text/event-stream; charset=utf-8", True),
        ("application/x-ndjson", True),
        ("application/vnd.amazon.eventstream", True),
        ("application/json", False),
        (None, False),
    ],
)
def test_the_content_type_tells_a_stream(kind: str | None, *, is_stream: bool) -> None:
    assert streams(answer(kind)) is is_stream


@pytest.mark.parametrize(
    ("dialect", "kind", "framing"),
    [
        ("anthropic", "text/event-stream", "sse"),
        ("anthropic", "application/vnd.amazon.eventstream", "eventstream"),
        ("ollama", "application/x-ndjson", "ndjson"),
        ("ollama", None, "ndjson"),
    ],
)
def test_the_framing_is_the_protocols_unless_it_is_amazons(
    dialect: str, kind: str | None, framing: str
) -> None:
    assert framing_of(DIALECTS[dialect], answer(kind)) == framing
    assert framing in SPLITTERS


def test_a_web_page_is_a_fault_of_the_provider() -> None:
    fault = page("groq").fault
    assert fault.message == "groq sent a response that cannot be parsed: it is a web page"
    assert (fault.kind, fault.code, fault.blame) == ("upstream", "unreadable", "upstream")


def test_only_the_codes_of_limits_are_kept() -> None:
    assert unreadable("x", WireError("no", code="something")).fault.code == "unreadable"
    assert unreadable("x", WireError("no", code=ANSWER_TOO_LARGE)).fault.code == ANSWER_TOO_LARGE
