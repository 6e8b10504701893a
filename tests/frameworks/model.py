"""The model behind every provider here: it reads what it is asked, whatever the framework made of it.

It knows three conversations: a greeting, the weather of two cities by a tool that it calls twice at once, and
a person in a given form. Frameworks ask for the form in several ways, and for each there is one good answer.
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Any

from dragoman.testing.provider import Answer, Script, Seen, Whole
from tests.e2e.answers.ollama import ollama
from tests.e2e.sent import Sent
from tests.e2e.strict import held
from tests.e2e.stubs import DIALECTS, Call, Said, refusal

HELLO = "Hello there!"
PERSON = {"name": "Ada Lovelace", "year": 1815}
CITIES = ["Oslo", "Lima"]
WEATHER = "7 degrees in Oslo and 19 degrees in Lima"
SEALS = {"anthropic": "RXJjQkNrZ0lDeEFC+/8=", "gemini": "CrEBAVuKwJx+/w=="}
TOOL, HANDOFF = "get_weather", "transfer_to"
_PREFIX = {"anthropic": "toolu_", "openai_chat": "call_"}
_ANSWERS = {**DIALECTS, "ollama": ollama}
_TOLD = re.compile(r"-?\d+ degrees in \w+")


def tools(dialect: str, body: dict[str, Any]) -> list[str]:
    """The names of the functions that are offered."""
    offered = body.get("tools") or []
    if dialect == "gemini":
        return [function["name"] for tool in offered for function in tool.get("functionDeclarations", ())]
    if dialect == "anthropic":
        return [tool["name"] for tool in offered]
    return [tool["function"]["name"] for tool in offered]


def answers(dialect: str) -> Script:
    """What the provider of this dialect answers, which refuses what the real one would refuse."""
    turns = count()

    def answer(seen: Seen) -> Answer:
        sent = Sent(dialect, seen)
        question = " ".join(text for role, texts in sent.turns for text in texts if role == "user")
        if "Fail with 429" in question:
            return _limited(dialect)
        script = _ANSWERS[dialect](_said(sent, question, next(turns)))
        assert callable(script)
        return script(seen)

    return held(dialect, answer)


def _limited(dialect: str) -> Whole:
    if dialect == "ollama":
        return Whole({"error": "Too many requests."}, 429)
    return refusal(dialect, 429, "rate_limit_error", "Too many requests.")


def _said(sent: Sent, question: str, turn: int) -> Said:
    dialect = sent.dialect
    offered = tools(dialect, sent.body)
    handoffs = [name for name in offered if name.startswith(HANDOFF)]
    if "Who" in question:
        # A tool that is offered for this question is the form of its answer.
        wanted = json.dumps(PERSON)
        return _calling(dialect, turn, [(offered[0], wanted)]) if offered else Said(wanted)
    if "weather" not in question:
        return Said(HELLO)
    if told := _TOLD.findall(json.dumps(sent.body)):
        return Said(f"It is {' and '.join(told)}.", thought="That is all.", seal=SEALS.get(dialect, ""))
    if handoffs:
        return _calling(dialect, turn, [(handoffs[0], "{}")])
    assert TOOL in offered, offered
    return _calling(dialect, turn, [(TOOL, json.dumps({"city": city})) for city in CITIES])


def _calling(dialect: str, turn: int, calls: list[tuple[str, str]]) -> Said:
    """Calls, with ids that no other turn has."""
    prefix = _PREFIX.get(dialect, "")
    made: tuple[Call, ...] = tuple(
        (f"{prefix}{turn}_{place}" if prefix else "", name, arguments)
        for place, (name, arguments) in enumerate(calls)
    )
    return Said("", made, thought="I look.", seal=SEALS.get(dialect, ""))
