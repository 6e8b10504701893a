"""Finds the configuration file and Dragoman's own folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dragoman.errors import ConfigError, Problem

FILE_NAME: Final = "dragoman.yaml"


def home(environ: Mapping[str, str]) -> Path:
    """Return the folder for Dragoman's files: DRAGOMAN_HOME if it is set and not empty, otherwise the
    platform's folder for the data of programs. Raises ConfigError for a `~` whose home folder is unknown.
    """
    if chosen := environ.get("DRAGOMAN_HOME"):
        return _expanded(chosen, "DRAGOMAN_HOME")
    import platformdirs

    return Path(platformdirs.user_data_dir("dragoman", appauthor=False))


def find(environ: Mapping[str, str], cwd: Path) -> Path | None:
    """Return the configuration file to read if the command line names none; None = no file is to be read.

    If DRAGOMAN_CONFIG is set, it is that file (an empty value means: no file). Otherwise it is
    `dragoman.yaml` in `cwd`, or if that does not exist, `dragoman.yaml` in Dragoman's own folder (the
    function `home`). Raises ConfigError if the file of DRAGOMAN_CONFIG does not exist, or for a `~` whose
    home folder is unknown.
    """
    chosen = environ.get("DRAGOMAN_CONFIG")
    if chosen is not None:
        if not chosen:
            return None
        path = _expanded(chosen, "DRAGOMAN_CONFIG")
        if not is_file(path):
            raise ConfigError(Problem("", f"there is no file {chosen}", "DRAGOMAN_CONFIG"))
        return path
    return next((path for path in (cwd / FILE_NAME, home(environ) / FILE_NAME) if is_file(path)), None)


def is_file(path: Path) -> bool:
    """Whether a regular file exists at this path. False also if the system cannot look, for example because
    the name is too long.
    """
    try:
        return path.is_file()
    except OSError:
        return False


def _expanded(text: str, variable: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(
            Problem("", f"`~` in {text} cannot be resolved: the home folder is unknown", variable)
        ) from None
