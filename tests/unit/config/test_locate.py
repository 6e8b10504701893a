"""Where the configuration file and Dragoman's own folder are found."""

from pathlib import Path

import pytest

from dragoman.config import locate
from dragoman.errors import ConfigError


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
