"""Variables of the environment: the vendors' keys and addresses, and settings of ours."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from dragoman.config.declared import settings_of
from dragoman.config.load import Loaded
from dragoman.config.settings import Config
from dragoman.providers.catalog import CATALOG
from dragoman.seams.secret import Secret

Load: TypeAlias = Callable[..., Loaded]


Mistakes: TypeAlias = Callable[..., list[str]]


@pytest.mark.parametrize(
    "name", [name for name, vendor in CATALOG.items() if vendor.keys and not vendor.account]
)
def test_a_key_in_the_environment_enables_its_vendor_and_no_other(loaded: Load, name: str) -> None:
    variable = CATALOG[name].keys[0]
    found = loaded(environ={variable: "key-0123456789"})
    (provider,) = found.providers.values()
    assert (provider.name, provider.base_url, provider.models) == (name, CATALOG[name].base_url, None)
    assert [(key.secret.reveal(), key.source) for key in provider.credentials] == [
        ("key-0123456789", variable)
    ]
    assert not found.simulate
    assert found.warnings == ()


def test_a_key_of_a_vendor_without_a_common_address_needs_the_address(loaded: Load) -> None:
    key = {"AZURE_OPENAI_API_KEY": "key-0123456789"}
    assert loaded(environ=key).providers == {}
    found = loaded(environ={**key, "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/"})
    (provider,) = found.providers.values()
    assert (provider.name, provider.base_url) == ("azure", "https://mine.openai.azure.com/openai/v1")
    assert [one.secret.reveal() for one in provider.credentials] == ["key-0123456789"]
    written = loaded("providers: {azure: {base_url: 'https://other.openai.azure.com'}}", environ=key)
    assert [one.secret.reveal() for one in written.providers["azure"].credentials] == ["key-0123456789"]


def test_several_keys_are_numbered(loaded: Load) -> None:
    environ = {f"OPENAI_API_KEY_{number}": f"k{number}" for number in (10, 2, 3, 11, 1)} | {
        "OPENAI_API_KEY": "k1"
    }
    keys = loaded(environ=environ).providers["openai"].credentials
    assert [(key.secret.reveal(), key.source) for key in keys] == [
        ("k1", "OPENAI_API_KEY"),
        ("k2", "OPENAI_API_KEY_2"),
        ("k3", "OPENAI_API_KEY_3"),
        ("k10", "OPENAI_API_KEY_10"),
    ]


@pytest.mark.parametrize(
    ("environ", "url", "keys"),
    [
        (
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://h.test:1/v1/"},
            "http://h.test:1/v1/chat/completions",
            1,
        ),
        (
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://h.test:1"},
            "http://h.test:1/v1/chat/completions",
            1,
        ),
        ({"OPENAI_BASE_URL": "http://h.test:1"}, "http://h.test:1/v1/chat/completions", 0),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": ""}, "https://api.openai.com/v1/chat/completions", 1),
        ({"OPENAI_API_KEY": " k\n"}, "https://api.openai.com/v1/chat/completions", 1),
        ({"OPENAI_API_KEY_2": "k"}, "https://api.openai.com/v1/chat/completions", 1),
    ],
)
def test_openai_from_the_environment(loaded: Load, environ: dict[str, str], url: str, keys: int) -> None:
    provider = loaded(environ=environ).providers["openai"]
    assert (provider.chat_url, len(provider.credentials)) == (url, keys)
    assert all(key.secret == Secret("k") and url.startswith(key.origin) for key in provider.credentials)


def test_anthropic_from_the_environment(loaded: Load) -> None:
    environ = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "https://h.example/anthropic"}
    provider = loaded(environ=environ).providers["anthropic"]
    assert provider.chat_url == "https://h.example/anthropic/v1/messages"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434/v1/chat/completions"),
        ("gpu.lan:1234", "http://gpu.lan:1234/v1/chat/completions"),
        ("https://h.example/ollama/", "https://h.example/ollama/v1/chat/completions"),
    ],
)
def test_ollama_from_the_environment(loaded: Load, host: str, url: str) -> None:
    provider = loaded(environ={"OLLAMA_HOST": host}).providers["ollama"]
    assert provider.chat_url == url
    native = next(api for api in provider.apis if api.dialect == "ollama")
    assert native.chat_url == url.replace("/v1/chat/completions", "/api/chat")


def test_a_key_in_our_own_address_is_not_shown(mistakes: Mistakes) -> None:
    """As a shell has it that is set up for Ollama's command line."""
    (found,) = mistakes(None, {"OLLAMA_HOST": "http://localhost:8080/key/secret"})
    assert "http://localhost:8080/key/…/v1 is the address of this gateway" in str(found)


def test_blank_variables_count_as_absent(loaded: Load) -> None:
    assert (
        loaded(environ={"OPENAI_API_KEY": " ", "ANTHROPIC_BASE_URL": "", "DRAGOMAN_PORT": ""}).config
        == Config()
    )


def test_a_bad_variable_is_named(mistakes: Mistakes) -> None:
    environ = {
        "OPENAI_API_KEY": "k\u2026",
        "ANTHROPIC_BASE_URL": "h.example",
        "DRAGOMAN_PORT": "many",
        "DRAGOMAN_API_KEY": "good,bäd",
    }
    no_header = (
        "the value contains characters that are not allowed in an HTTP header (remove "
        "line breaks and quotation marks that were pasted with it)"
    )
    assert mistakes(None, environ) == [
        "ANTHROPIC_BASE_URL: providers.anthropic.base_url: the URL must begin with http:// or https://",
        f"DRAGOMAN_API_KEY: auth.keys[1]: {no_header}",
        "DRAGOMAN_PORT: server.port: expected a whole number, found another text",
        f"OPENAI_API_KEY: providers.openai.keys[0]: {no_header}",
    ]


@pytest.mark.parametrize(
    ("text", "keys", "url"),
    [
        # The file is silent about its keys: they fill in.
        ("providers: {openai: }", ["env"], "https://env.example/v1"),
        ("providers: {openai: {models: [a]}}", ["env"], "https://env.example/v1"),
        ("providers: {openai: {base_url: 'https://file.example'}}", ["env"], "https://file.example/v1"),
        ("providers: {openai: {keys: null}}", ["env"], "https://env.example/v1"),
        # It states keys: neither they nor their address change.
        ("providers: {openai: {keys: file}}", ["file"], "https://api.openai.com/v1"),
        ("providers: {openai: {keys: []}}", [], "https://api.openai.com/v1"),
    ],
)
def test_the_environment_fills_in_what_the_file_leaves_out(
    loaded: Load, text: str, keys: list[str], url: str
) -> None:
    environ = {"OPENAI_API_KEY": "env", "OPENAI_BASE_URL": "https://env.example"}
    provider = loaded(text, environ).providers["openai"]
    assert [key.secret.reveal() for key in provider.credentials] == keys
    assert provider.base_url == url


def test_another_name_for_a_vendor_gets_its_keys_unless_it_is_another_place(loaded: Load) -> None:
    text = """providers:
  work: {catalog: openai}
  proxy: {catalog: openai, base_url: 'https://proxy.example'}
"""
    providers = loaded(text, {"OPENAI_API_KEY": "env", "ANTHROPIC_API_KEY": "a"}).providers
    assert {name: len(provider.credentials) for name, provider in providers.items()} == {
        "work": 1,
        "proxy": 0,
        "anthropic": 1,
    }


def test_a_provider_with_the_name_of_another_vendor_stays_as_it_is(loaded: Load) -> None:
    text = "providers: {openai: {catalog: mistral, keys: file}}"
    (provider,) = loaded(
        text, {"OPENAI_API_KEY": "env", "OPENAI_BASE_URL": "https://env.example"}
    ).providers.values()
    assert (provider.name, provider.vendor) == ("openai", CATALOG["mistral"])
    assert [key.secret.reveal() for key in provider.credentials] == ["file"]


def test_a_disabled_provider_stays_disabled_whatever_the_environment_holds(loaded: Load) -> None:
    found = loaded("providers: {openai: {enabled: false}}", {"OPENAI_API_KEY": "env"})
    assert dict(found.providers) == {}
    assert found.simulate


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("DRAGOMAN_HOST", "0.0.0.0", "server.host", "0.0.0.0"),
        ("DRAGOMAN_PORT", "9000", "server.port", 9000),
        ("DRAGOMAN_BASE_PATH", "/ai", "server.base_path", "/ai"),
        ("DRAGOMAN_CORS_ORIGINS", "http://a, http://b", "server.cors_origins", ("http://a", "http://b")),
        ("DRAGOMAN_MAX_BODY", "1MB", "server.max_body", 1_000_000),
        ("DRAGOMAN_MAX_DEPTH", "50", "server.max_depth", 50),
        ("DRAGOMAN_MAX_VALUES", "5000", "server.max_values", 5000),
        ("DRAGOMAN_HEARTBEAT", "5s", "server.heartbeat", 5.0),
        ("DRAGOMAN_DRAIN", "1m", "server.drain", 60.0),
        ("DRAGOMAN_ACCESS_LOG", "no", "server.access_log", False),
        ("DRAGOMAN_AUTH_REQUIRED", "true", "auth.required", True),
        ("DRAGOMAN_AUTH_OPEN", "1", "auth.open", True),
        ("DRAGOMAN_DEFAULT_MODEL", "simulate/x", "default_model", "simulate/x"),
        ("DRAGOMAN_PRESET", "qwen", "preset", ("qwen",)),
        ("DRAGOMAN_STRICT", "all", "strict", "all"),
        ("DRAGOMAN_STRICT", "true", "strict", True),
        ("DRAGOMAN_STREAM_USAGE", "always", "stream_usage", "always"),
    ],
)  # fmt: skip
def test_a_variable_sets_its_setting(loaded: Load, name: str, text: str, path: str, value: object) -> None:
    found: Any = loaded(environ={name: text}).config
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_client_keys_come_from_one_variable(loaded: Load) -> None:
    keys = loaded(environ={"DRAGOMAN_API_KEY": "one, two,"}).config.auth.keys
    assert [key.key.reveal() for key in keys if key.key is not None] == ["one", "two"]


def test_every_plain_server_setting_has_a_variable() -> None:
    assert all(
        one.about.env == f"DRAGOMAN_{one.name.upper()}" for one in settings_of(type(Config().server)).values()
    )


def test_an_unknown_variable_of_ours_is_a_warning(loaded: Load) -> None:
    environ = {"DRAGOMAN_PROT": "1", "DRAGOMAN_URL": "x", "DRAGOMAN_ADMIN_KEY": "x"}
    (warning,) = loaded(environ=environ).warnings
    assert (
        str(warning)
        == "DRAGOMAN_PROT: unknown environment variable: it is ignored (did you mean DRAGOMAN_PORT?)"
    )


@pytest.mark.parametrize(
    ("vendor", "key", "variable", "read"),
    [
        ("openai", "OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"),
        ("gemini", "GEMINI_API_KEY", "GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL"),
        ("gemini", "GOOGLE_API_KEY", "GOOGLE_API_BASE_URL", "GOOGLE_GEMINI_BASE_URL"),
        ("groq", "GROQ_API_KEY", "GROQ_API_BASE", "GROQ_BASE_URL"),
    ],
)
def test_an_address_in_a_variable_that_nothing_reads_is_a_warning(
    loaded: Load, vendor: str, key: str, variable: str, read: str
) -> None:
    environ = {key: "key-0123456789", variable: "https://proxy.example.com"}
    found = loaded(environ=environ)
    assert found.providers[vendor].base_url == CATALOG[vendor].base_url
    (warning,) = found.warnings
    assert warning.file == variable
    assert warning.hint == f"set {read} or providers.{vendor}.base_url"
    assert loaded(environ={**environ, read: "https://proxy.example.com/v1"}).warnings == ()


def test_a_provider_that_states_keys_is_not_told_to_set_a_variable_that_it_does_not_read(
    loaded: Load,
) -> None:
    environ = {"OPENAI_API_BASE": "https://proxy.example.com", "OPENAI_BASE_URL": "https://h.example.com/v1"}
    found = loaded("providers: {openai: {keys: [key-0123456789]}}\n", environ)
    assert found.providers["openai"].base_url == CATALOG["openai"].base_url
    (warning,) = found.warnings
    assert warning.hint == "set providers.openai.base_url"


def test_an_address_that_the_file_reads_or_no_provider_needs_is_no_warning(loaded: Load) -> None:
    address = {"OPENAI_API_BASE": "https://proxy.example.com/v1"}
    assert loaded(environ=address).warnings == ()
    text = "providers: {mine: {base_url: '${OPENAI_API_BASE}', keys: []}}\n"
    assert loaded(text, {**address, "OPENAI_API_KEY": "key-0123456789"}).warnings == ()
    stated = "providers: {openai: {base_url: 'https://own.example.com/v1', keys: []}}\n"
    assert loaded(stated, address).warnings == ()
