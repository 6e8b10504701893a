"""Files, environment and command line: who wins, what is found without any file, and that nothing crashes."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dragoman.config import locate
from dragoman.config.declared import settings_of
from dragoman.config.load import Loaded, load
from dragoman.config.section import Section
from dragoman.config.settings import Config
from dragoman.errors import ConfigError
from dragoman.providers.catalog import CATALOG
from dragoman.seams.secret import Secret

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]


# --- Without a file ---------------------------------------------------------------------------------------


def test_with_nothing_at_all_there_are_the_local_models_and_the_simulator(loaded: Load) -> None:
    found = loaded()
    assert (dict(found.providers), found.simulate, found.config.providers.local.enabled) == ({}, True, True)
    assert (found.config, found.file, found.warnings) == (Config(), None, ())


@pytest.mark.parametrize("name", [name for name, vendor in CATALOG.items() if vendor.keys])
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


def test_servers_on_the_own_machine_are_enabled_by_configuration_only(loaded: Load) -> None:
    assert {name for name, vendor in CATALOG.items() if not vendor.keys} >= {"vllm", "llamacpp", "lmstudio"}
    assert (
        loaded("providers: {vllm: {}}").providers["vllm"].chat_url
        == "http://localhost:8000/v1/chat/completions"
    )


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


def test_a_base_url_of_our_own_is_refused_wherever_it_comes_from(mistakes: Mistakes) -> None:
    (found,) = mistakes(None, {"OPENAI_BASE_URL": "http://localhost:8080/v1", "OPENAI_API_KEY": "k"})
    assert found.startswith(
        "OPENAI_BASE_URL: providers.openai.base_url: http://localhost:8080/v1 is the address of this"
    )
    (found,) = mistakes(None, {"OPENAI_BASE_URL": "http://localhost:9/v1", "DRAGOMAN_PORT": "9"})
    assert found.startswith("OPENAI_BASE_URL: ")


# --- A file and the environment ---------------------------------------------------------------------------


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


def test_a_disabled_provider_stays_disabled_whatever_the_environment_holds(loaded: Load) -> None:
    found = loaded("providers: {openai: {enabled: false}}", {"OPENAI_API_KEY": "env"})
    assert dict(found.providers) == {}
    assert found.simulate


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(loaded: Load) -> None:
    text = "server:\n  host: file.example\n  port: 1\n  drain: 1s\n  max_depth: 11\n"
    environ = {"DRAGOMAN_PORT": "2", "DRAGOMAN_DRAIN": "2s"}
    found = loaded(text, environ, server__drain="3s", server__access_log=False)
    server = found.config.server
    assert (server.host, server.port, float(server.drain), server.access_log) == (
        "file.example",
        2,
        3.0,
        False,
    )
    sources = {name: Path(found.source(f"server.{name}")).name for name in settings_of(type(server))}
    assert sources == {
        "host": "dragoman.yaml:2",
        "port": "DRAGOMAN_PORT",
        "base_path": "default",
        "cors_origins": "default",
        "max_body": "default",
        "body_space": "default",
        "answer_space": "default",
        "max_upload": "default",
        "max_head": "default",
        "head_space": "default",
        "max_headers": "default",
        "max_url": "default",
        "head_timeout": "default",
        "body_timeout": "default",
        "write_timeout": "default",
        "min_rate": "default",
        "keep_alive": "default",
        "max_connections": "default",
        "max_connections_per_address": "default",
        "shared_addresses": "default",
        "upload_space": "default",
        "max_depth": "dragoman.yaml:5",
        "max_values": "default",
        "heartbeat": "default",
        "drain": "the command line",
        "drain_delay": "default",
        "access_log": "the command line",
        "workers": "default",
        "keyless_faces": "default",
        "keyless_models": "default",
        "websocket": "default",
    }


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


def test_the_command_line_may_set_a_list(loaded: Load) -> None:
    assert loaded(server__cors_origins=("http://a", "http://b")).config.server.cors_origins == (
        "http://a",
        "http://b",
    )


def test_client_keys_come_from_one_variable(loaded: Load) -> None:
    keys = loaded(environ={"DRAGOMAN_API_KEY": "one, two,"}).config.auth.keys
    assert [key.key.reveal() for key in keys] == ["one", "two"]


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


# --- Presets and the simulator ----------------------------------------------------------------------------


def test_a_preset_lies_below_the_file(loaded: Load) -> None:
    text = "preset: qwen\nmodels: {qwen-max: {use: qwen/other}}\nproviders: {qwen: {base_url: 'https://q.example'}}"
    found = loaded(text, {"DASHSCOPE_API_KEY": "k"})
    assert sorted(found.config.models) == ["qwen-max", "qwen-plus", "qwen-turbo", "qwen3-max"]
    assert found.config.models["qwen-max"].use == "qwen/other"
    assert found.config.models["qwen-plus"].use == "qwen/qwen-plus"
    assert found.source("models.qwen-plus") == "preset qwen"
    # It names the vendor, but another place: the vendor's key stays away.
    assert found.providers["qwen"].credentials == ()
    assert list(found.providers) == ["qwen"]


def test_a_presets_vendor_is_keyed_by_the_environment(loaded: Load) -> None:
    found = loaded(environ={"DRAGOMAN_PRESET": "qwen", "DASHSCOPE_API_KEY": "k"})
    (provider,) = found.providers.values()
    assert (provider.name, provider.vendor, len(provider.credentials)) == ("qwen", CATALOG["dashscope"], 1)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("", True),
        ("providers: {openai: {keys: k}}", False),
        ("providers: {openai: {keys: k}, simulate: {enabled: true}}", True),
        ("providers: {simulate: {enabled: false}}", False),
        ("providers: {openai: {keys: k}}\nmodels: {m: simulate/x}", True),
        ("providers: {openai: {keys: k}}\nmodels: {m: {deployments: [openai/a, simulate/x]}}", True),
        ("providers: {openai: {keys: k}}\naliases: {m: simulate/x}", True),
        ("providers: {openai: {keys: k}}\ndefault_model: simulate/x", True),
    ],
)
def test_when_the_simulator_is_offered(loaded: Load, text: str, offered: bool) -> None:
    assert loaded(text).simulate is offered


# --- Finding the file -------------------------------------------------------------------------------------


def test_the_file_is_looked_for_in_order(tmp_path: Path) -> None:
    home, cwd, other = tmp_path / "home", tmp_path / "cwd", tmp_path / "other.yaml"
    for folder in (home, cwd):
        folder.mkdir()
    environ = {"DRAGOMAN_HOME": str(home)}
    assert locate.find(environ, cwd) is None
    (home / "dragoman.yaml").touch()
    assert locate.find(environ, cwd) == home / "dragoman.yaml"
    (cwd / "dragoman.yaml").touch()
    assert locate.find(environ, cwd) == cwd / "dragoman.yaml"
    other.touch()
    assert locate.find({**environ, "DRAGOMAN_CONFIG": str(other)}, cwd) == other
    assert locate.find({**environ, "DRAGOMAN_CONFIG": ""}, cwd) is None
    with pytest.raises(ConfigError, match=r"DRAGOMAN_CONFIG: there is no file .*nowhere"):
        locate.find({**environ, "DRAGOMAN_CONFIG": str(tmp_path / "nowhere")}, cwd)
    with pytest.raises(ConfigError, match=r"DRAGOMAN_CONFIG: there is no file xxx"):
        locate.find({**environ, "DRAGOMAN_CONFIG": "x" * 300}, cwd)
    with pytest.raises(
        ConfigError,
        match=r"DRAGOMAN_CONFIG: `~` in ~nobody-here/x cannot be resolved: the home folder is unknown",
    ):
        locate.find({**environ, "DRAGOMAN_CONFIG": "~nobody-here/x"}, cwd)


def test_the_home_folder(tmp_path: Path) -> None:
    assert locate.home({"DRAGOMAN_HOME": str(tmp_path)}) == tmp_path
    assert locate.home({"DRAGOMAN_HOME": "~/x"}) == Path.home() / "x"
    assert locate.home({}).name == "dragoman"


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml", {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {})
    (tmp_path / "bytes.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match=r"bytes\.yaml:2: is not UTF-8"):
        load(tmp_path / "bytes.yaml", {})


def test_relative_paths_begin_at_the_files_folder(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.gguf").touch()
    found = loaded(
        "models: {m: {deployments: {use: local, file: models/m.gguf, context: 4096, keep_alive: 1m}}}"
    )
    (target,) = found.config.models["m"].targets
    assert target.file == str(tmp_path / "models" / "m.gguf")
    assert (target.context, target.threads) == (4096, None)


def test_loading_reads_nothing_of_the_process(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("DRAGOMAN_PORT", "1")
    assert loaded().config == Config()
    assert dict(os.environ) == {**before, "OPENAI_API_KEY": "k", "DRAGOMAN_PORT": "1"}


def test_a_loaded_configuration_shows_no_secret(loaded: Load) -> None:
    key = "sk-0123456789abcdef"
    text = f"""
providers: {{openai: {{keys: {key}, headers: {{X-A: {key}}}, proxy: 'http://a:{key}@h'}}}}
auth: {{keys: {key}}}
"""
    assert key not in repr(loaded(text))


# --- Anything -----------------------------------------------------------------------------------------------

NAMES = sorted({name for section in Section.__subclasses__() for name in settings_of(section)})
WORDS = st.sampled_from(
    [
        "",
        "x",
        "openai",
        "openai/gpt-5",
        "*",
        "simulate/a",
        "local",
        "30s",
        "5MB",
        "http://h.example",
        "all",
        "~",
        "file",
    ]
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), WORDS, st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), WORDS, st.text(max_size=3)), inner, max_size=4),
    ),
    max_leaves=20,
)
SECTIONS = st.fixed_dictionaries({}, optional=dict.fromkeys(settings_of(Config), VALUES))


@given(st.one_of(SECTIONS, VALUES))
def test_any_yaml_loads_or_says_what_is_wrong_in_which_line(value: object) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "dragoman.yaml"
        path.write_text(yaml.safe_dump(value, allow_unicode=True), "utf-8")
        found: Loaded | ConfigError
        try:
            found = load(path, {"DRAGOMAN_HOME": folder})
        except ConfigError as error:
            found = error
        if isinstance(found, Loaded):
            return
        lines = [problem.line or 0 for problem in found.problems if problem.file == str(path)]
        assert lines == sorted(lines)
        assert len(lines) == len(found.problems) > 0
        assert min(lines) > 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_secret_is_in_a_regular_file_of_a_sensible_size(tmp_path: Path) -> None:
    """Whoever starts in a foreign folder neither waits for ever nor runs out of memory."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_text("k" * 100_000)
    file = tmp_path / "team.yaml"
    for name, told in (
        ("pipe", "is not a regular file"),
        ("/dev/zero", "is not a regular file"),
        ("large", "larger"),
    ):
        file.write_text(f"providers: {{openai: {{keys: [{{file: {name}}}]}}}}")
        with pytest.raises(ConfigError, match=told):
            load(file, {"DRAGOMAN_HOME": str(tmp_path)})


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text("#" * 5_000_000)
    with pytest.raises(ConfigError, match="larger than 4 MB"):
        load(file, {"DRAGOMAN_HOME": str(tmp_path)})
