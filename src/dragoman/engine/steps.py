"""What happens to an answer on its way back to the client: a list of steps, the same whole and streamed.

Undoing an emulation, giving ids to calls, checking what was promised: each is one step, made for one answer
of one attempt, and each sees what the step before it gives. An empty list costs nothing. Steps run before
the hooks. They never wait and never do IO.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dragoman import ir


class Step(Protocol):
    """One thing that happens to an answer. Gets either its events or the whole answer, never both."""

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        """What the client's side gets for one event: itself, others, none.

        An `ir.Error` among them ends the answer in-band, and nothing behind it is sent.
        """
        ...

    def whole(self, response: ir.Response) -> ir.Response:
        """A whole answer as the client's side gets it. Raises RequestFailed: the attempt has failed."""
        ...


def through(steps: Sequence[Step], events: Sequence[ir.Event]) -> Sequence[ir.Event]:
    """What is left of some events of a stream, behind the last step."""
    for step in steps:
        events = [passed for event in events for passed in step.feed(event)]
    return events


def whole(steps: Sequence[Step], response: ir.Response) -> ir.Response:
    """A whole answer behind the last step. Raises RequestFailed when one of them refuses it."""
    for step in steps:
        response = step.whole(response)
    return response
