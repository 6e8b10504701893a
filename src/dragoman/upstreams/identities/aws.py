"""Access keys of AWS identities, from the library botocore (read in version 1.44.5).

botocore looks for credentials in this order: environment variables, a role that the profile assumes, a role
for a web identity, the profile's other credentials (SSO, keys in files, a program), the container's endpoint
(ECS, EKS) and the instance's metadata service. If the identity names a profile, the access key in environment
variables is not used. https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from dragoman.providers.identity import Identity
from dragoman.upstreams.credential import NotRenewed
from dragoman.upstreams.identities.token import Token, told

_REQUESTS = Config(connect_timeout=10, read_timeout=10, retries={"total_max_attempts": 2})


def token(identity: Identity, region: str | None = None) -> Token:
    """Return the identity's current access key, and the time at which it expires. If the identity has a role,
    the key is that of the assumed role. `Token.text` is `ID:SECRET` or `ID:SECRET:SESSION_TOKEN`;
    `Token.expires` is None for a key that does not expire. Each call makes a new session, because a session
    caches keys. region: the region of AWS's token service, which is called to assume a role; None = as AWS's
    configuration says. Blocks. Raises NotRenewed if the library finds no credentials or fails.
    """
    try:
        session = Session(profile=identity.profile)
        found = session.get_credentials()
        if found is None:
            raise NotRenewed("AWS's library found no credentials")
        if identity.role is not None:
            return _assumed(session, found, identity, identity.role, region)
        key = found.get_frozen_credentials()
    except (BotoCoreError, ClientError, OSError, ValueError, KeyError) as error:
        raise NotRenewed(told(error)) from None
    ends: datetime | None = getattr(found, "_expiry_time", None)  # there is no public name
    return Token(
        ":".join(part for part in (key.access_key, key.secret_key, key.token) if part),
        None if ends is None else ends.timestamp(),
    )


def _assumed(session: Session, found: Any, identity: Identity, role: str, region: str | None) -> Token:
    arguments = {"RoleSessionName": "dragoman"}
    if identity.external_id is not None:
        arguments["ExternalId"] = identity.external_id
    known = {} if region is None else {"region_name": region}
    client = partial(session.create_client, config=_REQUESTS, **known)
    fetcher = AssumeRoleCredentialFetcher(client, found, role, extra_args=arguments)
    key = fetcher.fetch_credentials()
    ends = datetime.fromisoformat(key["expiry_time"])
    return Token(f"{key['access_key']}:{key['secret_key']}:{key['token']}", ends.timestamp())
