"""What a row of LiteLLM's permits, in our words."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.litellm_permits import Names, grants_of, limits_of, number, operations_of, texts_of
from dragoman.config.stated import stated_bounds


@pytest.mark.parametrize(
    ("stated", "models"),
    [
        ([], None),
        (["all-proxy-models"], None),
        (["a", "all-team-models"], None),
        (["no-default-models"], ()),
        (["no-default-models", "a"], ("a",)),
        (["openai/*", "gpt-4o"], ("openai/*", "gpt-4o")),
        (["beta", "x"], ("group:beta", "x")),
        (["both"], ("group:both", "both")),
    ],
)
def test_grants(stated: list[str], models: tuple[str, ...] | None) -> None:
    assert grants_of(stated, Names({"beta", "both"}, {"both"})) == models


def test_which_grants_say_something_here() -> None:
    names = Names({"beta"}, {"fast"})
    known = [names.has(one) for one in ("fast", "group:beta", "openai/*", "openai/gpt", "beta", "slow")]
    assert known == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("routes", "operations", "left"),
    [
        ([], None, []),
        (["llm_api_routes"], None, []),
        (["openai_routes", "management_routes"], None, []),
        (["management_routes"], (), ["management_routes"]),
        (["info_routes", "/key/info"], (), ["info_routes", "/key/info"]),
        (["/v1/embeddings", "/embeddings"], ("embed",), []),
        (["/v1/chat/completions", "/spend/logs"], ("chat",), ["/spend/logs"]),
        (["/openai/deployments/{model}/chat/completions"], ("chat",), []),
        (["anthropic_routes", "/v1/models"], ("chat", "count", "models"), []),
        (["/v1/audio/transcriptions", "/v2/rerank", "/images/*"], ("image", "rerank", "transcription"), []),
        (["/v1/batches/{batch_id}"], ("pass_through",), []),
        (["/v1/messages", "/realtime"], ("chat", "realtime"), []),
        (["/v1/messages/count_tokens", "/v1/responses/input_tokens"], ("count",), []),
        (["/v1/audio/translations"], ("transcription",), []),
        (["/v1beta/models/{model_name}:generateContent"], ("chat",), []),
        (["/models/x:countTokens", "/models/x:embedContent"], ("count", "embed"), []),
        (["/v1beta/models/x:predict"], (), ["/v1beta/models/x:predict"]),
    ],
)
def test_operations(routes: list[str], operations: tuple[str, ...] | None, left: list[str]) -> None:
    assert operations_of(routes) == (operations, left)


@pytest.mark.parametrize(
    ("row", "metadata", "limits"),
    [
        ({}, {}, []),
        (
            {"rpm_limit": 60},
            {"model_rpm_limit": {"a": 2}},
            [{"requests": ["60/min"]}, {"requests": ["2/min"], "models": ["a"]}],
        ),
        (
            {"model_tpm_limit": '{"a": 5}'},
            {"model_tpm_limit": {"a": 9}},
            [{"tokens": ["5/min"], "models": ["a"]}],
        ),
        (
            {"model_max_budget": {"a": {"budget_limit": 0.5, "time_period": "1d"}}},
            {},
            [{"money": ["0.500000000 USD/day"], "models": ["a"]}],
        ),
        (
            {"model_max_budget": {"a": {"max_budget": 2, "budget_duration": "monthly"}, "b": 1}},
            {},
            [
                {"money": ["2.000000000 USD/month"], "models": ["a"]},
                {"money": ["1.000000000 USD"], "models": ["b"]},
            ],
        ),
        ({"model_max_budget": "{}", "model_rpm_limit": "{}"}, {}, []),
        (
            {"model_rpm_limit": "{}"},
            {"model_rpm_limit": {"a": 2}},
            [{"requests": ["2/min"], "models": ["a"]}],
        ),
    ],
)
def test_limits_of_single_models(row: Any, metadata: Any, limits: list[dict[str, Any]]) -> None:
    found = limits_of(row, metadata, pytest.fail)
    assert found == limits
    assert stated_bounds(found)[1] == []


def test_a_budget_that_cannot_be_read_is_told() -> None:
    notes: list[str] = []
    row = {"model_max_budget": {"a": {"budget_limit": "much"}, "b": {"budget_limit": 1}}}
    assert limits_of(row, {}, notes.append) == [{"money": ["1.000000000 USD"], "models": ["b"]}]
    assert notes == ["the budget for a cannot be read"]


def test_limits_that_cannot_be_read_are_told() -> None:
    notes: list[str] = []
    row = {"rpm_limit": "many", "max_budget": True, "tpm_limit": "", "model_max_budget": "odd"}
    assert limits_of(row, {"model_rpm_limit": "odd", "model_tpm_limit": {"a": "x"}}, notes.append) == []
    assert [note.partition(" cannot be read")[0] for note in notes] == [
        "rpm_limit",
        "max_budget",
        "model_rpm_limit",
        "model_tpm_limit of a",
        "model_max_budget",
    ]


def test_lists_and_numbers_of_a_dump() -> None:
    assert texts_of('{openai/*,"a \\"b\\""}') == ["openai/*", 'a "b"']
    assert texts_of('["a", "b"]') == texts_of("a, b") == ["a", "b"]
    assert texts_of(None) == texts_of("") == []
    assert [number(one) for one in ("5", 5, True, "x", "", None, float("inf"), 10**400)] == [
        *(5, 5),
        *[None] * 6,
    ]
