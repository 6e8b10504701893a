"""Every wrong value is named with its setting, its line and what was expected, and no secret is shown."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from dragoman.config.accounts import ClientKey
from dragoman.config.load import Loaded
from dragoman.config.settings import Alias, Deployment
from dragoman.seams.secret import Secret

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]

KEY = "sk-proj-0123456789abcdefWXYZ"
HINT = "name a file that this user can read and that holds the secret alone"


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("server: {port: 9000}", "server.port", 9000),
        ("server: {port: '9000'}", "server.port", 9000),
        ("server: {access_log: off}", "server.access_log", False),
        ("server: {access_log: 'Yes'}", "server.access_log", True),
        ("server: {max_body: 2MB}", "server.max_body", 2_000_000),
        ("server: {heartbeat: 250ms}", "server.heartbeat", 0.25),
        ("server: {heartbeat: 3}", "server.heartbeat", 3.0),
        ("server: {base_path: ai/}", "server.base_path", "/ai"),
        ("server: {cors_origins: https://a.example}", "server.cors_origins", ("https://a.example",)),
        ("server: {cors_origins: []}", "server.cors_origins", ()),
        # Nothing written means the default, a section with nothing in it too.
        ("server:", "server.port", 8080),
        ("server: {port: }", "server.port", 8080),
        ("auth: {required: null}", "auth.required", None),
        ("auth: {required: no}", "auth.required", False),
        ("strict: true", "strict", True),
        ("strict: all", "strict", "all"),
        ("stream_usage: always", "stream_usage", "always"),
        ("providers: {local: {keep_alive: null}}", "providers.local.keep_alive", None),
        ("providers: {local: {keep_alive: 0}}", "providers.local.keep_alive", 0.0),
    ],
)
def test_a_value_is_read_by_the_type_of_its_setting(
    loaded: Load, text: str, path: str, value: object
) -> None:
    found: object = loaded(text).config
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value
    assert isinstance(found, type(value))


def test_a_name_keeps_its_own_spelling(loaded: Load) -> None:
    text = "models: {4.1: {use: simulate/a}, no: {use: simulate/1e3}, 2023-06-01: {use: simulate/b}}"
    models = loaded(text).config.models
    assert {name: model.use for name, model in models.items()} == {
        "4.1": "simulate/a",
        "no": "simulate/1e3",
        "2023-06-01": "simulate/b",
    }


def test_short_forms_are_the_long_ones(loaded: Load) -> None:
    text = """
aliases: {short: simulate/a, long: {route: simulate/a}}
models:
  m: simulate/a
  n: {deployments: [simulate/a, {use: simulate/b}]}
  o: {deployments: simulate/a}
auth: {keys: [key-one, {key: key-two, name: two}]}
"""
    config = loaded(text).config
    assert config.aliases["short"] == config.aliases["long"] == Alias(route="simulate/a")
    assert config.models["m"].targets == config.models["o"].targets == (Deployment(use="simulate/a"),)
    assert [target.use for target in config.models["n"].targets] == ["simulate/a", "simulate/b"]
    assert config.auth.keys == (
        ClientKey(key=Secret("key-one")),
        ClientKey(key=Secret("key-two"), name="two"),
    )


def test_a_body_is_json_as_written(loaded: Load) -> None:
    text = "providers: {openai: {keys: k, body: {a: 1, b: [1.5, no, null, true], c: {d: 1e-3}, e: '1'}}}"
    body = loaded(text).config.providers.named["openai"].body
    assert body == {"a": 1, "b": [1.5, "no", None, True], "c": {"d": 0.001}, "e": "1"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # Unknown names, with what was probably meant.
        ("sever: {port: 1}", "1: sever: unknown setting (did you mean server?)"),
        ("server:\n  prot: 1", "2: server.prot: unknown setting (did you mean port?)"),
        (
            "retries: {zzz: 1}",
            (
                "1: retries.zzz: unknown setting "
                "(valid names: attempts, backoff, backoff_max, max_attempts, max_time)"
            ),
        ),
        (
            "models:\n  m:\n    max_outptu: 5",
            "3: models.m.max_outptu: unknown setting (did you mean max_output?)",
        ),
        ("models: {gpt-4.1: {ues: x}}", '1: models."gpt-4.1".ues: unknown setting (did you mean use?)'),
        # Names of other gateways, with ours.
        (
            "model_list: []",
            (
                "1: model_list: unknown setting (here: models, aliases and providers; "
                "dragoman check FILE --convert writes them)"
            ),
        ),
        (
            "aliases: {a: {route: m, default_fallbacks: [b]}}",
            "1: aliases.a.default_fallbacks: unknown setting (here: models.NAME.fallbacks)",
        ),
        # Wrong types.
        ("server: 5", "1: server: expected a mapping (`name: value`), found `5`"),
        ("server: [1]", "1: server: expected a mapping (`name: value`), found a list"),
        ("server: {port: many}", "1: server.port: expected a whole number, found `many`"),
        ("server: {port: 1.5}", "1: server.port: expected a whole number, found `1.5`"),
        ("server: {port: true}", "1: server.port: expected a whole number, found `true`"),
        ("server: {port: [1]}", "1: server.port: expected a whole number, found a list"),
        ("server: {host: {a: b}}", "1: server.host: expected a text, found a mapping"),
        ("server: {access_log: maybe}", "1: server.access_log: expected true or false, found `maybe`"),
        (
            "server: {drain: soon}",
            "1: server.drain: expected a duration such as 30s, 5m or 250ms, found `soon`",
        ),
        (
            "server: {max_body: 1TB}",
            "1: server.max_body: expected a size such as 64MB, 512kB or 1GiB, found `1TB`",
        ),
        ("stream_usage: never", "1: stream_usage: expected one of asked, always, found `never`"),
        ("strict: some", "1: strict: expected true or false or all, found `some`"),
        (
            "server:\n  cors_origins:\n  - a\n  - []",
            "4: server.cors_origins[1]: expected a text, found a list",
        ),
        ("aliases: {a: [1, 2]}", "1: aliases.a: expected a text, found a list"),
        (
            "models: {m: {supports: yes}}",
            "1: models.m.supports: expected a mapping (`name: value`), found `yes`",
        ),
        ("models: {m: {use: simulate/a, body: 5}}", "1: models.m.body: expected a mapping, found `5`"),
        ("models: []", "1: models: expected a mapping, found a list"),
        # Missing, out of bounds.
        ("auth:\n  keys:\n  - name: me", "3: auth.keys[0]: state either `key` or `hash`"),
        ("aliases: {a: {strict: true}}", "1: aliases.a: `route` is required"),
        ("aliases: {a: {route: }}", "1: aliases.a: `route` is required"),
        ("server: {port: 65536}", "1: server.port: must be at most 65535"),
        ("server: {port: -1}", "1: server.port: must be at least 0"),
        ("retries: {attempts: 0}", "1: retries.attempts: must be at least 1"),
        # A long text, or one from elsewhere, is not repeated.
        (f"server: {{port: {KEY + KEY}}}", "1: server.port: expected a whole number, found another text"),
        ("server: {port: '${SECRET}'}", "1: server.port: expected a whole number, found another text"),
        # Secrets.
        (
            "auth: {keys: [[a]]}",
            "1: auth.keys[0]: expected an API key: a string, ${VARIABLE} or {file: path}",
        ),
        ("auth: {keys: [{file: a, x: b}]}", "1: auth.keys[0]: state either `key` or `hash`"),
        ("providers: {openai: {keys: ['']}}", "1: providers.openai.keys[0]: the value is empty"),
        (
            "auth: {keys: {file: gone}}",
            f"1: auth.keys: the secret file cannot be read: No such file or directory ({HINT})",
        ),
        (
            "auth: {keys: {file: /nowhere/secrets/team}}",
            f"1: auth.keys: /nowhere/secrets/team cannot be read: No such file or directory ({HINT})",
        ),
        (
            "auth: {keys: {file: '${FOLDER}/team'}}",
            f"1: auth.keys: /nowhere/team cannot be read: No such file or directory ({HINT})",
        ),
        (
            "auth: {keys: {file: ./secrets/team}}",
            f"1: auth.keys: secrets/team cannot be read: No such file or directory ({HINT})",
        ),
        (
            "auth: {keys: {file: secrets/team}}",  # there is no such folder: it may be a key in Base64
            f"1: auth.keys: the secret file cannot be read: No such file or directory ({HINT})",
        ),
        (
            "auth: {keys: {file: ~nobody-here/k}}",
            "1: auth.keys.file: expected the path of a file, found something else",
        ),
        ("auth: {keys: {file: }}", "1: auth.keys.file: expected the path of a file, found nothing"),
    ],
)
def test_a_mistake_is_named_with_its_line(mistakes: Mistakes, text: str, problem: str) -> None:
    assert f"dragoman.yaml:{problem}" in mistakes(text, {"SECRET": "x1", "FOLDER": "/nowhere"})


@pytest.mark.parametrize(
    "text",
    [
        f'providers: {{openai: {{keys: "{KEY}\\n{KEY}"}}}}',
        f"providers: {{openai: {{keys: [{{a: {KEY}}}]}}}}",
        f"providers: {{openai: {{keyz: {KEY}}}}}",
        f"auth: {{keys: {{name: {{x: {KEY}}}}}}}",
        f"server: {{port: {KEY}}}",
        f"aliases: {{a: {{route: [{KEY}]}}}}",
        "server: {port: '${OPENAI_API_KEY}', heartbeat: '${OPENAI_API_KEY}', access_log: '${SHORT}'}",
        f"providers: {{openai: {{keys: ['{KEY} {KEY}', none, 'Bearer {KEY}', {KEY}, {KEY}]}}}}",
        f"providers: {{openai: {{keys: k, proxy: '{KEY}', base_url: 'https://me:{KEY}@h.example'}}}}",
        f"auth: {{keys: [{KEY}, {KEY}]}}",
        # What somebody may put in a wrong place, or without its quotation marks.
        "auth: sk-12345",
        "auth: {keys: {sk-12345}}",
        "auth: {keys: [{sk-12345, name: me}]}",
        "auth: {keys: *sk-12345}",
        "auth: {keys: !sk-12345}",
        "providers: {openai: sk-12345}",
        "providers: {openai: {keys: {sk-12345}}}",
        "providers: {openai: {keys: {file: sk-12345}}}",
        "providers: {openai: {keys: {file: '~sk-12345'}}}",
        "providers: {openai: {headers: sk-12345}}",
        "providers: {openai: {headers: [sk-12345]}}",
        "providers: {openai: {body: sk-12345}}",
        "providers: {openai: {proxy: 'http://me:sk-12345'}}",
        "providers: {openai: {proxy: 'http://me:sk-12345@h.example:port'}}",
        "providers: {openai: {proxy: 'http://sk-12345℀'}}",
        "providers: {openai: {base_url: 'https://me:sk-12345'}}",
        "providers: {openai: {base_url: 'https://me:sk-12345/6@h.example'}}",
        "providers: {openai: {base_url: 'https://h.example/v1?key=sk-12345'}}",
    ],
)
def test_no_message_shows_a_secret(mistakes: Mistakes, text: str) -> None:
    found = "\n".join(mistakes(text, {"OPENAI_API_KEY": KEY, "SHORT": "sk-12345"}))
    assert KEY not in found
    assert "sk-12345" not in found


def test_every_mistake_of_a_file_is_reported_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    text = """server:
  port: many
  hots: x
models:
  m: {use: nowhere/x}
aliases:
  a: nowhere/b
  c: {}
providers:
  p: {base_url: nonsense}
default_model: ${NOT_SET}
"""
    assert [line.split(": ")[0].removeprefix("dragoman.yaml:") for line in mistakes(text)] == [
        "2", "3", "5", "7", "8", "10", "11",
    ]  # fmt: skip


def test_a_variable_that_is_not_set_is_one_mistake(mistakes: Mistakes) -> None:
    assert mistakes("providers: {openai: {keys: ['${NOT_SET}']}}\nserver: {port: '${NOT_SET}'}") == [
        f"dragoman.yaml:{place}: the environment variable NOT_SET is not set (set it, or give a default: "
        "${NOT_SET:-default})"
        for place in ("1: providers.openai.keys[0]", "2: server.port")
    ]


def test_what_belongs_to_a_broken_entry_is_not_reported_again(mistakes: Mistakes) -> None:
    text = "models: {m: {use: [1, 2]}}\naliases: {a: m, b: {rout: m}, c: b}\ndefault_model: b"
    assert [line.split(": ")[1] for line in mistakes(text)] == [
        "models.m.use",
        "aliases.b",
        "aliases.b.rout",
    ]
