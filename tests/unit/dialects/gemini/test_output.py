"""The form of the answer, and how much the model is to think."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from tests.unit.dialects.gemini.asking import (
    WEATHER,
    added,
    back,
    changed,
    config,
    foreign,
    lost,
    read,
    written,
)

JSON = {"responseMimeType": "application/json"}
OPENAPI = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
SPEECH = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}}


@pytest.mark.parametrize(
    ("said", "output"),
    [
        (JSON, ir.Output("json")),
        ({**JSON, "responseJsonSchema": WEATHER}, ir.Output("schema", WEATHER, strict=True)),
        ({"responseJsonSchema": WEATHER}, ir.Output("schema", WEATHER, strict=True, form="json schema")),
        (
            {**JSON, "responseSchema": OPENAPI},
            ir.Output(
                "schema",
                {"type": "object", "properties": {"a": {"type": "string"}}},
                strict=True,
                form="openapi",
            ),
        ),
        (
            {"responseSchema": OPENAPI},
            ir.Output(
                "schema",
                {"type": "object", "properties": {"a": {"type": "string"}}},
                strict=True,
                form="openapi bare",
            ),
        ),
        (
            {"responseMimeType": "text/x.enum", "responseSchema": {"enum": ["a"]}},
            ir.Output(
                extra={"gemini": {"responseMimeType": "text/x.enum", "responseSchema": {"enum": ["a"]}}}
            ),
        ),
        (
            {"responseMimeType": "text/x.enum", "responseJsonSchema": {"enum": ["a"]}},
            ir.Output(
                extra={"gemini": {"responseMimeType": "text/x.enum", "responseJsonSchema": {"enum": ["a"]}}}
            ),
        ),
        ({"responseModalities": ["TEXT", "IMAGE"]}, ir.Output(modalities=("text", "image"))),
        (
            {"responseModalities": ["AUDIO"], "speechConfig": SPEECH},
            ir.Output(modalities=("audio",), audio={"voice": "Puck", "format": "pcm16"}),
        ),
        (
            {"speechConfig": {**SPEECH, "languageCode": "de-AT"}},
            ir.Output(extra={"gemini": {"speechConfig": {**SPEECH, "languageCode": "de-AT"}}}),
        ),
    ],
)
def test_our_own_forms(said: dict[str, Any], output: ir.Output) -> None:
    assert read(generationConfig=said).output == output
    assert back(generationConfig=said)["generationConfig"] == said


def test_json_of_others() -> None:
    assert config(output=ir.Output("json"))[0] == JSON


def test_a_schema_of_others_is_cleaned_and_named() -> None:
    schema = {**WEATHER, "minProperties": 1}
    out, report = config(output=ir.Output("schema", schema, "weather", strict=True))
    assert out == {
        **JSON,
        "responseJsonSchema": {**WEATHER, "title": "weather", "description": "{minProperties: 1}"},
    }
    assert lost(report) == [("output.schema.minProperties", "quality")]
    assert set(changed(report)) == {"output.name", "output.schema"}


def test_a_schema_that_has_a_name_keeps_it() -> None:
    out, report = config(output=ir.Output("schema", {**WEATHER, "title": "T"}, "weather", "D"))
    assert out["responseJsonSchema"] == {**WEATHER, "title": "T", "description": "D"}
    assert lost(report) == [("output.name", "hint")]


def test_older_models_are_asked_in_words_where_functions_are_offered() -> None:
    request = foreign(output=ir.Output("schema", WEATHER), tools=(ir.Function("f"),))
    body, report = written(request, Facts(mixed_tools=False))
    assert "generationConfig" not in body
    assert '"city"' in body["systemInstruction"]["parts"][0]["text"]
    assert lost(report) == [("output", "quality")]
    assert "responseJsonSchema" in written(request)[0]["generationConfig"]


def test_sound_is_answered_alone() -> None:
    out, report = config(
        output=ir.Output(modalities=("text", "audio"), audio={"voice": "puck", "format": "wav"})
    )
    assert out == {"responseModalities": ["AUDIO"], "speechConfig": SPEECH}
    assert not report.losses
    assert changed(report) == ["output.modalities", "output.audio"]


def test_a_voice_that_is_unknown_here_is_anothers() -> None:
    out, report = config(output=ir.Output(audio={"voice": "alloy", "format": "mp3"}))
    assert out["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == "Kore"
    assert lost(report) == [("output.audio.voice", "quality")]


def test_pictures_are_asked_for() -> None:
    out, report = config(output=ir.Output(modalities=("image", "text"), verbosity="low"))
    assert out == {"responseModalities": ["IMAGE", "TEXT"]}
    assert lost(report) == [("output.verbosity", "quality")]


# --- Thinking ------------------------------------------------------------------------------------

LEVELS = Facts(thinking=("level",), efforts=("low", "high"))
BUDGETS = Facts(thinking=("enabled",), thinking_budget=(128, 8192))
FLASH = Facts(thinking=("enabled",), thinking_budget=(0, 24576))
LITE = Facts(thinking=("enabled", "disabled"), thinking_budget=(512, 24576))


@pytest.mark.parametrize(
    ("thinking", "wish"),
    [
        ({"includeThoughts": True}, ir.Reasoning(visible=True)),
        ({"thinkingBudget": -1}, ir.Reasoning(mode="adaptive")),
        ({"thinkingBudget": 0, "includeThoughts": False}, ir.Reasoning(budget=0, visible=False)),
        ({"thinkingLevel": "HIGH"}, ir.Reasoning(effort="high")),
        (
            {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"},
            ir.Reasoning(extra={"gemini": {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}}),
        ),
        ({"later": 1}, ir.Reasoning(extra={"gemini": {"later": 1}})),
    ],
)
def test_our_own_thinking(thinking: dict[str, Any], wish: ir.Reasoning) -> None:
    said = {"thinkingConfig": thinking}
    assert read(generationConfig=said).reasoning == wish
    assert back(generationConfig=said)["generationConfig"] == said


def test_levels_are_written_in_upper_case() -> None:
    said = {"thinkingConfig": {"thinkingLevel": "low"}}
    assert back(generationConfig=said)["generationConfig"] == {"thinkingConfig": {"thinkingLevel": "LOW"}}
    assert read(generationConfig={"thinkingConfig": {}}).reasoning is None


@pytest.mark.parametrize(
    ("wish", "facts", "thinking", "losses"),
    [
        (ir.Reasoning(effort="low"), UNKNOWN, {"thinkingLevel": "LOW"}, []),
        (ir.Reasoning(effort="xhigh"), UNKNOWN, {"thinkingLevel": "XHIGH"}, []),
        (ir.Reasoning(effort="max"), UNKNOWN, {"thinkingLevel": "XHIGH"}, ["effort"]),
        (ir.Reasoning(effort="medium"), LEVELS, {"thinkingLevel": "LOW"}, ["effort"]),
        (ir.Reasoning(budget=2048), LEVELS, {"thinkingLevel": "LOW"}, []),
        (ir.Reasoning(budget=10_000), LEVELS, {"thinkingLevel": "HIGH"}, []),
        (ir.Reasoning(effort="minimal"), LEVELS, {"thinkingLevel": "LOW"}, []),
        (ir.Reasoning(budget=5000), LEVELS, {"thinkingLevel": "HIGH"}, []),
        (ir.Reasoning(budget=-1), LEVELS, {}, []),
        (ir.Reasoning(mode="adaptive"), LEVELS, {}, []),
        (ir.Reasoning(effort="medium"), BUDGETS, {"thinkingBudget": 2048}, []),
        (ir.Reasoning(effort="max"), BUDGETS, {"thinkingBudget": 8192}, ["effort"]),
        (ir.Reasoning(budget=64), BUDGETS, {"thinkingBudget": 128}, []),
        (ir.Reasoning(budget=-1), BUDGETS, {"thinkingBudget": -1}, []),
        (ir.Reasoning(mode="on"), BUDGETS, {"thinkingBudget": -1}, []),
    ],
)
def test_thinking_is_asked_for_as_the_model_takes_it(
    wish: ir.Reasoning, facts: Facts, thinking: dict[str, Any], losses: list[str]
) -> None:
    out, report = config(facts, reasoning=wish)
    assert out == {"thinkingConfig": {**thinking, "includeThoughts": True}}
    assert lost(report) == [(f"reasoning.{field}", "quality") for field in losses]
    assert added(report) == ["generationConfig.thinkingConfig.includeThoughts"]


@pytest.mark.parametrize("off", [{"effort": "none"}, {"mode": "off"}, {"budget": 0}])
@pytest.mark.parametrize(
    ("facts", "thinking", "losses"),
    [
        (FLASH, {"thinkingBudget": 0}, []),
        (LITE, {"thinkingBudget": 0}, []),
        (BUDGETS, {"thinkingBudget": 128}, [("reasoning", "quality")]),
        (LEVELS, {"thinkingLevel": "LOW"}, [("reasoning", "quality")]),
        (UNKNOWN, {"thinkingLevel": "MINIMAL"}, [("reasoning", "quality")]),
    ],
)
def test_not_to_think(off: dict[str, Any], facts: Facts, thinking: dict[str, Any], losses: list[Any]) -> None:
    out, report = config(facts, reasoning=ir.Reasoning(**off))
    assert out == {"thinkingConfig": thinking}
    assert lost(report) == losses


def test_models_that_do_not_think() -> None:
    for facts in (Facts(reasoning=False), Facts(thinking=())):
        out, report = config(facts, reasoning=ir.Reasoning(effort="low"))
        assert out == {}
        assert lost(report) == [("reasoning", "quality")]
        assert not config(facts, reasoning=ir.Reasoning(effort="none"))[1].losses


def test_who_is_to_see_it() -> None:
    out, _ = config(reasoning=ir.Reasoning(effort="low", visible=False))
    assert out["thinkingConfig"] == {"thinkingLevel": "LOW", "includeThoughts": False}
    out, report = config(reasoning=ir.Reasoning(summary="auto"))
    assert out["thinkingConfig"] == {"includeThoughts": True}
    assert changed(report) == ["reasoning.summary"]


def test_our_own_level_for_a_model_that_has_none() -> None:
    request = read(generationConfig={"thinkingConfig": {"thinkingLevel": "HIGH"}})
    body, report = written(request, BUDGETS)
    assert body["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 4096}}
    assert changed(report) == ["reasoning.effort"]


def test_the_name_of_generated_clients_for_the_schema() -> None:
    said = {**JSON, "_responseJsonSchema": WEATHER}
    assert back(generationConfig=said)["generationConfig"] == {**JSON, "responseJsonSchema": WEATHER}
