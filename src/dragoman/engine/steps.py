"""Steps that change an answer on its way to the client, for whole answers and for streams.

Undoing an emulation, adding ids to tool calls, checking the output format: each is one step, made for one
answer of one attempt, and gets the result of the step before it. An empty list costs nothing. Steps run
before the hooks. They never wait and never do IO.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from dragoman import ir

CONTINUING: Final = frozenset({ir.TextDelta, ir.ThinkDelta, ir.ArgsDelta})
"""The events that continue a text: nearly all events of a stream."""


class Step(Protocol):
    """One change of an answer. It gets either the events or the whole answer, never both."""

    @property
    def takes(self) -> frozenset[type]:
        """The kinds of events that the step reads or changes, from the next event on."""
        ...

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        """The events that take the place of this event: itself, others, or none. They go to the next step. An
        `ir.Error` in the result ends the answer; nothing after it is sent. An event of `CONTINUING` is
        replaced only by such events. Events that are not in `takes` may be left out.
        """
        ...

    def whole(self, response: ir.Response) -> ir.Response:
        """The changed answer, for the next step. Raises RequestFailed if the attempt has failed by it."""
        ...


def through(steps: Sequence[Step], events: Sequence[ir.Event]) -> Sequence[ir.Event]:
    """The events of a stream after the last step."""
    for step in steps:
        if not step.takes.isdisjoint(map(type, events)):
            events = [passed for event in events for passed in step.feed(event)]
    return events


def whole(steps: Sequence[Step], response: ir.Response) -> ir.Response:
    """A whole answer after the last step. Raises RequestFailed if a step refuses it."""
    for step in steps:
        response = step.whole(response)
    return response
