"""What the simulator understands of what it is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dragoman import ir
from dragoman.upstreams.simulate.plan import _BEHAVIOURS, _STATUSES, MODELS, Plan, last_said, plan, told


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("echo", Plan(kind="echo")),
        ("lorem", Plan()),
        ("lorem:200", Plan(length=200)),
        ("tools", Plan(calls=1)),
        ("tools:3+think", Plan(calls=3, thinks=True)),
        ("refuse", Plan(refuses=True)),
        ("slow", Plan(wait=2.0, rate=5.0)),
        ("slow+wait:0.5", Plan(wait=0.5, rate=5.0)),
        ("rate:20", Plan(rate=20.0)),
        ("fail", Plan(status=500)),
        ("fail:429", Plan(status=429)),
        ("fail:529:2.5", Plan(status=529, retry_after=2.5)),
        ("die", Plan(die=5)),
        ("echo + die:0", Plan(kind="echo", die=0)),
        ("silence", Plan(silence=0)),
        ("silence:7", Plan(silence=7)),
    ],
)
def test_plans(words: str, made: Plan) -> None:
    assert plan(words) == made


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "has no behaviour ''"),
        ("ecko", "Try echo."),
        ("zzzzz", "Try echo or lorem or"),
        ("echo:1", "like this: 'echo'"),
        ("wait", "like this: 'wait:wait'"),
        ("fail:429:1:2", "like this: 'fail:status:retry_after'"),
        ("fail:200", "'200' is not a valid status"),
        ("fail:x", "'x' is not a valid status"),
        ("rate:0", "'0' is not a valid rate"),
        ("wait:nan", "'nan' is not a valid wait"),
        ("lorem:-1", "'-1' is not a valid length"),
        ("lorem:1000000", "is not a valid length"),
        ("x" * 500, "has no behaviour"),
    ],
)
def test_what_is_no_plan_is_explained(words: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="simulator") as failed:
        plan(words)
    assert sentence in str(failed.value)
    assert len(str(failed.value)) < 200


def request(*texts: str, role: ir.Role = "user") -> ir.Request:
    return ir.Request("chat", "m", tuple(ir.Message(role, (ir.Text(text),)) for text in texts))


@pytest.mark.parametrize(
    ("text", "made", "said"),
    [
        ("Hello", Plan(kind="echo"), "Hello"),
        ("simulate: die:2", Plan(kind="echo", die=2), ""),
        ("Hello\nsimulate: wait:1+fail:503 \nBye", Plan(kind="echo", wait=1.0, status=503), "Hello\nBye"),
        ("  simulate:lorem", Plan(), ""),
        # no plan, so text like any other
        ("simulate: a flood", Plan(kind="echo"), "simulate: a flood"),
        ("Please simulate: die:2", Plan(kind="echo"), "Please simulate: die:2"),
        ("simulate:", Plan(kind="echo"), "simulate:"),
    ],
)
def test_a_line_in_the_last_user_text_adds_to_the_model(text: str, made: Plan, said: str) -> None:
    assert told(Plan("echo"), request("simulate: fail:400", text)) == (made, said)


def test_the_last_user_text_is_found_behind_other_things() -> None:
    messages = (
        ir.Message("user", (ir.Text("first"),)),
        ir.Message("user", (ir.Text("a"), ir.Media("image", data="AA=="), ir.Text("b"))),
        ir.Message("assistant", (ir.ToolCall("1", "f"),)),
        ir.Message("user", (ir.ToolResult("1"),)),
    )
    assert last_said(ir.Request("chat", "m", messages)) == "a\nb"
    assert last_said(ir.Request("chat", "m")) == ""
    assert last_said(request("x", role="system")) == ""


def test_the_listed_models_are_plans() -> None:
    assert list(MODELS) == sorted(MODELS)
    for name in MODELS:
        plan(name)


def test_the_page_of_the_simulator_names_every_behaviour() -> None:
    page = (Path(__file__).parents[4] / "docs" / "simulator.md").read_text("utf-8")
    rows = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([a-z]+)", rows)) == set(_BEHAVIOURS)
    for status in _STATUSES:
        assert str(status) in page


def test_blanks_within_a_line_cost_nothing() -> None:
    """Looked for with a pattern that tries each of them as the end, they took time by their square."""
    text = "simulate: a" + " " * 200_000 + "b"
    assert told(Plan("echo"), request(text)) == (Plan("echo"), text)


def test_a_long_line_tells_nothing() -> None:
    text = "simulate: " + "+".join(["echo"] * 200)
    assert told(Plan("lorem"), request(text)) == (Plan("lorem"), text)
    with pytest.raises(ValueError, match="at most 500 characters"):
        plan("+".join(["echo"] * 200))
