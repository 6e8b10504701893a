"""Chat requests, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.cohere import DIALECT
from dragoman.dialects.cohere.request import brief, decode_request
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target
from dragoman.errors import WireError
from tests.unit.dialects.cohere.speaking import SCHEMA, foreign, lost, wire, written


def test_names_of_sampling() -> None:
    request = decode_request(wire(p=0.5, k=3, stop_sequences=["x"], max_tokens=9, logprobs=True))
    assert request.sampling == ir.Sampling(top_p=0.5, top_k=3, stop=("x",), logprobs=True)
    assert request.max_output == 9
    assert brief(wire(stream=True)).stream is True


@pytest.mark.parametrize(
    ("sampling", "member", "value", "losses"),
    [
        ({"top_p": 1}, "p", 0.99, {}),
        ({"top_p": 0}, "p", 0.01, {}),
        ({"top_k": 900}, "k", 500, {}),
        ({"top_k": -1}, "k", 0, {}),
        ({"temperature": 1.5}, "temperature", 1.5, {}),
        ({"presence_penalty": -1}, "presence_penalty", 0.0, {"sampling.presence_penalty": "quality"}),
        ({"frequency_penalty": 2}, "frequency_penalty", 1.0, {"sampling.frequency_penalty": "quality"}),
        ({"seed": -1}, "seed", None, {"sampling.seed": "hint"}),
        ({"stop": tuple("abcdef")}, "stop_sequences", list("abcde"), {"sampling.stop": "meaning"}),
    ],
)
def test_values_of_others_are_fitted(
    sampling: dict[str, Any], member: str, value: Any, losses: dict[str, str]
) -> None:
    body, report = written(foreign(sampling=ir.Sampling(**sampling)))
    assert body.get(member) == value
    assert lost(report) == losses


@pytest.mark.parametrize(
    ("wish", "thinking"),
    [
        (ir.Reasoning("off"), {"type": "disabled"}),
        (ir.Reasoning(effort="none"), {"type": "disabled"}),
        (ir.Reasoning("on", budget=700), {"type": "enabled", "token_budget": 700}),
        (ir.Reasoning(effort="low"), {"type": "enabled", "token_budget": 1024}),
        (ir.Reasoning(effort="minimal"), {"type": "enabled", "token_budget": 1024}),
        (ir.Reasoning(effort="high"), {"type": "enabled"}),
        (ir.Reasoning("on"), {"type": "enabled"}),
        (ir.Reasoning("adaptive"), None),
        (ir.Reasoning(budget=-1), None),
    ],
)
def test_thinking(wish: ir.Reasoning, thinking: Any) -> None:
    body, report = written(foreign(reasoning=wish))
    assert body.get("thinking") == thinking
    assert lost(report) == {}


def test_a_model_that_does_not_think_is_not_told_to() -> None:
    report = Report("cohere")
    target = Target(report, facts=Facts(reasoning=False))
    body = DIALECT.request.encode(foreign(reasoning=ir.Reasoning(effort="high")), target).body
    assert "thinking" not in body
    assert lost(report) == {"reasoning": "hint"}


def test_a_schema_and_what_it_loses() -> None:
    output = ir.Output("schema", SCHEMA, "place", "where", strict=False)
    body, report = written(foreign(output=output))
    assert body["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
    assert lost(report) == {"output.description": "quality"}


def test_no_form_beside_tools() -> None:
    body, report = written(foreign(output=ir.Output("json"), tools=(ir.Function("f"),)))
    assert "response_format" not in body
    assert lost(report) == {"output": "meaning"}


def test_a_request_for_sound_is_refused() -> None:
    with pytest.raises(WireError) as refused:
        written(foreign(output=ir.Output(modalities=("audio",))))
    assert refused.value.path == "output.modalities"
    with pytest.raises(WireError, match="only one candidate") as refused:
        written(foreign(sampling=ir.Sampling(n=2)))
    assert refused.value.path == "sampling.n"
