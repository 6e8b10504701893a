"""What each dialect states of a request's fields: none is forgotten, and what is stated happens."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.fields import PLACES, Fields
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from tests.unit.dialects.stated import SAID, ZEROS, stating

UNTOLD = {
    "truncation": {
        *("openai_chat", "anthropic", "gemini", "mistral", "cohere", "bedrock"),
        "openai_completions",
    },
    "stream_usage": {
        *("openai_responses", "anthropic", "gemini", "mistral", "cohere", "bedrock"),
        "ollama",
    },
    "output.strict": {"anthropic", "gemini", "ollama", "openai_completions"},
}
"""Where a field need not be told: the gateway has shortened the prompt before; every stream tells the usage;
every schema is enforced, or none is, which is told of the schema.
"""
NEVER_SAID = {
    "system": {"openai_chat", "mistral", "cohere", "ollama"},  # it is a message
    "output.name": {"gemini", "ollama"},
    "output.description": {"gemini", "ollama"},
    "output.audio": {"gemini"},
    "output.strict": {"bedrock"},  # every schema is
    "reasoning.mode": {"openai_responses", "gemini", "bedrock"},  # Bedrock's models have members of their own
    "reasoning.effort": {"cohere"},
    "reasoning.budget": {"openai_responses", "mistral", "bedrock", "ollama"},
    "reasoning.summary": {"gemini", "mistral", "cohere", "bedrock", "ollama"},
    "reasoning.visible": {"mistral", "cohere", "bedrock", "ollama"},
    "sampling.top_k": {"bedrock"},
}
"""Where no client of a protocol states a field, or not with the value above."""


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


@pytest.mark.parametrize("place", ZEROS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_zero_that_asks_for_something_reaches_the_server_or_is_reported(dialect: str, place: str) -> None:
    without, stated = stating("another", place, ZEROS[place])
    wire, report = told(dialect, stated)
    assert isinstance(wire, str) or (wire, report) != told(dialect, without)


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
    zeros = ir.Sampling(
        temperature=0, top_k=0, seed=0, min_p=0, frequency_penalty=0, logprobs=False, logit_bias={}
    )
    missed = ["sampling.temperature", "sampling.top_k", "sampling.min_p", "sampling.seed"]
    assert lost(zeros, "sampling") == missed
    assert lost(zeros, "sampling", written={"temperature", "seed"}) == missed[1:3]
