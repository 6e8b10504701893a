"""Loads, and the rows that compare them: what is asked of whom, how often, and within which budget.

A scenario is one load on one target; a comparison puts the gateway's CPU for each answer or event beside the
floor's in the same round. Everything here is data: a new row is a new value in SCENARIOS and COMPARISONS.
Budgets are those of the project's design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.checks import proven_answer, proven_stream, shot
from bench.load import Shot
from bench.stage import Target

IN_FLIGHT = 32
"""Requests in flight: enough to keep the process under test busy all the time."""

STREAMS = 20
"""Paced streams in flight: at an event each 2 ms, 10,000 events a second, below what either target can do, so
that every event travels alone, as it does from a real provider."""

PACE_MS = 2
BURST_EVENTS = 50


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load on one target.

    model: what the provider is asked for, `{events}` being the run's length of a stream. prefix: of the name
    that the client uses. events: of text in a stream, 0 for one answer, None for the run's length.
    """

    key: str
    target: Target
    model: str
    prefix: str = ""
    events: int | None = 0
    usage: bool = False
    concurrency: int = IN_FLIGHT

    @property
    def paced(self) -> bool:
        """Whether events come one by one."""
        return self.events is None

    async def shot(self, port: int, length: int) -> Shot:
        """The request and its proven answer; `length`: text events in a long stream.

        Raises LoadError when the target's answer is wrong.
        """
        model = self.model.format(events=length)
        name = self.prefix + model
        # A translated answer may carry either name, one that passes through the name that was asked for.
        names = {name, model} if self.prefix in {"translated-", "gemini-"} else {name}
        if self.events == 0:
            return await proven_answer(shot(port, name), names)
        events = length if self.events is None else self.events
        asked = shot(port, name, stream=True, usage=self.usage)
        return await proven_stream(asked, names, events, usage=self.usage)


_PACED = f"stream-{{events}}-{PACE_MS}"
_BURST = f"stream-{BURST_EVENTS}-0"

SCENARIOS = (
    Scenario("direct-json", "direct", "answer"),
    Scenario("floor-json", "floor", "answer"),
    Scenario("relay-json", "gateway", "answer"),
    Scenario("translate-json", "gateway", "answer", "translated-"),
    Scenario("gemini-json", "gateway", "answer", "gemini-"),
    Scenario("direct-stream", "direct", _PACED, "", None, usage=True, concurrency=STREAMS),
    Scenario("floor-stream", "floor", _PACED, "", None, usage=True, concurrency=STREAMS),
    Scenario("relay-stream", "gateway", _PACED, "", None, usage=True, concurrency=STREAMS),
    Scenario("renamed-stream", "gateway", _PACED, "renamed-", None, concurrency=STREAMS),
    Scenario("translate-stream", "gateway", _PACED, "translated-", None, concurrency=STREAMS),
    Scenario("gemini-stream", "gateway", _PACED, "gemini-", None, concurrency=STREAMS),
    Scenario("direct-burst", "direct", _BURST, "", BURST_EVENTS, usage=True),
    Scenario("floor-burst", "floor", _BURST, "", BURST_EVENTS, usage=True),
    Scenario("relay-burst", "gateway", _BURST, "renamed-", BURST_EVENTS),
    Scenario("translate-burst", "gateway", _BURST, "translated-", BURST_EVENTS),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row: the scenario of the gateway, the floor's to hold it against, and the budget of their ratio."""

    key: str
    title: str
    gateway: str
    floor: str
    unit: Literal["answer", "event"]
    budget: float | None
    note: str = ""


COMPARISONS = (
    Comparison("relay-json", "relay, JSON, small", "relay-json", "floor-json", "answer", 1.5),
    Comparison(
        "translate-json", "translate to Anthropic, JSON", "translate-json", "floor-json", "answer", 1.7
    ),
    Comparison("gemini-json", "translate to Gemini, JSON", "gemini-json", "floor-json", "answer", 1.7),
    Comparison("relay-stream", "relay, stream", "relay-stream", "floor-stream", "event", 1.3),
    Comparison(
        "renamed-stream", "relay, stream, model renamed", "renamed-stream", "floor-stream", "event", 1.3
    ),
    Comparison(
        "translate-stream", "translate to Anthropic, stream", "translate-stream", "floor-stream", "event", 1.5
    ),
    Comparison("gemini-stream", "translate to Gemini, stream", "gemini-stream", "floor-stream", "event", 1.5),
    Comparison(
        "relay-burst",
        "relay, renamed, 50 events at once",
        "relay-burst",
        "floor-burst",
        "answer",
        None,
        "the floor passes the events on unread and joined: no budget, watch the figure itself",
    ),
    Comparison(
        "translate-burst",
        "translate, 50 events at once",
        "translate-burst",
        "floor-burst",
        "answer",
        None,
        "as above",
    ),
)
