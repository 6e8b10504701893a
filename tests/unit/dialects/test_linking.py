"""Calls without an id get the one that their results state."""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.linking import linked


def calls(*stated: tuple[str, str]) -> ir.Message:
    return ir.Message("assistant", tuple(ir.ToolCall(id_, name, "{}") for id_, name in stated))


def results(*stated: tuple[str, str]) -> ir.Message:
    return ir.Message("user", tuple(ir.ToolResult(id_, (), name=name) for id_, name in stated))


def ids(messages: tuple[ir.Message, ...]) -> list[str | None]:
    return [block.id for message in messages for block in message.blocks if isinstance(block, ir.ToolCall)]


def test_results_in_another_order_find_their_calls_by_name() -> None:
    history = [calls(("", "a"), ("", "b")), results(("2", "b"), ("1", "a"))]
    assert ids(linked(history)) == ["1", "2"]


def test_calls_of_one_name_are_answered_in_their_order() -> None:
    assert ids(linked([calls(("", "a"), ("", "a")), results(("1", "a"), ("2", "a"))])) == ["1", "2"]


def test_a_call_keeps_its_id_and_its_result_gives_none_away() -> None:
    assert ids(linked([calls(("x", "a"), ("", "a")), results(("x", "a"), ("y", "a"))])) == ["x", "y"]


def test_a_result_answers_no_call_of_an_earlier_turn() -> None:
    assert ids(linked([calls(("", "a")), calls(("", "b")), results(("1", "a"))])) == ["", ""]


def test_an_id_is_given_to_one_call_of_a_turn() -> None:
    assert ids(linked([calls(("", "a"), ("", "a")), results(("x", "a"), ("x", "a"))])) == ["x", ""]


def test_an_id_that_each_turn_uses_again_is_given_in_each() -> None:
    turn = [calls(("", "a")), results(("x", "a"))]
    assert ids(linked(turn + turn)) == ["x", "x"]
