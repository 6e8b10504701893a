"""What each dialect states of a request's fields: none is forgotten, and what is stated happens."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.fields import PLACES, Fields
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError

TOOL = ir.Function("look", parameters={"type": "object", "properties": {}})
SCHEMA = ir.Output(
    "schema", {"type": "object", "properties": {}, "additionalProperties": False}, name="answer"
)
SAID: dict[str, tuple[dict[str, Any], Any]] = {
    "model": ({}, "other"),
    "messages": ({}, (ir.Message("user", (ir.Text("Bye"),)),)),
    "system": ({}, (ir.Text("Be brief."),)),
    "tools": ({}, (TOOL,)),
    "tool_choice": ({"tools": (TOOL,)}, ir.ToolChoice("any")),
    "parallel": ({"tools": (TOOL,)}, False),
    "max_output": ({}, 500),
    "user": ({}, "ada"),
    "safety_identifier": ({}, "5f"),
    "metadata": ({}, {"team": "red"}),
    "tier": ({}, "flex"),
    "store": ({}, True),
    "prediction": ({}, (ir.Text("Hello."),)),
    "moderation": ({}, {"model": "omni"}),
    "previous": ({}, "resp_1"),
    "conversation": ({}, "conv_1"),
    "background": ({}, True),
    "truncation": ({}, "disabled"),
    "stream": ({}, True),
    "stream_usage": ({"stream": True}, False),
    "sampling.temperature": ({}, 0.5),
    "sampling.top_p": ({}, 0.5),
    "sampling.top_k": ({}, 5),
    "sampling.min_p": ({}, 0.5),
    "sampling.seed": ({}, 5),
    "sampling.frequency_penalty": ({}, 0.5),
    "sampling.presence_penalty": ({}, 0.5),
    "sampling.repetition_penalty": ({}, 1.5),
    "sampling.stop": ({}, ("END",)),
    "sampling.n": ({}, 2),
    "sampling.logprobs": ({}, True),
    "sampling.top_logprobs": ({"sampling": ir.Sampling(logprobs=True)}, 2),
    "sampling.logit_bias": ({}, {"5": 1.0}),
    "output.kind": ({}, "json"),
    "output.schema": ({"output": SCHEMA}, {**(SCHEMA.schema or {}), "title": "Answer"}),
    "output.name": ({"output": SCHEMA}, "other"),
    "output.description": ({"output": SCHEMA}, "What is asked for."),
    "output.strict": ({"output": SCHEMA}, False),
    "output.modalities": ({}, ("text", "image")),
    "output.audio": ({}, {"voice": "alloy", "format": "wav"}),
    "output.verbosity": ({}, "low"),
    "reasoning.mode": ({}, "off"),
    "reasoning.effort": ({}, "high"),
    "reasoning.budget": ({}, 2000),
    "reasoning.summary": ({"reasoning": ir.Reasoning(effort="high")}, "detailed"),
    "reasoning.visible": ({"reasoning": ir.Reasoning(effort="high")}, False),
    "cache.key": ({}, "key"),
    "cache.mode": ({}, "explicit"),
    "cache.ttl": ({}, "1h"),
    "cache.retention": ({}, "24h"),
    "cache.mark": ({}, ir.CacheMark()),
}
"""A value of each field, with what a request must state beside it."""
EMPTY: dict[str, ir.Value] = {
    "sampling": ir.Sampling(),
    "output": ir.Output(),
    "reasoning": ir.Reasoning(),
    "cache": ir.Caching(),
}


UNTOLD = {
    "truncation": {"openai_chat", "anthropic", "gemini", "mistral", "openai_completions"},
    "stream_usage": {"openai_responses", "anthropic", "gemini", "mistral", "ollama"},
    "output.strict": {"anthropic", "gemini", "ollama", "openai_completions"},
}
"""Where a field need not be told: the gateway has shortened the prompt before; every stream tells the usage;
every schema is enforced, or none is, which is told of the schema.
"""
NEVER_SAID = {
    "system": {"openai_chat", "mistral", "ollama"},  # it is a message
    "output.name": {"gemini", "ollama"},
    "output.description": {"gemini", "ollama"},
    "output.audio": {"gemini"},
    "reasoning.mode": {"openai_responses", "gemini"},
    "reasoning.budget": {"openai_responses", "mistral", "ollama"},
    "reasoning.summary": {"gemini", "mistral", "ollama"},
    "reasoning.visible": {"mistral", "ollama"},
}
"""Where no client of a protocol states a field, or not with the value above."""


def stating(dialect: str, place: str) -> tuple[ir.Request, ir.Request]:
    """A request without a value in a place, and the same with it."""
    beside, value = SAID[place]
    request = ir.Request(dialect, "model", (ir.Message("user", (ir.Text("Hello"),)),), **beside)
    holder, _, field = place.rpartition(".")
    stated = {field: value}
    if holder:
        stated = {holder: msgspec.structs.replace(getattr(request, holder) or EMPTY[holder], **stated)}
    return request, msgspec.structs.replace(request, **stated)


def told(dialect: str, request: ir.Request) -> tuple[WireRequest | str, dict[str | None, str]]:
    """What a server is told, or why it is not asked; what is reported, by place."""
    report = Report(dialect)
    wire: WireRequest | str
    try:
        wire = DIALECTS[dialect].request.encode(request, Target(report))
    except WireError as error:
        wire = str(error)
    losses: dict[str | None, str] = {loss.path: loss.reason for loss in report.losses}
    return wire, losses | {change.path: change.reason for change in report.changes}


def at(request: ir.Request, place: str) -> Any:
    """The value in a place of a request."""
    value: Any = request
    for field in place.split("."):
        value = getattr(value, field, None)
    return value


# --- What dialects state -----------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_encoder_states_what_becomes_of_each_field(dialect: str) -> None:
    assert DIALECTS[dialect].request.fields is not None


def test_there_is_a_value_of_each_field() -> None:
    assert SAID.keys() == set(PLACES)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stated_field_reaches_the_server_or_is_reported(dialect: str, place: str) -> None:
    without, stated = stating("another", place)
    wire, report = told(dialect, stated)
    reaches = isinstance(wire, str) or (wire, report) != told(dialect, without)
    reported = not report.keys().isdisjoint({place, place.partition(".")[0]})
    assert (reaches or reported) is (dialect not in UNTOLD.get(place, ()))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_field_that_is_written_is_read_again(dialect: str, place: str) -> None:
    _, stated = stating(dialect, place)
    wire, report = told(dialect, stated)
    if not isinstance(wire, str) and not report:
        again = at(DIALECTS[dialect].request.decode(wire), place) == at(stated, place)
        unsaid = {*UNTOLD.get(place, ()), *NEVER_SAID.get(place, ())}
        assert again is (dialect not in unsaid)


# --- The statement itself ----------------------------------------------------------------------


def write() -> None:
    """Stands for a function that writes fields."""


def fields(but: str = "", **lost: str) -> Fields:
    return Fields("odd", handled={write: [place for place in PLACES if place not in {but, *lost}]}, lost=lost)


@pytest.mark.parametrize("place", sorted({*PLACES} - {"truncation"}))
def test_a_forgotten_field_is_named_when_its_dialect_is_imported(place: str) -> None:
    with pytest.raises(TypeError, match=rf"^the dialect odd states nothing of {re.escape(place)}$"):
        fields(but=place)


def test_what_the_gateway_does_itself_need_not_be_stated() -> None:
    assert "truncation" not in fields(but="truncation").handled


def test_a_place_that_no_request_has_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^the dialect odd states what no request has: extra, temperature$"):
        fields(temperature="no", extra="no")


def test_a_field_is_stated_once() -> None:
    with pytest.raises(TypeError, match=r"^the dialect odd states two things of tier$"):
        Fields("odd", handled={write: PLACES}, lost={"tier": "no"})


def test_settings_can_be_lost_as_a_whole_but_not_handled() -> None:
    rest = [place for place in PLACES if not place.startswith("reasoning.")]
    stated = Fields("odd", handled={write: rest}, lost={"reasoning": "it does not think"})
    report = Report("odd")
    stated.lose(ir.Request("other", None, reasoning=ir.Reasoning()), report)
    assert [(loss.path, loss.reason) for loss in report.losses] == [("reasoning", "it does not think")]
    with pytest.raises(TypeError, match=r"states nothing of reasoning\.budget, "):
        Fields("odd", handled={write: [*rest, "reasoning"]}, lost={})


def lost(settings: ir.Value, holder: str = "", **rest: Any) -> list[str]:
    """The places that are named as lost."""
    everything = Fields(
        "odd",
        handled={write: ["truncation"]},
        lost={place: "no" for place in PLACES if place != "truncation"},
    )
    report = Report("odd")
    everything.lose(settings, report, holder, **rest)
    return [loss.path for loss in report.losses]


def test_lost_fields_are_named_where_they_state_something() -> None:
    request = ir.Request("other", None, user="ada", store=False, previous="", tools=())
    assert lost(request) == ["user"]
    assert lost(request, written={"user"}) == []
    assert lost(ir.Request("other", None)) == []
    assert lost(ir.Caching(key=""), "cache") == ["cache.key"]
    assert lost(ir.Output(verbosity="low"), "output") == ["output.verbosity"]
    assert lost(ir.Sampling(), "sampling") == []


def test_a_zero_that_asks_for_something_is_missed() -> None:
    zeros = ir.Sampling(seed=0, min_p=0, frequency_penalty=0, logprobs=False, logit_bias={})
    assert lost(zeros, "sampling") == ["sampling.min_p", "sampling.seed"]
