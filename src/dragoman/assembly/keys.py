"""Builds the client keys of a gateway from the settings and from the keys of the database."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.accounts.caller import ANYONE, EVERYBODY, KEYLESS, Caller, scopes_of
from dragoman.accounts.directory import Declared, Directory, disabled
from dragoman.accounts.grants import granted
from dragoman.accounts.keys import ClientKeys, Key, is_loopback
from dragoman.accounts.limits import Limit, Subject
from dragoman.accounts.rights import Owner
from dragoman.config.accounts import ClientKey, Permissions, Team, User
from dragoman.config.limits import Bounds
from dragoman.config.settings import Config
from dragoman.config.stated import stated_bounds
from dragoman.dialects.table import key_headers
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
    the JSON value from the database. If this value has mistakes, no error is raised, but the result is () or
    may lack some of the limits. name, subject: of the owner. The name of each limit is made of both, as in
    `key ci-agent`.
    """
    sections: tuple[Bounds, ...] = stated if isinstance(stated, tuple) else _sections(stated)
    return tuple(
        limit for bounds in sections for limit in bounds.limits(f"{subject} {name}", subject, (name,))
    )


def _sections(stated: Any) -> tuple[Bounds, ...]:
    """Return the limits in a JSON value from the database. Those of many keys are the same, and decoding one
    takes 0.1 ms, so the latest are remembered.
    """
    text = msgspec.json.encode(stated)
    return _decoded(text) if len(text) <= _LONGEST_REMEMBERED else stated_bounds(stated)[0]


@lru_cache(maxsize=4096)
def _decoded(text: bytes) -> tuple[Bounds, ...]:
    return stated_bounds(msgspec.json.decode(text))[0]


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
    """Return the client with this key of the configuration. If the key, or its tenant, team or user is
    disabled, or if its team or user belongs to another tenant (`Directory.rights`), return the fault to
    answer with. known: has what the configuration declares.
    """
    name = key.client
    rights, tenant = known.rights(_permitted(key), Owner("key", name), key.team, key.user)
    if rights.disabled is not None:
        return disabled(name, rights.disabled)
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
