"""What is wrong or odd in the settings of a provider is told, and its account is what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from dragoman.config.load import Loaded

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]

OPENAI = "providers: {openai: {keys: k}}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "providers: {openai: {keys: k, check: 10ms}}",
            "providers.openai.check.every: must be at least 1s, or 0 for never",
        ),
        (
            "providers: {up: {base_url: 'https://up.example', base_path: '', chat_path: /ask, check: 1m}}",
            "providers.up.check: the path of the list of models cannot be derived from this chat_path",
        ),
        (
            "providers: {p: {catalog: opnai}}",
            "providers.p.catalog: there is no known provider opnai (did you mean openai?)",
        ),
        (
            "providers: {openai: {keys: k, models: ['*', b]}}",
            "providers.openai.models: `*` cannot be combined with other entries",
        ),
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
            "providers: {anthropic: {keys: k, dialect: openai_chat}}",
            (
                "providers.anthropic.dialect: the known provider anthropic speaks anthropic (list "
                "further protocols"
            ),
        ),
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
            "providers: {a/b: {base_url: 'https://h.example'}}",
            'providers."a/b": a provider\'s name must not contain a slash',
        ),
        (
            "providers: {openai: {keys: none}}",
            "providers.openai.keys[0]: `none` is not an API key (write [] for no keys)",
        ),
        ("providers: {openai: {keys: Bearer abc}}", "providers.openai.keys[0]: the key begins with `Bearer`"),
        ("providers: {openai: {keys: a b}}", "providers.openai.keys[0]: the key contains a blank"),
    ],
)
def test_a_mistake_of_a_provider_is_reported_once(mistakes: Mistakes, text: str, problem: str) -> None:
    (found,) = mistakes(text)
    place, _, message = found.partition(": ")
    assert place.startswith("dragoman.yaml:")
    assert message.startswith(problem)


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
    ],
)
def test_what_is_odd_of_a_provider_is_a_warning(loaded: Load, text: str, warning: str) -> None:
    (found,) = loaded(text).warnings
    assert str(found).endswith(f"dragoman.yaml:1: {warning}")


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
