"""What is left of a long history: whole pairs, in order, and no more than fits."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.shorten import Moved, fit, shortened
from dragoman.ir.request import Role


class Letters:
    """A token for every letter of text, none for anything else."""

    def frame(self, request: ir.Request) -> int:
        return sum(len(block.text) for block in request.system if isinstance(block, ir.Text))

    def message(self, message: ir.Message) -> int:
        return sum(len(getattr(block, "text", "")) for block in message.blocks)


def say(role: Role, *blocks: ir.Block | str) -> ir.Message:
    return ir.Message(role, tuple(ir.Text(block) if isinstance(block, str) else block for block in blocks))


def call(call_id: str | None, name: str = "f") -> ir.ToolCall:
    return ir.ToolCall(call_id, name)


def result(call_id: str | None, name: str | None = None) -> ir.ToolResult:
    return ir.ToolResult(call_id, (), name)


def step(call_id: str) -> list[ir.Message]:
    return [say("assistant", "abc", call(call_id)), say("user", result(call_id))]


def asking(*messages: ir.Message, truncation: str | None = "auto") -> ir.Request:
    return ir.Request("here", "m", messages, truncation=truncation)


QUESTION, ANSWER = say("user", "abcd"), say("assistant", "efgh")
APPROVAL = ir.Native("here", "approval", {})


@pytest.mark.parametrize(
    ("messages", "window", "dropped"),
    [
        pytest.param([QUESTION, ANSWER, QUESTION], 12, (), id="fits"),
        pytest.param([QUESTION, ANSWER, QUESTION], 11, (0, 1), id="a question goes with its answer"),
        pytest.param([QUESTION, ANSWER, QUESTION], 0, (0, 1), id="the last question stays"),
        pytest.param([ANSWER, QUESTION, ANSWER, QUESTION], 12, (0,), id="what came before any question"),
        pytest.param(
            [say("system", "ab"), QUESTION, say("developer", "cd"), ANSWER, QUESTION],
            0,
            (1, 3),
            id="instructions",
        ),
        pytest.param([QUESTION, QUESTION, QUESTION], 8, (0,), id="no more than it takes"),
        pytest.param(
            [QUESTION, *step("1"), ANSWER, QUESTION],
            14,
            (0, 1, 2, 3),
            id="a call goes with its result",
        ),
        pytest.param(
            [QUESTION, say("assistant", call("1")), QUESTION, say("user", result("1")), QUESTION],
            11,
            (0, 1, 2, 3),
            id="a result that comes after another question",
        ),
        pytest.param(
            [QUESTION, say("assistant", call("1")), QUESTION, say("user", result("1"))],
            4,
            (),
            id="a call whose result must stay",
        ),
        pytest.param(
            [QUESTION, say("assistant", call(None)), QUESTION, say("user", result(None, "f")), QUESTION],
            11,
            (0, 1, 2, 3),
            id="a result without an id",
        ),
        pytest.param(
            [
                QUESTION,
                say("assistant", call("1")),
                QUESTION,
                say("user", result("1")),
                say("user", result("1")),
            ],
            4,
            (),
            id="a second result of one call",
        ),
        pytest.param(
            [QUESTION, *step("1"), QUESTION, *step("1")],
            4,
            (0, 1, 2),
            id="an id that is used again",
        ),
        pytest.param(
            [QUESTION, *step("1"), *step("2"), *step("3")],
            10,
            (1, 2),
            id="steps of the answer that is under way",
        ),
        pytest.param(
            [QUESTION, say("assistant", "abc"), say("assistant", call("1")), say("user", result("1"))],
            0,
            (),
            id="the last step stays, with all that the model said in it",
        ),
        pytest.param(
            [QUESTION, say("assistant", APPROVAL), say("user", APPROVAL), QUESTION],
            4,
            (0, 1, 2),
            id="a reply that only the protocol knows goes with what it replies to",
        ),
        pytest.param([say("user"), QUESTION], 3, (0,), id="an empty message asks too"),
        pytest.param([say("user", result("x")), QUESTION], 3, (0,), id="a result whose call nobody knows"),
        pytest.param([say("system", "abcd")], 1, (), id="nothing but instructions"),
        pytest.param([], 0, (), id="nothing at all"),
    ],
)
def test_whole_parts_go_oldest_first(
    messages: list[ir.Message], window: int, dropped: tuple[int, ...]
) -> None:
    request = asking(*messages)
    short = fit(request, window, Letters())
    assert short.dropped == dropped
    left = [message for place, message in enumerate(messages) if place not in dropped]
    assert list(short.request.messages) == left
    assert short.tokens == sum(map(Letters().message, left))


def test_what_is_no_message_counts_too() -> None:
    request = ir.Request("here", "m", (QUESTION, ANSWER, QUESTION), (ir.Text("x"),))
    assert fit(request, 13, Letters()).dropped == ()
    assert fit(request, 12, Letters()).dropped == (0, 1)
    assert fit(request, 12, Letters()).tokens == 5


IDS = st.sampled_from(["a", "b", "c", None])
TEXTS = st.builds(ir.Text, st.text("xyz", max_size=5))
CALLS = st.builds(call, IDS, st.sampled_from(["f", "g"]))
RESULTS = st.builds(result, IDS, st.sampled_from(["f", "g", None]))
SAID: dict[Role, st.SearchStrategy[ir.Block]] = {
    "user": TEXTS | RESULTS,
    "assistant": TEXTS | CALLS,
    "system": TEXTS,
    "developer": TEXTS,
}
MESSAGES = st.one_of(
    [
        st.builds(ir.Message, st.just(role), st.lists(said, max_size=3).map(tuple))
        for role, said in SAID.items()
    ]
)
HISTORIES = st.lists(MESSAGES, max_size=12)


def answered(messages: list[ir.Message]) -> list[tuple[int, str]]:
    """Every result with an id that a call before it has, by the place of its call's id and message."""
    found: list[tuple[int, str]] = []
    known: set[str] = set()
    for place, message in enumerate(messages):
        for block in message.blocks:
            if isinstance(block, ir.ToolCall) and block.id is not None:
                known.add(block.id)
            elif isinstance(block, ir.ToolResult) and block.id in known:
                found.append((place, block.id or ""))
    return found


def calls(messages: list[ir.Message], place: int, call_id: str) -> int | None:
    """The last message before or at this place that has a call with this id."""
    return next(
        (
            earlier
            for earlier in reversed(range(place + 1))
            for block in messages[earlier].blocks
            if isinstance(block, ir.ToolCall) and block.id == call_id
        ),
        None,
    )


@given(HISTORIES, st.integers(0, 40))
def test_pairs_stay_whole_and_the_rest_fits(messages: list[ir.Message], window: int) -> None:
    short = fit(asking(*messages), window, Letters())
    kept = [place for place in range(len(messages)) if place not in short.dropped]
    assert list(short.request.messages) == [messages[place] for place in kept]
    assert short.tokens == sum(Letters().message(messages[place]) for place in kept)

    for place, call_id in answered(messages):
        made = calls(messages, place, call_id)
        assert made is not None
        assert (made in kept) == (place in kept)

    protected = {place for place, message in enumerate(messages) if message.role in {"system", "developer"}}
    assert protected <= set(kept)
    asked = [
        place
        for place, message in enumerate(messages)
        if message.role == "user"
        and (not message.blocks or any(isinstance(block, ir.Text) for block in message.blocks))
    ]
    assert not asked or asked[-1] in kept
    if short.tokens > window:
        assert fit(short.request, window, Letters()).dropped == ()
        assert fit(short.request, 0, Letters()).dropped == ()


@given(HISTORIES, st.integers(0, 40))
def test_more_room_never_drops_more(messages: list[ir.Message], window: int) -> None:
    request = asking(*messages)
    assert set(fit(request, window + 1, Letters()).dropped) <= set(fit(request, window, Letters()).dropped)


def test_what_is_left_out_is_told() -> None:
    report = Report("there")
    request = shortened(asking(QUESTION, ANSWER, QUESTION), 10, "m", report)
    assert request.messages == (QUESTION,)
    assert [(loss.path, loss.severity) for loss in report.losses] == [
        ("messages[0]", "quality"),
        ("messages[1]", "quality"),
    ]
    report.lose("messages[0].blocks[0]", "not said here")
    report.change("messages[0]", "input", "written so")
    assert report.losses[-1].path == "messages[2].blocks[0]"
    assert report.changes[-1].path == "messages[2]"


@pytest.mark.parametrize("truncation", [None, "disabled"])
def test_nothing_is_left_out_that_was_not_to_be(truncation: Literal["disabled"] | None) -> None:
    report = Report("there")
    request = asking(QUESTION, ANSWER, QUESTION, truncation=truncation)
    assert shortened(request, 1, "m", report) is request
    assert shortened(request, None, "m", report) is request
    assert report.losses == []


@pytest.mark.parametrize(("dialect", "lost"), [("there", ["truncation"]), ("here", [])])
def test_an_unknown_window_is_the_upstreams_to_know(dialect: str, lost: list[str]) -> None:
    report = Report(dialect)
    request = asking(QUESTION, ANSWER, QUESTION)
    assert shortened(request, None, "m", report) is request
    assert [loss.path for loss in report.losses] == lost


def test_what_fits_anyway_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.dialects.shorten.Counter", lambda _: pytest.fail("counted"))
    request = asking(QUESTION, ANSWER, QUESTION)
    assert shortened(request, 100, "m", Report("there")) is request


def test_places_move_back() -> None:
    moved = Moved(4, (0, 2))
    assert moved("messages[0].blocks[3].cache") == "messages[1].blocks[3].cache"
    assert moved("messages[1]") == "messages[3]"
    assert moved("messages[9]") == "messages[9]"
    assert moved("tools[0]") == "tools[0]"


def test_a_long_history_takes_time_in_proportion() -> None:
    turns = [
        message
        for turn in range(20_000)
        for message in (QUESTION, say("assistant", call("same")), say("user", result("same")))
    ]
    assert len(fit(asking(*turns), 8, Letters()).request.messages) == 6
