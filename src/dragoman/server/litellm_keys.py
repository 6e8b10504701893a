"""The endpoints by which clients of LiteLLM ask for their own key, user and team, with the budget and what
was spent: `/key/info`, `/user/info` and `/team/info`.

https://docs.litellm.ai/docs/proxy/virtual_keys
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any, Final

from dragoman import ir
from dragoman.accounts.caller import Caller, is_reserved
from dragoman.accounts.directory import Directory
from dragoman.accounts.limits import NANO, Limit, Subject
from dragoman.accounts.rights import UnreadableLimits
from dragoman.assembly.core import Core
from dragoman.assembly.keys import declared_of, limits_of
from dragoman.config.accounts import ClientKey
from dragoman.dialects.table import DEFAULT
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.observe.timestamps import utc
from dragoman.server.admin.within_tenant import tenant_of_client
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.state.counters import SECONDS, Window, span
from dragoman.state.directory import KeyEntry, Permitted, RowKind
from dragoman.state.usage_report import Query
from dragoman.state.usage_sums import Dimension, text
from dragoman.turns.keeping import reachable
from dragoman.wire.json import encode

_WINDOWS: Final[dict[Window | None, str]] = {
    "second": "s",
    "minute": "m",
    "hour": "h",
    "day": "d",
    "week": "w",
    "month": "mo",
}
"""LiteLLM's letters for the units of `budget_duration`."""
_MONTH: Final = 31 * SECONDS["day"]


class LiteLlmKeys:
    """The endpoints of LiteLLM's information about keys, users and teams at one gateway. A client sees its
    own key, user and team. A client with the scope `read` or `admin` also sees those of others: all of them,
    or, if its key belongs to a tenant, those of this tenant.
    """

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def endpoints(self) -> Iterator[Endpoint]:
        yield Endpoint("/key/info", DEFAULT, {"GET": Handler(self.key)})
        yield Endpoint("/user/info", DEFAULT, {"GET": Handler(self.user)})
        yield Endpoint("/team/info", DEFAULT, {"GET": Handler(self.team)})

    async def key(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send what a key may use and has spent: the key `key` of the query (a key, or the name of a key), or
        without it the client's own. `spend` is what the key has spent in the present window of its budget;
        without a budget, what it has ever spent (in USD; only stored usage counts, so it is 0.0 if none is
        stored).

        Raises RequestFailed: 404 if there is no such key, if the client may not see it, if the query has a
        disabled key and not its name, or if the client has no key and states none; 503 if the store of usage
        fails.
        """
        caller = request.caller
        name = self._name_of(request.query.get("key"), caller)
        found = None if name is None or is_reserved(name) else self._find(name)
        if name is None or found is None or not self._admits(caller, "key", name):
            raise _missing("key")
        info = {
            "key_name": name,
            "key_alias": name,
            **await self._told("key", name, found),
            "user_id": found.user,
            "team_id": found.team,
            "organization_id": tenant_of_client(self._gateway, name),
            "aliases": {},
            "config": {},
            "permissions": {},
            "expires": _expires(found),
        }
        await client.answer(200, (), encode({"key": name, "info": info}))

    async def user(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send what a user may use and has spent: the user `user_id` of the query, or without it the user of
        the client's key. `spend` is what the user has spent in the present window of the user's budget;
        without a budget, what the user has ever spent (in USD; only stored usage counts, so it is 0.0 if none
        is stored). The lists `keys` and `teams` are always empty. Raises RequestFailed: 404 if there is no
        such user, if the client may not see the user, or if neither the query nor the key names a user; 503
        if the store of usage fails.
        """
        name, info = await self._holder(request, "user", "users")
        answer = {"user_id": name, "user_info": {"user_id": name, **info}, "keys": [], "teams": []}
        await client.answer(200, (), encode(answer))

    async def team(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send what a team may use and has spent: the team `team_id` of the query, or without it the team of
        the client's key. `spend` is what the team has spent in the present window of its budget; without a
        budget, what it has ever spent (in USD; only stored usage counts, so it is 0.0 if none is stored). The
        lists `keys` and `team_memberships` are always empty. Raises RequestFailed: 404 if there is no such
        team, if the client may not see it, or if neither the query nor the key names a team; 503 if the store
        of usage fails.
        """
        name, info = await self._holder(request, "team", "teams")
        told = {"team_id": name, "team_alias": name, **info}
        answer = {"team_id": name, "team_info": told, "keys": [], "team_memberships": []}
        await client.answer(200, (), encode(answer))

    async def _holder(
        self, request: HttpRequest, subject: Subject, kind: RowKind
    ) -> tuple[str, dict[str, Any]]:
        name = request.query.get(f"{subject}_id") or getattr(request.caller, subject)
        found = None if name is None else self._directory.holder(kind, name)
        if name is None or found is None or not self._admits(request.caller, subject, name):
            raise _missing(subject)
        told = await self._told(subject, name, found)
        return name, {**told, "organization_id": self._directory.tenant_of(found)}

    @property
    def _directory(self) -> Directory:
        following = self._gateway.following
        return Directory(declared_of(self._gateway.config)) if following is None else following.directory

    def _name_of(self, stated: str | None, caller: Caller) -> str | None:
        """Return the name of the key that a query means. stated: a key, or the name of a key; None = the
        client's own key. The result is None if the gateway has no such key, or if `stated` is a disabled key
        and not its name.
        """
        if stated is None or stated == caller.name:
            return caller.name
        named = self._gateway.client_keys.name_of(stated)
        if named is not None:
            return named
        return stated if self._find(stated) is not None else None

    def _find(self, name: str) -> ClientKey | KeyEntry | None:
        for key in self._gateway.config.auth.keys:
            if key.client == name:
                return key
        return self._directory.key(name)

    def _admits(self, caller: Caller, subject: Subject, name: str) -> bool:
        own = {"key": caller.name, "user": caller.user, "team": caller.team}
        if own[subject] == name or not caller.scopes.isdisjoint({"read", "admin"}):
            return True
        if not caller.scopes_in_tenant:
            return False
        if subject == "key":
            return tenant_of_client(self._gateway, name) == caller.tenant
        found = self._directory.holder("users" if subject == "user" else "teams", name)
        return found is not None and self._directory.tenant_of(found) == caller.tenant

    async def _told(
        self, subject: Subject, name: str, found: ClientKey | KeyEntry | Permitted
    ) -> dict[str, Any]:
        """Return the fields that keys, users and teams have in common. name: of the key, user or team, whose
        entry is `found`. `spend` is what was spent in the present window of the budget (`_budget`); without a
        budget, what was ever spent; both in USD, and as far as usage is stored. Raises RequestFailed (503) if
        the store of usage fails.
        """
        try:
            limits, unreadable = limits_of(found.limits, name, subject) if found.limits else (), False
        except UnreadableLimits:
            limits, unreadable = (), True  # its requests are refused (`Directory.find`)
        budget = _budget(limits)
        now = self._gateway.seams.now()
        window = span(
            "lifetime" if budget is None else budget.window, 1 if budget is None else budget.every, now
        )
        ends = None if budget is None or budget.window == "lifetime" else utc(window.ends)
        most = None if budget is None else budget.most / NANO
        return {
            "spend": await self._spent(subject, name, window.start, now),
            "max_budget": most if budget is not None and budget.hard else None,
            "soft_budget": most if budget is not None and not budget.hard else None,
            "budget_duration": None if budget is None else _duration(budget),
            "budget_reset_at": ends,
            "tpm_limit": _rate(limits, "tokens"),
            "rpm_limit": _rate(limits, "requests"),
            "max_parallel_requests": _rate(limits, "concurrency"),
            "models": list(found.models or ()),
            "metadata": found.metadata,
            "blocked": found.disabled or unreadable,
        }

    async def _spent(self, subject: Subject, name: str, begin: float, now: float) -> float:
        """Return what the key, user or team of this name has spent from `begin` until `now` (Unix seconds),
        in USD; 0.0 if the gateway stores no usage. Usage of an earlier user or team with the same name does
        not count. Raises RequestFailed (503) if the store of usage fails.
        """
        store, again = self._gateway.usage, self._directory.again(subject, name)
        if store is None:
            return 0.0
        of: Dimension = "key" if subject == "key" else "user" if subject == "user" else "team"
        since = 0.0 if again is None else again.since
        query = Query(begin=int(begin), end=int(now) + 1, not_before=since, only={of: text(name)})
        report = await reachable(store.report(query, now))
        return float(report.total["cost"] / NANO)


def _budget(limits: Sequence[Limit]) -> Limit | None:
    """Return the hard limit on money with the longest window, or, if there is no hard one, the soft one with
    the longest window; None = there is none. Limits for certain models are ignored.
    """
    found = [one for one in limits if one.resource == "money" and one.models is None]
    return max(found, key=lambda one: (one.hard, _seconds(one.window, one.every)), default=None)


def _seconds(window: Window | None, every: int) -> float:
    if window is None or window == "lifetime":
        return inf
    return _MONTH if window == "month" else SECONDS[window] * every


def _duration(budget: Limit) -> str | None:
    letter = _WINDOWS.get(budget.window)
    return None if letter is None else f"{budget.every}{letter}"


def _rate(limits: Sequence[Limit], resource: str) -> int | None:
    """Return the size of the hard limit on a resource for one minute (for `concurrency`: on requests at
    once). If there are several, the smallest counts; None = there is none. Limits for certain models are
    ignored.
    """
    found = [
        one.most
        for one in limits
        if one.resource == resource and one.hard and one.models is None
        if one.window is None or (one.window == "minute" and one.every == 1)
    ]
    return min(found, default=None)


def _expires(found: ClientKey | KeyEntry) -> str | None:
    return None if found.expires is None else utc(float(found.expires))


def _missing(noun: str) -> RequestFailed:
    return RequestFailed(ir.Fault("not_found", f"There is no such {noun}.", "name_not_found", noun))
