"""Earlier thoughts beside what is asked for now: the API refuses what does not agree."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target
from dragoman.providers.models import facts_for
from tests.unit.dialects.anthropic.saying import assistant, foreign, lost, user, written

BUDGETED = Facts(thinking=("enabled", "disabled"), efforts=(), thinks=False)
ADAPTIVE = Facts(thinking=("adaptive", "disabled"), thinks=False)
BETWEEN = Facts(thinking=("adaptive", "between_tools"), thinks=True, bound_thinking=True)
BOUND = Facts(thinking=("adaptive",), thinks=True, bound_thinking=True)
THOUGHT = ir.Thinking("hm", sealed=ir.Sealed("anthropic", "S"))
REDACTED = ir.Thinking(sealed=ir.Sealed("anthropic", "R"), redacted=True)
CALL = ir.ToolCall("toolu_1", "f", "{}")
RESULT = user(ir.ToolResult("toolu_1", (ir.Text("1"),)))
ON, OFF = ir.Reasoning(effort="high"), ir.Reasoning(effort="none")
HEADER = "anthropic-beta"


def kinds(body: dict[str, Any]) -> list[list[str]]:
    """The types of the blocks of each assistant's message."""
    return [
        ["text"] if isinstance(message["content"], str) else [block["type"] for block in message["content"]]
        for message in body["messages"]
        if message["role"] == "assistant"
    ]


def looped(*first: ir.Block | str, **more: Any) -> ir.Request:
    """A conversation whose last turn is a tool loop that goes on."""
    return foreign(user("a"), assistant(*first), RESULT, **more)


@pytest.mark.parametrize(
    ("wish", "facts"),
    [(OFF, UNKNOWN), (OFF, ADAPTIVE), (OFF, BETWEEN), (None, BUDGETED), (None, ADAPTIVE)],
)
def test_no_thoughts_are_sent_while_thinking_is_off(wish: ir.Reasoning | None, facts: Facts) -> None:
    request = foreign(
        user("a"),
        assistant(REDACTED, "b"),
        user("c"),
        assistant(THOUGHT, REDACTED, "d", CALL),
        RESULT,
        reasoning=wish,
    )
    body, report = written(request, facts)
    assert kinds(body) == [["text"], ["text", "tool_use"]]
    hints = [(path, severity) for path, severity in lost(report) if severity == "hint"]
    assert hints == [
        ("messages[1].blocks[0]", "hint"),
        ("messages[3].blocks[0]", "hint"),
        ("messages[3].blocks[1]", "hint"),
    ]


def test_a_message_of_thoughts_alone_goes_with_them() -> None:
    body, _ = written(foreign(user("a"), assistant(THOUGHT), user("b"), reasoning=OFF))
    assert [message["role"] for message in body["messages"]] == ["user", "user"]


@pytest.mark.parametrize(
    ("wish", "facts"), [(ON, UNKNOWN), (ON, BUDGETED), (None, UNKNOWN), (None, Facts(thinks=True))]
)
def test_thoughts_are_sent_where_the_model_thinks(wish: ir.Reasoning | None, facts: Facts) -> None:
    body, report = written(looped(THOUGHT, "b", CALL, reasoning=wish), facts)
    assert kinds(body) == [["thinking", "text", "tool_use"]]
    assert not report.losses


def test_a_forced_call_switches_thinking_off_and_takes_the_thoughts_along() -> None:
    tools = (ir.Function("f", parameters={"type": "object"}),)
    request = looped(THOUGHT, CALL, reasoning=ON, tools=tools, tool_choice=ir.ToolChoice("any"))
    body, _ = written(request, BUDGETED)
    assert (body["thinking"], kinds(body)) == ({"type": "disabled"}, [["tool_use"]])


@pytest.mark.parametrize("first", [(CALL,), ("Let me see.", CALL)])
def test_a_turn_that_began_without_a_thought_goes_on_without(first: tuple[Any, ...]) -> None:
    """With a budget the API demands that the turn begins with one: they are lost when the gateway restarts,
    or the call is another provider's.
    """
    body, report = written(looped(*first, reasoning=ON), BUDGETED)
    assert "thinking" not in body
    assert ("reasoning", "quality") in lost(report)


def test_later_thoughts_of_such_a_turn_are_left_out() -> None:
    other = ir.ToolCall("toolu_2", "f", "{}")
    last = user(ir.ToolResult("toolu_2", (ir.Text("2"),)))
    body, _ = written(
        foreign(user("a"), assistant(CALL), RESULT, assistant(THOUGHT, other), last, reasoning=ON), BUDGETED
    )
    assert "thinking" not in body
    assert kinds(body) == [["tool_use"], ["tool_use"]]


@pytest.mark.parametrize(
    "request_",
    [
        foreign(user("a"), reasoning=ON),
        looped(THOUGHT, CALL, reasoning=ON),
        looped(REDACTED, CALL, reasoning=ON),
        foreign(user("a"), assistant("b"), user("c"), reasoning=ON),  # another turn begins
        foreign(user("a"), assistant(CALL), RESULT, assistant("b"), user("c"), reasoning=ON),
    ],
)
def test_thinking_stays_on_where_the_turn_allows_it(request_: ir.Request) -> None:
    body, report = written(request_, BUDGETED)
    assert body["thinking"]["type"] == "enabled"
    assert not [path for path, _ in lost(report) if path == "reasoning"]


def test_adaptive_thinking_demands_no_thought() -> None:
    body, _ = written(looped(CALL, reasoning=ON), ADAPTIVE)
    assert body["thinking"] == {"type": "adaptive"}


@pytest.mark.parametrize("wish", [None, ON])
def test_thoughts_that_no_longer_fit_are_dropped_instead_of_refused(wish: ir.Reasoning | None) -> None:
    """The client knows nothing of them, so it may change its system text as it likes."""
    out = DIALECT.request.encode(
        looped(THOUGHT, CALL, reasoning=wish), Target(Report("anthropic"), "m", STANDARD, BOUND)
    )
    assert out.body["thinking"] == {
        "type": "adaptive",
        "block_binding": {"prefix_mismatch_behavior": "drop_block"},
    }
    assert out.headers[HEADER] == "thinking-binding-controls-2026-08-01"
    assert kinds(out.body) == [["thinking", "tool_use"]]


@pytest.mark.parametrize(
    ("request_", "facts", "quirks"),
    [
        (looped(CALL, reasoning=ON), BOUND, STANDARD),  # no thoughts
        (looped(THOUGHT, CALL, reasoning=ON), ADAPTIVE, STANDARD),  # nothing is bound
        (looped(THOUGHT, CALL, reasoning=ON), BOUND, Quirks(server_tools=False)),  # no betas
        (looped(THOUGHT, CALL, reasoning=ON), BOUND, Quirks(server_tools=False, betas=frozenset({"x"}))),
    ],
)
def test_the_beta_is_asked_for_where_it_matters_alone(
    request_: ir.Request, facts: Facts, quirks: Quirks
) -> None:
    out = DIALECT.request.encode(request_, Target(Report("anthropic"), "m", quirks, facts))
    assert out.body["thinking"] == {"type": "adaptive"}
    assert HEADER not in out.headers


def test_compatible_servers_keep_what_they_want() -> None:
    """They verify nothing, and some refuse histories without thoughts."""
    body, _ = written(looped(ir.Thinking("hm"), CALL, reasoning=OFF), UNKNOWN, Quirks(signatures=False))
    assert kinds(body) == [["thinking", "tool_use"]]
    body, _ = written(looped(CALL, reasoning=ON), BUDGETED, Quirks(signatures=False))
    assert body["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(
    ("model", "thinks", "bound"),
    [
        ("claude-sonnet-4-5", False, None),
        ("claude-opus-4-8", False, None),
        ("claude-sonnet-5", True, None),
        ("claude-opus-5", True, None),
        ("claude-opus-5-5", True, True),
        ("claude-sonnet-5-5", True, True),
        ("claude-haiku-5-5", True, True),
    ],
)
def test_what_is_known_of_the_models(model: str, thinks: bool, bound: bool | None) -> None:
    facts = facts_for("anthropic", model)
    assert (facts.thinks, facts.bound_thinking) == (thinks, bound)
