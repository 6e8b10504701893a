"""Tokens of Microsoft Entra, from the library azure-identity (read in version 1.27.0)."""

from __future__ import annotations

from typing import Any, Final

from azure.core.exceptions import AzureError
from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from dragoman.config import secret_file
from dragoman.providers.identity import Identity
from dragoman.seams.secret import Secret
from dragoman.upstreams.credential import NotRenewed
from dragoman.upstreams.identities.token import Token, told

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
"""The scope of Azure's models: https://github.com/microsoft/PyRIT/pull/1453 (all endpoints of Azure accept
it), read in 2026-11."""


def token(identity: Identity, region: str | None = None) -> Token:  # noqa: ARG001 - as for every cloud
    """Return a token of the identity, and the time at which it expires. Each call makes a new object of the
    library, because the object would cache tokens. region: not used. Blocks. Raises NotRenewed if the library
    gets no token, or if the file with the client's secret cannot be read.
    """
    try:
        with _credential(identity) as credential:
            found = credential.get_token(identity.scope or SCOPE)
    except (AzureError, ValueError, OSError) as error:
        raise NotRenewed(told(error)) from None
    return Token(found.token, float(found.expires_on))


def _credential(identity: Identity) -> Any:
    host: dict[str, Any] = {} if identity.authority is None else {"authority": identity.authority}
    client, tenant = identity.client_id, identity.tenant
    if identity.client_secret is not None:
        assert tenant is not None, "the configuration was not checked"
        assert client is not None, "the configuration was not checked"
        return ClientSecretCredential(tenant, client, _read(identity.client_secret), **host)
    if identity.method == "managed_identity":
        return ManagedIdentityCredential(client_id=client)
    known = {"client_id": client, "tenant_id": tenant}
    if identity.method == "workload_identity":
        return WorkloadIdentityCredential(**{k: v for k, v in known.items() if v is not None}, **host)
    if client is not None:
        host["managed_identity_client_id"] = client
        host["workload_identity_client_id"] = client
    if tenant is not None:
        host["workload_identity_tenant_id"] = tenant
    return DefaultAzureCredential(**host)


def _read(secret: Secret) -> str:
    """Return the secret. If it came from a file, the file is read again, because such files are replaced.
    Raises NotRenewed if the file cannot be read.
    """
    if secret.file is None:
        return secret.reveal()
    try:
        return secret_file.read(secret.file)
    except secret_file.Unreadable as error:
        raise NotRenewed(f"{secret.file.name} {error}") from None
