"""Compares two configurations, computes the fingerprint by which a configuration is recognised, and lists the
files that a configuration names.
"""

from __future__ import annotations

import hashlib
import hmac
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from dragoman.config.declared import settings_of
from dragoman.config.section import Section
from dragoman.config.settings import Config
from dragoman.errors import setting_path
from dragoman.seams.clock import SYSTEM
from dragoman.seams.secret import Secret, secrets_in

Change: TypeAlias = Literal["added", "removed", "changed"]

_SALT: Final = SYSTEM.random_id().encode()
"""Makes the fingerprints useless for guessing a secret. The forks of one process have the same salt."""
_LARGEST: Final = 4_000_000
_CERTIFICATES: Final = ("ca_file", "client_cert", "client_key")
"""The settings of a provider that name files whose content its connections use."""


class Difference(NamedTuple):
    """One setting, or one named entry (`models.gpt`), that was changed, added or removed. setting: its path.
    tail: the last four characters of the new value if that is a secret, "" = it is too short (under 12) to
    show some; None = the new value is not a single secret, or the entry was removed.
    """

    setting: str
    change: Change
    tail: str | None = None


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Yield the differences between two configurations, or between two values of the setting `path`, in
    declared order. Sections and mappings of named entries are compared inside; lists only if they have the
    same length and contain only sections or secrets. Any other value is one difference ("changed").
    """
    if before == after:
        return
    if isinstance(before, Section) and isinstance(after, Section):
        for name in settings_of(type(before)):
            below = path if name == before.rest else setting_path(path, name)
            yield from differences(getattr(before, name), getattr(after, name), below)
    elif isinstance(before, dict) and isinstance(after, dict) and _named({**before, **after}):
        for name in {**before, **after}:
            if name not in before:
                yield Difference(setting_path(path, name), "added", _tail(after[name]))
            elif name not in after:
                yield Difference(setting_path(path, name), "removed")
            else:
                yield from differences(before[name], after[name], setting_path(path, name))
    elif isinstance(before, tuple) and isinstance(after, tuple) and _alike(before, after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    else:
        yield Difference(path, "changed", _tail(after))


def fingerprint(config: Config) -> str:
    """Return a short text that is equal for equal configurations: equal settings and secrets, and equal
    content of the files in `certificates`. Only texts of this process and its forks can be compared. The text
    reveals nothing about the settings.
    """
    files = {str(file): digest(file) for file in certificates(config)}
    told = msgspec.json.encode([_plain(config), files], order="sorted")
    return hmac.digest(_SALT, told, "sha256").hex()[:32]


def files_of(config: Config) -> tuple[Path, ...]:
    """Return the files from which secrets of a configuration were read (`{file: path}`), and those of
    `certificates`, each once.
    """
    found = [secret.file for secret in secrets_in(config) if secret.file is not None]
    return tuple(dict.fromkeys([*found, *certificates(config)]))


def certificates(config: Config) -> tuple[Path, ...]:
    """Return the files with certificates and their keys that the providers and `stores.valkey_ca` of a
    configuration name, each once.
    """
    named = [getattr(one, name) for one in config.providers.named.values() for name in _CERTIFICATES]
    named.append(config.stores.valkey_ca)
    return tuple(dict.fromkeys(Path(file) for file in named if file is not None))


def digest(file: Path | str | None) -> str | None:
    """Return the SHA-256 of a file's content (of its first 4 MB). None = `file` is None, or names
    no regular file, or one that cannot be read. Raises ValueError for a path with a NUL character.
    """
    if file is None:
        return None
    try:
        if not stat.S_ISREG(Path(file).stat().st_mode):
            return None  # reading a device or a pipe could last for ever
        with Path(file).open("rb") as opened:
            return hashlib.sha256(opened.read(_LARGEST)).hexdigest()
    except OSError:
        return None


def _named(entries: dict[str, Any]) -> bool:
    return any(isinstance(entry, Section | Secret) for entry in entries.values())


def _alike(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Whether two lists have the same length and contain only sections or secrets."""
    return len(before) == len(after) and all(isinstance(one, Section | Secret) for one in (*before, *after))


def _tail(value: Any) -> str | None:
    return value.tail if isinstance(value, Secret) else None


def _plain(value: Any) -> Any:
    """Return a setting's value as JSON types; secrets are replaced by a keyed hash."""
    if isinstance(value, Section):
        return {name: _plain(getattr(value, name)) for name in settings_of(type(value))}
    if isinstance(value, Secret):
        return ["secret", hmac.digest(_SALT, value.reveal().encode("utf-8", "surrogatepass"), "sha256").hex()]
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)
