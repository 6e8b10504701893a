"""Parses the setting `stores.sql`. Pure: `config.check` uses it to check, `stores.open` to open."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

HINT: Final = "for example sqlite:////var/lib/state.db"


def database(stated: str) -> str | None:
    """The file that the setting names: "" = our own (`sqlite`), None = none (`memory`). Raises ValueError."""
    if stated == "memory":
        return None
    if stated == "sqlite":
        return ""
    scheme, _, path = stated.partition("://")
    path = path.removeprefix("/")
    if scheme != "sqlite" or PurePath(path).name in {"", ":memory:"}:
        raise ValueError("must be memory, sqlite or a sqlite URL")
    return path
