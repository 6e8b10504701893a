"""A configuration file in a folder of its own, loaded with an environment that the test states."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from dragoman.config.load import Loaded, load
from dragoman.errors import ConfigError

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Loads a text as dragoman.yaml; None = no file."""

    def loads(text: str | None = None, environ: Mapping[str, str] | None = None, **overrides: Any) -> Loaded:
        path = None
        if text is not None:
            path = tmp_path / "dragoman.yaml"
            path.write_text(text, "utf-8")
        home = {"DRAGOMAN_HOME": str(tmp_path / "home")}
        named = {name.replace("__", "."): value for name, value in overrides.items()}
        return load(path, home | dict(environ or {}), named, cwd=tmp_path)

    return loads


@pytest.fixture
def mistakes(loaded: Load, tmp_path: Path) -> Mistakes:
    """The problems of a text as lines, with the folder cut off; none is a failure."""

    def finds(text: str | None, environ: Mapping[str, str] | None = None, **overrides: Any) -> list[str]:
        with pytest.raises(ConfigError) as refused:
            loaded(text, environ, **overrides)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in refused.value.problems]

    return finds
