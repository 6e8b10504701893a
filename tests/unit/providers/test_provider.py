"""Where the operations of a provider lie whose paths do not follow from its chat's."""

from __future__ import annotations

import pytest

from dragoman.providers.catalog import CATALOG
from dragoman.providers.provider import Provider


@pytest.mark.parametrize(
    ("vendor", "base_url", "bases"),
    [
        ("cohere", "https://api.cohere.com/v2", {"models": "https://api.cohere.com/v1"}),
        ("cohere", "https://proxy.example/co/v2", {"models": "https://proxy.example/co/v1"}),
        ("cohere", "https://proxy.example/other", {"models": "https://proxy.example/v1"}),
        ("jina", "https://api.jina.ai/v1", {}),
        (None, "https://x.example/v1", {}),
    ],
)
def test_operations_beside_the_path_of_chat(vendor: str | None, base_url: str, bases: dict[str, str]) -> None:
    provider = Provider(
        name="p",
        vendor=None if vendor is None else CATALOG[vendor],
        dialect="openai_chat",
        base_url=base_url,
        chat_path="/chat/completions",
        stream_path="/chat/completions",
        auth="bearer",
    )
    assert provider.apis[0].bases == bases
