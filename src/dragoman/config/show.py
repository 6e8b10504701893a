"""Lists the current settings as rows of text, each with its source. Secrets are masked.

A default that depends on other settings or on the machine is shown as its real value if the caller passes
that value (`effective`), otherwise in words and in parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from dragoman.config.declared import settings_of
from dragoman.config.load import DEFAULT, Loaded
from dragoman.config.section import Section
from dragoman.errors import setting_path
from dragoman.providers.address import without_keys
from dragoman.seams.secret import Secret
from dragoman.stores.address import shown as without_password


class Shown(NamedTuple):
    """One setting. path: its place in the configuration. value: as text; the elements of a list have commas
    between them, a mapping is JSON, a secret shows at most its last four characters, and a default in words
    stands in parentheses. source: where the setting is stated ("dragoman.yaml:12"), or "default".
    """

    path: str
    value: str
    source: str


def shown(loaded: Loaded, effective: Mapping[str, str] = MappingProxyType({})) -> Iterator[Shown]:
    """Yield every setting, in the order of declaration, also each setting of each provider, model, alias and
    key. effective: {path: real value}, for defaults that depend on something else; a setting that is stated
    does not use it.
    """
    for path, value in _leaves("", loaded.config):
        source = loaded.source(path)
        yield Shown(path, effective.get(path, value) if source == DEFAULT else value, source)


def changed(loaded: Loaded) -> Iterator[Shown]:
    """Yield the settings that do not come from the defaults, but from a file, the environment, a preset, the
    command line or an added entry, section by section. A provider or model without any such setting has one
    row with the value `{}`.
    """
    rows = [row for row in shown(loaded) if row.source != DEFAULT]
    config = loaded.config
    paths = [setting_path("providers", name) for name in config.providers.named]
    paths += [setting_path("models", name) for name in config.models]
    for path in paths:
        if not any(row.path.startswith(f"{path}.") for row in rows):
            rows.append(Shown(path, "{}", loaded.source(path)))
    order = {section: number for number, section in enumerate(settings_of(type(config)))}
    yield from sorted(rows, key=lambda row: order[row.path.partition(".")[0].partition("[")[0]])


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Section):
        for name, setting in settings_of(type(value)).items():
            inner = getattr(value, name)
            if inner is None and setting.about.default is not None:
                inner = f"({setting.about.default.replace('`', '')})"
            elif setting.about.secret:
                inner = masked(inner)
            elif name == "base_url" and isinstance(inner, str):
                inner = without_keys(inner)
            elif name in _DATABASES and isinstance(inner, str):
                inner = without_password(inner)
            elif name == "defaults":
                inner = partly_masked(inner)
            yield from _leaves(path if name == value.rest else setting_path(path, name), inner)
    elif isinstance(value, dict) and any(isinstance(inner, Section | Secret) for inner in value.values()):
        for name, inner in value.items():
            yield from _leaves(setting_path(path, name), inner)
    elif isinstance(value, tuple) and any(isinstance(inner, Section | Secret) for inner in value):
        for index, inner in enumerate(value):
            yield from _leaves(f"{path}[{index}]", inner)
    else:
        yield path, _text(value)


_DATABASES: Final = frozenset({"sql", "store"})
_SECRET: Final = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)
"""The strings of a request default are masked if its name, or a name inside its value, contains one of
these.
"""


def masked(value: Any) -> Any:
    """Return a copy of a JSON value in which every string is masked as a secret ("…" and at most its last
    four characters). Names of members, numbers, booleans and null stay.
    """
    if isinstance(value, str):
        return str(Secret(value))
    if isinstance(value, dict):
        return {name: masked(inner) for name, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list) else value


def partly_masked(value: Any) -> Any:
    """Return a copy of a JSON value in which those strings are masked that belong to a member, at any depth,
    whose name suggests a secret (`_SECRET`: "api_key", "token"). Other values stay.
    """
    if isinstance(value, dict):
        return {
            name: masked(inner) if _SECRET.search(name) else partly_masked(inner)
            for name, inner in value.items()
        }
    return [partly_masked(inner) for inner in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_text(member) for member in value) or "[]"
    if isinstance(value, bool) or value is None or isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return str(value)
