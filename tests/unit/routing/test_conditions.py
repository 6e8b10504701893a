"""The requests that a deployment is for, as a table."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import pytest

from dragoman.accounts.grants import Grants
from dragoman.dialects.facts import Capability
from dragoman.routing.conditions import Conditions, Traits, Unmet, for_client, for_operator


def never() -> Collection[Capability]:
    raise AssertionError("the request need not be decoded")


def nor(_limit: int, _model: str) -> bool:
    raise AssertionError("the prompt need not be counted")


PLAIN = Traits("chat", "openai_chat", "team-a", ("free", "eu"), {"x-team": "blue"}, True, never, nor)
"""A request that is neither decoded nor counted."""


def long(tokens: int, *needs: Capability) -> Traits:
    """A request with a prompt of so many tokens."""
    return msgspec.structs.replace(
        PLAIN, needs=lambda: frozenset(needs), is_over=lambda limit, _model: tokens > limit
    )


@pytest.mark.parametrize(
    ("conditions", "unmet"),
    [
        ({}, None),
        ({"operations": ("chat", "embed")}, None),
        ({"operations": ("embed",)}, ("operations", "[embed]")),
        ({"protocols": ("openai_chat",)}, None),
        ({"protocols": ("gemini", "anthropic")}, ("protocols", "[anthropic, gemini]")),
        ({"clients": Grants(["team-*"])}, None),
        ({"clients": Grants(["ops", "team-b"])}, ("clients", "[ops, team-b]")),
        ({"tags": Grants(["paid", "free"])}, None),
        ({"tags": Grants(["paid"])}, ("tags", "[paid]")),
        ({"without": Grants(["us", "jp"])}, None),
        ({"without": Grants(["e*"])}, ("without_tags", "[e*]")),
        ({"headers": {"x-team": Grants(["bl*"])}}, None),
        ({"headers": {"x-team": Grants(["red"])}}, ("headers", "{x-team: red}")),
        ({"headers": {"x-other": Grants(["*"])}}, ("headers", "{x-other: *}")),
        ({"stream": True}, None),
        ({"stream": False}, ("stream", "false")),
    ],
)
def test_who_asks_and_how_is_known_without_the_body(
    conditions: dict[str, Any], unmet: tuple[str, str] | None
) -> None:
    assert Conditions(**conditions).unmet(PLAIN, "gpt") == unmet


@pytest.mark.parametrize(
    ("conditions", "traits", "unmet"),
    [
        ({"needs": {"images": True}}, long(1, "images", "tools"), None),
        ({"needs": {"images": True}}, long(1), ("images", "true")),
        ({"needs": {"tools": False}}, long(1, "tools"), ("tools", "false")),
        ({"needs": {"tools": False, "audio": True}}, long(1, "audio"), None),
        ({"over": 100}, long(101), None),
        ({"over": 100}, long(100), ("input_over", "100")),
        ({"up_to": 100}, long(100), None),
        ({"up_to": 100}, long(101), ("input_up_to", "100")),
        ({"over": 100, "up_to": 200}, long(150), None),
    ],
)
def test_what_is_asked(conditions: dict[str, Any], traits: Traits, unmet: tuple[str, str] | None) -> None:
    assert Conditions(**conditions).unmet(traits, "gpt") == unmet


def test_with_the_same_number_every_prompt_is_for_one_of_two() -> None:
    for tokens in (0, 99, 100, 101):
        met = [one.unmet(long(tokens), "m") is None for one in (Conditions(over=100), Conditions(up_to=100))]
        assert sum(met) == 1


def test_the_cheap_conditions_are_looked_at_first() -> None:
    conditions = Conditions(clients=Grants(["ops"]), needs={"images": True}, over=5)
    assert conditions.unmet(PLAIN, "gpt") == ("clients", "[ops]")


def test_who_has_no_key_is_no_client_and_a_count_is_no_stream() -> None:
    nobody = msgspec.structs.replace(PLAIN, client=None)
    assert Conditions(clients=Grants(["*"])).unmet(nobody, "gpt") == ("clients", "[*]")
    counted = msgspec.structs.replace(PLAIN, streamed=None)
    for stream in (True, False):
        assert Conditions(stream=stream).unmet(counted, "gpt") is None


def test_the_model_that_counts_is_the_deployments() -> None:
    asked: list[tuple[int, str]] = []

    def is_over(limit: int, model: str) -> bool:
        asked.append((limit, model))
        return True

    traits = msgspec.structs.replace(PLAIN, is_over=is_over)
    assert Conditions(over=7).unmet(traits, "gpt-5") is None
    assert asked == [(7, "gpt-5")]


@pytest.mark.parametrize(
    ("unmet", "told"),
    [
        (Unmet("images", "true"), "requests with images"),
        (Unmet("stream", "false"), "requests without streaming"),
        (Unmet("structured", "true"), "requests with a JSON schema for the answer"),
        (Unmet("input_over", "32000"), "prompts of more than 32000 tokens"),
        (Unmet("input_up_to", "32000"), "prompts of at most 32000 tokens"),
        (Unmet("protocols", "[anthropic]"), "the protocols: anthropic"),
        (Unmet("operations", "[embed, rerank]"), "the operations: embed, rerank"),
        (Unmet("clients", "[acme]"), "other clients"),
        (Unmet("tags", "[acme]"), "other tags"),
        (Unmet("without_tags", "[acme]"), "other tags"),
        (Unmet("headers", "{x-team: acme}"), "other headers"),
    ],
)
def test_a_client_reads_no_names_of_others(unmet: Unmet, told: str) -> None:
    assert for_client(unmet) == told
    assert "acme" not in told
    assert for_operator(unmet) == f"`when: {{{unmet.name}: {unmet.stated}}}` does not hold"
