"""A whole answer from the events of its stream."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.engine.gathering import Gathered

BEGIN: list[ir.Event] = [ir.Start("x", "id-1", "m"), ir.Open(0, ir.Text(""))]
END: list[ir.Event] = [ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()]


def folded(events: list[ir.Event]) -> ir.Response:
    """What the plain fold makes of them."""
    fold = ir.Fold()
    for event in events:
        fold.add(event)
    return fold.response()


@pytest.mark.parametrize(
    "said",
    [
        [ir.TextDelta(0, word) for word in ("Hel", "lo", ".")],
        [ir.TextDelta(0, "a") for _ in range(1000)],
        [ir.TextDelta(0, "a"), ir.TextDelta(0, "b", logprobs=(ir.Logprob("b", -0.5),)), ir.TextDelta(0, "c")],
        [
            *(ir.TextDelta(0, "a"), ir.Close(0), ir.Open(1, ir.Thinking("")), ir.ThinkDelta(1, "b")),
            *(ir.ThinkDelta(1, "c", part=1), ir.ThinkDelta(1, "d"), ir.Close(1)),
            *(ir.Open(2, ir.ToolCall("c", "f", "")), ir.ArgsDelta(2, "{"), ir.ArgsDelta(2, "}"), ir.Close(2)),
            ir.Open(3, ir.Text("")),
        ],
    ],
    ids=["words", "many", "log probabilities", "kinds"],
)
@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_it_is_what_the_fold_makes_of_it(said: list[ir.Event], at_once: int) -> None:
    events: list[ir.Event] = [*BEGIN, *said, *END]
    gathered = Gathered()
    for start in range(0, len(events), at_once):
        gathered.add(events[start : start + at_once])
    assert gathered.response() == folded(events)


def test_texts_of_several_candidates_are_kept_apart() -> None:
    events: list[ir.Event] = [
        *(ir.Start("x"), ir.Open(0, ir.Text("")), ir.Open(0, ir.Text(""), 1)),
        *(
            ir.TextDelta(0, "a"),
            ir.TextDelta(0, "b", 1),
            ir.TextDelta(0, "c"),
            ir.Close(0),
            ir.Close(0, None, 1),
        ),
        *(ir.Finish(ir.Stop("end")), ir.Finish(ir.Stop("end"), 1), ir.End()),
    ]
    gathered = Gathered()
    gathered.add(events)
    told = gathered.response()
    assert [candidate.blocks for candidate in told.candidates] == [(ir.Text("ac"),), (ir.Text("b"),)]


def test_texts_of_several_blocks_are_kept_apart() -> None:
    gathered = Gathered()
    gathered.add([ir.Start("x"), ir.Open(0, ir.Text("")), ir.Open(1, ir.Text(""))])
    gathered.add([ir.TextDelta(place % 2, str(place)) for place in range(4)])
    gathered.add([ir.Close(0), ir.Close(1), ir.Finish(ir.Stop("end"))])
    assert gathered.response().candidates[0].blocks == (ir.Text("02"), ir.Text("13"))


def test_what_has_come_so_far_can_be_read_at_any_time() -> None:
    gathered = Gathered()
    gathered.add([*BEGIN, ir.TextDelta(0, "Hel"), ir.TextDelta(0, "lo")])
    assert gathered.response().candidates[0].blocks == (ir.Text("Hello"),)


def test_it_says_when_a_candidate_has_finished() -> None:
    gathered = Gathered()
    assert not gathered.add([*BEGIN, ir.TextDelta(0, "a")])
    assert gathered.add([ir.Close(0), ir.Finish(ir.Stop("end"))])
    assert not gathered.add([ir.End()])


def test_nothing_is_kept_of_more_than_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.engine.gathering._MOST", 1000)
    gathered = Gathered()
    gathered.add(BEGIN)
    for _ in range(20):
        gathered.add([ir.TextDelta(0, "a" * 10)] * 100)
    assert not gathered.add(END)
    assert gathered.response().candidates == ()


@pytest.mark.parametrize("event", [ir.TextDelta(0, "x" * 100_000), ir.MediaDelta(0, "A" * 100_000)])
def test_an_endless_stream_is_not_gathered(event: ir.Event) -> None:
    gathered = Gathered()
    block = ir.Text("") if isinstance(event, ir.TextDelta) else ir.Media("image", data="")
    gathered.add([ir.Start("t"), ir.Open(0, block), ir.Open(1, ir.Text(""))])
    for _ in range(200):
        for _ in range(300):
            gathered.go_on([ir.TextDelta(1, "")])
        gathered.add([event])
    assert not gathered.add([ir.Close(0), ir.Close(1), ir.Finish(ir.Stop("end"))])
    for _ in range(100):
        gathered.go_on([ir.TextDelta(1, "")])
    assert gathered.response() == ir.Fold().response()
