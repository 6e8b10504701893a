"""The model behind every provider here: it reads what it is asked, whatever the framework made of it.

It knows three conversations: a greeting, the weather of two cities by a tool that it calls twice at once, and
a person in a given form. Frameworks ask for the form in several ways, and for each there is one good answer.
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Any

import msgspec

from dragoman.testing.provider import Answer, Script, Seen, Whole
from tests.e2e.answers.ollama import ollama
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.sent import Sent
from tests.e2e.strict import held
from tests.e2e.strict.openai_responses import SEALED
from tests.e2e.stubs import DIALECTS, Call, Said, refusal

HELLO = "Hello there!"
PERSON = {"name": "Ada Lovelace", "year": 1815}
CITIES = ["Oslo", "Lima"]
WEATHER = "7 degrees in Oslo and 19 degrees in Lima"
SEALS = {
    "anthropic": "RXJjQkNrZ0lDeEFC+/8=",
    "gemini": "CrEBAVuKwJx+/w==",
    "openai_responses": "gAAAAABsealed-thought=",
}
TOOL, HANDOFF = "get_weather", "transfer_to"
UNNAMED = {"gemini", "ollama"}
"""Whose calls have no ids."""
_ANSWERS = {**DIALECTS, "ollama": ollama, "openai_responses": openai_responses}
_TOLD = re.compile(r"-?\d+ degrees in \w+")


def tools(dialect: str, body: dict[str, Any]) -> list[str]:
    """The names of the functions that are offered."""
    offered = body.get("tools") or []
    if dialect == "gemini":
        return [function["name"] for tool in offered for function in tool.get("functionDeclarations", ())]
    if dialect in {"anthropic", "openai_responses"}:
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
        said = _said(sent, question, next(turns))
        if dialect == "openai_responses" and SEALED not in (sent.body.get("include") or ()):
            said = msgspec.structs.replace(said, thought="")  # which it would have to keep for the next turn
        script = _ANSWERS[dialect](said)
        assert callable(script)
        return script(seen)

    judged = held(dialect, answer)

    def read(seen: Seen) -> Answer:
        seen = msgspec.structs.replace(seen, raw=json.dumps(_read(dialect, seen.body)).encode())
        return judged(seen) if callable(judged) else judged

    return read


def _read(dialect: str, body: dict[str, Any]) -> dict[str, Any]:
    """A request without what frameworks write to this very provider and it reads over: `tool_choice: auto`
    and the type of a call (Vercel AI SDK to Ollama), an empty `user` (LlamaIndex to the Responses API).
    """
    if dialect == "ollama" and body.get("tool_choice") == "auto":
        del body["tool_choice"]
        for call in (call for message in body["messages"] for call in message.get("tool_calls") or ()):
            call.pop("type", None)
    if dialect == "openai_responses" and body.get("user", "") is None:
        del body["user"]
    return body


def _limited(dialect: str) -> Whole:
    if dialect == "ollama":
        return Whole({"error": "Too many requests."}, 429)
    return refusal(dialect, 429, "rate_limit_error", "Too many requests.")


def _said(sent: Sent, question: str, turn: int) -> Said:
    dialect = sent.dialect
    offered = tools(dialect, sent.body)
    handoffs = [name for name in offered if name.startswith(HANDOFF)]
    if "Which person" in question:
        # A tool that is offered for this question is the form of its answer.
        wanted = json.dumps(PERSON)
        if dialect == "ollama" and (offered or "format" in sent.body):
            # It forces no call, and this model makes one only if it is held to it.
            return Said(_held(sent.body.get("format")))
        return _calling(dialect, turn, [(offered[0], wanted)]) if offered else Said(wanted)
    if "weather" not in question:
        return Said(HELLO)
    if told := _TOLD.findall(json.dumps(sent.body)):
        return Said(f"It is {' and '.join(told)}.", thought="That is all.", seal=SEALS.get(dialect, ""))
    if handoffs:
        return _calling(dialect, turn, [(handoffs[0], "{}")])
    assert TOOL in offered, offered
    return _calling(dialect, turn, [(TOOL, json.dumps({"city": city})) for city in CITIES])


def _held(form: Any) -> str:
    """The person, as the schema of the answer wants it; without one, in words."""
    if not form:
        return "It is Ada Lovelace, who was born in 1815."
    if form != "json" and "call" in form["properties"]:
        tool = form["properties"]["call"]["anyOf"][0]["properties"]["tool"]["enum"][0]
        return json.dumps({"call": {"tool": tool, "arguments": PERSON}})
    return json.dumps(PERSON)


def _calling(dialect: str, turn: int, calls: list[tuple[str, str]]) -> Said:
    """Calls, with ids that no other turn has; Mistral's have nine letters or digits."""
    ids = {"anthropic": "toolu_{}_{}", "mistral": "c{:06}{:02}"}.get(dialect, "call_{}_{}")
    made: tuple[Call, ...] = tuple(
        ("" if dialect in UNNAMED else ids.format(turn, place), name, arguments)
        for place, (name, arguments) in enumerate(calls)
    )
    return Said("", made, thought="I look.", seal=SEALS.get(dialect, ""))
