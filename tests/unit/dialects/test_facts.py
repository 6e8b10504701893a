"""What the facts of a model say of a body, and when they can make it fail."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.facts import UNKNOWN, Facts


@pytest.mark.parametrize(
    ("facts", "body", "takes"),
    [
        (UNKNOWN, {"temperature": 0.5, "max_tokens": 1}, True),
        (Facts(sampling=False), {"temperature": 1, "top_p": None}, True),
        (Facts(sampling=False), {"top_p": 0.5}, False),
        (Facts(sampling_pair=False), {"top_p": 0.5, "temperature": None}, True),
        (Facts(sampling_pair=False), {"top_p": 1, "temperature": 0.5}, False),
        (Facts(max_tokens=False), {"max_tokens": 1}, False),
        (Facts(forced_tool=False), {}, True),
        (Facts(forced_tool=False), {"tool_choice": "auto"}, True),
        (Facts(forced_tool=False), {"tool_choice": {"type": "none"}}, True),
        (Facts(forced_tool=False), {"tool_choice": "required"}, False),
        (Facts(forced_tool=False), {"tool_choice": {"type": "any"}}, False),
        (Facts(forced_tool=False), {"tool_choice": {"type": "function", "function": {"name": "a"}}}, False),
        (Facts(forced_tool=False), {"tool_choice": {"type": "allowed_tools", "mode": "auto"}}, True),
        (
            Facts(forced_tool=False),
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required"}}},
            False,
        ),
        (Facts(forced_tool=True), {"tool_choice": "required"}, True),
        (Facts(max_tokens=False), {"max_completion_tokens": 1, "max_tokens": None}, True),
    ],
)
def test_a_body_that_the_model_takes(facts: Facts, body: dict[str, Any], takes: bool) -> None:
    assert facts.takes(body) is takes


def test_only_what_a_model_cannot_do_restricts() -> None:
    assert not UNKNOWN.restricts
    assert not Facts(tools=True, reasoning=False).restricts
    assert Facts(images=False).restricts
    assert Facts(chat=False).restricts
    assert not Facts(tools=False, tool_mode="xml").restricts


def test_a_model_that_is_told_of_tools_in_words_can_be_used_with_them() -> None:
    assert [Facts(tools=tools).calls for tools in (None, True, False)] == [None, True, False]
    told = Facts(tools=False, tool_mode="hermes")
    assert (told.calls, told.prompts_tools, UNKNOWN.prompts_tools) == (True, True, False)


def test_stated_facts_come_before_others() -> None:
    listed = Facts(context=10, tools=False)
    known = Facts(context=99, tools=True, images=True)
    assert listed.over(known) == Facts(context=10, tools=False, images=True)
    assert Facts().over(known) is known
    assert known.over(Facts()) is known
