"""An answer's blocks come back as they were, whatever clients do to the rest of the answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from tests.unit.state.remembering import (
    FOUND,
    ID,
    SEARCH,
    USER,
    Memory,
    blocks,
    call,
    conversation,
    native,
    replace,
    seal,
    spoken,
    there_and_back,
    thinking,
    without_ids,
)

ANSWERS: dict[str, list[ir.Block]] = {
    "thinking before a call": [thinking("1"), call()],
    "thinking, words, a call": [thinking("1"), ir.Text("Let me see."), call()],
    "thinking without words": [thinking("1", ""), call()],
    "redacted thinking": [
        thinking("1"),
        ir.Thinking(sealed=seal("R"), redacted=True),
        ir.Text("So."),
        call(),
    ],
    "thinking between calls": [thinking("1"), call(), thinking("2"), call("g", "{}", ID + "2")],
    "thinking between texts": [thinking("1"), ir.Text("One. "), thinking("2"), ir.Text("Two.")],
    "the first of parallel calls is signed": [
        call(sealed=seal("1")),
        call("g", "{}", ID + "2"),
        call("f", "{}", ID + "3"),
    ],
    "signed text": [ir.Text("Hello.", sealed=seal("1"))],
    "signed texts side by side": [
        ir.Text("A", sealed=seal("1")),
        ir.Text("B"),
        ir.Text("C", sealed=seal("2")),
    ],
    "a signed empty text at the end": [ir.Text("Hello."), ir.Text("", sealed=seal("1"))],
    "a signed empty text after a call": [call(), ir.Text("", sealed=seal("1"))],
    "words after a call": [ir.Text("A"), call(sealed=seal("1")), ir.Text("B", sealed=seal("2"))],
    "two calls alike": [call(call_id=ID + "1", sealed=seal("1")), call(call_id=ID + "2", sealed=seal("2"))],
    "a free-text call": [thinking("1"), call("sh", " ls -l ", kind="custom")],
    "a call of the legacy kind": [thinking("1"), ir.ToolCall(None, "f", '{"a":1}', kind="legacy")],
    "a lone surrogate": [thinking("1"), ir.Text("\ud83d")],
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_an_answer_comes_back_as_it_was(answer: list[ir.Block]) -> None:
    recalled = there_and_back(answer)
    assert blocks(recalled) == answer
    assert recalled.messages == {1}
    assert not recalled.losses


PROVIDED: dict[str, list[ir.Block]] = {
    "before the words": [SEARCH, FOUND, ir.Text("A"), ir.Text("B")],
    "between thinking": [thinking("1"), SEARCH, FOUND, thinking("2"), ir.Text("A")],
    "between words": [ir.Text("A\n"), SEARCH, FOUND, ir.Text("B"), SEARCH, ir.Text("C")],
    "beside a call": [SEARCH, FOUND, ir.Text("A"), SEARCH, call()],
    "after a call": [call(), SEARCH, FOUND],
    "alone": [thinking("1"), SEARCH, FOUND],
}


@pytest.mark.parametrize("answer", PROVIDED.values(), ids=list(PROVIDED))
def test_what_the_providers_own_tools_did_comes_back(answer: list[ir.Block]) -> None:
    recalled = there_and_back(answer)
    ran = ir.ToolCall | ir.ToolResult
    expected = [
        native(block) if isinstance(block, ran) and block.by == "provider" else block for block in answer
    ]
    assert blocks(recalled) == expected
    assert not recalled.losses


WORDS = st.text(min_size=1, max_size=5)
BLOCKS = st.lists(
    st.one_of(
        st.builds(lambda text, data: thinking(data, text), st.text(max_size=3), WORDS),
        st.builds(lambda text, data: ir.Text(text, sealed=data and seal(data)), WORDS, st.none() | WORDS),
        st.builds(lambda data: ir.Text("", sealed=seal(data)), WORDS),
        st.builds(
            lambda name, number, data: call(name, json.dumps({"n": number}), sealed=data and seal(data)),
            WORDS,
            st.integers(),
            st.none() | WORDS,
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(BLOCKS)
def test_any_answer_with_something_to_show_comes_back(answer: list[ir.Block]) -> None:
    numbered = [
        replace(block, id=f"{ID}{place}") if isinstance(block, ir.ToolCall) else block
        for place, block in enumerate(answer)
    ]
    memory = Memory()
    shown = bool(spoken(numbered))
    worth = any(getattr(block, "sealed", None) is not None for block in numbered)
    assert memory.answered(numbered) == (shown and worth)
    recalled = memory.recalled(conversation(spoken(numbered)))
    # without anything kept the client's own form stays
    assert blocks(recalled) == (numbered if shown and worth else spoken(numbered))
    assert not recalled.losses


def test_arguments_may_be_written_otherwise() -> None:
    answer: list[ir.Block] = [thinking("1"), call(arguments='{"b":[1.5,"é"],"a":{}}')]
    rewritten = call(arguments='{ "a": {},\n "b": [1.5, "\\u00e9"] }')
    assert blocks(there_and_back(answer, [rewritten])) == [thinking("1"), rewritten]


@pytest.mark.parametrize("stated", ["", "{}", " { } "])
def test_no_arguments_are_an_empty_object(stated: str) -> None:
    assert blocks(there_and_back([call(arguments="", sealed=seal("1"))], [call(arguments=stated)])) == [
        call(arguments=stated, sealed=seal("1"))
    ]


@pytest.mark.parametrize("trimmed", ["Let me see.", "Something else", None])
def test_words_may_be_changed_beside_a_call(trimmed: str | None) -> None:
    """The thinking and the call's seal come back; the words stay the client's."""
    answer: list[ir.Block] = [thinking("1"), ir.Text("Let me see.\n"), call(sealed=seal("2"))]
    words = [] if trimmed is None else [ir.Text(trimmed)]
    recalled = there_and_back(answer, [*words, replace(call(), cache=ir.CacheMark())])
    expected = replace(call(sealed=seal("2")), cache=ir.CacheMark())
    assert blocks(recalled) == [thinking("1"), *words, expected]
    assert not recalled.losses


def test_words_may_be_cut_into_parts() -> None:
    answer: list[ir.Block] = [thinking("1"), ir.Text("One. Two."), call()]
    parts: list[ir.Block] = [ir.Text("One. "), ir.Text("Two.", cache=ir.CacheMark())]
    assert blocks(there_and_back(answer, [*parts, call()])) == [thinking("1"), *parts, call()]


def test_a_text_without_calls_may_be_trimmed() -> None:
    answer: list[ir.Block] = [thinking("1"), ir.Text("Hello.\n")]
    assert blocks(there_and_back(answer, [ir.Text("Hello.")])) == [thinking("1"), ir.Text("Hello.")]


def test_texts_may_be_joined_with_blank_lines() -> None:
    answer: list[ir.Block] = [ir.Text("A\n", sealed=seal("1")), thinking("2"), ir.Text("B"), ir.Text("\nC")]
    assert blocks(there_and_back(answer, [ir.Text("A\n\n\nB\n\n\nC")])) == answer
    assert blocks(there_and_back(answer, [ir.Text("A\n, B\n\n\nC"), call()]))[-1] == call()


def test_a_changed_text_gets_no_seal() -> None:
    recalled = there_and_back([ir.Text("Hello.\n", sealed=seal("1"))], [ir.Text("Hello.")])
    assert blocks(recalled) == [ir.Text("Hello.")]
    [(where, reason)] = recalled.losses
    assert (where, "left out" in reason) == ("messages[1]", True)


def test_marks_of_the_client_stay_on_joined_texts() -> None:
    answer: list[ir.Block] = [ir.Text("A", sealed=seal("1")), ir.Text("B", sealed=seal("2"))]
    recalled = there_and_back(answer, [ir.Text("AB", cache=ir.CacheMark("1h"))])
    assert blocks(recalled) == [answer[0], ir.Text("B", sealed=seal("2"), cache=ir.CacheMark("1h"))]


def test_calls_may_be_cut_into_messages() -> None:
    answer: list[ir.Block] = [
        thinking("1"),
        ir.Text("Both."),
        call(sealed=seal("2")),
        thinking("3"),
        call("g", "{}", ID + "2"),
        ir.Text("", sealed=seal("4")),
    ]
    memory = Memory()
    memory.answered(answer)
    recalled = memory.recalled(conversation([ir.Text("Both."), call()], [call("g", "{}", ID + "2")]))
    assert blocks(recalled, 1) == answer[:4]
    assert blocks(recalled, 3) == answer[4:]
    assert not recalled.losses


@pytest.mark.parametrize("words", ["Both.", "Something else."])
def test_words_before_calls_may_be_a_message_of_their_own(words: str) -> None:
    """As in a protocol of items. What was thought comes before them, if they are what was answered."""
    answer: list[ir.Block] = [thinking("1"), ir.Text("Both."), call(), call("g", "{}", ID + "2")]
    memory = Memory()
    memory.answered(answer)
    apart = [
        ir.Message("assistant", (block,)) for block in (ir.Text(words), call(), call("g", "{}", ID + "2"))
    ]
    earlier = [ir.Message("assistant", (ir.Text("Hello."),)), USER]
    request = replace(conversation(), messages=(USER, *earlier, *apart, USER))
    recalled = memory.recalled(request)
    if words == "Both.":
        assert blocks(recalled, 3) == answer[:2]
        assert blocks(recalled, 4) == [call()]
    else:
        assert blocks(recalled, 3) == [ir.Text(words)]
        assert blocks(recalled, 4) == [thinking("1"), call()]
    assert blocks(recalled, 1) == [ir.Text("Hello.")]
    assert not recalled.losses


def test_equal_texts_before_a_call_keep_their_seals() -> None:
    """The message is looked at twice: whether it is a part of the answer, and to put its parts back."""
    first, second = (ir.Text("Hm. ", sealed=seal(data)) for data in "12")
    memory = Memory()
    memory.answered([first, second, call()])
    apart = [ir.Message("assistant", sent) for sent in ((ir.Text("Hm. "), ir.Text("Hm. ")), (call(),))]
    recalled = memory.recalled(replace(conversation(), messages=(USER, *apart, USER)))
    assert blocks(recalled, 1) == [first, second]
    assert blocks(recalled, 2) == [call()]
    assert not recalled.losses


def test_reasoning_that_the_client_shows_counts_once() -> None:
    """A client that sends `reasoning_content` back has the words; the signed original takes their place."""
    answer: list[ir.Block] = [thinking("1", "I think."), call()]
    shown = ir.Thinking("I think.", form="reasoning_content")
    assert blocks(there_and_back(answer, [shown, call()])) == answer


def test_a_call_left_out_is_a_loss_of_its_seal() -> None:
    answer: list[ir.Block] = [call(sealed=seal("1")), call("g", "{}", ID + "2")]
    recalled = there_and_back(answer, [call("g", "{}", ID + "2")])
    assert blocks(recalled) == [call("g", "{}", ID + "2")]
    assert [where for where, _ in recalled.losses] == ["messages[1]"]


def test_a_seal_of_the_clients_own_stays_and_the_rest_comes_back() -> None:
    """Some clients bring the seals of calls (`extra_content`), and thinking or empty texts of none."""
    answer: list[ir.Block] = [thinking("1"), call(sealed=seal("2")), ir.Text("", sealed=seal("3"))]
    recalled = there_and_back(answer, [call(sealed=seal("other"))])
    assert blocks(recalled) == [thinking("1"), call(sealed=seal("other")), ir.Text("", sealed=seal("3"))]
    assert not recalled.losses


def test_thinking_that_the_client_brings_of_elsewhere_stays_alone() -> None:
    answer: list[ir.Block] = [thinking("1"), call(sealed=seal("2"))]
    other = thinking("of another answer")
    assert blocks(there_and_back(answer, [other, call()])) == [other, call(sealed=seal("2"))]


def test_thinking_without_a_seal_that_nobody_keeps_is_not_dropped() -> None:
    """A provider seals the call alone, and the client shows the thinking it has read."""
    answer: list[ir.Block] = [ir.Thinking("I think."), call(sealed=seal("1"))]
    shown = ir.Thinking("I think.", form="reasoning_content")
    recalled = there_and_back(answer, [shown, call()])
    assert blocks(recalled) == [shown, call(sealed=seal("1"))]
    assert not recalled.losses


def test_a_sealed_text_is_not_cut() -> None:
    answer: list[ir.Block] = [thinking("1"), ir.Text("A"), ir.Text("B"), call()]
    own = ir.Text("AB", sealed=seal("2"))
    assert blocks(there_and_back(answer, [own, call()])) == [thinking("1"), own, call()]


def test_one_of_two_thoughts_that_the_client_brings_stays_in_its_place() -> None:
    answer: list[ir.Block] = [thinking("1"), call(), thinking("2"), call("g", "{}", ID + "2")]
    sent = [answer[1], answer[2], answer[3], ir.Thinking("hm")]
    assert blocks(there_and_back(answer, sent)) == answer


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1)], ids=["another first call", "the same first call"])
@pytest.mark.parametrize("id_", [ID, None])
def test_calls_without_ids_keep_their_order(order: tuple[int, ...], id_: str | None) -> None:
    """Another answer to the same prompt had the same calls in another order, which is all that tells whose
    their results are.
    """
    made = [call(name, "{}", id_ and id_ + name, sealed=seal(name)) for name in ("f", "g", "h")]
    memory = Memory()
    memory.answered([thinking("1"), *made])
    sent = conversation(without_ids([made[place] for place in order]))
    recalled = memory.recalled(sent)
    assert recalled.request is sent
    assert len(recalled.losses) == (order[0] == 0)
