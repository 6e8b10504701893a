"""Reads the secret files of a running gateway again, so that a secret can change without a restart.

No other setting changes. If a new secret cannot be read, or the configuration would be invalid with it, the
old secret stays in use. A proxy's address needs a restart, because open connections go through the proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from dragoman.config import secret_file
from dragoman.config.check import check
from dragoman.config.declared import settings_of
from dragoman.config.decode import flaw_of
from dragoman.config.load import Loaded
from dragoman.config.section import Section
from dragoman.config.settings import Config
from dragoman.config.tree import join
from dragoman.errors import Problem
from dragoman.seams.secret import Secret

Outcome: TypeAlias = Literal["changed", "unchanged", "failed", "restart"]
"""changed: the new secret is used. unchanged: the file holds the same one. failed: the new one cannot be
used, and the old one stays. restart: the new one is used after a restart."""


class Reading(NamedTuple):
    """The result for one secret whose file was read again.

    setting: the path of the setting (`auth.keys[0].key`). tail: the last characters of the secret that is now
    in use; "" if that secret is short. reason: why the new secret cannot be used, as the rest of a sentence
    that begins with the file's name; None if `outcome` is not "failed".
    """

    setting: str
    file: Path
    outcome: Outcome
    tail: str
    reason: str | None = None


def reread(loaded: Loaded) -> tuple[Loaded, tuple[Reading, ...]]:
    """The configuration with the secrets that changed and can be used; a result for each secret of a file."""
    needs_restart = {join(join("providers", name), "proxy") for name in loaded.config.providers.named}
    held = list(_secrets_from_files(loaded.config))
    fresh: dict[str, Secret] = {}
    outcomes: dict[str, Outcome] = {}
    reasons: dict[str, str] = {}
    for path, secret, file in held:
        try:
            text = secret_file.read(file)
        except secret_file.Unreadable as unreadable:
            reasons[path] = str(unreadable)
            continue
        if (flaw := flaw_of(text)) is not None:
            reasons[path] = flaw
        elif secret.matches(text):
            outcomes[path] = "unchanged"
        elif path in needs_restart:
            outcomes[path] = "restart"
        else:
            fresh[path] = Secret(text, file)
    renewed = _with_valid_secrets(loaded, fresh, reasons) if fresh else loaded
    readings = [
        Reading(
            path,
            file,
            "failed" if path in reasons else outcomes.get(path, "changed"),
            fresh.get(path, secret).tail,
            reasons.get(path),
        )
        for path, secret, file in held
    ]
    return renewed, tuple(readings)


def _with_valid_secrets(loaded: Loaded, fresh: dict[str, Secret], reasons: dict[str, str]) -> Loaded:
    """The configuration with those new secrets that pass `check`.

    fresh: the new secrets by the paths of their settings. A secret that causes a problem is removed from
    `fresh`, and the problem is added to `reasons`.
    """
    _, usual, _, _ = _check(loaded, loaded.config)
    while True:
        config = _with_secrets("", loaded.config, fresh.get)
        accounts, problems, _, _ = _check(loaded, config)
        if not (unusual := [problem for problem in problems if problem not in usual]):
            providers = {name: accounts.get(name, account) for name, account in loaded.providers.items()}
            return msgspec.structs.replace(loaded, config=config, providers=providers)
        for path in _causes(fresh, unusual[0]):
            reasons[path] = f"holds what cannot be used: {unusual[0].message}"
            del fresh[path]


def _causes(fresh: Mapping[str, Secret], problem: Problem) -> list[str]:
    """The paths of the new secrets that cause a problem.

    A problem may name another setting, for example the second of two equal keys. Then all new secrets of the
    same section are returned; if there are none, all new secrets.
    """
    stated = problem.path
    own = [path for path in fresh if path.startswith(stated) and path[len(stated) :][:1] in {"", ".", "["}]
    section = stated.partition("[")[0].partition(".")[0]
    return own or [path for path in fresh if path.startswith(section)] or list(fresh)


def _check(loaded: Loaded, config: Config) -> Any:
    names = {
        "providers": frozenset(config.providers.named),
        "models": frozenset(config.models),
        "aliases": frozenset(config.aliases),
    }
    return check(config, loaded.sources, names)


def _secrets_from_files(config: Config) -> Iterator[tuple[str, Secret, Path]]:
    found: list[tuple[str, Secret]] = []

    def note(path: str, secret: Secret) -> Secret:
        found.append((path, secret))
        return secret

    _with_secrets("", config, note)
    for path, secret in found:
        if secret.file is not None:
            yield path, secret, secret.file


def _with_secrets(path: str, value: Any, change: Callable[[str, Secret], Secret]) -> Any:
    """A copy of a value in which each secret is replaced by the result of `change(path, secret)`."""
    if isinstance(value, Secret):
        return change(path, value)
    if isinstance(value, Section):
        inner = {
            name: _with_secrets(
                path if name == value.rest else join(path, name), getattr(value, name), change
            )
            for name in settings_of(type(value))
        }
        return msgspec.structs.replace(value, **inner)
    if isinstance(value, dict):
        return {name: _with_secrets(join(path, name), one, change) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_with_secrets(f"{path}[{index}]", one, change) for index, one in enumerate(value))
    return value
