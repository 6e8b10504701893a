"""Serves the requests of tenants that have brought providers' keys. A provider for which a tenant has brought
a key is called with this key, and with no other, if it is called over HTTP.

Each process has all of these keys in memory. The requests of such a tenant get another `Runtime`. In it, the
upstreams of these providers have the tenant's account instead of the operator's accounts, and the memory
about providers has the tenant's key instead of the provider's pool of keys. Everything else is shared:
routes, connections, and what the gateway remembers of deployments.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from dragoman.accounts.caller import Caller
from dragoman.accounts.own_keys import Cipher, Undecipherable
from dragoman.assembly.providers import own_account
from dragoman.assembly.signing import flaw_of_key
from dragoman.config.load import Loaded
from dragoman.engine.engine import Own
from dragoman.engine.runtime import Runtime
from dragoman.errors import RequestFailed
from dragoman.providers.provider import Provider
from dragoman.routing.attempts import NOBODY
from dragoman.routing.health import Health
from dragoman.routing.outcome import UNREADABLE
from dragoman.routing.pool import Key
from dragoman.seams.extras import command
from dragoman.seams.secret import Secret
from dragoman.state.directory import OwnKey
from dragoman.upstreams.backend import all_over_http
from dragoman.upstreams.passage import Passage

log = logging.getLogger("dragoman.assembly.own_keys")


class Brought(NamedTuple):
    """A provider's key that a tenant has brought. row: the row of the database. secret: the decrypted key;
    None = the key cannot be decrypted, or the provider cannot use it. key: what this process remembers about
    the key.
    """

    row: OwnKey
    secret: Secret | None
    key: Key


class OwnAccounts:
    """The keys that tenants have brought to one gateway, in the memory of one process. health: what the
    process remembers about providers; it has the state of each key.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._loaded: Loaded | None = None
        self._rows: Sequence[OwnKey] = ()
        self._of: dict[str, dict[str, Brought]] = {}
        """{name of a tenant: {name of a provider: the key}}."""
        self._runtimes: dict[str, tuple[Runtime, Runtime]] = {}
        """{name of a tenant: (the general runtime, the tenant's runtime that was made from it)}."""

    def use(self, loaded: Loaded) -> None:
        """Use another configuration from now on. All keys are decrypted again."""
        self._loaded = loaded
        self._read(anew=True)

    def know(self, rows: Sequence[OwnKey]) -> Own | None:
        """Use these rows in place of all earlier ones. Returns the method `runtime_of`; None = no tenant has
        brought a key.
        """
        if rows is not self._rows:
            self._rows = rows
            self._read()
        return self.runtime_of if self._of else None

    def runtime_of(self, runtime: Runtime, caller: Caller | None) -> Runtime:
        """Return the runtime for the requests of a client. runtime: the general one. It is returned if the
        client has no tenant, or if its tenant has brought no key. caller: None = the client has no key.
        """
        if caller is None or caller.tenant is None or (brought := self._of.get(caller.tenant)) is None:
            return runtime
        known = self._runtimes.get(caller.tenant)
        if known is None or known[0] is not runtime:
            known = self._runtimes[caller.tenant] = runtime, self._with(runtime, brought)
        return known[1]

    def passage(self, caller: Caller | None, passage: Passage) -> Passage | None:
        """Return the passage with the key that the client's tenant has brought for the passage's
        provider. None = there is no tenant or no such key, or the configuration no longer has the
        provider. Raises RequestFailed if there is such a key, but it cannot be used, or an operator
        has disabled the provider. caller: None = the client has no key.
        """
        tenant = None if caller is None else caller.tenant
        brought = self._of.get(tenant, {}).get(passage.name) if tenant is not None else None
        if brought is None or (provider := self._provider(passage.name)) is None:
            return None
        if passage.name in self._health.disabled:
            raise RequestFailed(NOBODY)
        if brought.secret is None:
            raise RequestFailed(UNREADABLE)
        return passage.using(own_account(provider, provider.apis[0], brought.secret, brought.key.id))

    def _with(self, runtime: Runtime, brought: Mapping[str, Brought]) -> Runtime:
        """Return a copy of a runtime in which a tenant's keys are used for the providers that they belong to.
        A provider whose key cannot be used is not called (`Runtime.unreadable`). runtime: the general one.
        brought: {name of a provider: the tenant's key for it}; a provider that is unknown, or not called over
        HTTP, is ignored.
        """
        backends, spoken = dict(runtime.backends), all_over_http(runtime.backends)
        called = {
            name: provider
            for name in brought
            if (provider := self._provider(name)) is not None and name in spoken
        }
        used = {name: brought[name] for name in called}
        health = runtime.health.with_keys({name: one.key for name, one in used.items()})
        for name, provider in called.items():
            one = used[name]
            accounts = {
                api.dialect: own_account(provider, api, one.secret, one.key.id) for api in provider.apis
            }
            backends[name] = spoken[name].using(accounts, partial(health.spent, name))
        return msgspec.structs.replace(
            runtime,
            backends=backends,
            health=health,
            own=frozenset(used),
            unreadable={name: UNREADABLE for name, one in used.items() if one.secret is None},
        )

    def _provider(self, name: str) -> Provider | None:
        return None if self._loaded is None else self._loaded.providers.get(name)

    def _read(self, *, anew: bool = False) -> None:
        """Decrypt the rows that are new or have changed, and forget keys whose rows are gone. anew: True =
        decrypt all rows.
        """
        self._runtimes.clear()
        if not self._rows and not self._of:
            return
        cipher, before, self._of = self._cipher(), self._of, {}
        met = {provider: dict(keys) for provider, keys in self._health.own.items()}
        own: dict[str, dict[str, Key]] = {}
        for row in self._rows:
            known = None if anew else before.get(row.tenant, {}).get(row.provider)
            if known is None or known.row != row:
                known = _brought(row, cipher, met.get(row.provider, {}), self._provider(row.provider))
            self._of.setdefault(row.tenant, {})[row.provider] = known
            own.setdefault(row.provider, {})[known.key.id] = known.key
        self._health.bring(own)

    def _cipher(self) -> Cipher | None:
        """Return the cipher that decrypts the keys. None = there is no configuration or no master key, or the
        extra `encryption` is not installed; this is logged.
        """
        auth = None if self._loaded is None else self._loaded.config.auth
        if auth is None or auth.encryption_key is None:
            log.error("tenants have brought keys, and there is no master key (DRAGOMAN_MASTER_KEY)")
            return None
        try:
            return Cipher(auth.encryption_key, auth.old_encryption_keys, bytes)
        except ImportError:
            log.error(  # noqa: TRY400 - the traceback would say no more
                "tenants have brought keys, which need the extra `encryption`: %s", command("encryption")
            )
            return None


def _brought(
    row: OwnKey, cipher: Cipher | None, met: Mapping[str, Key], provider: Provider | None
) -> Brought:
    """Return the key in a row, decrypted. A key that cannot be decrypted, or that the provider cannot use,
    has no secret and is disabled. cipher: None = nothing can be decrypted. met: {id of a key: what is
    remembered about it}, for the keys of this provider. provider: None = the configuration does not have the
    provider.
    """
    secret: Secret | None = None
    try:
        secret = None if cipher is None else cipher.decrypt(row)
    except Undecipherable as error:
        log.error("%s: requests of the tenant cannot use this provider", error)  # noqa: TRY400
    if secret is not None and provider is not None and (flaw := flaw_of_key(provider, secret.reveal())):
        log.error("the key of the tenant %r for the provider %r %s", row.tenant, row.provider, flaw)
        secret = None
    id_ = _identity(row, secret)
    key = met.get(id_) or Key(id_, row.shown.lstrip("…") if secret is None else secret.tail)
    key.disabled = secret is None
    return Brought(row, secret, key)


def _identity(row: OwnKey, secret: Secret | None) -> str:
    """Return the id of a key: a hash of the tenant, the provider and the secret, equal in all processes.
    secret: None = there is no usable secret; the hash is then made without it.
    """
    told = f"{row.tenant}\n{row.provider}\n{'' if secret is None else secret.reveal()}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]
