"""Providers whose listed protocols leave out some of their models."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Load

MANTLE = "catalog: bedrock-mantle, region: us-east-1, keys: [a-long-enough-key]"


@pytest.mark.parametrize(
    ("apis", "missing"),
    [
        ("apis: [openai_responses]", ["anthropic.* only in anthropic"]),
        ("apis: []", ["anthropic.* only in anthropic", "openai.gpt-[!o]* only in openai_responses"]),
        ("apis: [openai_responses, anthropic]", []),
        ("enabled: true", []),
    ],
)
def test_a_protocol_that_some_models_need_is_missed(loaded: Load, apis: str, missing: list[str]) -> None:
    found = [str(one) for one in loaded(f"providers: {{m: {{{MANTLE}, {apis}}}}}").warnings]
    told = [text for text in found if "providers.m.apis: the vendor has" in text]
    assert len(told) == len(missing)
    assert all(words in text for words, text in zip(missing, told, strict=True))


def test_a_provider_of_ones_own_misses_nothing(loaded: Load) -> None:
    own = "{dialect: openai_chat, base_url: 'http://127.0.0.1:9', keys: [], apis: [anthropic]}"
    assert loaded(f"providers: {{a: {own}}}").warnings == ()
