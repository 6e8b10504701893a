"""Builds the client keys of a gateway from the settings and from the keys of the database."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.accounts.caller import ANYONE, EVERYBODY, KEYLESS, Caller, scopes_of
from dragoman.accounts.directory import Declared, Directory, barred
from dragoman.accounts.grants import granted
from dragoman.accounts.keys import ClientKeys, Key, is_loopback
from dragoman.accounts.limits import Limit, Subject
from dragoman.accounts.rights import Owner, UnreadableLimits
from dragoman.config.accounts import ClientKey, Permissions, Team, User
from dragoman.config.limits import Bounds
from dragoman.config.settings import Config
from dragoman.config.stated import stated_bounds
from dragoman.dialects.table import key_headers
from dragoman.errors import Problem
from dragoman.seams.clock import Seams
from dragoman.state.directory import Permitted

_LONGEST_REMEMBERED: Final = 1024
"""The most bytes of a JSON text whose limits are remembered."""


def client_keys_of(config: Config, seams: Seams, directory: Directory | None = None) -> ClientKeys:
    """Return the client keys, and with them the rule who may call without a key. directory: the keys of the
    database; None = there is no database for keys.
    """
    known = Directory(declared_of(config))
    keys = [
        Key(digest, _caller(key, known), key.expires)
        for key in config.auth.keys
        if (digest := key.digest) is not None  # `config.check` demands one
    ]
    own = is_loopback(config.server.host) and not config.auth.open and not config.auth.keys
    anyone = ANYONE if own else EVERYBODY
    models = granted(config.server.keyless_models, config.groups)
    return ClientKeys(
        keys,
        required=None if directory is not None and _depends(config) else needs_key(config),
        directory=directory,
        headers=key_headers(),
        any_host=config.auth.open,
        anyone=anyone,
        keyless={face: Caller(f"{KEYLESS}{face}", models) for face in config.server.keyless_faces},
        now=seams.now,
    )


def needs_key(config: Config) -> bool:
    """Whether the configuration requires a key of clients. False if `auth.open` is set; otherwise as
    `auth.required` says. If that is not set: True if the configuration has keys, or if the gateway listens on
    an address that other machines can reach. Keys of the database are not considered.
    """
    auth = config.auth
    required = auth.required
    if required is None:
        required = bool(auth.keys) or not is_loopback(config.server.host)
    return required and not auth.open


def _depends(config: Config) -> bool:
    """Whether clients need no key now, but must send one as soon as a key was made at run time."""
    return config.auth.required is None and not config.auth.open and not needs_key(config)


def declared_of(config: Config) -> Declared:
    """Return what the configuration declares for client keys: the names of its keys; its tenants, teams and
    users with their rights; its groups of models; the regions that its providers state; and the function that
    reads limits.
    """
    return Declared(
        frozenset(key.client for key in config.auth.keys),
        {name: _permitted(one) for name, one in config.tenants.items()},
        {name: _permitted(one) for name, one in config.teams.items()},
        {name: _permitted(one) for name, one in config.users.items()},
        config.groups,
        {name: one.region for name, one in config.providers.named.items() if one.region is not None},
        limits_of,
    )


def limits_of(stated: Any, name: str, subject: Subject) -> tuple[Limit, ...]:
    """Return the limits of a key, tenant, team or user. stated: a tuple of sections of the configuration, or
    the JSON value from the database. name, subject: of the owner; the name of each limit is made of both, as
    in `key ci-agent`. Raises UnreadableLimits if a part of the JSON value cannot be read or limits nothing.
    """
    sections, wrong = (stated, None) if isinstance(stated, tuple) else stored_bounds(stated)
    if wrong is not None:
        raise UnreadableLimits(f"{wrong.path}: {wrong.message}")
    return tuple(
        limit for bounds in sections for limit in bounds.limits(f"{subject} {name}", subject, (name,))
    )


def stored_bounds(stated: Any) -> tuple[tuple[Bounds, ...], Problem | None]:
    """Return (the limits of an entry of the database, the first problem with them; None = they are right).
    With a problem, the limits may be incomplete. stated: the JSON value. The latest results are cached,
    because the limits of many keys are the same, and reading them takes 0.1 ms.
    """
    text = msgspec.json.encode(stated)
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _bounds_in(stated)


@lru_cache(maxsize=4096)
def _remembered(text: bytes) -> tuple[tuple[Bounds, ...], Problem | None]:
    return _bounds_in(msgspec.json.decode(text))


def _bounds_in(stated: Any) -> tuple[tuple[Bounds, ...], Problem | None]:
    sections, problems = stated_bounds(stated)
    empty = (
        Problem(f"limits[{index}]", "limits nothing")
        for index, bounds in enumerate(sections)
        if not bounds.limits("", "key")
    )
    return sections, next(chain(problems, empty), None)


def _permitted(section: Permissions) -> Permitted:
    tenant = section.tenant if isinstance(section, ClientKey | Team | User) else None
    return Permitted(
        models=section.models,
        faces=section.faces,
        operations=section.operations,
        providers=section.providers,
        regions=section.regions,
        tags=section.tags,
        limits=section.limits or None,
        metadata=section.metadata,
        disabled=section.disabled,
        tenant=tenant,
    )


def _caller(key: ClientKey, known: Directory) -> Caller | ir.Fault:
    """Return the client with this key of the configuration; if the key may not be used (it or its tenant is
    disabled, for example), the fault to answer with. known: has what the configuration declares.
    """
    name = key.client
    rights, tenant = known.rights(_permitted(key), Owner("key", name), key.team, key.user)
    if (fault := barred(name, rights)) is not None:
        return fault
    scopes, in_tenant = scopes_of(key.scopes, tenant)
    return Caller(
        name,
        rights.models,
        scopes,
        None,
        tenant,
        key.team,
        key.user,
        rights.may,
        rights.tags,
        rights.limits,
        scopes_in_tenant=in_tenant,
    )
