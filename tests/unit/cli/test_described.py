"""What `dragoman check` says of each provider, model and alias."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.cli.described import described
from dragoman.config.load import load
from tests.unit.cli.conftest import Run

PRICED = [
    {"use": "a/x", "price": {"input": 1, "output": 2}},
    {"use": "a/y", "price": {"input": 2, "output": 4}},
]


def said(**settings: Any) -> dict[str, str]:
    """What is said of each name."""
    provider = {"base_url": "http://127.0.0.1:1", "keys": ["k1", "k2"]}
    providers = {"a": {**provider, **settings.pop("provider", {})}}
    keys = [{"name": "team-a", "key": "a-key-of-sixteen-characters"}]
    loaded = load({"providers": providers, "auth": {"keys": keys}, **settings}, {})
    return {row.name: row.how for row in described(loaded.config, loaded.providers)}


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ({"use": "a/x"}, ""),
        ({"deployments": ["a/x", "a/y"]}, "in this order"),
        ({"deployments": ["a/x", "a/y"], "policy": "round_robin"}, "each in turn is first"),
        (
            {"deployments": [{"use": "a/x", "weight": 3}, "a/y"], "policy": "weighted"},
            "first by weight 3:1",
        ),
        (
            {"deployments": ["a/x", "a/y", {"use": "a/z", "weight": 0}], "policy": "latency"},
            "the faster one of two that are drawn is first; only after the others: a/z",
        ),
        (
            {"deployments": ["a/x", "a/y"], "policy": "least_busy"},
            "the one with the fewest running requests is first",
        ),
        ({"deployments": PRICED, "policy": "cost"}, "the cheapest is first"),
        (
            {"deployments": ["a/x", "a/y"], "policy": "affinity"},
            "the one that holds the prompt's cache is first",
        ),
        ({"deployments": ["a/x", "a/y"], "rotate": "10m"}, "another one is first every 10m"),
        (
            {"deployments": ["a/x", "a/y"], "rotate": {"requests": 100}},
            "another one is first after 100 requests",
        ),
        (
            {"use": "a/x", "fallbacks": {"any": ["a/y", "a/z"], "context": ["a/l"], "content": ["a/c"]}},
            "if they fail: a/y, a/z; if the prompt is too long: a/l; if the content is refused: a/c",
        ),
        (
            {"deployments": PRICED, "max_cost": {"times": 3, "usd": 0.5}},
            (
                "in this order; in place of the first choice nobody who costs more than 3 times as much; "
                "in place of the first choice nobody who costs more than 0.5 USD above it"
            ),
        ),
        (
            {"deployments": ["a/x", "a/y"], "supports": {"prefill": True}, "continue_streams": True},
            "in this order; another one goes on with a stream that breaks off",
        ),
        (
            {"deployments": ["a/x", "a/y"], "switch_after": "8s"},
            "in this order; left for another one after 8s without content",
        ),
        (
            {"deployments": ["a/x", "a/y"], "hedge": {"after": "500ms", "at_most": "2.5%"}},
            (
                "in this order; a second one is asked beside it after 500ms without content, "
                "for at most 2.5 % of the requests"
            ),
        ),
        (
            {"deployments": ["a/x", "a/y"], "hedge": "p95"},
            (
                "in this order; a second one is asked beside it if it is later than 95 of 100 answers, "
                "for at most 5 % of the requests"
            ),
        ),
        ({"use": "a/x", "concurrency": 8}, "8 at once; 100 may wait for 1m each"),
        ({"use": "a/x", "concurrency": {"limit": 2, "wait": 0}}, "2 at once; 100 may wait"),
        (
            {"use": "a/x", "concurrency": {"delay": "100ms", "queue": 0}},
            "starts at least 100ms apart; nobody waits",
        ),
        (
            {
                "deployments": [
                    {"use": "a/x", "when": {"images": True, "stream": False, "input_over": 100}},
                    {"use": "a/y", "when": {"clients": ["team-*"], "headers": {"x-a": "b"}}},
                ]
            },
            (
                "in this order; a/x only when images: true, stream: false, input_over: 100; "
                "a/y only when clients: [team-*], headers: {x-a: b}"
            ),
        ),
    ],
)
def test_models(model: dict[str, Any], how: str) -> None:
    assert said(models={"m": model})["m"] == how


@pytest.mark.parametrize(
    ("provider", "how"),
    [
        ({}, ""),
        ({"key_choice": "round_robin"}, "its keys take turns"),
        ({"key_choice": "least_used"}, "the key with the fewest running requests is first"),
        ({"check": "30s"}, "checked every 30s while it fails"),
        (
            {"check": {"every": "1m", "when": "always"}, "concurrency": 4},
            "checked every 1m; 4 at once; 100 may wait for 1m each",
        ),
    ],
)
def test_providers(provider: dict[str, Any], how: str) -> None:
    assert said(provider=provider)["a"] == how


def test_aliases() -> None:
    aliases = {"n": {"route": "a/x", "fallbacks": ["a/y"]}, "o": "a/x"}
    told = said(aliases=aliases)
    assert (told["n"], told["o"]) == ("if they fail: a/y", "")


def test_the_command_prints_it(run: Run, folder: Any) -> None:
    text = "models: {m: {deployments: [simulate/echo, simulate/fail:503], policy: round_robin}}\n"
    (folder / "dragoman.yaml").write_text(text)
    assert "model\tm\tsimulate/echo, simulate/fail:503\teach in turn is first" in run("check").out
