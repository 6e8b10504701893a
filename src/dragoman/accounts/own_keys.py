"""Keys of providers that tenants have brought: encrypted before they reach the database, never shown again.

Each is encrypted with AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA256 (RFC 5869) derives from the
master key. Tenant and provider are authenticated with it, so that nobody who can write to the database can
give one tenant's key to another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from dragoman.seams.secret import Secret
from dragoman.state.directory import DirectoryStore, OwnKey

_NONCE: Final = 12
"""Bytes, as the specification recommends. 2³² keys may be encrypted with one master key and random nonces."""


class Undecipherable(Exception):
    """A key was encrypted with a master key that this gateway does not have, or was altered since."""


class Cipher:
    """Encrypts and decrypts with master keys. current: the master key that encrypts. old: earlier master
    keys, which only decrypt. random: returns at least 12 random bytes. Raises ImportError without the extra
    `encryption`.
    """

    def __init__(self, current: Secret, old: Sequence[Secret], random: Callable[[], bytes]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._random = random
        self._by_name: dict[str, Any] = {}
        for master in (*old, current):
            self.current = _derived(master, b"name", 4).hex()
            self._by_name[self.current] = AESGCM(_derived(master, b"key", 32))

    def encrypt(self, key: OwnKey, secret: Secret) -> OwnKey:
        """The row `key` with `secret` in it, encrypted with the current master key."""
        nonce = self._random()[:_NONCE]
        cipher = self._by_name[self.current].encrypt(nonce, secret.reveal().encode(), _place(key))
        return msgspec.structs.replace(key, cipher=nonce + cipher, master=self.current)

    def decrypt(self, key: OwnKey) -> Secret:
        """The secret in a row. Raises Undecipherable."""
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
    """The keys that tenants have brought, in one database. Methods raise StoreFailed."""

    def __init__(self, store: DirectoryStore, cipher: Cipher) -> None:
        self._store = store
        self._cipher = cipher

    async def find(self, tenant: str, provider: str) -> Secret | None:
        """A tenant's own key for a provider; None = it has brought none. Raises Undecipherable."""
        for key in await self._store.own_keys():
            if (key.tenant, key.provider) == (tenant, provider):
                return self._cipher.decrypt(key)
        return None

    async def keep(self, key: OwnKey, secret: Secret) -> OwnKey:
        """Encrypt a key and keep it. key: its row, without the cipher. Returns the whole row."""
        whole = self._cipher.encrypt(key, secret)
        await self._store.keep_own(whole)
        return whole

    async def reencrypt(self) -> tuple[int, list[str]]:
        """Encrypt again all keys that another master key has encrypted. Returns how many were encrypted, and
        a sentence for each key that cannot be decrypted.
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
    """The bytes that are authenticated with the secret: the tenant that owns the key, and the provider."""
    return msgspec.json.encode([key.tenant, key.provider])
