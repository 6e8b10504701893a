"""The settings in force as lines of text, each with its source; secrets are masked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from dragoman.config.declared import settings_of
from dragoman.config.load import Loaded
from dragoman.config.section import Section
from dragoman.config.tree import join
from dragoman.secret import Secret


class Shown(NamedTuple):
    """One setting. value: as one would write it, a secret by its tail. source: `Loaded.source`'s."""

    path: str
    value: str
    source: str


def shown(loaded: Loaded) -> Iterator[Shown]:
    """Every setting in force, in the order of their declaration; entries of mappings and lists one by one."""
    for path, value in _leaves("", loaded.config):
        yield Shown(path, _text(value), loaded.source(path))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Section):
        for name in settings_of(type(value)):
            inner = getattr(value, name)
            yield from _leaves(path if name == value.rest else join(path, name), inner)
    elif isinstance(value, dict) and any(isinstance(inner, Section | Secret) for inner in value.values()):
        for name, inner in value.items():
            yield from _leaves(join(path, name), inner)
    elif isinstance(value, tuple) and any(isinstance(inner, Section | Secret) for inner in value):
        for index, inner in enumerate(value):
            yield from _leaves(f"{path}[{index}]", inner)
    else:
        yield path, value


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_text(member) for member in value) or "[]"
    if isinstance(value, bool) or value is None or isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return str(value)
