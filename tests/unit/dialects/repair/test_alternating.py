"""What becomes of a history where roles alternate, for each rule."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.repair.alternating import BEGIN, GO_ON
from dragoman.dialects.repair.rules import Why
from tests.unit.dialects.repair.histories import CALL, OTHER, PICTURE, assistant, repair, result, system, user

TURNS = {"order": "turns", "orphans": "words", "words": "Result of {name}:"}
TAGGED = {**TURNS, "tagged": Why("text", "tagged")}
ADDED = (None, "message {at}", "added")
BEGINS = (None, "first", "begins")
NOT_CONTINUED = (
    "the model does not support assistant prefill: it answers this message instead of continuing it"
)

CASES: dict[str, tuple[tuple[ir.Message, ...], dict[str, Any], list[str], list[Any]]] = {
    "a tidy history stays": (
        (
            user("Hi"),
            assistant(CALL),
            user(result("a", "x")),
            assistant("Yes."),
        ),
        TURNS,
        ["user: Hi", "assistant: call a", "user: result a (x)", "assistant: Yes."],
        [],
    ),
    "neighbours are one turn": (
        (
            user("Hi"),
            user("you"),
            assistant("A"),
            assistant(CALL),
            user(result("a", "x")),
        ),
        TURNS,
        ["user: Hi, you", "assistant: A, call a", "user: result a (x)"],
        [],
    ),
    "results come first": (
        (
            user("Hi"),
            assistant(CALL, OTHER),
            user("Well?", result("b", "x"), result("a", "y")),
        ),
        TURNS,
        ["user: Hi", "assistant: call a, call b", "user: result b (x), result a (y), Well?"],
        [],
    ),
    "results stand in the order of the calls": (
        (
            user("Hi"),
            assistant(CALL, OTHER),
            user(result("b", "x"), result("a", "y")),
        ),
        {**TURNS, "in_order": True, "named": "always"},
        ["user: Hi", "assistant: call a, call b", "user: result a of look (y), result b of read (x)"],
        [],
    ),
    "a missing result stands in its order": (
        (
            user("Hi"),
            assistant(CALL, OTHER),
            user(result("b", "x")),
        ),
        {**TURNS, "in_order": True},
        ["user: Hi", "assistant: call a, call b", "user: result a (none), result b (x)"],
        [ADDED],
    ),
    "an unanswered call gets a result": (
        (
            user("Hi"),
            assistant(CALL),
            user("No."),
        ),
        TURNS,
        ["user: Hi", "assistant: call a", "user: result a (none), No."],
        [ADDED],
    ),
    "a last call gets a result": (
        (
            user("Hi"),
            assistant(CALL),
        ),
        TURNS,
        ["user: Hi", "assistant: call a", "user: result a (none)"],
        [ADDED],
    ),
    "an orphan becomes words": (
        (
            user("Hi"),
            user(result("z", "x", PICTURE)),
        ),
        TURNS,
        ["user: Hi, Result of a tool:, x, image"],
        [("messages[1].blocks[0]", "text", "no call")],
    ),
    "the words of an orphan are one text": (
        (
            user("Hi"),
            user(result("z", "x", PICTURE, "y", name="look")),
        ),
        {**TURNS, "words": "{name} said {text}"},
        ["user: Hi, look said x\ny, image"],
        [("messages[1].blocks[0]", "text", "no call")],
    ),
    "a late result is an orphan": (
        (
            user("Hi"),
            assistant(CALL),
            user("No."),
            assistant("So."),
            user(result("a", "x")),
        ),
        TURNS,
        [
            "user: Hi",
            "assistant: call a",
            "user: result a (none), No.",
            "assistant: So.",
            "user: Result of a tool:, x",
        ],
        [ADDED, ("messages[4].blocks[0]", "text", "no call")],
    ),
    "media leave the assistant": (
        (
            user("Hi"),
            assistant("So", PICTURE),
            user("And?"),
        ),
        {**TURNS, "moves": lambda *_: True},
        ["user: Hi", "assistant: So", "user: image, And?"],
        [("messages[1].blocks[1]", "part 0", "moved")],
    ),
    "media that come last get a turn": (
        (
            user("Hi"),
            assistant("So", PICTURE),
        ),
        {**TURNS, "moves": lambda *_: True},
        ["user: Hi", "assistant: So", "user: image"],
        [("messages[1].blocks[1]", "part 0", "moved")],
    ),
    "media leave a result": (
        (
            user("Hi"),
            assistant(CALL),
            user(result("a", "x", PICTURE)),
        ),
        {**TURNS, "takes_out": lambda _: True},
        ["user: Hi", "assistant: call a", "user: result a (x), image"],
        [("messages[2].blocks[0].content[1]", "beside", "taken out")],
    ),
    "system text that leads stays": (
        (
            system("S"),
            system("T"),
            user("Hi"),
        ),
        TAGGED,
        ["system: S", "system: T", "user: Hi"],
        [],
    ),
    "system text in the middle is tagged": (
        (
            user("Hi"),
            system("S"),
            assistant("x"),
        ),
        TAGGED,
        ["user: Hi, <tagged> S", "assistant: x"],
        [("messages[1]", "text", "tagged")],
    ),
    "system text may stand between": (
        (
            user("Hi"),
            system("S"),
            assistant("x"),
        ),
        {**TAGGED, "between": True, "facts": Facts(mid_system=True)},
        ["user: Hi", "system: S", "assistant: x"],
        [],
    ),
    "system text may follow results": (
        (user("Hi"), assistant(CALL), user(result("a", "x")), system("S")),
        {**TAGGED, "between": True, "facts": Facts(mid_system=True)},
        ["user: Hi", "assistant: call a", "user: result a (x)", "system: S"],
        [],
    ),
    "system text never follows the assistant": (
        (
            user("Hi"),
            assistant("x"),
            system("S"),
            system("T"),
        ),
        {**TAGGED, "between": True, "facts": Facts(mid_system=True)},
        ["user: Hi", "assistant: x", "user: <tagged> S, <tagged> T"],
        [("messages[2]", "text", "tagged"), ("messages[3]", "text", "tagged")],
    ),
    "the user begins": (
        (
            assistant("Hi"),
            user("x"),
        ),
        {**TURNS, "opens": "assistant"},
        [f"user: {BEGIN}", "assistant: Hi", "user: x"],
        [BEGINS],
    ),
    "the assistant may begin without calls": (
        (
            assistant("Hi"),
            user("x"),
        ),
        {**TURNS, "opens": "calls"},
        ["assistant: Hi", "user: x"],
        [],
    ),
    "the user begins before calls": (
        (
            assistant(CALL),
            user(result("a", "x")),
        ),
        {**TURNS, "opens": "calls"},
        [f"user: {BEGIN}", "assistant: call a", "user: result a (x)"],
        [BEGINS],
    ),
    "an empty history begins": (
        (system("S"),),
        TURNS,
        ["system: S", f"user: {BEGIN}"],
        [BEGINS],
    ),
    "the user speaks last": (
        (
            user("Hi"),
            assistant("So"),
        ),
        {**TURNS, "facts": Facts(prefill=False)},
        ["user: Hi", "assistant: So", f"user: {GO_ON}"],
        [(None, "last", "goes on"), ("messages[1]", "", NOT_CONTINUED)],
    ),
    "the assistant may speak last": (
        (
            user("Hi"),
            assistant("So"),
        ),
        TURNS,
        ["user: Hi", "assistant: So"],
        [],
    ),
}


@pytest.mark.parametrize(("history", "rules", "turns", "notes"), CASES.values(), ids=CASES)
def test_what_becomes_of_a_history(
    history: tuple[ir.Message, ...], rules: dict[str, Any], turns: list[str], notes: list[Any]
) -> None:
    assert repair(*history, **rules) == (turns, notes)
