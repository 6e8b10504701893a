"""Checks that client keys, tenants, teams, users, groups and master keys fit together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from dragoman.accounts.grants import GROUP, WILDCARD, Grants
from dragoman.config.accounts import HASH, ClientKey, Permissions
from dragoman.config.decode import suggest
from dragoman.config.misfit import Misfit
from dragoman.config.settings import Config
from dragoman.dialects.table import DIALECTS
from dragoman.errors import has_part, setting_path

_SHORTEST_MASTER = 32
_OF_KEYS = frozenset({"key", "hash", "expires"})
"""The settings in which two keys with the same name may differ."""


def permissions_of(config: Config) -> Iterator[tuple[str, Permissions]]:
    """Yield (path, section) for every client key, tenant, team and user of the configuration."""
    for index, key in enumerate(config.auth.keys):
        yield f"auth.keys[{index}]", key
    for part in ("tenants", "teams", "users"):
        for name, section in getattr(config, part).items():
            yield setting_path(part, name), section


def account_misfits(
    config: Config, unread: Collection[str] = (), providers: Collection[str] | None = None
) -> Iterator[Misfit]:
    """Yield the mistakes in the settings of client keys, tenants, teams, users, groups and master keys. Each
    `place` is a complete path. unread: the paths of the settings that could not be decoded, which are not
    said to be missing. providers: the names of all providers; None = `unmet`, which looks for names that
    permit nothing, is left out.
    """
    named: dict[str, ClientKey] = {}
    for index, key in enumerate(config.auth.keys):
        path = f"auth.keys[{index}]"
        if not any(one.startswith((f"{path}.key", f"{path}.hash")) for one in unread):
            yield from _of_key(key, path)
        first = key if key.name is None else named.setdefault(key.name, key)
        if differ := [name for name in _different(first, key) if name not in _OF_KEYS]:
            taken = f"the name {key.name} is taken by a key with other {' and '.join(differ)}"
            yield Misfit(f"{path}.name", taken, "keys of one client have the same")
        tenant = key.tenant
        for part, name in (("users", key.user), ("teams", key.team)):
            yield from _known(f"{path}.{part[:-1]}", part, name, config, unread)
            owner = getattr(config, part).get(name)
            if owner is not None and owner.tenant is not None:
                if tenant not in {None, owner.tenant}:
                    yield Misfit(f"{path}.{part[:-1]}", f"{name} belongs to the tenant {owner.tenant}")
                tenant = owner.tenant
        yield from _known(f"{path}.tenant", "tenants", key.tenant, config, unread)
    for part in ("teams", "users"):
        for name, owner in getattr(config, part).items():
            place = f"{setting_path(part, name)}.tenant"
            yield from _known(place, "tenants", owner.tenant, config, unread)
    yield from _of_hashes(config.auth.keys)
    yield from _of_masters(config)
    yield from _of_groups(config, unread)
    yield from _of_permissions(config, providers)


def _of_permissions(config: Config, providers: Collection[str] | None) -> Iterator[Misfit]:
    for path, permissions in permissions_of(config):
        for setting in ("faces", "operations", "scopes"):
            if getattr(permissions, setting, None) == ():
                yield Misfit(f"{path}.{setting}", "an empty list allows no request")
        if providers is not None:
            yield from unmet(permissions, path, providers, regions_of(config))


def regions_of(config: Config) -> frozenset[str]:
    """Return the regions (`providers.NAME.region`) of the configured providers, also of disabled ones."""
    return frozenset(one.region for one in config.providers.named.values() if one.region is not None)


def unmet(may: Any, path: str, providers: Collection[str], regions: Collection[str]) -> Iterator[Misfit]:
    """Yield a warning for each name that permits nothing: no provider has the name or is in the region, or
    the protocol is only for providers. may: a key, tenant, team or user: anything with `providers`, `regions`
    and `faces`, each a list of names or None. path: the path of `may`, with which each `place` begins; "" =
    the places are relative to `may`. providers, regions: the names of all that exist.
    """
    for index, name in enumerate(may.providers or ()):
        if name != WILDCARD and not any(one in Grants([name]) for one in providers):
            place = setting_path(path, "providers")
            said = f"no provider has the name {name[:64]!r}"
            yield Misfit(f"{place}[{index}]", said, suggest(name, providers), odd=True)
    for index, name in enumerate(may.regions or ()):
        if name not in regions:
            hint = suggest(name, regions) if regions else "providers.NAME.region says where a provider works"
            said = f"no provider is in the region {name[:64]!r}"
            yield Misfit(f"{setting_path(path, 'regions')}[{index}]", said, hint, odd=True)
    for index, name in enumerate(may.faces or ()):
        if name in DIALECTS and DIALECTS[name].face is None:
            said = f"no client speaks {name} here: it is only for providers"
            yield Misfit(f"{setting_path(path, 'faces')}[{index}]", said, odd=True)


def _of_hashes(keys: Iterable[ClientKey]) -> Iterator[Misfit]:
    """Yield a mistake for each entry whose key an earlier entry has too, if the entry itself or the first
    entry with this key states the key's hash. `config.check` compares keys that are both stated in full.
    """
    known: dict[bytes, bool] = {}
    for index, key in enumerate(keys):
        if (digest := key.digest) is None:
            continue
        hashed = key.hash is not None
        if digest in known and (hashed or known[digest]):
            yield Misfit(f"auth.keys[{index}]", "the same key is listed twice")
        known.setdefault(digest, hashed)


def _of_masters(config: Config) -> Iterator[Misfit]:
    masters = [("auth.encryption_key", config.auth.encryption_key)]
    masters += [
        (f"auth.old_encryption_keys[{at}]", one) for at, one in enumerate(config.auth.old_encryption_keys)
    ]
    for path, master in masters:
        if master is not None and len(master.reveal()) < _SHORTEST_MASTER:
            hint = "openssl rand -hex 32 makes one"
            yield Misfit(path, f"a master key has at least {_SHORTEST_MASTER} characters", hint)
    if config.auth.old_encryption_keys and config.auth.encryption_key is None:
        yield Misfit("auth.old_encryption_keys", "there is no `encryption_key` that replaces them")


def _of_groups(config: Config, unread: Collection[str]) -> Iterator[Misfit]:
    """Yield the mistakes in groups and in their use: each group that the `models` of a key, tenant, team or
    user, or `server.keyless_models`, name must exist, and no group may contain another.
    """
    lists = [(f"{path}.models", one.models or ()) for path, one in permissions_of(config)]
    lists.append(("server.keyless_models", config.server.keyless_models or ()))
    for path, entries in lists:
        for at, entry in enumerate(entries):
            group = entry.removeprefix(GROUP)
            if group != entry:
                yield from _known(f"{path}[{at}]", "groups", group, config, unread)
    for name, members in config.groups.items():
        for at, entry in enumerate(members):
            if entry.startswith(GROUP):
                said = "a group contains names and patterns, no other group"
                yield Misfit(f"{setting_path('groups', name)}[{at}]", said)


def _of_key(key: ClientKey, path: str) -> Iterator[Misfit]:
    if (key.key is None) == (key.hash is None):
        yield Misfit(path, "state either `key` or `hash`")
    elif key.hash is not None and not HASH.fullmatch(key.hash.reveal()):
        yield Misfit(f"{path}.hash", "expected the SHA-256 of the key: 64 hexadecimal digits, in lower case")
    if key.hash is not None and key.name is None:
        yield Misfit(f"{path}.name", "a key that is stated by its hash needs a name")


def _different(one: ClientKey, other: ClientKey) -> Iterator[str]:
    for name, value in msgspec.structs.asdict(one).items():
        if getattr(other, name) != value:
            yield name


def _known(
    path: str, part: str, name: str | None, config: Config, unread: Collection[str]
) -> Iterator[Misfit]:
    names = getattr(config, part)
    if name is not None and name not in names and not has_part(setting_path(part, name), unread):
        yield Misfit(path, f"`{part}` has no {name}", suggest(name, names))
