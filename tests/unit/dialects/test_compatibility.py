"""What a face's clients can have of a model is found by asking the codecs."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.dialects.compatibility import WISHES, relayed, translated, wishes
from dragoman.dialects.facts import UNKNOWN
from dragoman.dialects.quirks import AUTHOR, STANDARD
from dragoman.dialects.table import DIALECTS


@pytest.mark.parametrize(
    ("face", "says", "silent"),
    [
        ("openai_chat", {"seed", "logit_bias", "tools", "audio", "prediction"}, set()),
        ("openai_responses", {"tools", "reasoning", "schema"}, {"stop", "seed", "n", "top_k"}),
        ("anthropic", {"top_k", "stop", "tools"}, {"seed", "n", "logit_bias", "json", "audio"}),
        ("gemini", {"seed", "logprobs", "audio"}, {"logit_bias", "end_user", "min_p"}),
        ("mistral", {"seed", "n", "schema"}, {"logit_bias", "end_user", "moderation"}),
        ("ollama", {"min_p", "seed"}, {"logit_bias", "end_user", "forced_tool", "documents"}),
        ("openai_completions", {"logit_bias", "end_user"}, {"tools", "images", "json", "reasoning"}),
    ],
)
def test_a_face_offers_what_its_protocol_says(face: str, says: set[str], silent: set[str]) -> None:
    assert says <= set(wishes(face))
    assert silent.isdisjoint(wishes(face))


@pytest.mark.parametrize("face", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_wish_of_a_face_becomes_one_thing(face: str, dialect: str) -> None:
    found = translated(face, dialect, STANDARD, UNKNOWN)
    told = [*found.features, *(wish for wish, _ in found.losses), *found.refused]
    assert sorted(told) == sorted(wishes(face))
    assert set(told) <= WISHES.keys()
    assert face != dialect or not found.losses


def test_losses_are_the_encoders_own() -> None:
    """2.6: with the severity that a request would meet."""
    found = translated("openai_chat", "anthropic", STANDARD, UNKNOWN)
    lost = {wish: loss.severity for wish, loss in found.losses}
    assert (lost["logit_bias"], lost["seed"]) == ("meaning", "hint")
    assert "top_p" not in lost
    assert {"n", "audio"} <= set(found.refused)
    assert {"tools", "schema", "images", "stop"} <= set(found.features)


def test_what_is_known_of_the_model_and_its_vendor_counts() -> None:
    facts = msgspec.structs.replace(UNKNOWN, tools=False, images=False)
    assert {"tools", "forced_tool", "images"} <= set(relayed("openai_chat", STANDARD, facts).refused)
    assert {"tools", "images"} <= set(translated("anthropic", "openai_chat", STANDARD, facts).refused)
    quirks = msgspec.structs.replace(STANDARD, refuses=frozenset({"seed"}))
    found = translated("gemini", "openai_chat", quirks, UNKNOWN)
    assert ("seed", "hint") in [(wish, loss.severity) for wish, loss in found.losses]


def test_what_is_relayed_is_told_as_requests_meet_it() -> None:
    """2.6, 2.9: what is dropped in a relay, too, is a loss; what only the provider refuses is refused."""
    thinks = msgspec.structs.replace(UNKNOWN, sampling=False)
    found = relayed("openai_chat", AUTHOR, thinks)
    lost = {wish: loss.severity for wish, loss in found.losses}
    assert lost == {"temperature": "quality", "top_p": "quality", "top_k": "quality"}
    assert {"seed", "tools", "reasoning", "prediction"} <= set(found.features)
    plain = relayed("openai_chat", AUTHOR, msgspec.structs.replace(UNKNOWN, reasoning=False))
    assert {"reasoning", "top_k", "min_p"} <= set(plain.refused)
    assert {"temperature", "prediction", "metadata", "cache_key"} <= set(plain.features)
    assert "top_k" in relayed("openai_chat", STANDARD, UNKNOWN).features
    assert "top_k" in relayed("anthropic", AUTHOR, UNKNOWN).features


def test_what_is_emulated_is_a_feature() -> None:
    """Forced calls by a schema, and tools in words."""
    assert "forced_tool" in translated("openai_chat", "ollama", STANDARD, UNKNOWN).features
    prompted = msgspec.structs.replace(UNKNOWN, tools=False, tool_mode="xml")
    assert {"tools", "forced_tool"} <= set(relayed("openai_chat", STANDARD, prompted).features)
    assert "tools" in translated("anthropic", "openai_completions", STANDARD, prompted).features
