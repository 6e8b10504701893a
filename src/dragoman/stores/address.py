"""Parses the setting `stores.sql`: `config.check` uses this to check the setting, `stores.open` to open."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

HINT: Final = "for example sqlite:////var/lib/state.db"


def database(stated: str) -> str | None:
    """The database file that the setting names; "" = the file in Dragoman's own folder (`sqlite`), None = no
    file (`memory`). Raises ValueError for any other setting that is no sqlite URL of a file.
    """
    if stated == "memory":
        return None
    if stated == "sqlite":
        return ""
    scheme, _, path = stated.partition("://")
    path = path.removeprefix("/")
    if scheme != "sqlite" or PurePath(path).name in {"", ":memory:"}:
        raise ValueError("must be memory, sqlite or a sqlite URL")
    return path
