"""The wish to reason, as each family of models has it."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from tests.unit.dialects.bedrock.speaking import CLAUDE, LLAMA, NOVA, asked, assistant, reasons, sent, user

BUDGETED = Facts(thinking=("enabled", "disabled"), thinks=False)
ADAPTIVE = Facts(thinking=("adaptive",), thinks=True, efforts=("low", "medium", "high"))


def fields(wish: ir.Reasoning, model: str = CLAUDE, facts: Facts = BUDGETED, **more: Any) -> Any:
    body, report = sent(asked(reasoning=wish, **more), model, facts)
    return body.get("additionalModelRequestFields"), reasons(report)


@pytest.mark.parametrize(
    ("wish", "thinking"),
    [
        (ir.Reasoning("on", budget=2000), {"type": "enabled", "budget_tokens": 2000}),
        (ir.Reasoning("on", budget=100), {"type": "enabled", "budget_tokens": 1024}),
        (ir.Reasoning(effort="high"), {"type": "enabled", "budget_tokens": 4096}),
        (ir.Reasoning("off"), {"type": "disabled"}),
        (ir.Reasoning(effort="none"), {"type": "disabled"}),
    ],
)
def test_claude_with_a_budget(wish: ir.Reasoning, thinking: dict[str, Any]) -> None:
    assert fields(wish) == ({"thinking": thinking}, [])


def test_a_budget_stays_below_the_limit_of_tokens() -> None:
    told, lost = fields(ir.Reasoning("on", budget=5000), max_output=2000)
    assert told == {"thinking": {"type": "enabled", "budget_tokens": 1999}}
    assert lost == [("reasoning.budget", "quality")]
    assert fields(ir.Reasoning("on", budget=5000), max_output=1000) == (None, [("reasoning", "quality")])


def test_an_effort_beside_a_budget_is_named() -> None:
    told = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    assert fields(ir.Reasoning("on", "low", 2000)) == (told, [("reasoning.effort", "hint")])


def test_claude_that_decides_itself() -> None:
    told = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
    assert fields(ir.Reasoning(effort="high"), facts=ADAPTIVE) == (told, [])
    assert fields(ir.Reasoning("off"), facts=ADAPTIVE) == (None, [("reasoning", "quality")])


def test_claude_does_not_think_where_a_call_is_forced() -> None:
    tools: dict[str, Any] = {"tools": (ir.Function("f"),), "tool_choice": ir.ToolChoice("any")}
    told, lost = fields(ir.Reasoning(effort="high"), **tools)
    assert told == {"thinking": {"type": "disabled"}}
    assert lost == [("reasoning", "quality")]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (NOVA, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "low"}),
        ("qwen.qwen3-32b-v1:0", {"reasoning_config": "low"}),
    ],
)
def test_other_families_have_an_effort(model: str, told: dict[str, Any]) -> None:
    assert fields(ir.Reasoning(effort="low"), model, Facts())[0] == told
    assert fields(ir.Reasoning("off"), model, Facts()) == (None, [])


def test_a_model_of_which_nothing_is_known() -> None:
    assert fields(ir.Reasoning(effort="low"), LLAMA, Facts()) == (None, [("reasoning", "quality")])


THOUGHT = ir.Thinking("Hm", sealed=ir.Sealed("bedrock", "c2ln"))
CALL = ir.ToolCall("1", "f", "{}")
RESULT = user(ir.ToolResult("1", (ir.Text("a"),)))


def test_a_turn_that_began_without_thinking_goes_on_without() -> None:
    request = asked(user("Hi"), assistant(CALL), RESULT, reasoning=ir.Reasoning("on", budget=2000))
    body, report = sent(request, CLAUDE, BUDGETED)
    assert "additionalModelRequestFields" not in body
    assert ("reasoning", "quality") in reasons(report)
    begun = asked(user("Hi"), assistant(THOUGHT, CALL), RESULT, reasoning=ir.Reasoning("on", budget=2000))
    assert "additionalModelRequestFields" in sent(begun, CLAUDE, BUDGETED)[0]


def test_thinking_is_left_out_where_it_is_off() -> None:
    body, _ = sent(asked(user("Hi"), assistant(THOUGHT, "Yes"), user("Go")), CLAUDE, BUDGETED)
    assert body["messages"][1]["content"] == [{"text": "Yes"}]
    body, _ = sent(asked(user("Hi"), assistant(THOUGHT, "Yes"), user("Go")), CLAUDE, ADAPTIVE)
    assert len(body["messages"][1]["content"]) == 2


def test_a_budget_stays_below_the_models_maximum() -> None:
    facts = Facts(thinking=("enabled", "disabled"), thinks=False, max_output=32_000)
    for limit in (100_000, None):
        wish = ir.Reasoning("on", budget=50_000)
        body, report = sent(asked(reasoning=wish, max_output=limit), CLAUDE, facts)
        told = {"thinking": {"type": "enabled", "budget_tokens": 31_999}}
        assert body["additionalModelRequestFields"] == told
        assert body.get("inferenceConfig", {}).get("maxTokens", 32_000) == 32_000
        assert ("reasoning.budget", "quality") in reasons(report)
