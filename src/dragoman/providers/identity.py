"""Identities in clouds. A cloud gives them to machines, services and people. The gateway can sign in to a
provider with such an identity instead of an API key. Pure: `upstreams.identities` fetches the tokens.
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
    """An identity in a cloud. If a field is None, a default applies, which is usually that of the cloud's
    library. `MEMBERS` says which fields each kind uses; `config.credential.Credential` explains them in full.

    kind: the cloud: Google's, Microsoft Entra (Azure), or AWS. file: the JSON file with the credential of a
    service account, a federation or a user. scope: the scope of the tokens. method: without `client_secret`,
    how the identity is found; "default" = all ways that the library knows. tenant: the directory of the
    application. client_id, client_secret: the application, or for managed identities the assigned one, and
    its secret. authority: the host that issues the tokens. profile: in AWS's configuration files. role: the
    ARN of a role to assume. external_id: what the owner of `role` demands.
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
"""Kind of identity -> the fields of `Identity` that are used for it."""
EXTRAS: Final[Mapping[Kind, tuple[str, str]]] = MappingProxyType(
    {
        "google": ("google", "google.auth"),
        "entra": ("azure", "azure.identity"),
        "aws": ("aws", "botocore"),
    }
)
"""Kind of identity -> (the optional extra of the package Dragoman that installs the cloud's library, the
module that shows whether the library is installed).
"""
