"""Names that clients are granted: each has to stand for something, patterns too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from dragoman.assembly.names import limits_of, naming, refuse_unknown
from dragoman.capacity.gates import Limit
from dragoman.config.load import Loaded, load
from dragoman.dialects.facts import Facts
from dragoman.errors import ConfigError
from dragoman.gateway import Gateway
from dragoman.routing.route import Reserved
from dragoman.upstreams.simulate import SimulateUpstream

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]

SETTINGS = """
providers:
  openai: {keys: k}
  anthropic: {keys: k}
  up: {base_url: 'https://up.example', models: [own-1, own-2]}
  off: {base_url: 'https://off.example', enabled: false}
models: {mine: openai/gpt-4o}
aliases: {fast: mine}
default_model: up/own-2
"""


def granting(*entries: str) -> str:
    return f"{SETTINGS}\nauth: {{keys: [{{key: a-key-of-sixteen, models: {list(entries)!r}}}]}}"


def refused(loaded: Loaded) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        refuse_unknown(loaded, naming(loaded))
    return [str(problem._replace(file=None, line=None)) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "entry",
    [
        *("mine", "fast", "openai/gpt-4o", "openai/unheard-of", "gpt-4o", "claude-sonnet-4-5", "own-1"),
        *("up/own-1", "simulate/echo", "local/smollm2:135m", "smollm2:135m"),
        *("*", "anthropic/*", "anthropic/claude-*", "gpt-*", "gpt-4*", "fa*", "m*ne", "up/own*", "own-*"),
        *("simulate/*", "local/*", "*/gpt-4o", "open*/gpt-4o", "*-1"),
    ],
)
def test_what_stands_for_something_is_good(loaded: Load, entry: str) -> None:
    found = loaded(granting(entry))
    refuse_unknown(found, naming(found))
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("nosuchmodel", "there is no model or alias `nosuchmodel`"),
        ("fats", "there is no model or alias `fats` (did you mean fast?)"),
        ("antropic/claude-x", "there is no model or alias `antropic/claude-x` (did you mean anthropic?)"),
        ("antropic/*", "there is no provider antropic (did you mean anthropic?)"),
        ("gemini/*", "there is no provider gemini (gemini is not configured: set GEMINI_API_KEY)"),
        ("gemini-*", "`gemini-*` matches no model (gemini is not configured: set GEMINI_API_KEY)"),
        ("gtp-*", "`gtp-*` matches no model (`PROVIDER/*` stands for all models of a provider)"),
        ("x*/gpt-4o", "`x*/gpt-4o` matches no model"),
    ],
)
def test_what_stands_for_nothing_is_refused(loaded: Load, entry: str, problem: str) -> None:
    (told,) = refused(loaded(granting("mine", entry)))
    assert told.startswith(f"auth.keys[0].models[1]: {problem}")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("off/*", "the provider off is disabled (`enabled: false`)"),
        ("up/new-*", "the provider up does not offer the model new-* (add it to providers.up.models)"),
    ],
)
def test_a_provider_that_cannot_have_it_is_told(mistakes: Mistakes, entry: str, problem: str) -> None:
    (told,) = mistakes(granting(entry))
    assert told.endswith(f"auth.keys[0].models[0]: {problem}")


def test_unknown_names_are_told_together_with_all_else(mistakes: Mistakes) -> None:
    told = mistakes("auth: {keys: [{key: a-key-of-sixteen, models: [nosuch]}]}\nserver: {prot: 1}")
    assert [one.partition(": ")[2].partition(": ")[0] for one in told] == [
        "auth.keys[0].models[0]",
        "server.prot",
    ]


def test_clients_without_keys_are_granted_known_names_only(loaded: Load) -> None:
    (told,) = refused(loaded(f"{SETTINGS}\nserver: {{keyless_faces: ollama, keyless_models: [fats]}}"))
    assert told == "server.keyless_models[0]: there is no model or alias `fats` (did you mean fast?)"


def test_where_any_name_is_taken_none_is_unknown(loaded: Load) -> None:
    found = loaded(granting("nosuchmodel", "x-*").replace("{fast: mine}", "{fast: mine, '*': openai/*}"))
    assert found.doubts == ()


async def test_names_that_are_registered_in_code_are_known() -> None:
    """The configuration cannot know them; what nobody registers is refused when the gateway starts."""
    settings = {
        "auth": {"keys": [{"key": "a-key-of-sixteen", "models": ["mine", "own/*"]}]},
        "stores": {"sql": "memory"},
    }
    good = Gateway(settings, upstreams={"own": SimulateUpstream()})
    good.register("mine", "own", rewrite="echo")
    await good.start()
    await good.close()
    with pytest.raises(ConfigError, match=r"auth\.keys\[0\]\.models\[0\]: there is no model or alias `mine`"):
        await Gateway(settings, upstreams={"own": SimulateUpstream()}).start()


def test_limits_of_models_and_providers_are_the_gates_of_their_deployments() -> None:
    settings = {
        "providers": {
            "one": {"base_url": "http://127.0.0.1:9", "keys": [], "concurrency": 3},
            "two": {"base_url": "http://127.0.0.1:9", "keys": []},
        },
        "models": {
            "a.b": {
                "deployments": ["one/m", "two/m"],
                "concurrency": {"limit": 2, "queue": 5, "wait": "0", "delay": "1s"},
            },
            "free": "two/m",
        },
        "aliases": {"other": "a.b"},
    }
    loaded = load(settings, {})
    assert limits_of(loaded.config) == {
        "providers.one": Limit(3),
        'models."a.b"': Limit(2, 5, None, 1.0),
    }
    table = naming(loaded).table
    gates = {
        name: [one.gates for one in table.resolve(name).deployments]
        for name in ("a.b", "other", "free", "one/m", "two/m")
    }
    model = 'models."a.b"'
    assert gates == {
        "a.b": [(model, "providers.one"), (model,)],
        "other": [(model, "providers.one"), (model,)],
        "free": [()],
        "one/m": [("providers.one",)],
        "two/m": [()],
    }


def test_where_a_deployment_writes_its_reasoning_counts_before_the_model() -> None:
    settings = {
        "providers": {"one": {"base_url": "http://127.0.0.1:9", "keys": []}},
        "models": {
            "m": {
                "reasoning_text": "open",
                "deployments": ["one/a", {"use": "one/b", "reasoning_text": "apart"}],
            },
            "free": "one/d",
        },
    }
    table = naming(load(settings, {})).table
    assert [one.facts.reasoning_text for one in table.resolve("m").deployments] == ["open", "apart"]
    assert table.resolve("free").deployments[0].facts.reasoning_text is None


def test_the_tool_mode_of_a_deployment_counts_before_the_models() -> None:
    settings = {
        "providers": {"one": {"base_url": "http://127.0.0.1:9", "keys": []}},
        "models": {
            "m": {
                "tool_mode": "xml",
                "supports": {"images": True},
                "deployments": [
                    "one/a",
                    {"use": "one/b", "tool_mode": "json"},
                    {"use": "one/c", "tool_mode": "native"},
                ],
            },
            "free": "one/d",
        },
    }
    table = naming(load(settings, {})).table
    facts = [one.facts for one in table.resolve("m").deployments]
    assert [(one.tool_mode, one.images) for one in facts] == [("xml", True), ("json", True), (None, True)]
    assert table.resolve("free").deployments[0].facts.tool_mode is None


def test_an_alias_can_have_messages_and_be_for_one_tenant() -> None:
    told = [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "4"}]
    aliases = {
        "shown": {"route": "mine", "messages": told},
        "theirs": {"route": "mine", "tenant": "acme"},
        "made": {"route": "mine", "owner": "ann"},
    }
    providers = {"openai": {"keys": "k"}}
    table = naming(
        load({"providers": providers, "models": {"mine": "openai/x"}, "aliases": aliases}, {})
    ).table
    shown = table.resolve("shown")
    assert [message.role for message in shown.opening] == ["user", "assistant"]
    assert (shown.fills, shown.reserved) == (True, None)
    assert table.resolve("theirs").reserved == Reserved("acme")
    assert table.resolve("made").reserved == Reserved(None, "mine")


def test_names_are_found_in_any_case(loaded: Load) -> None:
    names = naming(loaded(SETTINGS), lists={"openai": {"Own/Model-8B": Facts(), "own/model-8b": Facts()}})
    assert names.alike("OPENAI/own/MODEL-8b") == ["openai/Own/Model-8B", "openai/own/model-8b"]
    assert names.alike("openai/own/model") == ()
    assert [entry.id for entry in names.entries()] == sorted({entry.id for entry in names.entries()})


def test_the_defaults_of_a_model_are_under_those_of_its_aliases(loaded: Load) -> None:
    text = """
models:
  m: {use: simulate/echo, defaults: {temperature: 0.5, seed: 1, user: null}}
  "p-*": {use: simulate/*, defaults: {seed: 2}}
aliases:
  warm: {route: m, defaults: {temperature: 0.9}}
"""
    table = naming(loaded(text), local=()).table
    assert table.resolve("m").defaults == {"temperature": 0.5, "seed": 1}
    assert table.resolve("warm").defaults == {"temperature": 0.9, "seed": 1}
    assert table.resolve("p-echo").defaults == {"seed": 2}
