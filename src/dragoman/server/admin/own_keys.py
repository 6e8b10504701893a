"""The operations on the keys for providers that tenants have brought. The keys are stored encrypted, and
answers show only their last characters. See docs/keys.md.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from dragoman import ir
from dragoman.accounts.own_keys import Cipher, OwnKeys
from dragoman.assembly.signing import flaw_of_key
from dragoman.errors import RequestFailed
from dragoman.observe.timestamps import utc
from dragoman.seams.extras import command
from dragoman.seams.secret import Secret
from dragoman.server.admin.operation import Asked, Operation, Told, author
from dragoman.server.admin.registry import Registry, Written, refused, unknown
from dragoman.server.admin.within_tenant import admits
from dragoman.state.directory import OwnKey
from dragoman.turns.keeping import reachable

_LIST: Final = "/admin/provider-keys"
_ONE: Final = "/admin/tenants/{name}/provider-keys/{provider}"
_LONGEST: Final = 10_000


class OwnKeyWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tenant's own key for a provider, to be stored. key: printable ASCII characters without blanks.
    Answers show only its last four characters.
    """

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST)]


class OwnKeyObject(msgspec.Struct, kw_only=True):
    """A tenant's own key for a provider. key: the last four characters of the key, with `…` before them; of a
    short key only `…`. master: the id of the master key with which the key is encrypted. created: when the
    key was stored, RFC 3339 in UTC. created_by: who stored it.
    """

    tenant: str
    provider: str
    key: str
    master: str
    created: str
    created_by: str
    object: Literal["provider_key"] = "provider_key"


class OwnKeyList(msgspec.Struct):
    """The keys for providers that tenants have brought: of all tenants; for a client that belongs to a
    tenant, only those of its tenant.
    """

    data: list[OwnKeyObject]
    object: Literal["list"] = "list"


class Reencrypted(msgspec.Struct):
    """The result of encrypting keys again. changed: how many keys were encrypted with another master key
    before, and are now encrypted with the current one. failed: for each key that could not be decrypted, why;
    it stays as it was. master: the id of the current master key.
    """

    changed: int
    failed: list[str]
    master: str
    object: Literal["reencryption"] = "reencryption"


class RemovedOwnKey(msgspec.Struct):
    """A tenant's own key for a provider, after it was removed."""

    tenant: str
    provider: str
    deleted: Literal[True] = True
    object: Literal["provider_key"] = "provider_key"


OPERATIONS: Final = (
    Operation(
        *("GET", _LIST, "list_own_keys", "Keys of providers that tenants have brought.", OwnKeyList),
        for_tenants=True,
    ),
    Operation(
        *("PUT", _ONE, "put_own_key", "Keep a tenant's key, encrypted.", OwnKeyObject, OwnKeyWish),
        for_tenants=True,
    ),
    Operation(
        *("DELETE", _ONE, "delete_own_key", "Remove a tenant's key.", RemovedOwnKey),
        for_tenants=True,
    ),
    Operation(
        *("POST", f"{_LIST}/reencrypt", "reencrypt_own_keys", "Encrypt all with the current master key."),
        Reencrypted,
    ),
)


class OwnKeysApi:
    """The operations on the provider keys that tenants have brought to one gateway."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def list_own_keys(self, asked: Asked) -> Told:
        rows = await reachable(self._registry.following.store.own_keys())
        caller = asked.request.caller
        return Told(OwnKeyList([_told(row) for row in rows if admits(caller, row.tenant)]))

    async def put_own_key(self, asked: Asked) -> Told:
        tenant, provider = asked.params["name"], asked.params["provider"]
        if not admits(asked.request.caller, tenant):
            raise unknown("tenants", tenant)
        self._registry.require_known("tenants", tenant)
        if provider not in self._registry.config.providers.named:
            raise refused(f"there is no provider {provider[:64]!r} in the configuration", "provider")
        secret, who = Secret(asked.body.key), author(asked.exchange)
        row = OwnKey(
            tenant, provider, b"", "", f"…{secret.tail}", who.who, self._registry.gateway.seams.now()
        )
        if not asked.body.key.isascii() or not asked.body.key.isprintable() or " " in asked.body.key:
            raise refused("a key has printable ASCII characters without blanks", "key")
        known = self._registry.gateway.loaded.providers.get(provider)
        if known is not None and (flaw := flaw_of_key(known, asked.body.key)) is not None:
            raise refused(f"this key {flaw}", "key")
        _, own = self._own()
        before = await self._kept(tenant, provider)
        kept = await reachable(own.keep(row, secret))
        told = _told(kept)
        place = f"tenants/{tenant}/provider-keys/{provider}"
        asked.notes.add("keep", place, before=before, after=told.key)
        await self._changed(who.who)
        return Told(told)

    async def delete_own_key(self, asked: Asked) -> Told:
        tenant, provider = asked.params["name"], asked.params["provider"]
        store = self._registry.following.store
        before = await self._kept(tenant, provider) if admits(asked.request.caller, tenant) else None
        if before is None or not await reachable(store.drop_own(tenant, provider)):
            text = f"The tenant {tenant[:128]!r} has no key for {provider[:64]!r}."
            raise RequestFailed(ir.Fault("not_found", text, "provider_key_not_found", "provider"))
        place = f"tenants/{tenant}/provider-keys/{provider}"
        asked.notes.add("delete", place, before=before, after=None)
        await self._changed(author(asked.exchange).who)
        return Told(RemovedOwnKey(tenant, provider))

    async def reencrypt_own_keys(self, asked: Asked) -> Told:
        cipher, own = self._own()
        changed, failed = await reachable(own.reencrypt())
        asked.notes.add("reencrypt", "provider-keys", before=None, after=changed)
        await self._changed(author(asked.exchange).who)
        return Told(Reencrypted(changed, failed, cipher.current))

    async def _kept(self, tenant: str, provider: str) -> str | None:
        """Return the last characters of a tenant's key for a provider, with `…` before them; None = there is
        no such key. Raises RequestFailed: 501 without a database, 503 if the database fails.
        """
        rows = await reachable(self._registry.following.store.own_keys())
        return next((one.shown for one in rows if (one.tenant, one.provider) == (tenant, provider)), None)

    async def _changed(self, who: str) -> None:
        """Have all processes read the tenants' keys again. who: the author of the change. Raises what
        `Registry.change` raises.
        """
        await self._registry.change("own_keys", "all", who, lambda _: Written(None))

    def _own(self) -> tuple[Cipher, OwnKeys]:
        """Return the cipher, and the tenants' keys in the database. Raises RequestFailed (501) without a
        database, without a master key, or without the extra `encryption`.
        """
        auth, store = self._registry.config.auth, self._registry.following.store
        if auth.encryption_key is None:
            raise RequestFailed(_NO_MASTER)
        random = self._registry.gateway.seams.random_id
        try:
            cipher = Cipher(auth.encryption_key, auth.old_encryption_keys, lambda: bytes.fromhex(random()))
        except ImportError:
            text = f"Encryption needs the extra `encryption`: {command('encryption')}"
            raise RequestFailed(ir.Fault("not_implemented", text, "extra_missing", blame="gateway")) from None
        return cipher, OwnKeys(store, cipher)


def _told(row: OwnKey) -> OwnKeyObject:
    return OwnKeyObject(
        tenant=row.tenant,
        provider=row.provider,
        key=row.shown,
        master=row.master,
        created=utc(row.at),
        created_by=row.author,
    )


_NO_MASTER: Final = ir.Fault(
    "not_implemented",
    "Keys of tenants are kept encrypted, and there is no master key: set DRAGOMAN_MASTER_KEY, or "
    "`auth.encryption_key` with a file.",
    "no_master_key",
    blame="gateway",
)
