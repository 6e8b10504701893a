"""Steps run in order, each on what the one before it gives."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dragoman import ir
from dragoman.engine.steps import through, whole
from dragoman.errors import RequestFailed


class Adds:
    """Says a letter after each text, and drops pings."""

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
