"""Loads, and the rows that compare them: what is asked of whom, how often, and within which budget.

A scenario is one load on one target; a comparison puts the gateway's CPU for each answer or event beside the
floor's in the same round. Everything here is data: a new row is a new value in SCENARIOS and COMPARISONS.
Budgets are those of the project's design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.answers import words_of
from bench.checks import (
    proven_answer,
    proven_message,
    proven_message_stream,
    proven_response,
    proven_response_stream,
    proven_stream,
)
from bench.load import Shot
from bench.requests import Question, messages_shot, responses_shot, shot
from bench.stage import Target

IN_FLIGHT = 32
"""Requests in flight: enough to keep the process under test busy all the time."""

STREAMS = 20
"""Paced streams in flight: at an event each 2 ms, 10,000 events a second, below what either target can do, so
that every event travels alone, as it does from a real provider."""

PACE_MS = 2
BURST_EVENTS = 50

AGENTS = 200
"""Agents at once. With streams of a second each, some 200 requests and 3,600 events a second."""

AGENT_EVENTS = 20
AGENT_PACE_MS = 50
ONE_WHOLE_OF = 10

LARGE_IN_FLIGHT = 4
"""Images in flight: more would only wait for the core in the system's buffers."""

RELAY_JSON = 0.8
TRANSLATE_JSON = 1.1
LONG_JSON = 1.2
RELAY_EVENT = 0.9
TRANSLATE_EVENT = 1.1
RELAY_BURST = 1.2
TRANSLATE_BURST = 1.6
"""Budgets, as ratios to the floor."""

ACCOUNTS = 1.1
"""The budget of keys, limits, prices and usage records, as a ratio to the gateway without any."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load on one target.

    model: what the provider is asked for, `{events}` being the run's length of a stream. prefix: of the name
    that the client uses. events: of text in a stream, 0 for one answer, None for the run's length. usage: the
    client asks for the stream's usage chunk. face: what the client speaks. store: its answer is kept, which
    Responses alone can. question: what is asked, by chat. one_whole_of: one of so many requests asks for one
    small answer instead of the stream. spread: seconds over which paced streams begin. longer: times the
    run's window, for answers that take long.
    """

    key: str
    target: Target
    model: str
    prefix: str = ""
    events: int | None = 0
    usage: bool = False
    concurrency: int = IN_FLIGHT
    face: Literal["chat", "responses", "messages"] = "chat"
    store: bool = False
    question: Question = "small"
    one_whole_of: int = 0
    spread: float = 0.0
    longer: int = 1

    @property
    def paced(self) -> bool:
        """Whether events come one by one, and are what is counted."""
        return self.events is None

    @property
    def starting(self) -> float:
        """Seconds over which the first requests are sent."""
        return self.spread or (0.05 if self.paced else 0.0)

    async def shots(self, port: int, length: int) -> tuple[Shot, ...]:
        """The requests, asked in turn, with their proven answers; `length`: text events in a long stream.

        Raises LoadError when the target's answer is wrong.
        """
        model = self.model.format(events=length)
        events = length if self.events is None else self.events
        first = await self._proven(port, model, events)
        if not self.one_whole_of:
            return (first,)
        return (*(first,) * (self.one_whole_of - 1), await self._proven(port, "answer", 0))

    async def _proven(self, port: int, model: str, events: int) -> Shot:
        name = self.prefix + model
        # A translated answer may carry either name, one that passes through the name that was asked for.
        names = {name} if self.prefix in {"", "renamed-"} else {name, model}
        if self.face == "responses":
            wanted = responses_shot(port, name, stream=events > 0, store=self.store)
            if events == 0:
                return await proven_response(wanted, names, store=self.store)
            return await proven_response_stream(wanted, names, events, store=self.store)
        if self.face == "messages":
            wanted = messages_shot(port, name, stream=events > 0)
            if events == 0:
                return await proven_message(wanted, names)
            return await proven_message_stream(wanted, names, events)
        if events == 0:
            return await proven_answer(shot(port, name, question=self.question), names, words_of(model))
        asked = shot(port, name, stream=True, usage=self.usage, question=self.question)
        return await proven_stream(asked, names, events, usage=self.usage)


_PACED = f"stream-{{events}}-{PACE_MS}"
_BURST = f"stream-{BURST_EVENTS}-0"
_AGENT = f"stream-{AGENT_EVENTS}-{AGENT_PACE_MS}"
_LONG = "answer-4000"


def _responses(key: str, target: Target, model: str, prefix: str = "", *, store: bool = False) -> Scenario:
    """A load of the Responses API: one answer, or a paced stream."""
    if model == "answer":
        return Scenario(key, target, model, prefix, face="responses", store=store)
    return Scenario(key, target, model, prefix, None, concurrency=STREAMS, face="responses", store=store)


def _messages(key: str, target: Target, model: str, prefix: str = "") -> Scenario:
    """A load of the Messages API: one answer, or a paced stream."""
    if model == "answer":
        return Scenario(key, target, model, prefix, face="messages")
    return Scenario(key, target, model, prefix, None, concurrency=STREAMS, face="messages")


def _agents(key: str, target: Target, prefix: str = "") -> Scenario:
    """A load as coding agents make it: nine streams of ten requests, and long prompts."""
    return Scenario(
        key,
        target,
        _AGENT,
        prefix,
        AGENT_EVENTS,
        concurrency=AGENTS,
        question="long",
        one_whole_of=ONE_WHOLE_OF,
        spread=AGENT_EVENTS * AGENT_PACE_MS / 1000,
    )


def _image(key: str, target: Target, prefix: str = "") -> Scenario:
    """A load of few and large requests."""
    return Scenario(key, target, "answer", prefix, concurrency=LARGE_IN_FLIGHT, question="image", longer=3)


SCENARIOS = (
    Scenario("direct-json", "direct", "answer"),
    Scenario("floor-json", "floor", "answer"),
    Scenario("relay-json", "gateway", "answer"),
    Scenario("translate-json", "gateway", "answer", "translated-"),
    Scenario("gemini-json", "gateway", "answer", "gemini-"),
    Scenario("workers-json", "workers", "answer"),
    Scenario("unaccounted-json", "unaccounted", "answer"),
    Scenario("unaccounted-translate-json", "unaccounted", "answer", "translated-"),
    Scenario("unaccounted-stream", "unaccounted", _PACED, "", None, usage=True, concurrency=STREAMS),
    Scenario("unaccounted-translate-stream", "unaccounted", _PACED, "translated-", None, concurrency=STREAMS),
    Scenario("accounted-json", "accounted", "answer"),
    Scenario("accounted-translate-json", "accounted", "answer", "translated-"),
    Scenario("accounted-stream", "accounted", _PACED, "", None, usage=True, concurrency=STREAMS),
    Scenario("accounted-translate-stream", "accounted", _PACED, "translated-", None, concurrency=STREAMS),
    Scenario("floor-tls-json", "floor-tls", "answer"),
    Scenario("relay-tls-json", "gateway", "answer", "tls-"),
    Scenario("floor-long-json", "floor", _LONG, question="long"),
    Scenario("relay-long-json", "gateway", _LONG, question="long"),
    Scenario("floor-agent-json", "floor", "answer", question="agent"),
    Scenario("relay-agent-json", "gateway", "answer", question="agent"),
    Scenario("translate-agent-json", "gateway", "answer", "translated-", question="agent"),
    Scenario("floor-tools-json", "floor", "answer", question="tools"),
    Scenario("relay-tools-json", "gateway", "answer", question="tools"),
    Scenario("translate-tools-json", "gateway", "answer", "translated-", question="tools"),
    _image("floor-image-json", "floor"),
    _image("relay-image-json", "gateway"),
    _image("gemini-image-json", "gateway", "gemini-"),
    Scenario("direct-stream", "direct", _PACED, "", None, usage=True, concurrency=STREAMS),
    Scenario("floor-stream", "floor", _PACED, "", None, usage=True, concurrency=STREAMS),
    Scenario("relay-stream", "gateway", _PACED, "", None, usage=True, concurrency=STREAMS),
    Scenario("renamed-stream", "gateway", _PACED, "renamed-", None, concurrency=STREAMS),
    Scenario("translate-stream", "gateway", _PACED, "translated-", None, concurrency=STREAMS),
    Scenario("gemini-stream", "gateway", _PACED, "gemini-", None, concurrency=STREAMS),
    Scenario("floor-tls-stream", "floor-tls", _PACED, "", None, usage=True, concurrency=STREAMS),
    Scenario("relay-tls-stream", "gateway", _PACED, "tls-", None, usage=True, concurrency=STREAMS),
    Scenario("direct-burst", "direct", _BURST, "", BURST_EVENTS, usage=True),
    Scenario("floor-burst", "floor", _BURST, "", BURST_EVENTS, usage=True),
    Scenario("relay-burst", "gateway", _BURST, "renamed-", BURST_EVENTS),
    Scenario("translate-burst", "gateway", _BURST, "translated-", BURST_EVENTS),
    _agents("floor-agents", "floor"),
    _agents("relay-agents", "gateway"),
    _agents("translate-agents", "gateway", "translated-"),
    _agents("unaccounted-agents", "unaccounted"),
    _agents("accounted-agents", "accounted"),
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
    _messages("floor-messages-json", "floor", "answer"),
    _messages("relay-messages-json", "gateway", "answer", "translated-"),
    _messages("translate-messages-json", "gateway", "answer"),
    _messages("floor-messages-stream", "floor", _PACED),
    _messages("relay-messages-stream", "gateway", _PACED, "translated-"),
    _messages("translate-messages-stream", "gateway", _PACED),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row: the scenario of the gateway, the floor's to hold it against, and the budget of their ratio."""

    gateway: str
    title: str
    floor: str
    unit: Literal["answer", "event"]
    budget: float | None
    note: str = ""

    @property
    def key(self) -> str:
        """The row's name, which is its scenario's."""
        return self.gateway


def _against(
    floor: str,
    unit: Literal["answer", "event"],
    *rows: tuple[str, str, float | None] | tuple[str, str, float | None, str],
) -> tuple[Comparison, ...]:
    """Rows with one floor: the gateway's scenario, the title, the budget, and a note for some."""
    return tuple(Comparison(row[0], row[1], floor, unit, row[2], "".join(row[3:])) for row in rows)


_AS_ABOVE = "as above"
_ONE_CORE = (
    "two processes on the one core under test, and a floor of one: what sharing costs, not what it gains"
)
_ACCOUNTS = "the floor is the same gateway without accounts; its journal goes into SQLite meanwhile"
_READS = "no budget: the gateway checks every message and tool, the floor reads nothing"
_JOINS = (
    "no budget: the floor joins the pieces of a body anew with each of them, and that is most of its time"
)
_UNREAD = "the floor passes the events on unread and joined"
_SMALLER = "the floor passes the chat dialect's events, which are the smaller ones"
_STORES = "the floor stores nothing: no budget, watch the figure itself"
_AGENTS = (
    f"{AGENTS} clients; of {ONE_WHOLE_OF} requests with prompts of 100 kB all but one are streams of "
    f"{AGENT_EVENTS} events, 20 a second"
)
_AGENTS_MIX = f"{_AGENTS}; no budget: the floor does not read the prompts"
_ACCOUNTED_AGENTS = f"{_ACCOUNTS}; {_AGENTS}"

COMPARISONS = (
    *_against(
        "floor-json",
        "answer",
        ("relay-json", "relay, JSON, small", RELAY_JSON),
        ("translate-json", "translate to Anthropic, JSON", TRANSLATE_JSON),
        ("gemini-json", "translate to Gemini, JSON", TRANSLATE_JSON),
        ("workers-json", "relay, JSON, `--workers 2`", None, _ONE_CORE),
    ),
    *_against(
        "unaccounted-json", "answer", ("accounted-json", "accounts on: relay, JSON", ACCOUNTS, _ACCOUNTS)
    ),
    *_against(
        "unaccounted-translate-json",
        "answer",
        ("accounted-translate-json", "accounts on: translate to Anthropic, JSON", ACCOUNTS, _AS_ABOVE),
    ),
    *_against(
        "unaccounted-stream",
        "event",
        ("accounted-stream", "accounts on: relay, stream", ACCOUNTS, _AS_ABOVE),
    ),
    *_against(
        "unaccounted-translate-stream",
        "event",
        ("accounted-translate-stream", "accounts on: translate, stream", ACCOUNTS, _AS_ABOVE),
    ),
    *_against(
        "unaccounted-agents",
        "answer",
        ("accounted-agents", "accounts on: agents' mix, relay", ACCOUNTS, _ACCOUNTED_AGENTS),
    ),
    *_against("floor-tls-json", "answer", ("relay-tls-json", "TLS to the provider: relay, JSON", RELAY_JSON)),
    *_against(
        "floor-long-json",
        "answer",
        ("relay-long-json", "relay, JSON, prompt of 100 kB and answer of 20 kB", LONG_JSON),
    ),
    *_against(
        "floor-agent-json",
        "answer",
        ("relay-agent-json", "relay, JSON, agent's session of 200 kB", None, _READS),
        ("translate-agent-json", "translate to Anthropic, JSON, agent's session of 200 kB", None, _AS_ABOVE),
    ),
    *_against(
        "floor-tools-json",
        "answer",
        ("relay-tools-json", "relay, JSON, 40 tools", None, _AS_ABOVE),
        ("translate-tools-json", "translate to Anthropic, JSON, 40 tools", None, _AS_ABOVE),
    ),
    *_against(
        "floor-image-json",
        "answer",
        ("relay-image-json", "relay, JSON, image of 8 MB", None, _AS_ABOVE),
        ("gemini-image-json", "translate to Gemini, JSON, image of 8 MB", None, _AS_ABOVE),
    ),
    *_against(
        "floor-stream",
        "event",
        ("relay-stream", "relay, stream", RELAY_EVENT),
        ("renamed-stream", "relay, stream, model renamed", RELAY_EVENT),
        ("translate-stream", "translate to Anthropic, stream", TRANSLATE_EVENT),
        ("gemini-stream", "translate to Gemini, stream", TRANSLATE_EVENT),
        ("responses-upstream-stream", "translate chat to Responses, stream", TRANSLATE_EVENT, _SMALLER),
    ),
    *_against(
        "floor-tls-stream", "event", ("relay-tls-stream", "TLS to the provider: relay, stream", RELAY_EVENT)
    ),
    *_against(
        "floor-burst",
        "answer",
        ("relay-burst", "relay, renamed, 50 events at once", RELAY_BURST, _UNREAD),
        ("translate-burst", "translate, 50 events at once", TRANSLATE_BURST, _AS_ABOVE),
    ),
    *_against(
        "floor-agents",
        "answer",
        ("relay-agents", "agents' mix, relay", None, _AGENTS_MIX),
        ("translate-agents", "agents' mix, translate to Anthropic", None, _AS_ABOVE),
    ),
    *_against(
        "floor-responses-json",
        "answer",
        ("relay-responses-json", "Responses: relay, JSON, not stored", RELAY_JSON),
        ("stored-responses-json", "Responses: relay, JSON, stored in SQLite", None, _STORES),
        ("remembered-responses-json", "Responses: relay, JSON, stored in memory", None, _AS_ABOVE),
        ("translate-responses-json", "Responses: translate to Anthropic, JSON", TRANSLATE_JSON),
    ),
    *_against(
        "floor-responses-stream",
        "event",
        ("relay-responses-stream", "Responses: relay, stream", RELAY_EVENT),
        ("translate-responses-stream", "Responses: translate to Anthropic, stream", TRANSLATE_EVENT),
    ),
    *_against(
        "floor-messages-json",
        "answer",
        ("relay-messages-json", "Messages: relay, JSON", RELAY_JSON),
        ("translate-messages-json", "Messages: translate to chat, JSON", TRANSLATE_JSON),
    ),
    *_against(
        "floor-messages-stream",
        "event",
        ("relay-messages-stream", "Messages: relay, stream", RELAY_EVENT),
        ("translate-messages-stream", "Messages: translate to chat, stream", TRANSLATE_EVENT),
    ),
)
