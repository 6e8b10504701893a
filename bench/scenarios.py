"""Loads, and the rows that compare them: what is asked of whom, how often, and within which budget.

A scenario is one load on one target; a comparison puts the gateway's CPU for each answer or event beside the
floor's in the same round. Everything here is data: a new row is a new value in SCENARIOS and COMPARISONS.
Budgets are those of the project's design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.checks import (
    proven_answer,
    proven_response,
    proven_response_stream,
    proven_stream,
    responses_shot,
    shot,
)
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
    that the client uses. events: of text in a stream, 0 for one answer, None for the run's length. usage: the
    client asks for the stream's usage chunk. face: what the client speaks. store: its answer is kept, which
    Responses alone can.
    """

    key: str
    target: Target
    model: str
    prefix: str = ""
    events: int | None = 0
    usage: bool = False
    concurrency: int = IN_FLIGHT
    face: Literal["chat", "responses"] = "chat"
    store: bool = False

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
        names = {name} if self.prefix in {"", "renamed-"} else {name, model}
        events = length if self.events is None else self.events
        if self.face == "responses":
            wanted = responses_shot(port, name, stream=events > 0, store=self.store)
            if events == 0:
                return await proven_response(wanted, names, store=self.store)
            return await proven_response_stream(wanted, names, events, store=self.store)
        if events == 0:
            return await proven_answer(shot(port, name), names)
        asked = shot(port, name, stream=True, usage=self.usage)
        return await proven_stream(asked, names, events, usage=self.usage)


_PACED = f"stream-{{events}}-{PACE_MS}"
_BURST = f"stream-{BURST_EVENTS}-0"


def _responses(key: str, target: Target, model: str, prefix: str = "", *, store: bool = False) -> Scenario:
    """A load of the Responses API: one answer, or a paced stream."""
    if model == "answer":
        return Scenario(key, target, model, prefix, face="responses", store=store)
    return Scenario(key, target, model, prefix, None, concurrency=STREAMS, face="responses", store=store)


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
    Scenario("responses-upstream-stream", "gateway", _PACED, "responses-", None, concurrency=STREAMS),
    _responses("direct-responses-json", "direct", "answer"),
    _responses("floor-responses-json", "floor", "answer"),
    _responses("relay-responses-json", "gateway", "answer", "responses-"),
    _responses("stored-responses-json", "gateway", "answer", "responses-", store=True),
    _responses("remembered-responses-json", "forgetful", "answer", "responses-", store=True),
    _responses("translate-responses-json", "gateway", "answer", "translated-"),
    _responses("direct-responses-stream", "direct", _PACED),
    _responses("floor-responses-stream", "floor", _PACED),
    _responses("relay-responses-stream", "gateway", _PACED, "responses-"),
    _responses("translate-responses-stream", "gateway", _PACED, "translated-"),
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
    Comparison(
        "responses-upstream-stream",
        "translate chat to Responses, stream",
        "responses-upstream-stream",
        "floor-stream",
        "event",
        1.5,
        "the floor passes the chat dialect's events, which are the smaller ones",
    ),
    Comparison(
        "relay-responses-json",
        "Responses: relay, JSON, not stored",
        "relay-responses-json",
        "floor-responses-json",
        "answer",
        1.5,
    ),
    Comparison(
        "stored-responses-json",
        "Responses: relay, JSON, stored in SQLite",
        "stored-responses-json",
        "floor-responses-json",
        "answer",
        None,
        "the floor stores nothing: no budget, watch the figure itself",
    ),
    Comparison(
        "remembered-responses-json",
        "Responses: relay, JSON, stored in memory",
        "remembered-responses-json",
        "floor-responses-json",
        "answer",
        None,
        "as above",
    ),
    Comparison(
        "translate-responses-json",
        "Responses: translate to Anthropic, JSON",
        "translate-responses-json",
        "floor-responses-json",
        "answer",
        1.7,
    ),
    Comparison(
        "relay-responses-stream",
        "Responses: relay, stream",
        "relay-responses-stream",
        "floor-responses-stream",
        "event",
        1.3,
    ),
    Comparison(
        "translate-responses-stream",
        "Responses: translate to Anthropic, stream",
        "translate-responses-stream",
        "floor-responses-stream",
        "event",
        1.5,
    ),
)
