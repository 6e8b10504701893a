"""Forwards the credentials of clients to providers with `credential: client`. Coding agents that are signed
in with a subscription need this.

A credential is read from the headers of one request, and is forgotten when the exchange of this request ends.
It is sent only to a provider that wants clients' credentials: to the one that speaks the request's protocol
(the configuration allows only one for a protocol), or to the one whose paths or resources the request names.
No other attempt, no check and no fetch of a model list uses the credential. A header that holds a key of this
gateway (`accounts.held`) is not forwarded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from dragoman import ir
from dragoman.accounts.held import holds_key
from dragoman.config.load import Loaded
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Inbound
from dragoman.engine.runtime import Runtime
from dragoman.errors import RequestFailed
from dragoman.providers.provider import Api, Provider
from dragoman.routing.pool import Key
from dragoman.upstreams.account import Account
from dragoman.upstreams.backend import all_over_http
from dragoman.upstreams.passage import Passage

_ID: Final = "client"
"""The id of every account with a client's credential. It reveals nothing about the credential."""
_BEARER: Final = "authorization"
_WITH_IT: Final = frozenset(
    {
        *("chatgpt-account-id", "openai-organization", "openai-project", "x-goog-user-project"),
        *("originator", "session_id", "user-agent", "version", "x-app"),
    }
)
"""Headers that are forwarded together with a credential: they name the account that it is for, the program
that has signed in, or its session. `chatgpt-account-id`, `originator` and `version` are sent by Codex,
`x-app` by Claude Code; the sign-in of Claude Code also needs `anthropic-beta`, which its protocol passes on.
"""


class ClientCredentials:
    """The providers of one gateway that are called with credentials of clients. knows: returns whether the
    gateway has a client key with this SHA-256.
    """

    def __init__(self, knows: Callable[[bytes], bool]) -> None:
        self._knows = knows
        self._providers: Mapping[str, Provider] = {}

    def use(self, loaded: Loaded) -> Callable[[Runtime, Inbound], Runtime] | None:
        """Use another configuration from now on. Returns the method `runtime_of`; None = no provider is
        called with clients' credentials.
        """
        self._providers = {name: one for name, one in loaded.providers.items() if one.forwards}
        return self.runtime_of if self._providers else None

    def runtime_of(self, runtime: Runtime, inbound: Inbound) -> Runtime:
        """Return the runtime for one request. runtime: the general one, or the one of the client's tenant.

        In the result, the provider with `credential: client` that speaks the request's protocol is called
        with the client's credential. The other providers with `credential: client` cannot be called, nor can
        this one if the client has sent none; `Runtime.unreadable` has the faults. Providers for which the
        tenant has brought a key, and those that an upstream made in code replaces, are called as before.
        """
        backends, keys = dict(runtime.backends), dict[str, Key]()
        lacking, used = dict(runtime.unreadable), set(runtime.own)
        reached = all_over_http({name: runtime.backends.get(name) for name in self._providers})
        for name, provider in self._providers.items():
            if name not in reached or name in used:
                continue  # replaced by one made in code, or the tenant has brought a key
            keys[name] = key = Key(_ID)
            key.lent = True
            accounts = self._accounts(provider, inbound.face.name, inbound.headers)
            if accounts is None:
                key.disabled = True
                lacking[name] = _missing(provider)
                continue
            used.add(name)
            backends[name] = reached[name].using(accounts, _remember_nothing)
        if not keys:
            return runtime
        return msgspec.structs.replace(
            runtime,
            backends=backends,
            health=runtime.health.with_keys(keys),
            own=frozenset(used),
            unreadable=lacking,
        )

    def passage(self, passage: Passage, headers: Mapping[str, str]) -> Passage | None:
        """Return the passage with the client's credential; None = the passage's provider is not called with
        clients' credentials. headers: of the client's request. Raises RequestFailed (401) if the client has
        sent no credential.
        """
        if (provider := self._providers.get(passage.name)) is None:
            return None
        accounts = self._accounts(provider, provider.dialect, headers)
        if accounts is None:
            raise RequestFailed(_missing(provider))
        return passage.using(accounts[provider.dialect])

    def _accounts(
        self, provider: Provider, face: str, headers: Mapping[str, str]
    ) -> dict[str, Account] | None:
        """Return {protocol: account with the client's credential} for each protocol of the provider. None =
        the provider does not speak the client's protocol, or the client has sent no credential. face: the
        client's protocol.
        """
        if all(api.dialect != face for api in provider.apis):
            return None
        stated = ((name, headers.get(name)) for name in _names(face))
        found = {name: value for name, value in stated if value and not holds_key(value, self._knows)}
        if not found:
            return None
        stated = ((name, headers.get(name)) for name in _WITH_IT)
        beside = {name: value for name, value in stated if value and not holds_key(value, self._knows)}
        return {api.dialect: _account(provider, api, found, beside) for api in provider.apis}


def _names(face: str) -> tuple[str, ...]:
    """Return the names of the headers in which clients of a protocol send a credential."""
    return (_BEARER, *DIALECTS[face].keys.headers)


def _account(
    provider: Provider, api: Api, credential: Mapping[str, str], beside: Mapping[str, str]
) -> Account:
    extra = {name: secret.reveal() for name, secret in provider.headers.items()}
    tokens = [token for value in credential.values() for token in (value, value.rpartition(" ")[2])]
    return Account(
        {**api.fixed, **beside, **extra, **credential},
        secrets=(*tokens, *extra.values()),
        id=_ID,
        source="the client",
        own=True,
        lent=True,
        configured=tuple(extra.values()),
    )


def _missing(provider: Provider) -> ir.Fault:
    headers = " or ".join(f"`{name}`" for name in _names(provider.dialect))
    text = (
        f"The provider {provider.name!r} is called with your own credential for it: send it in {headers}, in"
        f" the protocol {provider.dialect}, and the gateway's key, if it needs one, in `x-dragoman-key`."
    )
    return ir.Fault("authentication", text, "client_credential_missing")


def _remember_nothing(key: str, model: str, pause: float, now: float) -> None:
    """Do nothing. It is called when an answer says that the client's account is exhausted. Requests of other
    clients use other accounts, so nothing has to be remembered.
    """
