"""How long answers may become: what a request states in its own protocol, and what a model can."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from dragoman import ir
from dragoman.accounts.limits import Limit
from dragoman.dialects.facts import Facts
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Said
from dragoman.engine.output_bound import _NAMES, MOST_OUTPUT, USUAL_OUTPUT, output_bound
from dragoman.routing.route import Deployment
from tests.unit.engine.accounts import Accounts
from tests.unit.engine.stage import chat, whole

UNKNOWN = [Deployment("one", "gpt")]


class Asked:
    """A chat with this body, in this protocol."""

    prompts = True

    def __init__(
        self, body: dict[str, Any], face: str = "openai_chat", filled: ir.Request | None = None
    ) -> None:
        self.wire = WireRequest("chat", body)
        self.said = Said(self.wire, {}, b"", filled)
        self.reasons = () if filled is None else ("alias",)
        self.face = DIALECTS[face]


def bound(body: dict[str, Any], face: str = "openai_chat", deployments: Any = UNKNOWN) -> tuple[int, bool]:
    return output_bound(cast("Any", Asked(body, face)), deployments)


@pytest.mark.parametrize(
    ("face", "members", "output"),
    [
        ("openai_chat", {}, USUAL_OUTPUT),
        ("openai_chat", {"max_tokens": 50}, 50),
        ("openai_chat", {"max_completion_tokens": 70}, 70),
        ("openai_chat", {"max_tokens": 50, "n": 3}, 150),
        ("openai_responses", {"max_output_tokens": 40}, 40),
        ("openai_completions", {"prompt": "Hi", "max_tokens": 5, "n": 2, "best_of": 4}, 20),
        ("openai_completions", {"prompt": ["Hi", "Ho", "Ha"], "max_tokens": 5, "n": 2}, 30),
        ("openai_completions", {"prompt": [[1, 2], [3]], "max_tokens": 5}, 10),
        ("openai_completions", {"prompt": [1, 2, 3], "max_tokens": 5}, 5),
        ("openai_completions", {"prompt": [], "max_tokens": 5}, 5),
        ("anthropic", {"max_tokens": 60}, 60),
        ("mistral", {"max_tokens": 60, "n": 2}, 120),
        ("gemini", {"generationConfig": {"maxOutputTokens": 30, "candidateCount": 2}}, 60),
        ("gemini", {"generationConfig": {"max_output_tokens": 30, "candidate_count": 2}}, 60),
        ("gemini", {"generation_config": {"maxOutputTokens": 30}}, 30),
        ("ollama", {"options": {"num_predict": 8}}, 8),
        ("ollama", {"options": {"num_predict": -1}}, USUAL_OUTPUT),
        ("ollama", {"options": None}, USUAL_OUTPUT),
    ],
)
def test_each_protocol_has_its_own_members(face: str, members: dict[str, Any], output: int) -> None:
    assert bound(members, face)[0] == output


@pytest.mark.parametrize(
    ("face", "foreign"),
    [
        ("openai_chat", {"options": {"num_predict": 1}}),
        ("openai_chat", {"max_output_tokens": 1, "max_new_tokens": 1}),
        ("openai_chat", {"generationConfig": {"maxOutputTokens": 1}}),
        ("openai_responses", {"max_tokens": 1}),
        ("gemini", {"max_tokens": 1}),
        ("ollama", {"max_tokens": 1}),
    ],
)
def test_a_member_of_another_protocol_bounds_nothing(face: str, foreign: dict[str, Any]) -> None:
    """The provider ignores it, and writes as much as it likes."""
    assert bound(foreign, face) == (USUAL_OUTPUT, True)


@pytest.mark.parametrize(
    ("face", "told", "output"),
    [
        ("anthropic", {"n": 9}, 450),
        ("openai_chat", {"best_of": 9}, 450),
        ("openai_chat", {"max_output_tokens": 9000}, 9000),
        ("openai_chat", {"generationConfig": {"candidateCount": 3, "maxOutputTokens": 70}}, 210),
        ("openai_chat", {"max_output_tokens": 5, "safe_prompt": True}, 50),
    ],
)
def test_what_is_told_to_one_provider_can_only_raise_the_bound(
    face: str, told: dict[str, Any], output: int
) -> None:
    assert bound({"max_tokens": 50, "one": told}, face) == (output, False)
    assert bound({"max_tokens": 50, "metadata": told}, face) == (50, False)


@pytest.mark.parametrize(
    ("body", "filled", "output"),
    [
        ({}, {"max_output": 9000}, (9000, False)),
        ({"max_tokens": 50}, {"max_output": 50}, (50, False)),
        ({"max_tokens": 50}, {"max_output": 70}, (70, False)),
        ({"max_tokens": 50}, {"max_output": 20}, (50, False)),
        ({"max_tokens": 50}, {"sampling": ir.Sampling(n=3)}, (150, False)),
        ({}, {}, (USUAL_OUTPUT, True)),
    ],
)
def test_what_an_alias_or_a_hook_puts_into_a_request_counts(
    body: dict[str, Any], filled: dict[str, Any], output: tuple[int, bool]
) -> None:
    asked = Asked(body, filled=ir.Request("openai_chat", "m", **filled))
    assert output_bound(cast("Any", asked), UNKNOWN) == output


def test_every_protocol_that_clients_speak_says_how_it_bounds_answers() -> None:
    """Without its names, its own bound would be unseen, and too little reserved."""
    assert {name for name, dialect in DIALECTS.items() if dialect.face is not None} <= set(_NAMES)


def test_of_two_bounds_the_larger_one_counts() -> None:
    assert bound({"max_tokens": 1, "max_completion_tokens": 5000}) == (5000, False)
    spelled = {"generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 5000}}
    assert bound(spelled, "gemini") == (5000, False)


def test_a_model_bounds_its_output() -> None:
    deployments = [
        Deployment("one", "gpt", Facts(max_output=1000)),
        Deployment("two", "gpt", Facts(max_output=2000)),
    ]
    assert bound({"max_tokens": 5000}, deployments=deployments) == (2000, False)
    assert bound({}, deployments=deployments) == (2000, False)
    assert bound({}, deployments=[*deployments, Deployment("three", "gpt")]) == (USUAL_OUTPUT, True)
    assert bound({"max_tokens": True}, deployments=deployments[:1]) == (1000, False)


@pytest.mark.parametrize(
    ("forced", "output"),
    [
        ({"max_tokens": 9000}, 9000),
        ({"max_tokens": 10}, 50),
        ({"n": 3}, 150),
        ({"max_tokens": 60, "n": 2}, 120),
        ({"generationConfig": {"maxOutputTokens": 9000}}, 9000),
        ({"options": {"num_predict": 9000}}, 9000),
        ({"inferenceConfig": {"maxTokens": 9000}}, 9000),
        ({"temperature": 0}, 50),
    ],
)
def test_what_the_configuration_puts_into_a_body_counts(forced: dict[str, Any], output: int) -> None:
    deployments = [Deployment("one", "gpt"), Deployment("two", "gpt", body=forced)]
    assert bound({"max_tokens": 50}, deployments=deployments) == (output, False)


def test_a_model_bounds_what_the_configuration_asks_for() -> None:
    deployment = Deployment("one", "gpt", Facts(max_output=100), body={"max_tokens": 9000})
    assert bound({"max_tokens": 50}, deployments=[deployment]) == (100, False)


def test_a_protocol_that_others_have_registered_may_use_any_name() -> None:
    asked: Any = Asked({"options": {"num_predict": 9}, "n": 2})
    asked.face = type("Face", (), {"name": "toy", "request": asked.face.request})
    assert output_bound(asked, UNKNOWN) == (18, False)


@pytest.mark.parametrize("members", [{"max_tokens": 10**30}, {"max_tokens": 10**7, "n": 100}])
def test_an_absurd_bound_is_reserved_as_a_number_that_journals_hold(members: dict[str, Any]) -> None:
    accounts = Accounts(limits=[Limit("l", "tokens", 10, "day", "key", hard=False)])
    accounts.stage.script("one", whole("Hello"))
    accounts.stage.plays(chat(**members))
    assert accounts.book.opens[0].units["output"] == MOST_OUTPUT


def test_so_much_is_reserved() -> None:
    asked = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "model": "one/gpt"}
    config = {"maxOutputTokens": 30, "candidateCount": 2}
    accounts = Accounts(limits=[Limit("l", "tokens", 10**9, "day", "key")])
    accounts.stage.script("one", whole("Hello"))
    accounts.stage.plays(
        json.dumps({**asked, "generationConfig": config}).encode(), "gemini", params={"model": "one/gpt"}
    )
    assert accounts.book.opens[0].units["output"] == 60
