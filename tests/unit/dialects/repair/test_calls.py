"""How calls and their results are linked, for each rule."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import WireError
from tests.unit.dialects.repair.histories import CALL, OTHER, assistant, repair, result, user

BARE = ir.ToolCall(None, "look", "{}")
BY_ORDER = "no tool call has the name of this result; it is sent as the result of the first open tool call"
NO_CALL = "the tool result belongs to no tool call"

CASES: dict[str, tuple[tuple[ir.Message, ...], dict[str, Any], list[str], list[Any]]] = {
    "a call without an id gets one": (
        (
            user("Hi"),
            assistant(BARE),
            user(result(None, "x")),
        ),
        {"mint": "call_{index}_{position}"},
        ["user: Hi", "assistant: call call_1_0", "tool: result call_1_0 (x)"],
        [],
    ),
    "each call gets its own": (
        (
            assistant(BARE, BARE),
            user(result(None, "x"), result(None, "y")),
        ),
        {"mint": "n{minted}"},
        ["assistant: call n1, call n2", "tool: result n1 (x)", "tool: result n2 (y)"],
        [],
    ),
    "a call may stay without": (
        (
            assistant(BARE),
            user(result(None, "x")),
        ),
        {},
        ["assistant: call None", "tool: result None (x)"],
        [],
    ),
    "ids fit": (
        (
            assistant(CALL),
            user(result("a", "x")),
        ),
        {"fit": str.upper},
        ["assistant: call A", "tool: result A (x)"],
        [],
    ),
    "one result answers calls that share an id": (
        (
            assistant(CALL, CALL),
            user(result("a", "x")),
        ),
        {"ids": "shared"},
        ["assistant: call a, call a", "tool: result a (x)"],
        [],
    ),
    "each call has a result": (
        (
            assistant(CALL, CALL),
            user(result("a", "x")),
        ),
        {"ids": "any"},
        ["assistant: call a, call a", "tool: result a (x)", "tool: result a (none)"],
        [(None, "message {at}", "added")],
    ),
    "ids are unique": (
        (
            user("Hi"),
            assistant(CALL, CALL),
            user(result("a", "x"), result("a", "y")),
        ),
        {"ids": "unique", "order": "turns"},
        ["user: Hi", "assistant: call a, call a_1", "user: result a (x), result a_1 (y)"],
        [("messages[1].blocks[1].id", "ids", "written as a_1")],
    ),
    "results are found by name, or else by order": (
        (
            assistant(CALL, OTHER),
            user(result(None, "x", name="read"), result(None, "y", name="no")),
        ),
        {},
        ["assistant: call a, call b", "tool: result b of read (x)", "tool: result a of no (y)"],
        [("messages[1].blocks[1]", "", BY_ORDER)],
    ),
    "results state the name of their call": (
        (
            assistant(CALL),
            user(result("a", "x", name="no")),
        ),
        {"named": "always"},
        ["assistant: call a", "tool: result a of look (x)"],
        [],
    ),
    "results keep the name that they state": (
        (
            assistant(CALL, OTHER),
            user(result("a", "x", name="no"), result("b", "y")),
        ),
        {"named": "missing"},
        ["assistant: call a, call b", "tool: result a of no (x)", "tool: result b of read (y)"],
        [],
    ),
    "an orphan is kept": (
        (user(result("z", "x")),),
        {"orphans": "kept"},
        ["tool: result z (x)"],
        [],
    ),
    "an orphan without an id is kept, and named": (
        (user(result(None, "x", name="n")),),
        {"orphans": "kept"},
        ["tool: result n of n (x)"],
        [("messages[0].blocks[0]", "", NO_CALL)],
    ),
    "calls are not looked for": (
        (user(result("z", "x")),),
        {"orphans": "any", "fit": str.upper},
        ["tool: result z (x)"],
        [],
    ),
}


@pytest.mark.parametrize(("history", "rules", "turns", "notes"), CASES.values(), ids=CASES)
def test_how_calls_and_results_are_linked(
    history: tuple[ir.Message, ...], rules: dict[str, Any], turns: list[str], notes: list[Any]
) -> None:
    assert repair(*history, **rules) == (turns, notes)


def test_an_orphan_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        repair(user("Hi"), user(result("z" * 60, "x")))
    assert caught.value.path == "messages[1].blocks[0]"
    assert f"a tool call with the id {'z' * 40!r} that does not come before it" in str(caught.value)
    assert "(target)" in str(caught.value)
