"""The credential of a provider to which the gateway signs in by an identity in a cloud."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from dragoman.config.tree import join
from dragoman.errors import ConfigError, Problem
from dragoman.providers.identity import EXTRAS, Identity
from dragoman.providers.provider import Provider
from dragoman.seams.clock import Seams
from dragoman.seams.extras import command as added_by
from dragoman.upstreams.credential import Lease, Refreshing
from dragoman.upstreams.identities.token import EARLY, SignIn, Token

_AGAIN: Final = 300.0
"""Seconds after which credentials that state no end are looked at again, as keys in AWS's files."""


def identity_of(provider: Provider, identity: Identity, seams: Seams) -> Refreshing:
    """The credential of a provider with this identity. It has no token until the first request. Raises
    ConfigError if the extra with the cloud's library is not installed.
    """
    require(provider.name, identity)
    return Refreshing(
        f"{provider.name}[{identity.kind}]",
        provider.name,
        Lease(None, expires=0.0),
        SignIn(partial(_token, identity, provider.region)).fetch,
        seams.now,
        early=EARLY,
        every=_AGAIN,
    )


def _token(identity: Identity, region: str | None) -> Token:
    """A new token. The cloud's library is imported here, in the thread, because that takes a while."""
    module = import_module(f"dragoman.upstreams.identities.{identity.kind}")
    found: Token = module.token(identity, region)
    return found


def require(name: str, identity: Identity) -> None:
    """Raise ConfigError if the library for an identity of the provider `name` is not installed."""
    extra, module = EXTRAS[identity.kind]
    package = module.partition(".")[0]
    if find_spec(package) is None or find_spec(module) is None:
        raise ConfigError(
            Problem(
                join(join("providers", name), "credential"),
                f"needs the extra `{extra}`",
                hint=f"install it with {added_by(extra)}",
            )
        )
