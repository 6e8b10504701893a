"""Steps run in order, each on what the one before it gives."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dragoman import ir
from dragoman.dialects.estimate import EstimateUsage
from dragoman.dialects.identify import Identify
from dragoman.dialects.loss import Report
from dragoman.dialects.restore import Restorer, Undo
from dragoman.engine.steps import Step, through, whole
from dragoman.errors import RequestFailed
from dragoman.verify.check import CheckOutput, Form


class Adds:
    """Says a letter after each text, and drops pings."""

    takes = frozenset({ir.TextDelta, ir.Ping})

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        if isinstance(event, ir.Ping):
            return ()
        return (
            (event, ir.TextDelta(event.index, self.letter)) if isinstance(event, ir.TextDelta) else (event,)
        )

    def whole(self, response: ir.Response) -> ir.Response:
        if response.status == "bad":
            raise RequestFailed(ir.Fault("upstream", f"refused by {self.letter}"))
        return ir.Response(response.dialect, f"{response.id}{self.letter}")


def test_events_pass_all_steps_in_order() -> None:
    events: list[ir.Event] = [ir.Ping(), ir.TextDelta(0, "x"), ir.Close(0)]
    seen = through([Adds("a"), Adds("b")], events)
    assert seen == [*(ir.TextDelta(0, text) for text in "xbab"), ir.Close(0)]


def test_events_that_a_step_does_not_take_pass_it_as_they_are() -> None:
    events: list[ir.Event] = [ir.Close(0), ir.ArgsDelta(1, "x")]
    assert through([Adds("a")], events) is events


def test_no_steps_change_nothing() -> None:
    events = [ir.Ping()]
    response = ir.Response("t")
    assert through([], events) is events
    assert whole([], response) is response


def test_a_whole_answer_passes_all_steps_in_order() -> None:
    assert whole([Adds("a"), Adds("b")], ir.Response("t", "x")).id == "xab"


def test_a_step_may_refuse_a_whole_answer() -> None:
    with pytest.raises(RequestFailed, match="refused by a"):
        whole([Adds("a"), Adds("b")], ir.Response("t", status="bad"))


EVENTS: list[ir.Event] = [
    *(ir.Start("x", usage=ir.Usage(1, output=1)), ir.Open(0, ir.ToolCall("c", "f", ""))),
    *(ir.ArgsDelta(0, "{}"), ir.Close(0), ir.Open(1, ir.Text("")), ir.TextDelta(1, "a"), ir.Close(1)),
    *(ir.Open(2, ir.Thinking("")), ir.ThinkDelta(2, "b"), ir.SealDelta(2, ir.Sealed("x", "s")), ir.Close(2)),
    *(ir.RefusalDelta(3, "c"), ir.MediaDelta(4, "d"), ir.Cite(1, ir.Citation("url")), ir.Raw("x", {})),
    *(ir.More(tier="t"), ir.Ping(), ir.Tally(ir.Usage(1, output=1)), ir.Finish(ir.Stop("end")), ir.End()),
]


@pytest.mark.parametrize(
    "step",
    [
        Identify("token"),
        Restorer(Undo(names={(None, "f"): (None, "g")}), Report("t", "response")),
        Restorer(Undo(answer="f"), Report("t", "response")),
        CheckOutput(Form(), lambda: 0.0),
        EstimateUsage(ir.Request("x", "m"), "m"),
    ],
    ids=["identify", "names", "answer", "check", "estimate"],
)
def test_a_step_changes_no_event_that_it_does_not_take(step: Step) -> None:
    for event in EVENTS:
        taken = type(event) in step.takes
        passed = step.feed(event)
        assert taken or list(passed) == [event]
