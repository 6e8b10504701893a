"""The grammar refuses what no client could follow."""

from __future__ import annotations

import pytest

from dragoman import ir

START, OPEN, END = ir.Start("x"), ir.Open(0, ir.Text("")), ir.End()
DELTA, CLOSE, FINISH = ir.TextDelta(0, "a"), ir.Close(0), ir.Finish(ir.Stop("end"))


def follow(*events: ir.Event) -> ir.Checker:
    checker = ir.Checker()
    for event in events:
        checker.add(event)
    return checker


def test_a_plain_answer_passes() -> None:
    events = (
        ir.Ping(),
        START,
        OPEN,
        DELTA,
        CLOSE,
        FINISH,
        ir.Tally(ir.Usage()),
        ir.Cite(0, ir.Citation()),
        END,
    )
    assert follow(*events).state == "over"


def test_two_candidates_may_interleave() -> None:
    other = ir.Open(0, ir.Text(""), 1)
    late = (ir.TextDelta(0, "b", 1), ir.Close(0, None, 1), ir.Finish(ir.Stop("end"), 1))
    assert follow(START, OPEN, other, DELTA, CLOSE, FINISH, *late, END).state == "over"


@pytest.mark.parametrize(
    "events",
    [
        pytest.param((OPEN,), id="before the start"),
        pytest.param((START, DELTA), id="delta of a block that was never opened"),
        pytest.param((START, ir.Open(1, ir.Text(""))), id="a gap in the indexes"),
        pytest.param((START, OPEN, FINISH), id="finish with a block open"),
        pytest.param((START, OPEN, END), id="end with a block open"),
        pytest.param((START, OPEN, CLOSE, DELTA), id="delta after close"),
        pytest.param((START, OPEN, ir.ArgsDelta(0, "{}")), id="arguments for a text"),
        pytest.param((START, OPEN, CLOSE, FINISH, FINISH), id="finish twice"),
        pytest.param((START, OPEN, CLOSE, FINISH, ir.Open(1, ir.Text(""))), id="a block after finish"),
        pytest.param((START, END, ir.Ping()), id="anything after the end"),
        pytest.param((START, ir.Cite(0, ir.Citation())), id="citation of nothing"),
    ],
)
def test_an_illegal_stream_is_refused_at_its_last_event(events: tuple[ir.Event, ...]) -> None:
    follow(*events[:-1])
    with pytest.raises(ir.GrammarError):
        follow(*events)
