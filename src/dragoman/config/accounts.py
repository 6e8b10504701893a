"""Settings for the clients that may call: client keys, the tenants, teams and users to whom they belong, and
the encryption of the tenants' own provider keys.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from dragoman.accounts import minting
from dragoman.accounts.keys import unnamed
from dragoman.config.limits import Bounds
from dragoman.config.scalars import DialectName, Moment
from dragoman.config.section import Section, about
from dragoman.dialects.request import Operation
from dragoman.seams.secret import Secret

Json: TypeAlias = dict[str, Any]
Grantable: TypeAlias = Operation | Literal["pass_through"]
"""What `operations` of a key, a tenant, a team or a user can name."""
HASH: Final = re.compile(r"[0-9a-f]{64}")
"""Matches a SHA-256 in lower-case hexadecimal digits."""
KeyScope: TypeAlias = Literal["inference", "read", "admin"]


class Permissions(Section, frozen=True):
    """What a key, a tenant, a team or a user may use, and how much; with tags and notes."""

    models: Annotated[tuple[str, ...] | None, about(default="all")] = None
    """The models and aliases that may be used, by the names that clients send. `*` matches any text:
    `anthropic/*`, `gpt-*`; `group:NAME` stands for a group of `groups`. An alias does not allow the model
    behind it under the model's own name. All others get 403, and are in no list of models."""
    faces: Annotated[tuple[DialectName, ...] | None, about(default="all")] = None
    """The protocols that clients may speak to the gateway."""
    operations: Annotated[tuple[Grantable, ...] | None, about(default="all")] = None
    """What clients may ask for. `pass_through`: the listed paths of providers (`providers.NAME.paths`), and
    what is passed through besides files, such as batches (`providers.NAME.passthrough`)."""
    providers: Annotated[tuple[str, ...] | None, about(default="all")] = None
    """The providers that may be called, by name; `*` matches any text. Deployments at others are left out."""
    regions: Annotated[tuple[str, ...] | None, about(default="all")] = None
    """The regions (`providers.NAME.region`) whose providers may be called. A provider without a region may
    then not be called."""
    tags: tuple[str, ...] = ()
    """Tags of all requests, in addition to their own."""
    limits: tuple[Bounds, ...] = ()
    """How much may be used: `{requests: 60/min, money: 50 USD/month}`, or a list of such limits. Of a key: by
    all keys of the same name together; of a tenant, a team or a user: by all of its keys together."""
    metadata: Json = {}
    """Notes of your own, as JSON. The gateway does not read them."""
    disabled: bool = False
    """Whether requests are refused (403, `key_disabled`)."""


class Tenant(Permissions, frozen=True):
    """A company or a department.

    The tenant's keys may use only what is permitted here, and limits count all of these keys together.
    """


class Team(Permissions, frozen=True):
    """A team. Its keys may use only what is permitted both here and by the team's tenant."""

    tenant: Annotated[str | None, about(default="none")] = None
    """The tenant that it belongs to, by name."""


class User(Permissions, frozen=True):
    """A person or a service.

    The user's keys may use only what is permitted at all three places: here, by the key's team and by the
    tenant.
    """

    tenant: Annotated[str | None, about(default="none")] = None
    """The tenant that it belongs to, by name."""


class ClientKey(Permissions, frozen=True):
    """A key with which a client calls Dragoman."""

    shorthand: ClassVar[str | None] = "key"

    key: Annotated[Secret | None, about(default="`hash` says which")] = None
    """The key itself."""
    hash: Annotated[Secret | None, about(default="`key` says which")] = None
    """Instead of `key`: the SHA-256 of the whole key in hexadecimal digits, so that the file holds no secret.
    `dragoman keys hash` prints it. LiteLLM keeps its keys in the same form. Needs a `name`. Only its last
    four digits are shown, because a short key can be guessed from its hash."""
    name: Annotated[str | None, about(default="`key` and eight digits that are derived from it")] = None
    """The name of the client, shown in logs. Stored responses, conversations and sessions belong to it: a new
    key with the same name can use them. Several keys may have the same name, so that a new key works before
    the old one ends; they must have the same settings but for `key`, `hash` and `expires`."""
    expires: Annotated[Moment | None, about(default="never")] = None
    """When the key expires: a date (the key is valid until the end of that day in UTC), or a time with a time
    zone. After it the key gets 401 (`expired_api_key`)."""
    scopes: tuple[KeyScope, ...] = ("inference",)
    """What the key may call: `inference` (models and stored responses), `read` (`GET /admin/…`), `admin`
    (`/admin/…`), or several. While there are no keys, clients on this machine may call all; with
    `auth.open`, clients without a key may call only `inference`."""
    tenant: Annotated[str | None, about(default="that of the team or the user")] = None
    """The tenant that the key belongs to, by its name in `tenants`."""
    team: Annotated[str | None, about(default="none")] = None
    """The team that the key belongs to, by its name in `teams`."""
    user: Annotated[str | None, about(default="none")] = None
    """The user that the key belongs to, by its name in `users`."""

    @property
    def client(self) -> str:
        """The name of the client: `name`. Without a `name`: a name that is derived from `key`, or else from
        `hash`, or else from an empty text.
        """
        if self.name is not None:
            return self.name
        secret = self.key or self.hash
        return unnamed("" if secret is None else secret.reveal())

    @property
    def digest(self) -> bytes | None:
        """The SHA-256 of the key (32 bytes): computed from `key`, or else read from `hash`. None = there is
        no `key`, and `hash` is missing or invalid.
        """
        if self.key is not None:
            return minting.digest(self.key.reveal())
        stated = "" if self.hash is None else self.hash.reveal()
        return bytes.fromhex(stated) if HASH.fullmatch(stated) else None


class Auth(Section, frozen=True):
    """The clients that may call the gateway, and the encryption of the tenants' own provider keys."""

    keys: Annotated[tuple[ClientKey, ...], about(env="DRAGOMAN_API_KEY")] = ()
    """The keys of clients: the key alone, or `{name, key, models, scopes, expires}`. In the environment
    several are separated by commas. `dragoman keys create` makes keys at run time: see [keys](keys.md)."""
    required: Annotated[
        bool | None,
        about(
            env="DRAGOMAN_AUTH_REQUIRED",
            default="true if a key is configured, if one was ever created, or if the host is not loopback",
        ),
    ] = None
    """Whether clients must send a key."""
    open: Annotated[bool, about(env="DRAGOMAN_AUTH_OPEN")] = False
    """Answer requests without a key, also on a public address. Use it only behind a proxy that authenticates
    clients."""
    encryption_key: Annotated[Secret | None, about(env="DRAGOMAN_MASTER_KEY", default="none")] = None
    """The secret with which tenants' own provider keys are encrypted in the database: at least 32 characters,
    as `${VARIABLE}` or `{file: path}`. Needs the extra `encryption`."""
    old_encryption_keys: tuple[Secret, ...] = ()
    """Earlier master keys, which still decrypt. `POST /admin/provider-keys/reencrypt` encrypts all keys with
    `encryption_key`; then they can go."""
