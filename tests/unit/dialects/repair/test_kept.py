"""Which histories stay as they are; what the pass would make of them is the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN
from dragoman.dialects.repair import _ORDERS
from dragoman.dialects.repair.kept import kept, only_texts
from tests.unit.dialects.repair.histories import CALL, OTHER, PICTURE, RULES, assistant, result, system, user

ANSWERED = (user("Hi"), assistant("So", CALL, OTHER), user(result("a", "x"), result("b", "y")))


def told(turns: list[Any]) -> list[Any]:
    return [
        (turn.role, [one for piece in turn.pieces for one in piece.placed()], turn.notes) for turn in turns
    ]


@pytest.mark.parametrize("order", ["turns", "messages", "items"])
@pytest.mark.parametrize(
    "messages",
    [
        (user("Hi"),),
        (system("Be brief."), user("Hi"), assistant("Yes?"), user("Well.")),
        ANSWERED,
        (*ANSWERED, assistant(ir.Thinking("Hm."), "So."), user("Thanks.")),
    ],
)
def test_a_history_that_keeps_the_rules_stays(order: Any, messages: tuple[ir.Message, ...]) -> None:
    rules = msgspec.structs.replace(RULES, order=order)
    request = ir.Request("client", "m", messages)
    turns = kept(request, rules)
    assert turns is not None
    assert told(turns) == told(_ORDERS[order](request, rules, UNKNOWN).turns)


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (user(),),
        (assistant("Hi"), user("x")),
        (user("Hi"), assistant("x")),
        (user("Hi"), user("x")),
        (user("Hi"), assistant(CALL), user("No.")),
        (user("Hi"), assistant(CALL, OTHER), user(result("b", "y"), result("a", "x"))),
        (user("Hi"), assistant(CALL), user(result("a", "x"), "And?")),
        (user("Hi"), assistant(CALL, CALL), user(result("a", "x"), result("a", "y"))),
        (*ANSWERED, assistant(CALL), user(result("a", "z"))),
        (user("Hi"), assistant(CALL), user(result("a", PICTURE))),
        (user("Hi"), assistant(PICTURE), user("x")),
        (user("Hi"), assistant(" "), user("x")),
        (user("Hi"), system("S"), user("x")),
    ],
)
def test_any_other_history_is_looked_at_closely(messages: tuple[ir.Message, ...]) -> None:
    assert kept(ir.Request("client", "m", messages), RULES) is None


@pytest.mark.parametrize(
    "messages",
    [
        (user("Hi"),),
        (system("Be brief."), user("Hi"), assistant("Yes?"), user("Well.")),
    ],
)
def test_a_history_of_single_texts_is_known_as_such(messages: tuple[ir.Message, ...]) -> None:
    request = ir.Request("client", "m", messages)
    turns = kept(request, RULES)
    assert turns is not None
    assert only_texts(request) == [(turn.role, turn.pieces[0].blocks[0].text) for turn in turns]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (system("S"),),
        (user(),),
        (user(" "),),
        (user("Hi", "there"),),
        (user(ir.Text("Hi", cache=ir.CacheMark())),),
        (msgspec.structs.replace(user("Hi"), name="Ada"),),
        (assistant("Hi"), user("x")),
        (user("Hi"), assistant("x")),
        (user("Hi"), user("x")),
        (user("Hi"), system("S"), user("x")),
        (system("S"), system("T"), user("x")),
        (user("Hi"), assistant(ir.Thinking("Hm.")), user("x")),
        (ir.Message("developer", (ir.Text("S"),)), user("x")),
    ],
)
def test_any_other_history_is_not(messages: tuple[ir.Message, ...]) -> None:
    assert only_texts(ir.Request("client", "m", messages)) is None


def test_nor_is_one_with_a_system_text_of_the_request() -> None:
    assert only_texts(ir.Request("client", "m", (user("Hi"),), system=(ir.Text("S"),))) is None
