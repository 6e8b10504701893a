"""The operations on providers and their keys: show, add, replace, remove, enable, disable, revive, test."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.assembly.probing import Probe, Row
from dragoman.errors import RequestFailed
from dragoman.providers.address import without_keys
from dragoman.routing.pool import Key
from dragoman.server.admin import tags
from dragoman.server.admin.added import AddedApi, Removed, Wish, changes
from dragoman.server.admin.adding import Do
from dragoman.server.admin.operation import Asked, Operation, Told, author
from dragoman.server.admin.orders import Deed, Order, Orders
from dragoman.server.admin.pages import Wanted, page
from dragoman.server.admin.states import (
    KeySeen,
    Look,
    ProviderList,
    ProviderState,
    breaker_state,
    changeable,
    joined,
    key_state,
)
from dragoman.upstreams.account import Account
from dragoman.upstreams.upstream import Upstream
from dragoman.upstreams.wire import WireUpstream

_LIST: Final = "/admin/providers"
_ONE: Final = f"{_LIST}/{{name}}"
_KEY: Final = f"{_ONE}/keys/{{key}}"


class ToTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a provider to test. key: the id of one key, null = all keys."""

    key: str | None = None


class KeyTest(msgspec.Struct):
    """The result of the test of one key. id: the key's id. key: the last four characters of the key (for an
    access key, of its id), with `…` before them; of a short key only `…`; null = the provider has no key.
    asked: the last request of the test: `models` = the list of models (also if nothing could be asked); if
    that list cannot prove the key, `count` = the count of a prompt, or `chat` = a chat of one token. ok:
    whether the state is `ok`. state: `ok`; `refused` = the provider refuses the key or the account; `not
    reached` = no connection to the provider was possible; `failed` = any other error, or nothing could be
    asked. ms: how many milliseconds that request took. message: if the state is `ok`, what was found ("5
    models"); otherwise the error message, the provider's or the gateway's.
    """

    id: str
    key: str | None
    ok: bool
    state: Literal["ok", "refused", "not reached", "failed"]
    asked: Literal["models", "count", "chat"]
    ms: float
    message: str


class ProviderTest(msgspec.Struct):
    """The results of testing a provider's keys. ok: true = every tested key works."""

    provider: str
    ok: bool
    keys: list[KeyTest]
    object: Literal["provider.test"] = "provider.test"


OPERATIONS: Final = (
    Operation("GET", _LIST, "list_providers", "All providers with their keys.", ProviderList, query=Wanted),
    Operation("GET", _ONE, "show_provider", "One provider with its keys.", ProviderState, tagged=True),
    *changes("providers", _ONE, "provider"),
    Operation(
        "POST",
        f"{_ONE}/disable",
        "disable_provider",
        "Leave a provider out, until it is enabled or the gateway restarts. Running requests go on.",
        ProviderState,
        tagged=True,
    ),
    Operation(
        "POST", f"{_ONE}/enable", "enable_provider", "Ask a provider again.", ProviderState, tagged=True
    ),
    Operation(
        "POST",
        f"{_ONE}/revive",
        "revive_provider",
        "Forget what is known against a provider's keys and deployments: rests, refusals, failures.",
        ProviderState,
        tagged=True,
    ),
    Operation(
        "POST",
        f"{_ONE}/test",
        "test_provider",
        "Ask a provider with each key, by the cheapest request that proves the key: at most one token.",
        ProviderTest,
        body=ToTest,
        harmless=True,
    ),
    Operation(
        "POST",
        f"{_KEY}/disable",
        "disable_key",
        "Leave one key out, until it is enabled or the gateway restarts.",
        ProviderState,
        tagged=True,
    ),
    Operation("POST", f"{_KEY}/enable", "enable_key", "Use one key again.", ProviderState, tagged=True),
    Operation(
        "POST",
        f"{_KEY}/revive",
        "revive_key",
        "Forget what is known against one key.",
        ProviderState,
        tagged=True,
    ),
)


class ProvidersApi:
    """The operations on the providers of one gateway."""

    def __init__(self, gateway: Core, orders: Orders, added: AddedApi) -> None:
        self._gateway = gateway
        self._added = added
        self._orders = orders

    async def list_providers(self, asked: Asked) -> Told:
        looks = await self._orders.looks()
        health = await self._healths()
        names, more = page(list(self._gateway.running.upstreams), asked.query, str)
        return Told(ProviderList([self._state(name, looks, health) for name in names], more))

    async def show_provider(self, asked: Asked) -> Told:
        return await self._told(self._named(asked))

    async def add_provider(self, asked: Asked) -> Told:
        return await self._change("add", asked)

    async def replace_provider(self, asked: Asked) -> Told:
        return await self._change("replace", asked)

    async def remove_provider(self, asked: Asked) -> Told:
        return await self._change("remove", asked)

    async def disable_provider(self, asked: Asked) -> Told:
        return await self._order(asked, "disable")

    async def enable_provider(self, asked: Asked) -> Told:
        return await self._order(asked, "enable")

    async def revive_provider(self, asked: Asked) -> Told:
        return await self._order(asked, "revive")

    async def disable_key(self, asked: Asked) -> Told:
        return await self._order(asked, "disable")

    async def enable_key(self, asked: Asked) -> Told:
        return await self._order(asked, "enable")

    async def revive_key(self, asked: Asked) -> Told:
        return await self._order(asked, "revive")

    async def test_provider(self, asked: Asked) -> Told:
        """Test the keys of a provider, or the one key that the body names, with cheap requests to the
        provider (see `KeyTest`). Raises RequestFailed: 404 for an unknown provider or key, 400 if the
        provider has nothing to test.
        """
        name = self._named(asked)
        upstream = self._gateway.running.providers.get(name)
        if upstream is None:
            text = f"{name!r} has no address and no keys that could be tested."
            raise RequestFailed(ir.Fault("invalid_request", text, "not_testable", "name"))
        wanted: ToTest = asked.body
        accounts = list(range(len(upstream.accounts)))
        if wanted.key is not None:
            self._key(name, wanted.key, "key")
            accounts = [place for place in accounts if upstream.accounts[place].id == wanted.key]
        probe = Probe(self._gateway.loaded, {name: upstream}, lambda _line: None)
        rows = await probe.run({name: accounts})
        keys = [_tested(upstream.accounts[place], row) for place, row in zip(accounts, rows, strict=True)]
        return Told(ProviderTest(name, all(key.ok for key in keys), keys))

    async def _change(self, do: Do, asked: Asked) -> Told:
        """Add, replace or remove the added entry whose name is in the path. `If-Match` is compared with the
        ETag of `show_provider`; the answer to an addition or replacement has the new ETag. Raises what
        `AddedApi.change` raises.
        """
        name = asked.params["name"]
        state = await self._whole(name) if name in self._gateway.running.upstreams else None

        def tag(version: int) -> str:
            rest = {} if state is None else changeable(state)
            return tags.etag({**rest, "added": version})

        made = await self._added.change(Wish(do, "providers", asked, author(asked.exchange), tag))
        if made.after is None:
            return Told(Removed("providers", name))
        return Told(self._added.told(made.after), tags.etag(changeable(await self._whole(name))))

    # --- Orders --------------------------------------------------------------------------------------------

    async def _order(self, asked: Asked, do: Deed) -> Told:
        """Give an order for the provider or the key that the path names, record it in the audit, and return
        the provider's state after it, with its ETag. Raises RequestFailed: 404 for an unknown provider or
        key, 412 if the request has `If-Match` with neither the provider's ETag nor `*`.
        """
        name = self._named(asked)
        key = asked.params.get("key")
        if key is not None:
            self._key(name, key, "key")
        before = await self._whole(name)
        tags.require(asked.request.headers, tags.etag(changeable(before)))
        self._orders.give(Order(do, name, key))
        after = await self._whole(name)
        target = f"providers/{name}" if key is None else f"providers/{name}/keys/{key}"
        asked.notes.add(do, target, before=_changed(before, do, key), after=_changed(after, do, key))
        return Told(after, tags.etag(changeable(after)))

    async def _told(self, name: str) -> Told:
        state = await self._whole(name)
        return Told(state, tags.etag(changeable(state)))

    # --- States --------------------------------------------------------------------------------------------

    def _named(self, asked: Asked) -> str:
        """Return the name of the provider in the path. Raises RequestFailed (404) if there is no such
        provider.
        """
        name = asked.params["name"]
        if name not in self._gateway.running.upstreams:
            text = f"There is no provider {name[:128]!r}."
            raise RequestFailed(ir.Fault("not_found", text, "provider_not_found", "name"))
        return name

    def _key(self, name: str, id_: str, param: str) -> Key:
        """Return one key of a provider. name: of the provider. id_: of the key. param: the field to name in
        the error. Raises RequestFailed (404) if the provider has no such key.
        """
        pool = self._gateway.providers_health.pools.get(name)
        for key in () if pool is None else pool.keys:
            if key.id == id_:
                return key
        text = f"The provider {name!r} has no key with the id {id_[:64]!r}."
        raise RequestFailed(ir.Fault("not_found", text, "key_not_found", param))

    async def _whole(self, name: str) -> ProviderState:
        return self._state(name, await self._orders.looks(), await self._healths())

    async def _healths(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = (await self._gateway.health(details=True))["providers"]
        return found

    def _state(self, name: str, looks: list[Look], healths: dict[str, dict[str, Any]]) -> ProviderState:
        gateway = self._gateway
        seen = joined(looks, name)
        health = healths.get(name, {})
        upstream = gateway.running.upstreams[name]
        wire = gateway.running.providers.get(name)
        row = gateway.loaded.providers[name] if wire is not None else None
        pool = gateway.providers_health.pools.get(name)
        keys = () if pool is None else pool.keys
        return ProviderState(
            name=name,
            kind=_kind(name, upstream, wire),
            enabled=name not in gateway.providers_health.disabled,
            vendor=None if row is None or row.vendor is None else row.vendor.name,
            base_url=None if row is None else without_keys(row.base_url),
            dialects=[] if row is None else [api.dialect for api in row.apis],
            models=[entry.id for entry in gateway.entries() if entry.provider == name],
            healthy=health.get("healthy"),
            last_error=health.get("last_error"),
            last_error_message=health.get("last_error_message"),
            last_error_at=health.get("last_error_at"),
            consecutive_failures=health.get("consecutive_failures", 0),
            running=seen.running,
            keys=[key_state(key, seen.keys.get(key.id) or KeySeen()) for key in keys],
            breakers=[breaker_state(*one) for one in sorted(seen.breakers.items())],
            unanswered_for=seen.unanswered,
            added=self._added.adding.version("providers", name),
        )


def _kind(
    name: str, upstream: Upstream, wire: WireUpstream | None
) -> Literal["configured", "local", "simulate", "code"]:
    if wire is not None:
        return "configured"
    if name == "local" and type(upstream).__name__ == "LocalUpstream":
        return "local"
    if name == "simulate" and type(upstream).__name__ == "SimulateUpstream":
        return "simulate"
    return "code"


def _changed(state: ProviderState, do: Deed, key: str | None) -> Any:
    """Return the part of a provider's state that the order `do` can change, for the audit. key: the id of the
    only key that the order is for; None = the order is for the provider itself.
    """
    keys = [one for one in state.keys if key in {None, one.id}]
    if do == "revive":
        known: dict[str, Any] = {"keys": {one.id: one.state for one in keys}}
        return known if key is not None else {**known, "failing": [one.deployment for one in state.breakers]}
    return {"enabled": state.enabled if key is None else keys[0].enabled}


def _tested(account: Account, row: Row) -> KeyTest:
    key = None if row.key is None else f"…{row.key}"
    return KeyTest(account.id, key, row.state == "ok", row.state, row.asked, row.ms, row.message)
