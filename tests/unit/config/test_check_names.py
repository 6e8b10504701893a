"""Names and patterns that stand for no model are told, each with what may be meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from dragoman.config.load import Loaded

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]

OPENAI = "providers: {openai: {keys: k}}\n"
NO_PATTERN = "is a pattern, not a model (only the alias `*` may have a pattern as its target)"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("models: {m: {use: nowhere/x}}", "models.m.use: there is no provider nowhere"),
        (
            "models: {m: {use: opneai/x}}\n" + OPENAI,
            "models.m.use: there is no provider opneai (did you mean openai?)",
        ),
        (
            "models: {m: {deployments: [simulate/a, b/c]}}",
            "models.m.deployments[1].use: there is no provider b",
        ),
        (
            "models: {m: {use: simulate/a, fallbacks: [nothing]}}",
            "models.m.fallbacks.any[0]: there is no model or alias `nothing`",
        ),
        (
            "models: {m: {use: simulate/a, fallbacks: {context: [simulate/b, nowhere/x]}}}",
            "models.m.fallbacks.context[1]: there is no model or alias `nowhere/x`",
        ),
        (
            "aliases: {a: {route: simulate/a, fallbacks: {content: nothing}}}",
            "aliases.a.fallbacks.content[0]: there is no model or alias `nothing`",
        ),
        (
            "models: {'a*': 'simulate/*', b: 'simulate/*'}",
            f"models.b.use: `simulate/*` {NO_PATTERN}",
        ),
        ("models: {'a*': 'nowhere/*'}", "models.a*.use: there is no provider nowhere"),
        ("aliases: {a: nothing}", "aliases.a.route: there is no model or alias `nothing`"),
        (
            "aliases: {a: fst, fast: simulate/a}",
            "aliases.a.route: there is no model or alias `fst` (did you mean fast?)",
        ),
        (
            "aliases: {a: openia/x}\n" + OPENAI,
            "aliases.a.route: there is no model or alias `openia/x` (did you mean openai?)",
        ),
        ("aliases: {a: gpt-5}", "aliases.a.route: there is no model or alias `gpt-5`"),
        ("default_model: nothing", "default_model: there is no model or alias `nothing`"),
        ("default_models: {image: nothing}", "default_models.image: there is no model or alias `nothing`"),
        (
            "default_model: claude-sonnet-5\n" + OPENAI,
            "default_model: there is no model or alias `claude-sonnet-5`",
        ),
        (
            "aliases: {gpt-4o: claude-sonnet-4-5}",
            (
                "aliases.gpt-4o.route: there is no model or alias `claude-sonnet-4-5` "
                "(anthropic is not configured: set ANTHROPIC_API_KEY)"
            ),
        ),
        (
            "aliases: {gpt-4o: 'smollm2:135m'}",
            (
                "aliases.gpt-4o.route: there is no model or alias `smollm2:135m` "
                "(write provider/model; for an embedded model write local/MODEL)"
            ),
        ),
        (
            "default_model: mistral/x",
            (
                "default_model: there is no model or alias `mistral/x` (mistral is not configured: "
                "set MISTRAL_API_KEY)"
            ),
        ),
        (
            "models: {m: vllm/x}",
            "models.m.use: there is no provider vllm (vllm is not configured: write providers.vllm)",
        ),
        (
            "providers: {openai: {keys: k}}\naliases: {any: openai/*}",
            f"aliases.any.route: `openai/*` {NO_PATTERN}",
        ),
        (
            "models: {any: openai/*}\n" + OPENAI,
            f"models.any.use: `openai/*` {NO_PATTERN}",
        ),
        (
            "providers: {local: {enabled: false}}\naliases: {a: local/x}",
            "aliases.a.route: the provider local is disabled (`enabled: false`)",
        ),
        (
            "providers: {simulate: {enabled: false}}\ndefault_model: simulate/x",
            "default_model: the provider simulate is disabled (`enabled: false`)",
        ),
        (
            "providers: {openai: {keys: k, enabled: false}}\nmodels: {m: openai/x}",
            "models.m.use: the provider openai is disabled (`enabled: false`)",
        ),
        (
            "providers: {openai: {keys: k, models: [a, b]}}\nmodels: {m: openai/c}",
            (
                "models.m.use: the provider openai does not offer the model c (add it to "
                "providers.openai.models)"
            ),
        ),
        (
            "providers: {openai: {keys: k, models: [a, b]}}\naliases: {'*': openai/*}",
            (
                "aliases.*.route: the provider openai takes only the models that it lists, and these need no "
                "alias `*` (remove the alias, or providers.openai.models)"
            ),
        ),
    ],
)
def test_a_name_must_stand_for_a_model(mistakes: Mistakes, text: str, problem: str) -> None:
    (found,) = mistakes(text)
    place, _, message = found.partition(": ")
    assert place.startswith("dragoman.yaml:")
    assert message.startswith(problem)
