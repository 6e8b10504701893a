"""How the gateway signs in to a provider without a key of its own: by an identity that a cloud gives to
machines, services and people. Pure: `upstreams.identities` gets the tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

from dragoman.seams.secret import Secret

Kind: TypeAlias = Literal["google", "entra", "aws"]
Method: TypeAlias = Literal["default", "managed_identity", "workload_identity"]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """An identity in a cloud. The settings of the same names say what the fields mean
    (`config.credential.Credential`). None = the cloud's library decides.
    """

    kind: Kind
    file: str | None = None
    scope: str | None = None
    method: Method = "default"
    tenant: str | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    authority: str | None = None
    profile: str | None = None
    role: str | None = None
    external_id: str | None = None


MEMBERS: Final[Mapping[Kind, frozenset[str]]] = MappingProxyType(
    {
        "google": frozenset({"kind", "file", "scope"}),
        "entra": frozenset({"kind", "scope", "method", "tenant", "client_id", "client_secret", "authority"}),
        "aws": frozenset({"kind", "profile", "role", "external_id"}),
    }
)
"""The fields of `Identity` that each kind of identity reads."""
EXTRAS: Final[Mapping[Kind, tuple[str, str]]] = MappingProxyType(
    {
        "google": ("google", "google.auth"),
        "entra": ("azure", "azure.identity"),
        "aws": ("aws", "botocore"),
    }
)
"""The extra of Dragoman that brings a kind's library, and the module by which the library is recognised."""
