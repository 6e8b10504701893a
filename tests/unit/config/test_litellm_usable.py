"""What the check refuses is left out of converted settings, with what needs it."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.litellm_usable import parts_of, usable

GOOD: dict[str, Any] = {
    "providers": {"openai": {"keys": ["${KEY}"]}, "mine": {"base_url": "${BASE_URL}", "keys": []}},
    "models": {"a": {"use": "openai/gpt-4o"}, "b": {"use": "mine/${MODEL}"}},
}


def test_settings_that_the_check_accepts_stay() -> None:
    settings, left = usable(GOOD)
    assert settings == GOOD
    assert left == []


@pytest.mark.parametrize(
    "base",
    ["${A}", "${A}/v1", "https://${A}/v1", "https://${A}:${B}/v1", "${A}://h.example.com", "http://h/${A}"],
)
def test_a_variable_has_a_value_that_fits_an_address(base: str) -> None:
    settings = {"providers": {"mine": {"base_url": base, "keys": ["${A}"]}}}
    assert usable(settings) == (settings, [])


@pytest.mark.parametrize(
    ("settings", "kept", "paths"),
    [
        (
            {"providers": {"groq": {"headers": {"Host": "x", "x-a": "b"}, "keys": ["a b", "c"]}}},
            {"providers": {"groq": {"headers": {"x-a": "b"}, "keys": ["c"]}}},
            ["providers.groq.headers.Host", "providers.groq.keys[0]"],
        ),
        (
            {
                "providers": {"mine": {"base_url": "no address", "keys": []}, "groq": {}},
                "models": {"m": {"deployments": ["mine/x", "groq/y"]}, "n": {"deployments": ["mine/x"]}},
                "aliases": {"to n": {"route": "n", "defaults": {"n": 1}}, "to m": "m"},
            },
            {
                "providers": {"groq": {}},
                "models": {"m": {"deployments": ["groq/y"]}},
                "aliases": {"to m": "m"},
            },
            [
                "providers.mine",
                "models.m.deployments[0]",
                "models.n.deployments[0]",
                "models.n",
                "aliases.to n",
            ],
        ),
        (
            {
                "providers": {"groq": {}},
                "models": {"m": {"deployments": [{"use": "groq/x", "price": {"input": 1e9, "output": 1}}]}},
            },
            {"providers": {"groq": {}}, "models": {"m": {"deployments": [{"use": "groq/x"}]}}},
            ["models.m.deployments[0].price"],
        ),
        (
            {"providers": {"groq": {}}, "models": {"m": {"use": "groq/x", "fallbacks": ["gone", "groq/y"]}}},
            {"providers": {"groq": {}}, "models": {"m": {"use": "groq/x", "fallbacks": ["groq/y"]}}},
            ["models.m.fallbacks[0]"],
        ),
        (
            {"providers": {"groq": {}}, "models": {"price": {"use": "groq/x", "fallbacks": ["gone"]}}},
            {"providers": {"groq": {}}, "models": {"price": {"use": "groq/x", "fallbacks": []}}},
            ["models.price.fallbacks[0]"],
        ),
        (
            {"auth": {"keys": [{"name": "master", "key": "none"}]}, "retries": {"attempts": 0}},
            {"auth": {"keys": []}, "retries": {}},
            ["auth.keys[0]", "retries.attempts"],
        ),
        (
            {"providers": {"groq": {}}, "models": {"m": "groq/x"}, "groups": {"g": ["m", "gone"]}},
            {"providers": {"groq": {}}, "models": {"m": "groq/x"}, "groups": {"g": ["m"]}},
            ["groups.g[1]"],
        ),
    ],
)
def test_what_is_refused_is_left_out(
    settings: dict[str, Any], kept: dict[str, Any], paths: list[str]
) -> None:
    found, left = usable(settings)
    assert found == kept
    assert [one.path for one in left] == paths
    assert all(one.why for one in left)


def test_an_alias_goes_with_its_model_even_if_a_provider_could_have_it() -> None:
    settings = {
        "providers": {"bad": {"base_url": "x", "keys": []}, "groq": {}},
        "models": {"groq/m": {"use": "bad/m"}},
        "aliases": {"short": {"route": "groq/m"}},
    }
    found, left = usable(settings)
    assert found == {"providers": {"groq": {}}, "models": {}, "aliases": {}}
    assert [one.path for one in left] == ["providers.bad", "models.groq/m", "aliases.short"]


def test_parts_of_a_path() -> None:
    assert parts_of('models."a.b [1]".deployments[0].use') == ["models", "a.b [1]", "deployments", 0, "use"]
    assert parts_of('aliases."a\\"b".route') == ["aliases", 'a"b', "route"]
    assert parts_of('aliases.""') == ["aliases", ""]
