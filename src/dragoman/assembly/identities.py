"""Makes the credential of a provider to which the gateway signs in with an identity in a cloud."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from dragoman.errors import ConfigError, Problem, setting_path
from dragoman.providers.identity import EXTRAS, Identity
from dragoman.providers.provider import Provider
from dragoman.seams.clock import Seams
from dragoman.seams.extras import command as added_by
from dragoman.upstreams.credential import Lease, Refreshing
from dragoman.upstreams.identities.token import EARLY, SignIn, Token

_AGAIN: Final = 300.0
"""Seconds after which the next request has a credential without a time of expiry fetched again, such as a key
in a file of AWS.
"""


def identity_of(provider: Provider, identity: Identity, seams: Seams) -> Refreshing:
    """Return the credential of a provider to which the gateway signs in with this identity. Before the first
    request it has no token. Raises ConfigError if the extra with the cloud's library is not installed.
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
    """Return a new token from the cloud. This blocks, so call it in a thread. It imports the cloud's library,
    which takes a while. region: the provider's region, None = not stated.
    """
    module = import_module(f"dragoman.upstreams.identities.{identity.kind}")
    found: Token = module.token(identity, region)
    return found


def require(name: str, identity: Identity) -> None:
    """Raise ConfigError if the library for an identity is not installed. name: of the provider."""
    extra, module = EXTRAS[identity.kind]
    package = module.partition(".")[0]
    if find_spec(package) is None or find_spec(module) is None:
        raise ConfigError(
            Problem(
                setting_path(setting_path("providers", name), "credential"),
                f"needs the extra `{extra}`",
                hint=f"install it with {added_by(extra)}",
            )
        )
