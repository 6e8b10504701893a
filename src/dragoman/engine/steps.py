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
        """The events that take the place of this event: itself, others, or none. The next step gets them. If
        one of them is an `ir.Error`, the answer ends with it, and nothing after it is sent. For an event of
        the kinds `CONTINUING` a step returns only events of these kinds, unless it
        undoes an `Emulation` that divides texts. An event whose kind is not in
        `takes` need not be given to this step.
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
