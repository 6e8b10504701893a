"""Providers' keys that tenants have brought. They are encrypted before they reach the database, and are never
shown again.

Each key is encrypted with AES-256-GCM (NIST SP 800-38D). The key for the encryption is derived from the
master key with HKDF-SHA256 (RFC 5869). The names of the tenant and the provider are authenticated together
with the secret, so nobody who can write to the database can give one tenant's key to another tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from dragoman.seams.secret import Secret
from dragoman.state.directory import DirectoryStore, OwnKey

_NONCE: Final = 12
"""The number of bytes of a nonce that the specification recommends. With random nonces, one master key may
encrypt 2³² times.
"""


class Undecipherable(Exception):
    """A tenant's key for a provider cannot be decrypted: this gateway does not have the master key, or the
    key's row in the database was changed. The text names the tenant and the provider.
    """


class Cipher:
    """Encrypts tenants' keys with the current master key, and decrypts them with all master keys. The
    constructor raises ImportError if the extra `encryption` is not installed. old: earlier master keys, which
    only decrypt. random: returns at least 12 random bytes. The attribute `current` is the id of the current
    master key (as in `OwnKey.master`), not the key.
    """

    def __init__(self, current: Secret, old: Sequence[Secret], random: Callable[[], bytes]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._random = random
        self._by_name: dict[str, Any] = {}
        for master in (*old, current):
            self.current = _derived(master, b"name", 4).hex()
            self._by_name[self.current] = AESGCM(_derived(master, b"key", 32))

    def encrypt(self, key: OwnKey, secret: Secret) -> OwnKey:
        """Return a copy of the row `key` that contains `secret`, encrypted with the current master key. The
        fields `cipher` and `master` of `key` are ignored.
        """
        nonce = self._random()[:_NONCE]
        cipher = self._by_name[self.current].encrypt(nonce, secret.reveal().encode(), _place(key))
        return msgspec.structs.replace(key, cipher=nonce + cipher, master=self.current)

    def decrypt(self, key: OwnKey) -> Secret:
        """Return the provider's key that the row `key` contains. Raises Undecipherable if this gateway does
        not have the row's master key, or if the row was changed.
        """
        from cryptography.exceptions import InvalidTag

        master = self._by_name.get(key.master)
        if master is None:
            raise Undecipherable(
                f"the key of {key.tenant} for {key.provider} needs the master key {key.master}"
            )
        try:
            text = master.decrypt(key.cipher[:_NONCE], key.cipher[_NONCE:], _place(key))
        except (InvalidTag, ValueError):  # ValueError: there is no whole nonce
            raise Undecipherable(f"the key of {key.tenant} for {key.provider} was altered") from None
        return Secret(text.decode())


class OwnKeys:
    """The providers' keys that tenants have brought, in one database. Each method raises StoreFailed if the
    database fails.
    """

    def __init__(self, store: DirectoryStore, cipher: Cipher) -> None:
        self._store = store
        self._cipher = cipher

    async def find(self, tenant: str, provider: str) -> Secret | None:
        """Return a tenant's own key for a provider; None = the tenant has brought no key for it. Raises
        Undecipherable if the key is stored, but cannot be decrypted.
        """
        for key in await self._store.own_keys():
            if (key.tenant, key.provider) == (tenant, provider):
                return self._cipher.decrypt(key)
        return None

    async def keep(self, key: OwnKey, secret: Secret) -> OwnKey:
        """Encrypt a tenant's key and store it, in place of the tenant's earlier key for that provider. The
        caller must then tell the other processes (see `DirectoryStore.keep_own`). key: the row to store,
        whose fields `cipher` and `master` are ignored. secret: the provider's key. Returns the stored row.
        """
        whole = self._cipher.encrypt(key, secret)
        await self._store.keep_own(whole)
        return whole

    async def reencrypt(self) -> tuple[int, list[str]]:
        """Encrypt with the current master key all stored keys that were encrypted with another master key.
        Returns (how many keys were encrypted again, a message for each key that cannot be decrypted). A key
        that cannot be decrypted stays as it was.
        """
        done, failed = 0, list[str]()
        for key in await self._store.own_keys():
            if key.master == self._cipher.current:
                continue
            try:
                await self._store.keep_own(self._cipher.encrypt(key, self._cipher.decrypt(key)))
                done += 1
            except Undecipherable as error:
                failed.append(str(error))
        return done, failed


def _derived(master: Secret, purpose: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derive = HKDF(SHA256(), length, None, b"dragoman own keys: " + purpose)
    return derive.derive(master.reveal().encode())


def _place(key: OwnKey) -> bytes:
    """Return the bytes that are authenticated together with the secret: the name of the tenant that owns the
    key, and the name of the provider.
    """
    return msgspec.json.encode([key.tenant, key.provider])
