"""The protocol of a server: stated by the endpoint in its URL, else found by trying."""

from __future__ import annotations

import pytest

from dragoman.cli.protocols import spoken, stated


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://x/v1/chat/completions", ("openai_chat", "http://x/v1")),
        ("http://x/ai/v1/messages", ("anthropic", "http://x/ai/v1")),
        ("http://x/v1/responses/", ("openai_responses", "http://x/v1")),
        ("http://x/v1beta/models/gemini-9:streamGenerateContent?alt=sse", ("gemini", "http://x/v1beta")),
        ("http://x/ai/api/chat", ("ollama", "http://x/ai")),
        ("http://x/v1", None),
        ("http://x", None),
    ],
)
def test_an_endpoint_names_its_protocol(url: str, expected: tuple[str, str] | None) -> None:
    assert stated(url) == expected


async def test_nothing_there_is_left_to_the_checks() -> None:
    assert await spoken("http://127.0.0.1:1/v1", None) == ("openai_chat", "http://127.0.0.1:1/v1")
