"""What becomes of a history of items, for each rule."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.repair.rules import Why
from tests.unit.dialects.repair.histories import CALL, OTHER, PICTURE, SOUND, assistant, repair, result, user

ITEMS = {"order": "items", "orphans": "words"}
ADDED = (None, "message {at}", "added")

CASES: dict[str, tuple[tuple[ir.Message, ...], dict[str, Any], list[str], list[Any]]] = {
    "results stand anywhere": (
        (
            user("Hi"),
            assistant(CALL),
            user("No."),
            user(result("a", "x")),
        ),
        ITEMS,
        ["user: Hi", "assistant: call a", "user: No.", "user: result a (x)"],
        [],
    ),
    "neighbours stay apart": (
        (
            user("Hi"),
            user("you"),
        ),
        ITEMS,
        ["user: Hi", "user: you"],
        [],
    ),
    "each unanswered call gets a result": (
        (
            assistant(CALL, OTHER),
            user("No."),
        ),
        ITEMS,
        ["assistant: call a, result a (none), call b, result b (none)", "user: No."],
        [ADDED, ADDED],
    ),
    "an answered call of the same id keeps its only result": (
        (
            assistant(CALL),
            user(result("a", "x")),
            assistant(CALL),
            user("No."),
        ),
        {**ITEMS, "ids": "shared"},
        ["assistant: call a", "user: result a (x)", "assistant: call a, result a (none)", "user: No."],
        [ADDED],
    ),
    "some calls need none": (
        (assistant(CALL),),
        {**ITEMS, "needs": lambda _: False},
        ["assistant: call a"],
        [],
    ),
    "an orphan is a message": (
        (user("a", result("z", "x"), "b"),),
        ITEMS,
        ["user: a", "user: x", "user: b"],
        [("messages[0].blocks[1]", "text", "no call")],
    ),
    "media leave the assistant": (
        (assistant("A", PICTURE),),
        {**ITEMS, "moves": lambda *_: True},
        ["assistant: A", "user: image"],
        [("messages[0].blocks[1]", "part 0", "moved")],
    ),
    "sound is sent as its words": (
        (assistant(SOUND),),
        {**ITEMS, "transcribed": Why("input", "transcript")},
        ["assistant: spoken"],
        [("messages[0].blocks[0]", "input", "transcript")],
    ),
}


@pytest.mark.parametrize(("history", "rules", "turns", "notes"), CASES.values(), ids=CASES)
def test_what_becomes_of_a_history(
    history: tuple[ir.Message, ...], rules: dict[str, Any], turns: list[str], notes: list[Any]
) -> None:
    assert repair(*history, **rules) == (turns, notes)
