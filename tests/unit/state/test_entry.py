"""What is kept of an answer."""

from __future__ import annotations

import json

import pytest

from dragoman import ir
from dragoman.state.entry import entry
from dragoman.state.recall import ask
from tests.unit.state.remembering import (
    CLAUDE,
    ID,
    MARKS,
    SEARCH,
    Memory,
    blocks,
    call,
    conversation,
    seal,
    there_and_back,
    thinking,
)


@pytest.mark.parametrize(
    ("answer", "unsealed", "kept"),
    [
        ([ir.Text("Hello.")], True, False),
        ([call()], True, False),
        ([ir.Thinking("hm"), ir.Text("Hello.")], False, False),
        ([ir.Thinking("hm"), ir.Text("Hello.")], True, True),
        ([ir.Thinking(), call()], True, False),
        ([ir.Thinking(summary=("hm",)), call()], True, True),
        ([thinking("1", ""), call()], False, True),
        ([thinking("1")], True, False),  # nothing that a client could send back
        ([thinking("1"), ir.Text("")], True, False),
        ([], True, False),
        ([SEARCH], False, True),
    ],
)
def test_only_what_must_return_is_kept(answer: list[ir.Block], unsealed: bool, kept: bool) -> None:
    assert Memory().answered(answer, unsealed=unsealed) is kept


def test_reasoning_without_a_seal_comes_back_where_it_is_wanted() -> None:
    memory = Memory()
    answer: list[ir.Block] = [ir.Thinking("hm", form="reasoning_content"), call()]
    memory.answered(answer, unsealed=True)
    assert blocks(memory.recalled(conversation([call()]))) == answer
    own = ir.Thinking("as the client says", form="reasoning_content")
    recalled = memory.recalled(conversation([own, call()]))
    assert blocks(recalled) == [own, call()]
    assert not recalled.losses


def test_two_answers_alike_each_get_their_reasoning() -> None:
    memory = Memory()
    answer: list[ir.Block] = [ir.Thinking("hm"), ir.Text("Wait.")]
    memory.answered(answer, unsealed=True)
    memory.answered(answer, conversation(answer[1:]), unsealed=True)
    recalled = memory.recalled(conversation(answer[1:], answer[1:]))
    assert (blocks(recalled, 1), blocks(recalled, 3)) == (answer, answer)


def test_reasoning_without_a_seal_is_left_where_nobody_wants_it() -> None:
    recalled = there_and_back([ir.Thinking("shown"), call(sealed=seal("1"))])
    assert blocks(recalled) == [call(sealed=seal("1"))]


def test_what_is_kept_tells_no_words_but_thoughts() -> None:
    _, before = ask(conversation(), MARKS)
    secret = "a most unusual sentence"
    answer: list[ir.Block] = [thinking("1"), ir.Text(secret), call(arguments=json.dumps({"x": secret}))]
    kept = entry(answer, before, CLAUDE, MARKS, unsealed=False)
    assert kept is not None
    assert secret.encode() not in kept[1]
    assert ID.encode() not in b"".join((*kept[0], kept[1]))
