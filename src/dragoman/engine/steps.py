"""Steps that change an answer on its way to the client: a whole answer, or the events of a stream.

For example, a step undoes an emulation, adds ids to tool calls, or checks the output format. A step gets the
answer as the step before it has returned it. Steps run before the hooks. They never wait and never do IO.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from dragoman import ir

CONTINUING: Final = frozenset({ir.TextDelta, ir.ThinkDelta, ir.ArgsDelta})
"""The types of events that continue a text, a thought or the arguments of a tool call. Nearly all events of a
stream have one of these types.
"""


class Step(Protocol):
    """One change of an answer. A step gets either the events of a stream (`feed`) or a whole answer
    (`whole`), never both.
    """

    @property
    def takes(self) -> frozenset[type]:
        """The types of events that must be given to the step from now on. The set may shrink during a stream.
        An empty set = the step needs no further event.
        """
        ...

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        """Return the events that replace this event: the event itself, other events, or none. The next step
        gets them. If one of them is an `ir.Error`, the answer ends with this error, and no later event is
        sent.

        For an event whose type is in `CONTINUING`, a step returns only events with such types, unless it
        undoes an `Emulation` that divides texts. A caller need not give the step events whose type is not in
        `takes`.
        """
        ...

    def whole(self, response: ir.Response) -> ir.Response:
        """Return the answer with the step's change, for the next step. Raises RequestFailed if the step
        refuses the answer; then the attempt has failed.
        """
        ...


def through(steps: Sequence[Step], events: Sequence[ir.Event]) -> Sequence[ir.Event]:
    """Return the events of a stream as they are after the last step."""
    for step in steps:
        if not step.takes.isdisjoint(map(type, events)):
            events = [passed for event in events for passed in step.feed(event)]
    return events


def whole(steps: Sequence[Step], response: ir.Response) -> ir.Response:
    """Return a whole answer as it is after the last step. Raises RequestFailed if a step refuses it."""
    for step in steps:
        response = step.whole(response)
    return response
