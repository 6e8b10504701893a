"""Settings that make no sense together are named, once, each at its own place."""

import json
from collections.abc import Callable
from pathlib import Path
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
        (
            "providers: {openai: {keys: k, check: 10ms}}",
            "providers.openai.check.every: must be at least 1s, or 0 for never",
        ),
        (
            "providers: {up: {base_url: 'https://up.example', base_path: '', chat_path: /ask, check: 1m}}",
            "providers.up.check: the path of the list of models cannot be derived from this chat_path",
        ),
        # Names that must exist.
        ("models: {m: {use: nowhere/x}}", "models.m.use: there is no provider nowhere"),
        (
            "models: {m: {use: opneai/x}}\n" + OPENAI,
            "models.m.use: there is no provider opneai (did you mean openai?)",
        ),
        ("models: {m: {use: gpt-5}}", "models.m.use: expected provider/model, found `gpt-5`"),
        ("models: {m: {use: openai/}}", "models.m.use: expected provider/model, found `openai/`"),
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
            "models: {'a*': 'simulate/*', b: 'simulate/*'}",
            f"models.b.use: `simulate/*` {NO_PATTERN}",
        ),
        ("models: {'a*': 'nowhere/*'}", "models.a*.use: there is no provider nowhere"),
        (
            "models: {'a*': {deployments: [{use: local, file: x.gguf}]}}",
            "models.a*.deployments[0].file: a pattern stands for many models, and this is one",
        ),
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
        ("preset: qwne", "preset: there is no preset qwne (did you mean qwen?)"),
        (
            "providers: {p: {catalog: opnai}}",
            "providers.p.catalog: there is no known provider opnai (did you mean openai?)",
        ),
        (
            "providers: {openai: {keys: k}}\naliases: {any: openai/*}",
            f"aliases.any.route: `openai/*` {NO_PATTERN}",
        ),
        (
            "models: {any: openai/*}\n" + OPENAI,
            f"models.any.use: `openai/*` {NO_PATTERN}",
        ),
        # Providers that are switched off, or limited.
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
        (
            "providers: {openai: {keys: k, models: ['*', b]}}",
            "providers.openai.models: `*` cannot be combined with other entries",
        ),
        # Protocols.
        (
            "providers: {openai: {keys: k, apis: [anthropic, openai_chat]}}",
            (
                "providers.openai.apis[1].dialect: openai_chat is listed twice, or is already the "
                "provider's `dialect`"
            ),
        ),
        (
            "providers: {openai: {keys: k, apis: [anthropic, anthropic]}}",
            (
                "providers.openai.apis[1].dialect: anthropic is listed twice, or is already the "
                "provider's `dialect`"
            ),
        ),
        (
            "providers: {openai: {keys: k, apis: [{dialect: gemini, path: /x}]}}",
            "providers.openai.apis[0].path: gemini puts the model into the URL path, so `path` cannot be set",
        ),
        (
            "providers: {openai: {keys: k, apis: [{dialect: anthropic, quirks: {signature: false}}]}}",
            "providers.openai.apis[0].quirks.signature: unknown quirk (did you mean signatures?)",
        ),
        (
            "providers: {openai: {keys: k, apis: [opanai_responses]}}",
            "providers.openai.apis[0]: expected one of openai_chat, ",
        ),
        (
            "providers: {anthropic: {keys: k, dialect: openai_chat}}",
            (
                "providers.anthropic.dialect: the known provider anthropic speaks anthropic (list "
                "further protocols"
            ),
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
        # Addresses.
        (
            "providers: {p: {}}",
            "providers.p: this is not a known provider: set base_url",
        ),
        (
            "providers: {opnai: {keys: k}}",
            ("providers.opnai: this is not a known provider: set base_url (did you mean openai?)"),
        ),
        (
            "providers: {p: {base_url: 'localhost:8000'}}",
            "providers.p.base_url: the URL must begin with http:// or https://",
        ),
        (
            "providers: {p: {base_url: 'http://127.0.0.1:8080/v1'}}",
            (
                "providers.p.base_url: http://127.0.0.1:8080/v1 is the address of this gateway "
                "(requests would be sent to the gateway itself, in a loop)"
            ),
        ),
        (
            "server: {host: 0.0.0.0, port: 3000}\nproviders: {p: {base_url: 'http://localhost:3000'}}",
            "providers.p.base_url: http://localhost:3000/v1 is the address of this gateway",
        ),
        (
            "providers: {llamacpp: {}}",
            "providers.llamacpp.base_url: http://localhost:8080/v1 is the address of this gateway",
        ),
        (
            "providers: {openai: {keys: k, proxy: localhost}}",
            "providers.openai.proxy: expected http://host:port",
        ),
        (
            "providers: {openai: {keys: k, ca_file: no.pem}}",
            "providers.openai.ca_file: there is no file no.pem",
        ),
        (
            f"providers: {{openai: {{keys: k, ca_file: {'x' * 300}}}}}",
            "providers.openai.ca_file: there is no file xxx",
        ),
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
        # Dialects, quirks and headers.
        (
            "providers: {openai: {keys: k, dialect: anthropic}}",
            "providers.openai.dialect: the known provider openai speaks openai_chat",
        ),
        (
            "providers: {openai: {keys: k, quirks: {develper_role: false}}}",
            "providers.openai.quirks.develper_role: unknown quirk (did you mean developer_role?)",
        ),
        (
            "providers: {openai: {keys: k, quirks: {developer_role: 5}}}",
            "providers.openai.quirks.developer_role: Expected `bool`, got `int`",
        ),
        (
            "providers: {openai: {keys: k, quirks: {max_tokens_field: x}}}",
            "providers.openai.quirks.max_tokens_field: Invalid enum value 'x'",
        ),
        (
            "providers: {openai: {keys: k, headers: {Authorization: x}}}",
            "providers.openai.headers.Authorization: would overwrite the provider's credential",
        ),
        (
            "providers: {openai: {keys: k, headers: {host: x}}}",
            "providers.openai.headers.host: is set by the HTTP connection and cannot be configured",
        ),
        (
            "providers: {openai: {keys: k, headers: {'a b': x}}}",
            'providers.openai.headers."a b": is not a valid header name',
        ),
        (
            "models: {m: {use: simulate/a, headers: {X-Api-Key: x}}}",
            "models.m.headers.X-Api-Key: would overwrite the provider's credential",
        ),
        (
            "providers: {a/b: {base_url: 'https://h.example'}}",
            'providers."a/b": a provider\'s name must not contain a slash',
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
            "providers: {openai: {keys: none}}",
            "providers.openai.keys[0]: `none` is not an API key (write [] for no keys)",
        ),
        (
            "providers: {openai: {keys: os.environ/OPENAI_API_KEY}}",
            (
                "providers.openai.keys: uses LiteLLM's syntax for an environment variable "
                "(write ${OPENAI_API_KEY})"
            ),
        ),
        ("providers: {openai: {keys: Bearer abc}}", "providers.openai.keys[0]: the key begins with `Bearer`"),
        ("providers: {openai: {keys: a b}}", "providers.openai.keys[0]: the key contains a blank"),
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
            "providers: {openai: {}}",
            (
                "providers.openai: no API key is set, so the provider will refuse every request "
                "(set OPENAI_API_KEY or providers.openai.keys)"
            ),
        ),
        (
            "providers: {bedrock: {region: eu-west-1}}",
            (
                "providers.bedrock: no API key is set, so the provider will refuse every request "
                "(set AWS_BEARER_TOKEN_BEDROCK or providers.bedrock.keys)"
            ),
        ),
        (  # no variable is for the keys of this region
            "providers: {siliconflow-intl: {}}",
            (
                "providers.siliconflow-intl: no API key is set, so the provider will refuse every request "
                "(set providers.siliconflow-intl.keys)"
            ),
        ),
        (  # the variable may well be set: it is not for an address of one's own under another name
            (
                "providers: {mine: {catalog: gemini, base_url: "
                "'https://generativelanguage.googleapis.com/v1beta'}}"
            ),
            (
                "providers.mine: no API key is set, so the provider will refuse every request "
                "(set providers.mine.keys)"
            ),
        ),
        (
            "providers: {p: {base_url: 'http://h.example', keys: k}}",
            "providers.p.base_url: its API keys are sent unencrypted over http://",
        ),
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


def test_an_account_is_what_its_settings_say(loaded: Load) -> None:
    text = """
providers:
  azure:
    base_url: https://r.example/openai/v1/
    dialect: openai_chat
    auth: x-api-key
    keys: [first-key-0123, second-key-0123]
    headers: {X-Team: blue}
    body: {a: 1}
    models: [gpt-5]
    quirks: {developer_role: false}
  claude: {base_url: https://c.example, dialect: anthropic, keys: []}
  ds: {catalog: deepseek, keys: k, quirks: {json_schema: true}}
"""
    providers = loaded(text).providers
    azure = providers["azure"]
    assert azure.chat_url == "https://r.example/openai/v1/chat/completions"
    assert (azure.auth, azure.origin, azure.models, dict(azure.body)) == (
        "x-api-key",
        "https://r.example",
        ("gpt-5",),
        {"a": 1},
    )
    assert [key.secret.reveal() for key in azure.credentials] == ["first-key-0123", "second-key-0123"]
    assert [Path(key.source).name for key in azure.credentials] == ["dragoman.yaml:7"] * 2
    assert {key.origin for key in azure.credentials} == {"https://r.example"}
    assert azure.headers["x-team"].reveal() == "blue"
    assert not azure.quirks.developer_role
    assert azure.takes("gpt-5")
    assert not azure.takes("gpt-4")
    assert providers["claude"].chat_url == "https://c.example/v1/messages"
    assert (providers["claude"].auth, providers["claude"].credentials) == ("x-api-key", ())
    assert providers["claude"].fixed["anthropic-version"] == "2023-06-01"
    assert providers["ds"].chat_url == "https://api.deepseek.com/chat/completions"
    assert providers["ds"].quirks.json_schema
    assert providers["ds"].quirks.reasoning_request == "thinking"
    assert providers["ds"].owns("deepseek-chat")
    assert not azure.owns("gpt-5")


def test_without_own_quirks_the_rows_very_record_is_used(loaded: Load) -> None:
    from dragoman.dialects.table import DIALECTS
    from dragoman.providers.catalog import CATALOG

    providers = loaded(
        "providers: {openai: {keys: k}, groq: {keys: k}, p: {base_url: 'https://h.example'}}"
    ).providers
    assert providers["openai"].quirks is CATALOG["openai"].quirks
    assert providers["groq"].quirks is CATALOG["groq"].quirks
    assert providers["p"].quirks is DIALECTS["openai_chat"].quirks


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


@pytest.mark.parametrize(
    ("address", "warned"),
    [("http://proxy.example", True), ("https://proxy.example", False), ("http://10.0.0.5", False)],
)
def test_a_key_that_the_environment_sends_unencrypted_is_a_warning(
    loaded: Load, address: str, warned: bool
) -> None:
    environ = {"OPENAI_API_KEY": "sk-0123456789", "OPENAI_BASE_URL": address}
    told = [str(one) for one in loaded(None, environ).warnings]
    assert told == (
        ["OPENAI_BASE_URL: providers.openai.base_url: its API keys are sent unencrypted over http://"]
        if warned
        else []
    )
