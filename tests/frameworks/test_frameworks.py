"""Frameworks, unchanged but for base URL and key, on models of other providers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frameworks.conftest import MODELS, SIMULATED, Ask
from tests.frameworks.installed import FRAMEWORKS
from tests.frameworks.model import CITIES, HELLO, PERSON, WEATHER

pytestmark = pytest.mark.frameworks
THOUGHT = "I look. That is all."
THINKING_MODELS = {model for dialect, model in MODELS.items() if dialect != "openai_chat"}
SILENT = {("langchain", "chat"), ("vercel", "chat")}
"""Clients that show no thoughts: OpenAI's chat API has none."""
UNFORCED = {("langchain", "ollama", "form by tool"), ("llamaindex", "like", "form streamed")}
"""Forms that a client offers as a tool without forcing its call: Ollama's model then answers in words, as
every other client's would if the gateway did not force its calls.
"""
NOT_SIMULATED = ("form as JSON", "form by prompt", "form JSON", "form MD_JSON", "form ANTHROPIC_JSON")
"""Forms that are told in words, for a model that understands them: the simulator knows schemas and tools."""


@pytest.mark.parametrize("name", FRAMEWORKS)
async def test_a_framework(ask: Ask, name: str) -> None:
    """Every feature, through each of its clients, on every provider."""
    reported = await ask(name)
    framework = FRAMEWORKS[name]
    wrong = {}
    for kind, models in reported.found.items():
        for model, features in models.items():
            for feature, came in features.items():
                if _refused(name, kind, model, feature):
                    continue
                if feature == "errors":
                    right = _told(came, framework.raised(kind))
                elif model == SIMULATED:
                    right = _simulated(feature, came)
                else:
                    shows = model in THINKING_MODELS and (name, kind) not in SILENT
                    right = _right(feature, came, thought=THOUGHT if shows else "")
                if not right:
                    wrong[f"{kind}: {model}: {feature}"] = came
    assert not wrong, "\n".join(f"{cell}: {came}" for cell, came in wrong.items())
    assert set(reported.found) == set(framework.kinds)


def _refused(name: str, kind: str, model: str, feature: str) -> bool:
    """Whether this is what no answer, or none of use, is right for."""
    if model == SIMULATED:
        return feature.startswith(NOT_SIMULATED)
    if model == MODELS["ollama"] and (name, kind, feature) in UNFORCED:
        return True
    # It does not think, and says so in these protocols.
    return (
        model == MODELS["openai_chat"] and kind in {"chat", "compatible", "ollama"} and "thinking" in feature
    )


def _told(came: Any, classes: tuple[str, str, str]) -> bool:
    """Whether the errors have the classes that people catch, and the statuses."""
    wanted = dict(zip(("limit", "model", "key"), zip(classes, (429, 404, 401), strict=True), strict=True))
    return all(
        came[one][0] == kind and came[one][1] in {status, None if kind == "ValueError" else status}
        for one, (kind, status) in wanted.items()
    )


def _right(feature: str, came: Any, *, thought: str) -> bool:
    """Whether this is what the model of a strict provider said."""
    if not isinstance(came, dict):
        return feature.startswith("vectors") and came == [8, 8, 8]
    if feature == "chat":
        return came["text"] == HELLO and came.get("usage", [12, 7]) == [12, 7]
    if feature == "stream":
        return came["text"] == HELLO and came["several"] and came.get("usage", [12, 7]) == [12, 7]
    if feature.startswith("form"):
        return came == PERSON
    agrees = came["cities"] == sorted(CITIES) and came["text"] == f"It is {WEATHER}."
    return agrees and came.get("thought", thought) == thought and came.get("agent", "Weather") == "Weather"


def _simulated(feature: str, came: Any) -> bool:
    """Whether this is the simulator's: its words are drawn, so their form is what is known."""
    if not isinstance(came, dict):
        return feature.startswith("vectors") and came == [384, 384, 384]
    if feature in {"chat", "stream"}:
        return came["text"] == "Say hello." and came.get("usage", [1, 2])[1] == 2
    if feature.startswith("form"):
        return came.keys() == {"name", "year"}
    agrees = len(came["cities"]) == 1 and "0 degrees in" in came["text"]
    return agrees and came.get("agent", "Weather") == "Weather"
