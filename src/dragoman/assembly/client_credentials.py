"""Forwards the credentials of clients to providers with `credential: client`, as the sign-ins of coding
agents with a subscription need it.

A credential is read from the headers of one request and lives as long as this request. It goes to the one
provider that speaks the request's protocol and gets such credentials (the configuration allows no second
one), with the connections of that provider, which lead to its origin only. No other attempt, no check and no
list of models uses it. A key of this gateway is never forwarded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from dragoman import ir
from dragoman.accounts import minting
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
"""The id of every such account. It says nothing about the credential."""
_BEARER: Final = "authorization"
_WITH_IT: Final = frozenset(
    {
        *("chatgpt-account-id", "openai-organization", "openai-project", "x-goog-user-project"),
        *("originator", "session_id", "user-agent", "version", "x-app"),
    }
)
"""Headers that are forwarded beside a credential: the account that it is for, and the program that has signed
in. `chatgpt-account-id`, `originator` and `version` are those of Codex, `x-app` is that of Claude Code; the
sign-in of Claude Code also needs `anthropic-beta`, which its protocol passes on.
"""


class ClientCredentials:
    """The providers of one gateway that get their clients' credentials. knows: whether a text with this
    SHA-256 is a key of the gateway.
    """

    def __init__(self, knows: Callable[[bytes], bool]) -> None:
        self._knows = knows
        self._providers: Mapping[str, Provider] = {}

    def use(self, loaded: Loaded) -> Callable[[Runtime, Inbound], Runtime] | None:
        """Use another configuration from now on. Returns `runtime_of`; None = no provider gets credentials of
        clients.
        """
        self._providers = {name: one for name, one in loaded.providers.items() if one.forwards}
        return self.runtime_of if self._providers else None

    def runtime_of(self, runtime: Runtime, inbound: Inbound) -> Runtime:
        """The runtime for one request: with the client's credential for the provider that speaks its
        protocol, and without the other providers that need one.
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
        """The passage with the client's credential; None = its provider gets none. Raises RequestFailed (401)
        if the client has sent none.
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
        """An account with the client's credential for each of the provider's protocols; None = the client
        speaks none of them, or has sent no credential. face: the client's protocol.
        """
        if all(api.dialect != face for api in provider.apis):
            return None
        stated = ((name, headers.get(name)) for name in _names(face))
        found = {name: value for name, value in stated if value and self._is_theirs(value)}
        if not found:
            return None
        beside = {name: value for name in _WITH_IT if (value := headers.get(name))}
        return {api.dialect: _account(provider, api, found, beside) for api in provider.apis}

    def _is_theirs(self, value: str) -> bool:
        """Whether a header holds a credential that is no key of this gateway, valid or not."""
        scheme, _, token = value.partition(" ")
        key = token.strip() if scheme.lower() == "bearer" and token else value
        return not key.startswith(minting.PREFIX) and not self._knows(minting.digest(key))


def _names(face: str) -> tuple[str, ...]:
    """The headers in which a protocol's clients send a credential."""
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
    )


def _missing(provider: Provider) -> ir.Fault:
    headers = " or ".join(f"`{name}`" for name in _names(provider.dialect))
    text = (
        f"The provider {provider.name!r} is called with your own credential for it: send it in {headers}, in"
        f" the protocol {provider.dialect}, and the gateway's key, if it needs one, in `x-dragoman-key`."
    )
    return ir.Fault("authentication", text, "client_credential_missing")


def _remember_nothing(key: str, model: str, pause: float, now: float) -> None:
    """A limit of a client's own account concerns no other request."""
