"""Reads again the files that hold secrets, while a gateway runs with what they held before.

Nothing else of a configuration changes here. A secret that cannot be read, or that could not have been
configured, leaves the old one in force. A proxy's address needs a restart, since connections go through it.
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

    setting: its path (`auth.keys[0].key`). tail: the last characters of the secret in force, "" for a short
    one. reason: why reading it has failed, as what comes after the file's name.
    """

    setting: str
    file: Path
    outcome: Outcome
    tail: str
    reason: str | None = None


def reread(loaded: Loaded) -> tuple[Loaded, tuple[Reading, ...]]:
    """The configuration with the secrets that its files hold now, and what came of each. Raises nothing."""
    fixed = {join(join("providers", name), "proxy") for name in loaded.config.providers.named}
    held = list(_held(loaded.config))
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
        elif path in fixed:
            outcomes[path] = "restart"
        else:
            fresh[path] = Secret(text, file)
    renewed = _checked(loaded, fresh, reasons) if fresh else loaded
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


def _checked(loaded: Loaded, fresh: dict[str, Secret], reasons: dict[str, str]) -> Loaded:
    """The configuration with the new secrets that pass the ordinary check. The others are removed from
    `fresh`, and `reasons` says why.
    """
    _, usual, _, _ = _check(loaded, loaded.config)
    while True:
        config = _mapped("", loaded.config, fresh.get)
        accounts, problems, _, _ = _check(loaded, config)
        if not (unusual := [problem for problem in problems if problem not in usual]):
            providers = {name: accounts.get(name, account) for name, account in loaded.providers.items()}
            return msgspec.structs.replace(loaded, config=config, providers=providers)
        for path in _blamed(fresh, unusual[0]):
            reasons[path] = f"holds what cannot be used: {unusual[0].message}"
            del fresh[path]


def _blamed(fresh: Mapping[str, Secret], problem: Problem) -> list[str]:
    """The new secrets that a problem is about. A problem may name another setting, for example the second of
    two equal keys; then all new secrets of its section are meant.
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


def _held(config: Config) -> Iterator[tuple[str, Secret, Path]]:
    """Every secret that was read from a file, by its setting."""
    found: list[tuple[str, Secret]] = []

    def note(path: str, secret: Secret) -> Secret:
        found.append((path, secret))
        return secret

    _mapped("", config, note)
    for path, secret in found:
        if secret.file is not None:
            yield path, secret, secret.file


def _mapped(path: str, value: Any, change: Callable[[str, Secret], Secret]) -> Any:
    """A value of the configuration with each secret replaced by what `change` makes of it."""
    if isinstance(value, Secret):
        return change(path, value)
    if isinstance(value, Section):
        inner = {
            name: _mapped(path if name == value.rest else join(path, name), getattr(value, name), change)
            for name in settings_of(type(value))
        }
        return msgspec.structs.replace(value, **inner)
    if isinstance(value, dict):
        return {name: _mapped(join(path, name), one, change) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_mapped(f"{path}[{index}]", one, change) for index, one in enumerate(value))
    return value
