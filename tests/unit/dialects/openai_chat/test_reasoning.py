"""How much to think: OpenAI's word, the vendors' ways, and what each becomes for another."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.quirks import Quirks
from tests.unit.dialects.openai_chat.speaking import changed, decoded, foreign, lost, written

WISHES: list[tuple[dict[str, Any], ir.Reasoning]] = [
    ({"reasoning_effort": "high"}, ir.Reasoning(effort="high")),
    ({"reasoning": {"effort": "low", "exclude": True}}, ir.Reasoning(effort="low", visible=False)),
    ({"reasoning": {"max_tokens": 2000}}, ir.Reasoning(budget=2000)),
    ({"reasoning": {"enabled": True, "summary": "auto"}}, ir.Reasoning("on", summary="auto")),
    ({"reasoning": {"odd": 1}}, ir.Reasoning(extra={"openai_chat": {"reasoning.odd": 1}})),
    ({"thinking": {"type": "disabled"}}, ir.Reasoning("off")),
    ({"thinking": {"type": "enabled", "budget_tokens": 5}}, ir.Reasoning("on", budget=5)),
    ({"thinking": {"type": "auto"}}, ir.Reasoning("auto")),
    (
        {"thinking": {"clear_thinking": False}},
        ir.Reasoning(extra={"openai_chat": {"thinking.clear_thinking": False}}),
    ),
    (
        {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
        ir.Reasoning("on", effort="max"),
    ),
    ({"enable_thinking": False}, ir.Reasoning("off")),
    ({"enable_thinking": True, "thinking_budget": 50}, ir.Reasoning("on", budget=50)),
    ({"include_reasoning": False}, ir.Reasoning(visible=False)),
    (
        {"reasoning_effort": "low", "reasoning": {"effort": "high"}},
        ir.Reasoning(effort="low", extra={"openai_chat": {"reasoning.effort": "high"}}),
    ),
    (
        {"reasoning": {"max_tokens": 1}, "thinking_budget": 2},
        ir.Reasoning(budget=1, extra={"openai_chat": {"thinking_budget": 2}}),
    ),
]


@pytest.mark.parametrize(("members", "value"), WISHES)
def test_a_wish_is_read_and_comes_back_as_it_was(members: dict[str, Any], value: ir.Reasoning) -> None:
    request = decoded(**members)
    assert request.reasoning == value
    body, report = written(request)
    assert {key: value for key, value in body.items() if key not in {"model", "messages"}} == members
    assert not report.losses


Way = Literal["reasoning_effort", "reasoning", "thinking", "enable_thinking", "none"]
WAYS: list[tuple[Way, ir.Reasoning, dict[str, Any]]] = [
    ("reasoning_effort", ir.Reasoning(effort="xhigh"), {"reasoning_effort": "xhigh"}),
    ("reasoning_effort", ir.Reasoning("off"), {"reasoning_effort": "none"}),
    ("reasoning_effort", ir.Reasoning("on"), {"reasoning_effort": "medium"}),
    ("reasoning_effort", ir.Reasoning("on", budget=1000), {"reasoning_effort": "low"}),
    ("reasoning_effort", ir.Reasoning("on", budget=3500), {"reasoning_effort": "high"}),
    ("reasoning_effort", ir.Reasoning("on", budget=64000), {"reasoning_effort": "max"}),
    ("reasoning_effort", ir.Reasoning("on", budget=0), {"reasoning_effort": "none"}),
    ("reasoning", ir.Reasoning(effort="low"), {"reasoning": {"effort": "low"}}),
    ("reasoning", ir.Reasoning("on", budget=5), {"reasoning": {"enabled": True, "max_tokens": 5}}),
    ("reasoning", ir.Reasoning(visible=False), {"reasoning": {"exclude": True}}),
    ("thinking", ir.Reasoning("off"), {"thinking": {"type": "disabled"}}),
    ("thinking", ir.Reasoning(effort="none"), {"thinking": {"type": "disabled"}}),
    (
        "thinking",
        ir.Reasoning(effort="medium"),
        {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
    ),
    (
        "thinking",
        ir.Reasoning("on", effort="max"),
        {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
    ),
    ("enable_thinking", ir.Reasoning("off"), {"enable_thinking": False}),
    ("enable_thinking", ir.Reasoning(effort="high"), {"enable_thinking": True, "thinking_budget": 4096}),
    ("enable_thinking", ir.Reasoning("on", budget=7), {"enable_thinking": True, "thinking_budget": 7}),
    ("none", ir.Reasoning(effort="high"), {}),
]


@pytest.mark.parametrize(("way", "value", "members"), WAYS)
def test_each_vendor_is_asked_in_its_own_way(way: Way, value: ir.Reasoning, members: dict[str, Any]) -> None:
    body, _ = written(foreign(reasoning=value), Quirks(reasoning_request=way))
    assert {key: value for key, value in body.items() if key not in {"model", "messages"}} == members


def test_an_effort_beside_a_budget_is_named() -> None:
    quirks = Quirks(reasoning_request="enable_thinking")
    body, report = written(foreign(reasoning=ir.Reasoning("on", "low", 7)), quirks)
    assert (body["enable_thinking"], body["thinking_budget"]) == (True, 7)
    assert lost(report) == {"reasoning.effort": "hint"}


def test_our_own_clients_words_are_turned_into_the_vendors() -> None:
    quirks = Quirks(reasoning_request="thinking")
    body, report = written(decoded(reasoning_effort="high"), quirks)
    assert (body["thinking"], body["reasoning_effort"]) == ({"type": "enabled"}, "high")
    assert not report.losses
    native = {"thinking": {"type": "enabled", "clear_thinking": False}}
    assert written(decoded(**native), quirks)[0]["thinking"] == native["thinking"]


def test_leftovers_of_another_way_are_named() -> None:
    request = decoded(reasoning={"effort": "low", "odd": 1})
    _, report = written(request, Quirks(reasoning_request="thinking"))
    assert lost(report)["reasoning.reasoning.odd"] == "hint"


def test_an_effort_that_the_model_lacks_becomes_the_nearest() -> None:
    request = foreign(reasoning=ir.Reasoning(effort="xhigh"))
    body, report = written(request, facts=Facts(efforts=("low", "medium", "high")))
    assert body["reasoning_effort"] == "high"
    assert lost(report) == {"reasoning.effort": "quality"}


def test_a_model_that_does_not_reason_is_not_asked_to() -> None:
    body, report = written(foreign(reasoning=ir.Reasoning(effort="high")), facts=Facts(reasoning=False))
    assert "reasoning_effort" not in body
    assert lost(report) == {"reasoning": "hint"}


def test_what_becomes_of_each_wish_is_told() -> None:
    _, report = written(foreign(reasoning=ir.Reasoning("adaptive", summary="auto", visible=True)))
    assert lost(report) == {
        "reasoning.mode": "hint",
        "reasoning.summary": "hint",
        "reasoning.visible": "hint",
    }
    _, report = written(foreign(reasoning=ir.Reasoning("on", budget=3000)))
    assert changed(report) == {"reasoning.budget"}
    both = ir.Reasoning(effort="low", budget=5)
    body, report = written(foreign(reasoning=both), Quirks(reasoning_request="reasoning"))
    assert body["reasoning"] == {"effort": "low"}
    assert lost(report) == {"reasoning.budget": "hint"}
    assert lost(written(foreign(reasoning=both))[1]) == {"reasoning.budget": "hint"}
    _, report = written(foreign(reasoning=both), Quirks(reasoning_request="none"))
    assert lost(report) == {"reasoning": "quality"}
    foreign_rest = ir.Reasoning(effort="low", extra={"elsewhere": {"odd": 1}})
    assert lost(written(foreign(reasoning=foreign_rest))[1]) == {"reasoning.odd": "hint"}


def test_the_smallest_budget_is_still_one() -> None:
    assert written(foreign(reasoning=ir.Reasoning(budget=100)))[0]["reasoning_effort"] == "low"
    assert written(foreign(reasoning=ir.Reasoning(budget=0)))[0]["reasoning_effort"] == "none"


def test_a_wish_of_nothing_is_not_written() -> None:
    body, _ = written(foreign(reasoning=ir.Reasoning()), Quirks(reasoning_request="reasoning"))
    assert "reasoning" not in body
    body, report = written(foreign(reasoning=ir.Reasoning()))
    assert "reasoning_effort" not in body
    assert not report.losses
