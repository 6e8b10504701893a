"""Settings that a program states: the same values and the same complaints as in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dragoman.config.load import load
from dragoman.errors import ConfigError

FILE = """
server: {port: 9000, keep_alive: 5s, cors_origins: []}
providers:
  openai: {keys: ["${KEY}", "${OTHER:-two}"], headers: {x: "$${plain}"}}
  mine: {base_url: "http://127.0.0.1:9/v1", keys: [], pool: {size: 7}}
aliases: {fast: {route: mine/small, defaults: {temperature: 0.5}, strict: true}}
"""


def test_settings_of_a_program_are_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text(FILE)
    environ = {"KEY": "sk-one"}
    from_file, stated = load(file, environ), load(yaml.safe_load(FILE), environ)
    assert stated.config == from_file.config
    assert stated.providers.keys() == from_file.providers.keys()
    for name, provider in stated.providers.items():
        assert provider.apis == from_file.providers[name].apis
    assert stated.providers["openai"].headers["x"].reveal() == "${plain}"
    assert [one.secret.reveal() for one in stated.providers["openai"].credentials] == ["sk-one", "two"]
    assert stated.source("server.port") == "Gateway(…)"


def test_the_environment_fills_what_is_not_stated() -> None:
    environ = {"OPENAI_API_KEY": "sk-env", "DRAGOMAN_PORT": "9001"}
    found = load({"providers": {"mine": {"base_url": "http://127.0.0.1:9/v1", "keys": []}}}, environ)
    assert set(found.providers) == {"openai", "mine"}
    assert found.config.server.port == 9001


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        ({"server": {"prot": 1}}, "server.prot", "unknown setting"),
        ({"server": {"port": "x"}}, "server.port", "number"),
        ({"providers": {"a": {"keys": "${NOT_SET}"}}}, "providers.a.keys", "NOT_SET is not set"),
        ({"server": {"port": object()}}, "server.port", "has the type object"),
        ({"aliases": {"a": {"defaults": {"x": [Path()]}}}}, "aliases.a.defaults.x[0]", "Path"),
    ],
)
def test_mistakes_are_named(settings: dict[str, object], path: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(settings, {})
    problem = next(one for one in raised.value.problems if one.path == path)
    assert message in problem.message
    assert problem.file == "Gateway(…)"


def test_settings_that_contain_themselves_are_refused() -> None:
    settings: dict[str, object] = {}
    settings["aliases"] = settings
    with pytest.raises(ConfigError, match="nested deeper"):
        load(settings, {})
