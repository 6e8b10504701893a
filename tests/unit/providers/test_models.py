"""Which row a name finds, and what it says."""

from __future__ import annotations

import pytest

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.providers.models import ROWS, facts_for


@pytest.mark.parametrize(
    ("model", "thinking", "efforts", "sampling", "prefill", "forced"),
    [
        ("claude-3-haiku-20240307", (), (), True, True, True),
        ("claude-opus-4-20250514", ("enabled", "disabled"), (), True, True, True),
        ("claude-sonnet-4-5-20250929", ("enabled", "disabled"), (), True, True, True),
        ("claude-haiku-4-5", ("enabled", "disabled"), (), True, True, True),
        ("claude-opus-4-5", ("enabled", "disabled"), ("low", "medium", "high"), True, True, True),
        (
            "claude-sonnet-4-6",
            ("enabled", "adaptive", "disabled"),
            ("low", "medium", "high", "max"),
            True,
            False,
            True,
        ),
        (
            "claude-opus-4-7",
            ("adaptive", "disabled"),
            ("low", "medium", "high", "xhigh", "max"),
            False,
            False,
            True,
        ),
        (
            "claude-sonnet-5",
            ("adaptive", "disabled"),
            ("low", "medium", "high", "xhigh", "max"),
            False,
            False,
            True,
        ),
        ("claude-opus-5-5", ("adaptive",), ("low", "medium", "high", "xhigh", "max"), False, False, False),
        (
            "claude-sonnet-5-5",
            ("adaptive", "between_tools"),
            ("low", "medium", "high", "xhigh", "max"),
            False,
            False,
            False,
        ),
        ("claude-haiku-5-5", ("adaptive",), ("low", "medium", "high", "xhigh", "max"), False, False, True),
    ],
)
def test_anthropic_generations(
    model: str,
    thinking: tuple[str, ...],
    efforts: tuple[str, ...],
    sampling: bool,
    prefill: bool,
    forced: bool,
) -> None:
    facts = facts_for("anthropic", model)
    assert facts.thinking == thinking
    assert facts.efforts == efforts
    assert (facts.sampling, facts.prefill, facts.forced_tool) == (sampling, prefill, forced)


@pytest.mark.parametrize(
    ("model", "efforts", "sampling"),
    [
        ("gpt-4o-2024-08-06", (), True),
        ("gpt-4.1-mini", (), True),
        ("o3-2025-04-16", ("low", "medium", "high"), False),
        ("gpt-5-mini-2025-08-07", ("minimal", "low", "medium", "high"), False),
        ("gpt-5-chat-latest", None, None),
        ("gpt-5-pro", ("high",), False),
        ("gpt-5.1", ("none", "low", "medium", "high"), None),
        ("gpt-5.4-2026-03-05", ("none", "low", "medium", "high", "xhigh"), None),
        ("gpt-5.6-luna", ("none", "low", "medium", "high", "xhigh", "max"), None),
        ("gpt-6-astra", ("low", "medium", "high", "xhigh", "max"), False),
    ],
)
def test_openai_efforts(model: str, efforts: tuple[str, ...] | None, sampling: bool | None) -> None:
    facts = facts_for("openai", model)
    assert facts.efforts == efforts
    assert facts.sampling is sampling


@pytest.mark.parametrize(
    ("model", "context", "max_output"),
    [
        ("claude-3-5-sonnet-20241022", 200_000, 8192),
        ("claude-opus-4-1-20250805", 200_000, 32_000),
        ("claude-sonnet-4-0", 200_000, 64_000),
        ("claude-opus-5", 1_000_000, 128_000),
        ("gpt-3.5-turbo-0125", 16_385, 4096),
        ("gpt-4", 8192, 8192),
        ("gpt-4-turbo-2024-04-09", 128_000, 4096),
        ("gpt-4o", 128_000, 16_384),
        ("gpt-5.2", 400_000, 128_000),
        ("gpt-5.5", 1_050_000, 128_000),
    ],
)
def test_limits(model: str, context: int, max_output: int) -> None:
    facts = facts_for(None, model)
    assert (facts.context, facts.max_output) == (context, max_output)


@pytest.mark.parametrize(
    ("model", "structured"),
    [("claude-opus-4-1", False), ("claude-haiku-4-5", True), ("gpt-4o-2024-05-13", False), ("gpt-4o", True)],
)
def test_the_more_specific_name_wins(model: str, structured: bool) -> None:
    assert facts_for(None, model).structured is structured


@pytest.mark.parametrize("model", ["gemini-2.5-flash-preview-tts", "gemini-2.5-pro-preview-tts"])
def test_gemini_models_that_only_speak(model: str) -> None:
    facts = facts_for("gemini", model)
    assert (facts.tools, facts.images, facts.context) == (False, False, None)


@pytest.mark.parametrize(
    "model",
    ["", "claude-opus-9", "gpt-5.9", "gpt-oss-120b", "openai/gpt-4o", "anthropic.claude-opus-4-5", "x*"],
)
def test_what_is_not_known_is_unknown(model: str) -> None:
    assert facts_for("openrouter", model) == UNKNOWN


@pytest.mark.parametrize(
    ("model", "facts"),
    [
        ("us.meta.llama4-maverick-17b-instruct-v1:0", (True, False, False)),
        ("meta.llama3-1-8b-instruct-v1:0", (True, False, False)),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.meta.llama3-3-70b-instruct-v1:0",
            (True, False, False),
        ),
        ("meta.llama3-8b-instruct-v1:0", (False, None, None)),
        ("us.deepseek.r1-v1:0", (False, None, None)),
        ("deepseek.v3-v1:0", (None, None, None)),
        ("mistral.mistral-large-2402-v1:0", (True, None, False)),
        ("mistral.mistral-large-3-675b-instruct", (None, None, None)),
        ("us.amazon.nova-pro-v1:0", (None, None, None)),
    ],
)
def test_which_models_at_bedrock_call_tools(model: str, facts: tuple[bool | None, ...]) -> None:
    known = facts_for("bedrock", model)
    assert (known.tools, known.forced_tool, known.streams_tools) == facts
    assert facts_for("openrouter", model) == UNKNOWN


def test_a_vendors_own_row_is_for_that_vendor() -> None:
    assert facts_for("simulate", "echo").tools is True
    assert facts_for("simulate", "gpt-5.1").efforts is None
    assert facts_for("groq", "echo") == UNKNOWN


def test_overrides_win_where_they_state_something() -> None:
    facts = facts_for("openai", "gpt-4o", Facts(context=1000, images=False))
    assert (facts.context, facts.images, facts.max_output) == (1000, False, 16_384)


def test_every_row_says_where_it_was_read() -> None:
    for row in ROWS:
        assert row.source
        assert row.names
        assert row.facts != UNKNOWN


@pytest.mark.parametrize(
    ("model", "thinking", "efforts", "budget", "signed"),
    [
        ("gemini-1.5-pro", (), (), None, False),
        ("gemini-2.0-flash-001", (), (), None, False),
        ("gemini-2.5-flash", ("enabled",), None, (0, 24_576), False),
        ("gemini-2.5-flash-lite-preview-09-2025", ("enabled",), None, (0, 24_576), False),
        ("gemini-2.5-pro", ("enabled",), None, (128, 32_768), False),
        ("gemini-3-flash-preview", ("level",), ("minimal", "low", "medium", "high"), None, True),
        ("gemini-3-pro-preview", ("level",), ("low", "high"), None, True),
        ("gemini-3.1-pro-preview", ("level",), ("low", "medium", "high"), None, True),
        ("gemini-3.6-flash", ("level",), ("minimal", "low", "medium", "high"), None, True),
        ("gemini-3.8-flash", ("level",), ("low", "medium", "high"), None, True),
        ("gemini-4-flash", None, None, None, None),
    ],
)
def test_gemini_generations(
    model: str,
    thinking: tuple[str, ...] | None,
    efforts: tuple[str, ...] | None,
    budget: tuple[int, int] | None,
    signed: bool | None,
) -> None:
    facts = facts_for("gemini", model)
    assert facts.thinking == thinking
    assert facts.efforts == efforts
    assert facts.thinking_budget == budget
    assert facts.signed_calls is signed


@pytest.mark.parametrize(
    ("model", "tools"),
    [("gemini-2.5-flash-image", False), ("gemini-3-pro-image", None), ("gemini-3.1-flash-image", None)],
)
def test_gemini_models_that_draw(model: str, tools: bool | None) -> None:
    """The newer ones take Google Search."""
    facts = facts_for("gemini", model)
    assert facts.draws is True
    assert facts.tools is tools


def test_what_a_name_means_at_mistral_it_means_there_alone() -> None:
    assert facts_for("mistral", "mistral-small-latest").efforts == ("none", "high")
    assert facts_for("mistral", "magistral-medium-2509").efforts == ()
    assert facts_for("ollama", "mistral-small-latest") == UNKNOWN


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        *((model, False) for model in ("gpt-3.5-turbo", "gpt-35-turbo-0125", "gpt-4", "gpt-4-turbo")),
        *(
            (model, False)
            for model in ("gpt-4o", "gpt-4o-mini-2024-07-18", "gpt-4.1-nano", "gpt-5-chat-latest")
        ),
        *(
            (model, True)
            for model in ("o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5-mini", "gpt-5.1")
        ),
        *((model, True) for model in ("gpt-5-pro", "gpt-5-codex", "gpt-5.4-nano", "gpt-6-astra")),
        ("gpt-5.1-chat-latest", None),
        ("gpt-9", None),
        *((f"ft:{made_from}:acme::7p4lURel", False) for made_from in ("gpt-4o-2024-08-06", "gpt-4.1-mini")),
        ("ft:o4-mini-2025-04-16:acme:name:7p4lURel", True),
        ("ft:gpt-4o", None),
    ],
)
def test_which_models_of_openai_reason(model: str, reasons: bool | None) -> None:
    """Those that do not refuse to be asked for sealed thoughts."""
    assert facts_for("openai", model).reasoning is reasons
