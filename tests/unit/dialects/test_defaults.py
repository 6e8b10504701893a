"""Defaults of a model: they fill what a request leaves out, and the client's own values win."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.defaults import with_defaults
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS

HELLO = ir.Message("user", (ir.Text("hello"),))
RULES = ir.Message("system", (ir.Text("Rules."),))


def request(
    *messages: ir.Message, temperature: float | None = None, max_output: int | None = None
) -> ir.Request:
    sampling = ir.Sampling(temperature=temperature)
    return ir.Request("anthropic", "m", messages or (HELLO,), sampling=sampling, max_output=max_output)


def test_what_the_client_leaves_out_is_filled_in() -> None:
    filled = with_defaults(request(temperature=0.5), {"temperature": 0.1, "seed": 7, "max_tokens": 9}, None)
    assert (filled.sampling.temperature, filled.sampling.seed, filled.max_output) == (0.5, 7, 9)
    assert (filled.model, filled.dialect, filled.messages) == ("m", "anthropic", (HELLO,))


def test_without_defaults_the_request_stays_itself() -> None:
    asked = request()
    assert with_defaults(asked, {}, None) is asked


@pytest.mark.parametrize(("messages", "system"), [((HELLO,), (ir.Text("Be brief."),)), ((RULES, HELLO), ())])
def test_a_system_prompt_is_for_requests_that_have_none(
    messages: tuple[ir.Message, ...], system: tuple[ir.Block, ...]
) -> None:
    filled = with_defaults(request(*messages), {}, "Be brief.")
    assert (filled.system, filled.messages) == (system, messages)


JSON = {"response_format": {"type": "json_object"}, "verbosity": "high"}


@pytest.mark.parametrize(
    ("stated", "kind", "verbosity"),
    [
        ({"verbosity": "low"}, "json", "low"),
        ({"response_format": {"type": "text"}}, "text", "high"),
        ({"response_format": {"type": "text"}, "verbosity": "low"}, "text", "low"),
        ({"response_format": {"type": "odd"}}, "text", "high"),
        ({}, "json", "high"),
    ],
)
def test_the_form_of_the_answer_and_its_verbosity_are_filled_in_apart(
    stated: dict[str, Any], kind: str, verbosity: str
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **stated}
    filled = with_defaults(CHAT.request.decode(WireRequest("chat", body)), JSON, None)
    assert filled.output is not None
    assert (filled.output.kind, filled.output.verbosity) == (kind, verbosity)
    written = CHAT.request.encode(filled, Target(Report("openai_chat"), "m")).body
    assert written["response_format"] == stated.get("response_format", JSON["response_format"])


ASKED: dict[str, dict[str, Any]] = {
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "ollama": {"messages": [{"role": "user", "content": "Hi"}]},
    "cohere": {"messages": [{"role": "user", "content": "Hi"}]},
    "openai_responses": {"input": "Hi"},
    "mistral": {"messages": [{"role": "user", "content": "Hi"}]},
}
LEVELS = Facts(thinking=("level",), efforts=("low", "high"))
BUDGETS = Facts(thinking=("enabled", "disabled"))


def asked_by(dialect: str, facts: Facts, defaults: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The body for a provider of the client's own protocol, with these defaults."""
    wire = WireRequest("chat", {"model": "m", **ASKED[dialect], **members}, params={"model": "m"})
    codec = DIALECTS[dialect].request
    filled = with_defaults(codec.decode(wire), defaults, None)
    return codec.encode(filled, Target(Report(dialect), "m", facts=facts)).body


@pytest.mark.parametrize(
    ("dialect", "effort", "facts", "members"),
    [
        ("gemini", "max", LEVELS, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}),
        ("gemini", "none", LEVELS, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}),
        ("gemini", "none", BUDGETS, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}),
        ("gemini", "high", UNKNOWN, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}),
        ("ollama", "none", UNKNOWN, {"think": False}),
        ("ollama", "minimal", UNKNOWN, {"think": "low"}),
        ("cohere", "none", UNKNOWN, {"thinking": {"type": "disabled"}}),
        ("cohere", "high", UNKNOWN, {"thinking": {"type": "enabled"}}),
        ("openai_responses", "max", LEVELS, {"reasoning": {"effort": "high"}}),
        ("mistral", "max", LEVELS, {"reasoning_effort": "high"}),
    ],
)
def test_an_effort_becomes_what_the_clients_own_protocol_has(
    dialect: str, effort: str, facts: Facts, members: dict[str, Any]
) -> None:
    body = asked_by(dialect, facts, {"reasoning_effort": effort})
    assert {member: body.get(member) for member in members} == members


@pytest.mark.parametrize(
    ("dialect", "members"),
    [
        ("gemini", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}}),
        ("ollama", {"think": "max"}),
        ("cohere", {"thinking": {"type": "enabled", "token_budget": 7}}),
        ("openai_responses", {"reasoning": {"effort": "none"}}),
        ("mistral", {"reasoning_effort": "medium"}),
    ],
)
def test_the_clients_own_effort_stays_as_it_is(dialect: str, members: dict[str, Any]) -> None:
    body = asked_by(dialect, LEVELS, {"reasoning_effort": "low"}, **members)
    assert {member: body.get(member) for member in members} == members


def test_a_schema_is_adapted_to_the_clients_own_protocol() -> None:
    loose = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": loose}}
    wire = WireRequest(
        "chat", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    )
    codec = DIALECTS["anthropic"].request
    filled = with_defaults(codec.decode(wire), {"response_format": wanted}, None)
    body = codec.encode(filled, Target(Report("anthropic"), "m")).body
    assert body["output_config"]["format"]["schema"]["additionalProperties"] is False
