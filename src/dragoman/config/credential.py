"""Settings for the credential with which a provider is called, instead of API keys."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from dragoman.config.scalars import FilePath
from dragoman.config.section import Section, about
from dragoman.providers.identity import Kind, Method
from dragoman.seams.secret import Secret


class Credential(Section, frozen=True):
    """How the gateway signs in to a provider without API keys.

    It uses an identity in a cloud, whose tokens last about an hour and are replaced before they expire, or
    the credential that the client has sent. See [credentials](credentials.md).
    """

    shorthand: ClassVar[str | None] = "kind"

    kind: Literal[Kind, "client"]
    """`google`: a service account or a workload identity of Google Cloud (Vertex AI). `entra`: an identity of
    Microsoft Entra (Azure). `aws`: a role or a profile of AWS, which signs each request (Bedrock).
    `client`: the client's own, such as the sign-in of a coding agent, from the header in which its protocol
    sends it; clients of another protocol get 401. It is sent to this provider only, and never stored. The
    gateway's own key is then in `x-dragoman-key`."""
    file: Annotated[FilePath | None, about(default="the application default credentials")] = None
    """For `google`: the JSON file of a service account's key, of a workload identity federation or of a user.
    It is read again for each new token."""
    scope: Annotated[str | None, about(default="the cloud's scope for models")] = None
    """For `google` and `entra`: the scope of the tokens."""
    method: Method = "default"
    """For `entra` without `client_secret`: `managed_identity`, `workload_identity`, or `default` to try all
    that Microsoft's library knows: environment variables, both of these, and the sign-ins of its tools."""
    tenant: Annotated[str | None, about(default="AZURE_TENANT_ID, where it is needed")] = None
    """For `entra`: the tenant (directory) that the application belongs to."""
    client_id: Annotated[str | None, about(default="AZURE_CLIENT_ID, where it is needed")] = None
    """For `entra`: the application, or the user-assigned managed identity."""
    client_secret: Annotated[Secret | None, about(default="none")] = None
    """For `entra`: the application's secret. A file with it (`{file: path}`) is read again for each token."""
    authority: Annotated[str | None, about(default="AZURE_AUTHORITY_HOST, or the public cloud's")] = None
    """For `entra`: the host that issues the tokens, in a national cloud: `login.microsoftonline.us`."""
    profile: Annotated[str | None, about(default="AWS_PROFILE, or `default`")] = None
    """For `aws`: the profile in AWS's configuration files."""
    role: Annotated[str | None, about(default="none")] = None
    """For `aws`: the ARN of a role that is assumed with the credentials that were found."""
    external_id: Annotated[str | None, about(default="none")] = None
    """For `aws`: the external id that the owner of `role` demands."""
