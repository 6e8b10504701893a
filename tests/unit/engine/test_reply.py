"""The records of a session's work: their numbers, their sums, and what a refusal leaves behind."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.accounts.limits import Limit
from dragoman.engine.accounting import Expected
from dragoman.engine.meter import EndedByLimit
from dragoman.engine.reply import added, summed
from tests.unit.engine.test_replies import House


def test_a_piece_of_work_belongs_to_its_session() -> None:
    house = House()
    books = house.replies.books
    one, none, two = books.made("one/gpt"), books.made("one/x", counts=False), books.made("one/ears")
    assert [reply.exchange.id for reply in (one, none, two)] == ["ex_1.1", "ex_1.2", "ex_1.2"]
    assert (two.record.id, two.record.deployment, two.exchange.answered) == (
        "ex_1.2-1",
        "one/ears",
        "one/ears",
    )
    assert two.exchange.caller is house.exchange.caller
    assert house.exchange.attempts == []


async def test_a_refused_piece_of_work_leaves_no_record() -> None:
    house = House(Limit("l", "tokens", 100, "minute"))
    books, deployment = house.replies.books, house.replies._attempt.deployment
    with pytest.raises(EndedByLimit):
        await books.expect(books.made("one/gpt"), Expected(200, 0), deployment)
    assert (house.exchange.refused_by, house.book.closes) == ("l", [])
    house.book.failing = True
    held = books.made("one/gpt")
    await books.expect(held, Expected(50, 0), deployment)
    with pytest.raises(EndedByLimit):
        books.opened(held)
    assert list(house.standing().values()) == [(0, 0)]
    assert house.book.closes == []


def test_usages_are_added() -> None:
    one = ir.Usage(1, 2, output=3, detail={"input_audio": 4, "words": "x"})
    other = ir.Usage(10, output=30, reasoning=5, detail={"input_audio": 6, "output_audio": 7}, estimated=True)
    assert added(one, other) == ir.Usage(
        11, 2, output=33, reasoning=5, detail={"input_audio": 10, "output_audio": 7}, estimated=True
    )
    for words, count in (("x", 4), (4, "x"), (True, 4)):
        one, other = ir.Usage(1, detail={"words": words}), ir.Usage(1, detail={"words": count})
        assert added(one, other) == ir.Usage(2, detail={"words": 4})
    assert added(None, one) is one
    assert added(one, None) is one
    assert added(None, None) is None


def test_amounts_are_summed() -> None:
    assert summed({"a": 1, "b": 2}, {"b": 3, "c": "x"}) == {"a": 1, "b": 5}
