"""Files, environment and command line: who wins, what is found without any file, and that nothing crashes."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dragoman.config.declared import settings_of
from dragoman.config.load import Loaded, as_written, load
from dragoman.config.section import Section
from dragoman.config.settings import Config
from dragoman.errors import ConfigError
from dragoman.providers.catalog import CATALOG

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]


def test_a_file_that_is_sent_elsewhere_keeps_its_variables_as_they_are(tmp_path: Path) -> None:
    """Whoever gets it fills them in."""
    file = tmp_path / "entry.yaml"
    file.write_text('{a: "${HOME}", b: "${NAME:-x}", c: "a$${HOME}", d: 1}')
    assert as_written(file) == {"a": "${HOME}", "b": "${NAME:-x}", "c": "a$${HOME}", "d": 1}


# --- Without a file ---------------------------------------------------------------------------------------


def test_with_nothing_at_all_there_are_the_local_models_and_the_simulator(loaded: Load) -> None:
    found = loaded()
    assert (dict(found.providers), found.simulate, found.config.providers.local.enabled) == ({}, True, True)
    assert (found.config, found.file, found.warnings) == (Config(), None, ())


def test_servers_on_the_own_machine_are_enabled_by_configuration_only(loaded: Load) -> None:
    assert {name for name, vendor in CATALOG.items() if not vendor.keys} >= {"vllm", "llamacpp", "lmstudio"}
    assert (
        loaded("providers: {vllm: {}}").providers["vllm"].chat_url
        == "http://localhost:8000/v1/chat/completions"
    )


def test_a_base_url_of_our_own_is_refused_wherever_it_comes_from(mistakes: Mistakes) -> None:
    (found,) = mistakes(None, {"OPENAI_BASE_URL": "http://localhost:8080/v1", "OPENAI_API_KEY": "k"})
    assert found.startswith(
        "OPENAI_BASE_URL: providers.openai.base_url: http://localhost:8080/v1 is the address of this"
    )
    (found,) = mistakes(None, {"OPENAI_BASE_URL": "http://localhost:9/v1", "DRAGOMAN_PORT": "9"})
    assert found.startswith("OPENAI_BASE_URL: ")


# --- A file and the environment ---------------------------------------------------------------------------


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
        **dict.fromkeys(settings_of(type(server)), "default"),
        "host": "dragoman.yaml:2",
        "port": "DRAGOMAN_PORT",
        "max_depth": "dragoman.yaml:5",
        "drain": "the command line",
        "access_log": "the command line",
    }


def test_the_command_line_may_set_a_list(loaded: Load) -> None:
    assert loaded(server__cors_origins=("http://a", "http://b")).config.server.cors_origins == (
        "http://a",
        "http://b",
    )


# --- Presets and the simulator ----------------------------------------------------------------------------


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


# --- Files ------------------------------------------------------------------------------------------------


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


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text("#" * 5_000_000)
    with pytest.raises(ConfigError, match="larger than 4 MB"):
        load(file, {"DRAGOMAN_HOME": str(tmp_path)})
