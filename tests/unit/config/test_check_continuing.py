"""Models that say `continue_streams`, though nobody could go on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.config.load import Loaded
from dragoman.errors import ConfigError

HEAD = """
providers:
  a: {base_url: 'http://127.0.0.1:1', keys: []}
  m: {base_url: 'http://127.0.0.1:1', dialect: mistral, keys: []}
  claude: {base_url: 'http://127.0.0.1:1', dialect: anthropic, keys: []}
models:
  m:
"""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("use: a/x", "there is only one deployment"),
        ("deployments: [a/x, a/x]", "there is only one deployment"),
        ("deployments: [a/x, claude/claude-sonnet-4-5], hedge: p95", "a hedged request is not continued"),
    ],
)
def test_what_does_not_fit_is_refused(loaded: Callable[..., Loaded], settings: str, said: str) -> None:
    with pytest.raises(ConfigError) as failed:
        loaded(HEAD + f"    {{{settings}, continue_streams: true}}\n")
    (problem,) = failed.value.problems
    assert problem.path == "models.m.continue_streams"
    assert said in problem.message


@pytest.mark.parametrize(
    "settings",
    [
        "deployments: [a/x, a/y]",
        "deployments: [a/x, claude/claude-opus-4-8]",
        "deployments: [a/x, {use: claude/claude-sonnet-4-5, supports: {prefill: false}}]",
        "deployments: [a/x, m/mistral-large-latest], supports: {prefill: false}",
    ],
)
def test_nobody_who_is_known_to_go_on_is_a_warning(loaded: Callable[..., Loaded], settings: str) -> None:
    (warning,) = loaded(HEAD + f"    {{{settings}, continue_streams: true}}\n").warnings
    assert warning.path == "models.m.continue_streams"
    assert "no deployment is known" in warning.message
    assert warning.hint is not None
    assert "prefill: true" in warning.hint


@pytest.mark.parametrize(
    "settings",
    [
        "deployments: [a/x, claude/claude-sonnet-4-5]",
        "deployments: [a/x, m/mistral-large-latest]",
        "deployments: [a/x, {use: a/y, supports: {prefill: true}}]",
        "deployments: [a/x, a/y], supports: {prefill: true}",
        "deployments: [a/x, simulate/echo]",
    ],
)
def test_what_fits_is_accepted(loaded: Callable[..., Loaded], settings: str) -> None:
    assert not loaded(HEAD + f"    {{{settings}, continue_streams: true}}\n").warnings
    assert not loaded(HEAD + "    {use: a/x, continue_streams: false}\n").warnings


def test_an_unknown_catalog_is_the_only_problem(loaded: Callable[..., Loaded]) -> None:
    providers = (
        "providers: {a: {catalog: nonesuch, keys: []}, b: {base_url: 'http://127.0.0.1:1', keys: []}}\n"
    )
    with pytest.raises(ConfigError) as failed:
        loaded(providers + "models: {m: {deployments: [b/x, a/x], continue_streams: true}}\n")
    (problem,) = failed.value.problems
    assert problem.path == "providers.a.catalog"
