"""Settings that make no sense together are named, once, each at its own place."""

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest

from dragoman.config.load import Loaded
from dragoman.seams import extras

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]

OPENAI = "providers: {openai: {keys: k}}\n"


NO_PATTERN = "is a pattern, not a model (only the alias `*` may have a pattern as its target)"
SHORT_KEY = "a key shorter than 16 characters can be guessed (`dragoman config key` prints a strong key)"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "server: {workers: 2}\nstores: {sql: memory}",
            "server.workers: several workers need a shared database (stores.sql: sqlite)",
        ),
        # Fallbacks, and what a model is.
        ("models: {m: {use: gpt-5}}", "models.m.use: expected provider/model, found `gpt-5`"),
        ("models: {m: {use: openai/}}", "models.m.use: expected provider/model, found `openai/`"),
        (
            "models: {m: {use: simulate/a, fallbacks: [m]}}",
            "models.m.fallbacks.any[0]: `m` falls back to itself",
        ),
        (
            "models: {m: {use: simulate/a, fallbacks: [b]}}\naliases: {b: c, c: m}",
            "models.m.fallbacks.any[0]: `m` falls back to itself",
        ),
        (
            "models: {m: simulate/a}\naliases: {a: {route: m, fallbacks: m}}",
            "aliases.a.fallbacks.any[0]: `a` falls back to itself",
        ),
        # Names by pattern.
        (
            "models: {'*': simulate/a}",
            (
                "models.*: a pattern has one `*` and other text "
                "(for every name that nothing else knows use the alias `*`)"
            ),
        ),
        ("models: {'a*b*': simulate/a}", "models.a*b*: a pattern has one `*` and other text"),
        (
            "models: {'a*': {deployments: [{use: local, file: x.gguf}]}}",
            "models.a*.deployments[0].file: a pattern stands for many models, and this is one",
        ),
        ("preset: qwne", "preset: there is no preset qwne (did you mean qwen?)"),
        # Protocols.
        (
            "providers: {openai: {keys: k, apis: [opanai_responses]}}",
            "providers.openai.apis[0]: expected one of openai_chat, ",
        ),
        (
            "models: {m: {use: openai/x, api: anthropic}}\n" + OPENAI,
            "models.m.api: its provider does not speak anthropic (list the protocols of its provider",
        ),
        (
            "models: {m: {use: simulate/x, api: openai_chat}}",
            "models.m.api: its provider does not speak openai_chat",
        ),
        (
            "aliases: {a: b, b: {route: gpt-5, api: anthropic}}\n" + OPENAI,
            "aliases.b.api: its provider does not speak anthropic",
        ),
        (
            "aliases: {a: {route: openai/x, api: gemini}}\n" + OPENAI,
            "aliases.a.api: its provider does not speak gemini",
        ),
        # `a` leads into a circle without being part of it.
        ("aliases: {a: b, b: c, c: b}\n" + OPENAI, "aliases.b.route: points back to itself: b → c → b"),
        (
            "aliases: {a: {route: m, api: gemini}}\nmodels: {m: openai/x}\n" + OPENAI,
            "aliases.a.api: its provider does not speak gemini",
        ),
        # Circles.
        ("aliases: {a: b, b: c, c: a}", "aliases.a.route: points back to itself: a → b → c → a"),
        ("aliases: {a: a}", "aliases.a.route: points back to itself: a → a"),
        ("aliases: {'*': '*'}", "aliases.*.route: points back to itself: * → *"),
        # Models.
        ("models: {m: {}}", "models.m: set `use` or `deployments`"),
        (
            "models: {m: {use: simulate/a, deployments: [simulate/b]}}",
            "models.m.use: `use` and `deployments` are both set",
        ),
        ("models: {m: simulate/a}\naliases: {m: simulate/b}", "aliases.m: a model has the same name"),
        (
            "models: {m: {deployments: {use: local}}}",
            "models.m.deployments[0].use: `use: local` needs `file`",
        ),
        (
            "models: {m: {deployments: {use: local, file: no.gguf}}}",
            "models.m.deployments[0].file: there is no file no.gguf",
        ),
        (
            "models: {m: {deployments: {use: simulate/a, context: 4096}}}",
            "models.m.deployments[0].context: applies to local models only",
        ),
        (
            "models: {m: {deployments: {use: local/a, file: no.gguf}}}",
            "models.m.deployments[0].file: can only be set together with `use: local`",
        ),
        # The server.
        ("server: {host: 'my host'}", "server.host: expected a host name or an address"),
        ("server: {admin_host: 'my host'}", "server.admin_host: expected a host name or an address"),
        (
            "server: {admin_port: 8080}",
            "server.admin_port: this is the clients' port (server.port) (choose another one)",
        ),
        (
            "server: {cors_origins: ['https://a.example/x']}",
            "server.cors_origins[0]: expected an origin such as https://a.example",
        ),
        (
            "server: {cors_origins: [a.example]}",
            "server.cors_origins[0]: the URL must begin with http:// or https://",
        ),
        (
            "egress: {allow: [10.0.0.0/8, 'http://x']}",
            "egress.allow[1]: expected a host name, an address or a network such as 10.0.0.0/8",
        ),
        (
            "egress: {allow: 10.0.0.0/80}",
            "egress.allow[0]: '10.0.0.0/80' does not appear to be an IPv4 or IPv6 network",
        ),
        # Headers.
        (
            "models: {m: {use: simulate/a, headers: {X-Api-Key: x}}}",
            "models.m.headers.X-Api-Key: would overwrite the provider's credential",
        ),
        # Keys.
        ("auth: {keys: [k1, k2, k1]}", "auth.keys[2]: the same key is listed twice"),
        (
            "auth: {keys: [{key: k1, name: a}, {key: k2, name: a, models: [simulate/a]}]}",
            (
                "auth.keys[1].name: the name a is taken by a key with other models "
                "(keys of one client have the same)"
            ),
        ),
        (
            "auth: {keys: [{key: k1, name: a}, {key: k2, name: a, scopes: [admin]}]}",
            (
                "auth.keys[1].name: the name a is taken by a key with other scopes "
                "(keys of one client have the same)"
            ),
        ),
        (
            "auth: {keys: [{key: k1, name: a}, {key: k1, name: b}]}",
            "auth.keys[1]: the same key is listed twice",
        ),
        *(
            (
                f"auth: {{keys: [{{key: k1, expires: {text}}}]}}",
                (
                    "auth.keys[0].expires: expected a date such as 2026-12-31, or a time with its zone such "
                    f"as 2026-12-31T18:00:00Z, found {found}"
                ),
            )
            for text, found in (
                ("2026-02-30", "`2026-02-30`"),
                ("tomorrow", "`tomorrow`"),
                ("'2026-12-31T18:00'", "`2026-12-31T18:00`"),
                ("31.12.2026", "`31.12.2026`"),
            )
        ),
        ("auth: {required: true, open: true}", "auth.open: contradicts auth.required"),
        (
            "providers: {openai: {keys: os.environ/OPENAI_API_KEY}}",
            (
                "providers.openai.keys: uses LiteLLM's syntax for an environment variable "
                "(write ${OPENAI_API_KEY})"
            ),
        ),
        # Aliases.
        ("aliases: {'': simulate/a}", 'aliases."": an alias must have a name'),
        (
            "aliases: {a: {route: simulate/a, defaults: {model: x}}}",
            "aliases.a.defaults.model: cannot have a default",
        ),
        (
            "aliases: {a: {route: simulate/a, defaults: {stream: true}}}",
            "aliases.a.defaults.stream: cannot have a default",
        ),
    ],
)
def test_a_mistake_is_reported_once(mistakes: Mistakes, text: str, problem: str) -> None:
    (found,) = mistakes(text)
    place, _, message = found.partition(": ")
    assert place.startswith("dragoman.yaml:")
    assert message.startswith(problem)


@pytest.mark.parametrize(
    "text",
    [
        "aliases: {a: b, b: simulate/x, '*': a}\ndefault_model: '*'",
        "aliases: {gpt-4o: openai/gpt-5, mine: gpt-5-mini, other: mine}\ndefault_model: other\n" + OPENAI,
        "models: {m: openai/a/b, n: openai/a:b}\naliases: {x: m, y: openrouter}\n"
        "providers: {openai: {keys: k}, openrouter: {keys: k, models: [a]}}".replace(
            "y: openrouter", "y: openrouter/a"
        ),
        "models: {m: local/smollm2:135m}\ndefault_model: local/smollm2:135m",
        "providers: {p: {base_url: 'http://localhost:8000', keys: []}}\naliases: {a: p/x}",
        "providers: {p: {base_url: 'https://127.0.0.1:8080'}, q: {base_url: 'http://10.0.0.1:8080'}}",
        "server: {port: 0}\nproviders: {llamacpp: {}}",
        "server: {cors_origins: ['https://a.example', 'http://localhost:3000']}",
        "egress: {allow: [10.0.0.0/8, 192.168.1.1, 'fd00::/8', '::1', minio.local]}",
        "providers: {openai: {keys: k, proxy: 'http://me:pw@proxy:3128', headers: {X-Team: a b}}}",
        "providers: {openai: {keys: k, quirks: {refuses: [n]}}}",
        "providers: {openai: {enabled: false}}",
        "auth: {required: false, keys: [{key: a-key-of-sixteen, name: x}, {key: b-key-of-sixteen, name: y}]}",
    ],
)
def test_what_makes_sense_is_accepted_without_a_word(loaded: Load, text: str) -> None:
    assert loaded(text).warnings == ()


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "aliases: {a: {route: simulate/a, defaults: {temprature: 1}}}",
            (
                "aliases.a.defaults.temprature: is not a parameter of the Chat Completions API; "
                "it is sent unchanged (did you mean temperature?)"
            ),
        ),
        (
            "auth: {keys: [sk-1234]}",
            f"auth.keys[0]: {SHORT_KEY}",
        ),
        (
            "auth: {keys: [{key: a-key-of-sixteen, expires: 2020-02-29}]}",
            "auth.keys[0].expires: the key has expired, on 2020-02-29",
        ),
        (
            "aliases: {'gpt-*': simulate/a, '*': simulate/b}",
            "aliases.gpt-*: is an exact name, not a wildcard: only the alias `*` alone matches other names",
        ),
    ],
)
def test_what_is_odd_is_a_warning(loaded: Load, text: str, warning: str) -> None:
    (found,) = loaded(text).warnings
    assert str(found).endswith(f"dragoman.yaml:1: {warning}")


def test_a_problem_names_the_line_of_its_setting_or_of_what_holds_it(mistakes: Mistakes) -> None:
    text = """aliases:
  fast:
    route: nothing/x
  "a.b":
    route: nothing/x
providers:
  p:
    models: [x]
  q:
    headers:
      host: h
      x: y
    base_url: nonsense
"""
    assert [line.split(": ", 2)[:2] for line in mistakes(text)] == [
        ["dragoman.yaml:3", "aliases.fast.route"],
        ["dragoman.yaml:5", 'aliases."a.b".route'],
        ["dragoman.yaml:7", "providers.p"],
        ["dragoman.yaml:11", "providers.q.headers.host"],
        ["dragoman.yaml:13", "providers.q.base_url"],
    ]


@pytest.mark.parametrize("name", ['"', "\\", 'a"b', "a.b", "a[0]", "a\nb", "a\\", "ü", "[", "."])
def test_any_name_can_be_named(mistakes: Mistakes, name: str) -> None:
    (found,) = mistakes(f"aliases:\n  {json.dumps(name)}:\n    strict: false\n    route: nothing/x\n")
    assert found.startswith("dragoman.yaml:4: aliases.")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("check_output: true", "check_output"),
        ("models: {m: {use: simulate/echo, check_output: true}}", "models.m.check_output"),
        ("aliases: {a: {route: simulate/echo, check_output: true}}", "aliases.a.check_output"),
    ],
)
def test_checking_answers_needs_its_extra(
    loaded: Load, mistakes: Mistakes, monkeypatch: pytest.MonkeyPatch, text: str, path: str
) -> None:
    loaded(text)
    monkeypatch.setattr("dragoman.config.check_observing.available", lambda: False)
    (found,) = mistakes(text)
    assert found == (
        f"dragoman.yaml:1: {path}: responses cannot be validated in this installation "
        f"({extras.command('schema')})"
    )
    loaded(text.replace("true", "false"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "gateway.lan", "192.168.0.5"])
def test_a_key_that_can_be_guessed_is_refused_where_others_can_try(mistakes: Mistakes, host: str) -> None:
    refused = mistakes("auth:\n  keys:\n  - a\n", server__host=host)
    assert refused == [f"dragoman.yaml:3: auth.keys[0]: {SHORT_KEY}"]
    (refused_again,) = mistakes(None, {"DRAGOMAN_API_KEY": "sk-1234"}, server__host=host)
    assert refused_again.startswith("DRAGOMAN_API_KEY: auth.keys[0]: a key shorter than 16")
    assert "sk-1234" not in refused_again


def test_equal_keys_of_clients_are_refused(mistakes: Mistakes) -> None:
    text = "auth: {keys: [a-key-of-sixteen, {name: b, key: a-key-of-sixteen}]}"
    assert mistakes(text) == ["dragoman.yaml:1: auth.keys[1]: the same key is listed twice"]
