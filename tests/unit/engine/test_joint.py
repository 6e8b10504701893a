"""What joins two streams to one answer, event by event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.engine.joint import Announced, Joint

CALL = ir.ToolCall("call_1", "look", "{}")


def begun(*words: str) -> Joint:
    """A joint that has heard these words."""
    joint = Joint()
    joint.report = Report("openai_chat")
    joint.begin(excluded=False)
    told(joint, ir.Start("x"), ir.Open(0, ir.Text("")), *(ir.TextDelta(0, word) for word in words))
    return joint


def told(joint: Joint, *events: ir.Event) -> list[ir.Event]:
    """What comes of these events. The grammar of streams holds for them behind what was said."""
    return [one for event in events for one in joint.feed(event)]


def joined(joint: Joint, *events: ir.Event, repeats: bool = False) -> list[ir.Event]:
    joint.join(repeats=repeats)
    found = told(joint, *events)
    checker = ir.Checker()
    for event in (ir.Start("x"), ir.Open(0, ir.Text("")), *found):
        checker.add(event)
    return found


def test_what_was_said_passes_unchanged() -> None:
    joint = Joint()
    joint.begin(excluded=False)
    events: list[ir.Event] = [ir.Start("x"), ir.Open(0, ir.Text("a")), ir.TextDelta(0, "b"), ir.Ping()]
    assert told(joint, *events) == events
    assert (joint.text, joint.begun) == ("ab", True)


@pytest.mark.parametrize(
    "event",
    [
        ir.Close(0),
        ir.Open(1, ir.Text("")),
        ir.Open(1, CALL),
        ir.Open(1, ir.Thinking("")),
        ir.Open(0, ir.Text(""), 1),
        ir.TextDelta(0, "x", 1),
        ir.RefusalDelta(0, "No."),
        ir.Finish(None),
        ir.SealDelta(0, ir.Sealed("gemini", "s")),
    ],
)
def test_after_these_nothing_is_continued(event: ir.Event) -> None:
    joint = begun("One")
    assert joint.begun
    told(joint, event)
    assert not joint.begun


@pytest.mark.parametrize("words", [(), ("",), (" ", "\n")])
def test_without_a_word_nothing_is_continued(words: tuple[str, ...]) -> None:
    assert not begun(*words).begun


def test_a_new_beginning_forgets_the_one_before() -> None:
    joint = begun("One")
    told(joint, ir.Open(1, CALL), ir.Tally(ir.Usage(input=1)))
    joint.begin(excluded=False)
    assert (joint.text, joint.stated, joint.begun) == ("", None, False)
    joint.begin(excluded=True)
    told(joint, ir.Open(0, ir.Text("One")))
    assert not joint.begun


def test_one_start_one_text_one_end() -> None:
    end: list[ir.Event] = [ir.Close(0), ir.Finish(None), ir.End()]
    found = joined(
        begun("One"), ir.Start("x"), ir.Open(0, ir.Text("")), ir.TextDelta(0, " two"), ir.Ping(), *end
    )
    assert found == [ir.TextDelta(0, " two"), ir.Ping(), *end]


def test_many_words_are_held_as_one_text() -> None:
    joint = begun(*map(str, range(1000)))
    assert joint.text == "".join(map(str, range(1000)))


def test_the_final_block_of_the_rest_is_not_that_of_the_whole() -> None:
    block = ir.Text(" two", item=ir.Item("msg_2", "completed"))
    found = joined(begun("One"), ir.Open(0, ir.Text("")), ir.TextDelta(0, " two"), ir.Close(0, block))
    assert found == [ir.TextDelta(0, " two"), ir.Close(0)]


def test_the_text_has_another_place_in_the_new_stream() -> None:
    joint = begun("One")
    thinking: list[ir.Event] = [ir.Open(0, ir.Thinking("")), ir.ThinkDelta(0, "Hm"), ir.Close(0)]
    text: list[ir.Event] = [ir.Open(1, ir.Text("")), ir.TextDelta(1, " two"), ir.Close(1)]
    calls: list[ir.Event] = [ir.Open(2, CALL), ir.ArgsDelta(2, "{}"), ir.Close(2)]
    assert joined(joint, *thinking, *text, *calls, ir.Finish(None)) == [
        ir.TextDelta(0, " two"),
        ir.Close(0),
        *(ir.Open(1, CALL), ir.ArgsDelta(1, "{}"), ir.Close(1)),
        ir.Finish(None),
    ]
    assert joint.report is not None
    assert "thinking" in joint.report.losses[0].reason


def test_calls_without_a_text_close_it() -> None:
    found = joined(begun("One"), ir.Open(0, CALL), ir.Close(0), ir.Finish(None), ir.End())
    assert found == [ir.Close(0), ir.Open(1, CALL), ir.Close(1), ir.Finish(None), ir.End()]


def test_an_empty_answer_ends_it() -> None:
    assert joined(begun("One"), ir.Start("x"), ir.Finish(None), ir.End()) == [
        ir.Close(0),
        ir.Finish(None),
        ir.End(),
    ]


def test_facts_of_the_new_answer() -> None:
    extra = {"x": {"a": 1}}
    found = joined(begun("One"), ir.More(model="other"), ir.More(extra=extra, tier="flex"), ir.Raw("x", 1))
    assert found == [ir.More(extra=extra)]


def test_usages_are_added() -> None:
    joint = begun("One")
    joint.earlier = ir.Usage(input=3, output=2)
    found = joined(joint, ir.Start("x", usage=ir.Usage(input=9)), ir.Tally(ir.Usage(input=9, output=4)))
    assert found == [ir.Tally(ir.Usage(input=12, output=6))]
    assert joint.stated == ir.Usage(input=9, output=4)
    assert joint.so_far() == ir.Usage(input=3, output=2)


@pytest.mark.parametrize(
    ("said", "words", "repeats", "rest"),
    [
        ("One", ["One", " two"], True, " two"),
        ("One", ["O", "n", "e two"], True, " two"),
        ("One", ["Only"], True, "Only"),
        ("One", ["One"], False, "One"),
        ("One ", ["One", " ", "two"], True, "two"),
        ("One \n", [" ", "\n", "\n", "two"], False, "\ntwo"),
        ("One \n", [" ", "two"], False, "two"),
        ("One\n", [" two"], False, " two"),
        ("One ", [" "], False, ""),
        ("0123456789abcdef", ["0123456789", "abcdefg"], False, "g"),
        ("0123456789abcde", ["0123456789", "abcdefg"], False, "0123456789abcdefg"),
        ("0123456789abcdef", ["0123456789"], False, "0123456789"),
    ],
)
def test_what_is_repeated(said: str, words: list[str], repeats: bool, rest: str) -> None:
    joint = begun(said)
    deltas = [ir.TextDelta(0, word) for word in words]
    found = joined(joint, ir.Open(0, ir.Text("")), *deltas, ir.Close(0), repeats=repeats)
    assert "".join(event.text for event in found if isinstance(event, ir.TextDelta)) == rest
    assert joint.text == said + rest


def test_a_third_one_goes_on_with_both() -> None:
    joint = begun("One")
    joined(joint, ir.Open(0, ir.Text("")), ir.TextDelta(0, " two "))
    assert joint.begun
    assert joint.join(repeats=False) == "One two"
    assert told(joint, ir.Open(0, ir.Text(" three"))) == [ir.TextDelta(0, "three")]


@pytest.mark.parametrize(
    ("batches", "at"),
    [
        ([[ir.Start("x"), ir.Ping()], [ir.Open(0, ir.Text(""))], [ir.TextDelta(0, "a")]], 2),
        ([[ir.Start("x")], [ir.Open(0, CALL)], []], 1),
        ([[ir.Start("x"), ir.Finish(None)]], 0),
        ([[ir.Start("x")], []], None),
    ],
)
def test_the_first_content_is_announced_once(batches: list[Sequence[ir.Event]], at: int | None) -> None:
    async def stream() -> AsyncIterator[Sequence[ir.Event]]:
        for batch in batches:
            yield batch

    heard: list[int] = []
    places = iter(range(len(batches)))
    place = -1

    async def listen() -> None:
        nonlocal place
        announced = Announced(stream(), lambda: heard.append(place))
        for place in places:
            assert await anext(announced) == batches[place]

    asyncio.run(listen())
    assert heard == ([] if at is None else [at])
