"""Tokens of Google Cloud, from the library google-auth (read in version 2.62.2).

The application default credentials are, in this order: the file in GOOGLE_APPLICATION_CREDENTIALS, the user
of the `gcloud` tool, and the service account of the machine, from its metadata server.
https://google-auth.readthedocs.io/en/latest/reference/google.auth.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any, Final

import google.auth
from google.auth import aws, identity_pool, impersonated_credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import credentials as user
from google.oauth2 import service_account

from dragoman.providers.identity import Identity
from dragoman.upstreams.credential import NotRenewed
from dragoman.upstreams.identities.token import Token, told

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
"""The scope of Vertex AI: https://cloud.google.com/vertex-ai/docs/authentication, as google-genai 3.4.0 has
it (`_api_client.load_auth`)."""
_PATIENCE: Final = 10
"""Seconds for one request to Google."""


def token(identity: Identity, region: str | None = None) -> Token:  # noqa: ARG001 - as for every cloud
    """Return a token of the identity, and the time at which it expires (None = unknown). The identity is the
    one in `identity.file`; without a file, the application default credentials are used. region: not used.
    Blocks. Raises NotRenewed if the library gets no token, and for a file that is not supported.
    """
    request: Any = partial(Request(), timeout=_PATIENCE)
    scopes = [identity.scope or SCOPE]
    try:
        if identity.file is None:
            found: Any = google.auth.default(scopes=scopes, request=request)[0]
        else:
            found = _stated(Path(identity.file), scopes)
        found.refresh(request)
    except (GoogleAuthError, OSError, ValueError, KeyError) as error:
        raise NotRenewed(told(error)) from None
    if not found.token:
        raise NotRenewed("Google's answer has no token")
    expires = None if found.expiry is None else found.expiry.replace(tzinfo=UTC).timestamp()
    return Token(found.token, expires)


def _stated(file: Path, scopes: list[str]) -> Any:
    """Return the credentials that a file describes. Raises NotRenewed for a file of an unknown type, and for
    a file that names a program to run. For other mistakes in the file, the error of the library that reads it
    is raised.
    """
    info = json.loads(file.read_text("utf-8"))
    kind = info.get("type") if isinstance(info, dict) else None
    if kind == "external_account":
        return _federation(info, file.name)(info, scopes=scopes)
    load = _FORMS.get(kind)
    if load is None:
        raise NotRenewed(f"{file.name} has the unknown type {kind!r}")
    return load(info, scopes=scopes)


def _federation(info: Mapping[str, Any], name: str) -> Any:
    """Return the function that loads a workload identity federation. A federation exchanges another
    provider's token for a token of Google. info: the content of the file. name: the name of the file, for
    errors. Raises NotRenewed if the file names a program to run.
    """
    source = info.get("credential_source") or {}
    if "executable" in source:
        raise NotRenewed(f"{name} names a program to run, which is not done")
    at_aws = str(source.get("environment_id", "")).startswith("aws")
    return aws.Credentials.from_info if at_aws else identity_pool.Credentials.from_info


_FORMS: Final[Mapping[Any, Any]] = {
    "service_account": service_account.Credentials.from_service_account_info,
    "authorized_user": user.Credentials.from_authorized_user_info,
    "impersonated_service_account": (
        impersonated_credentials.Credentials.from_impersonated_service_account_info
    ),
}
"""The functions that load the credentials of a file, by the file's `type`."""
