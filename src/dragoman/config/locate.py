"""Finds the configuration file and Dragoman's own folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dragoman.errors import ConfigError, Problem

FILE_NAME: Final = "dragoman.yaml"


def home(environ: Mapping[str, str]) -> Path:
    """The folder for Dragoman's files: DRAGOMAN_HOME, if not empty, else the platform's for program data.

    Raises ConfigError for a `~` whose home folder is unknown.
    """
    if chosen := environ.get("DRAGOMAN_HOME"):
        return _expanded(chosen, "DRAGOMAN_HOME")
    import platformdirs

    return Path(platformdirs.user_data_dir("dragoman", appauthor=False))


def find(environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The configuration file to read if the command line names none; None if there is no such file.

    It is DRAGOMAN_CONFIG if that variable is set (empty = use no file), else `dragoman.yaml` in `cwd`, else
    `dragoman.yaml` in `home`. Raises ConfigError if the file of DRAGOMAN_CONFIG does not exist, or for a `~`
    whose home folder is unknown.
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
    """True if a regular file is there. False also if the system cannot look: the name is too long, …"""
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
