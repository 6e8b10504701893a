"""Finds the limits that apply to an exchange or an attempt, and makes the claims on the counters of these
limits. `Limits` is made once for a configuration, and caches the limits of a caller and a model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import inf
from typing import Final, TypeAlias

from dragoman.accounts.bound import Bound
from dragoman.accounts.caller import Caller
from dragoman.accounts.grants import LONGEST_NAME, Grants, remember
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.limits import OF_ATTEMPTS, Claim, Limit, Subject
from dragoman.accounts.rate_headers import Form, RateHeaders
from dragoman.accounts.windows import prefix_of
from dragoman.state.counters import Resource, span

_Place: TypeAlias = tuple[int, tuple[str, ...], str | None, str]
"""The arguments of `Limits.found`, with the caller by its `id()`."""
_MOST_REMEMBERED: Final = 4_096
_MOST_HELD: Final = 100_000
_OF_REQUESTS: Final = frozenset[Resource]({"requests", "concurrency"})
_OF_TOKENS: Final = frozenset[Resource]({"tokens", "input_tokens", "output_tokens"})
_UNTOLD: Final = frozenset[Resource]({"money", "concurrency"})
"""The resources that `RateHeaders` do not show. They do not show soft limits either, because clients slow
down when nothing remains.
"""
_new: Final = tuple.__new__
"""Makes a `Claim` without a call of Python code: each request makes some."""
_INVENTED: Final = frozenset[Subject]({"end_user", "tag", "address"})
"""The subjects whose names are known only from the request itself."""
_EVERYBODY: Final = "*"


class Row:
    """One limit for one subject that it counts: a key, a tag, …. value: the name under which the subject is
    counted.
    """

    __slots__ = ("limit", "prefix", "value")

    def __init__(self, limit: Limit, value: str) -> None:
        self.limit = limit
        self.value = value
        self.prefix = prefix_of(limit, value)
        """The beginning of the names of its counters (`windows.prefix_of`)."""

    def claim(self, amount: int, now: float) -> tuple[float, Claim]:
        """Return (the start of the window that contains `now`, a claim of `amount` on the counter of that
        window). The start and `now` are in Unix seconds.
        """
        start, ends = span(self.limit.window, self.limit.every, now)
        return start, Claim(self.limit, f"{self.prefix}{start:.0f}", ends, amount)


class _Windows:
    """The claims of one `Found` on the counters of the windows that contain one moment.

    start, ends: Unix seconds; all windows contain each moment from `start` on and before `ends`. requests:
    claims with the amount 1 on the limits of `requests` and `concurrency`. tokens, money: claims with the
    amount 0; a request copies them with its amounts. every: a claim with the amount 0 for each limit. told:
    the claims in `every` on limits that headers show. headers: {form: writer of these headers}. bounds:
    {ledger: what `Ledger.bind` has returned for `every`}.
    """

    __slots__ = ("bounds", "ends", "every", "headers", "money", "requests", "start", "tokens", "told")

    def __init__(self, found: Found, now: float) -> None:
        claims = [(row, *row.claim(0, now)) for row in found.rows]
        self.start = max((start for _, start, _ in claims), default=-inf)
        self.ends = min((claim.ends for _, _, claim in claims), default=inf)
        self.every = [claim for _, _, claim in claims]
        self.requests = [one._replace(amount=1) for one in self.every if one.limit.resource in _OF_REQUESTS]
        self.tokens = [one for one in self.every if one.limit.resource in _OF_TOKENS]
        self.money = [one for one in self.every if one.limit.resource == "money"]
        self.told = [one for one in self.every if one.limit.hard and one.limit.resource not in _UNTOLD]
        self.headers: dict[Form, RateHeaders] = {}
        self.bounds: dict[Ledger, Bound | None] = {}


class Found:
    """The limits that apply to a caller and a model, or to a deployment. rows: the limits whose subject is
    known, also in the groups `requests`, `tokens` and `money`. invented: the limits whose subject only the
    request itself names, such as a tag; it is not known yet whether they apply, so the other attributes
    ignore them, except `by_address`.

    measures: whether any limit counts tokens or money. by_address: whether any limit of `invented` counts
    addresses. refusing: a limit of money that refuses requests whose price is not known; None = there is
    none. watched: whether any limit is soft, or warns before it is reached.
    """

    __slots__ = (
        *("_windows", "by_address", "invented", "measures", "money", "refusing", "requests", "tokens"),
        "watched",
    )

    def __init__(self, rows: Iterable[Row], invented: Sequence[Limit] = ()) -> None:
        rows = tuple(rows)
        self.requests = tuple(row for row in rows if row.limit.resource in _OF_REQUESTS)
        self.tokens = tuple(row for row in rows if row.limit.resource in _OF_TOKENS)
        self.money = tuple(row for row in rows if row.limit.resource == "money")
        self.measures = bool(self.tokens or self.money)
        self.invented = tuple(invented)
        self.by_address = any(limit.subject == "address" for limit in self.invented)
        self.refusing = next((row.limit for row in self.money if row.limit.unknown_price == "refuse"), None)
        self.watched = any(row.limit.warn_at is not None or not row.limit.hard for row in rows)
        self._windows: _Windows | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        return (*self.requests, *self.tokens, *self.money)

    def windows(self, now: float) -> _Windows:
        """Return the claims on the windows that contain `now` (Unix seconds)."""
        windows = self._windows
        if windows is None or not windows.start <= now < windows.ends:
            windows = self._windows = _Windows(self, now)
        return windows


class Applied:
    """The limits of one exchange or one attempt. All claims are on the windows that contain one moment: the
    `now` of the first call of a method that has this argument; later values of `now` do not matter. Limits
    that `join` has added have such a moment of their own.
    """

    __slots__ = ("_found", "_joined", "_windows", "measures", "watched")

    def __init__(self, found: Found) -> None:
        self._found = found
        self._joined: tuple[Applied, ...] = ()
        """The limits of other models to which the exchange has turned (`join`)."""
        self._windows: _Windows | None = None
        self.measures = found.measures
        """Whether any limit counts tokens or money."""
        self.watched = found.watched
        """Whether a limit is soft, or warns before it is reached."""

    def beyond(self, other: Applied) -> Applied | None:
        """Return those limits of this object that `other` does not have; None = `other` has all of them.
        Limits that `other` got by `join` count as its own; those that this object got by `join` are never in
        the result.
        """
        known = {row.prefix for one in (other, *other._joined) for row in one._found.rows}
        rows = [row for row in self._found.rows if row.prefix not in known]
        return Applied(Found(rows)) if rows else None

    def join(self, further: Applied) -> None:
        """Add the limits of another model to which the exchange turns. Claims of tokens and money, and
        `standing_claims`, have them from now on; `of_requests`, `counters` and `rate_headers` ignore them,
        and `bound` returns None. further: the result of `beyond`.
        """
        self._joined += (further,)
        self.measures = self.measures or further.measures
        self.watched = self.watched or further.watched

    def part(self, further: Applied) -> None:
        """Remove limits that `join` has added, because the exchange does not call their model. further: the
        object that `join` got.
        """
        self._joined = tuple(one for one in self._joined if one is not further)
        every = (self._found, *(one._found for one in self._joined))
        self.measures = any(one.measures for one in every)
        self.watched = any(one.watched for one in every)

    @property
    def counters(self) -> Collection[str]:
        """The names of the counters of these limits, without those that `join` has added; empty before the
        first call with a `now`.
        """
        return () if self._windows is None else {claim.counter for claim in self._windows.every}

    @property
    def empty(self) -> bool:
        """Whether there are no limits."""
        return not (self._found.rows or self._joined)

    @property
    def money(self) -> bool:
        """Whether any of these limits counts money."""
        return bool(self._found.money) or any(one.money for one in self._joined)

    @property
    def refusing(self) -> Limit | None:
        """A limit on money that refuses requests whose price is not known (`told.unpriced`); None = no limit
        does so.
        """
        found = self._found.refusing
        return found or next((one.refusing for one in self._joined if one.refusing), None)

    def bound(self, ledger: Ledger, now: float) -> Bound | None:
        """Return the ledger's counters for all of these limits, on which requests that are far from the
        limits reserve faster. None = other processes use the counters, too, or `join` has added limits. now:
        Unix seconds.
        """
        if self._joined:
            return None
        bounds = self._at(now).bounds
        try:
            return bounds[ledger]
        except KeyError:
            found = bounds[ledger] = ledger.bind(self._at(now).every)
            return found

    def of_requests(self, now: float) -> Sequence[Claim]:
        """Return the claims of one request on the limits of `requests` and `concurrency`, without those that
        `join` has added. now: Unix seconds.
        """
        return self._at(now).requests

    def of_tokens(self, input_tokens: int, output_tokens: int, now: float) -> list[Claim]:
        """Return the claims of one request on the limits of `tokens`, `input_tokens` and `output_tokens`,
        also on those that `join` has added. now: Unix seconds.
        """
        amounts = {
            "tokens": input_tokens + output_tokens,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
        }
        claims: list[Claim] = [
            _new(Claim, (limit, counter, ends, amounts[limit.resource]))
            for limit, counter, ends, _ in self._at(now).tokens
        ]
        for one in self._joined:
            claims += one.of_tokens(input_tokens, output_tokens, now)
        return claims

    def of_money(self, nano: int | None, now: float) -> list[Claim]:
        """Return the claims of one request on the limits of money, also on those that `join` has added.
        nano: the cost in nano-USD; None = the cost is not known, and the claims have the amount 0. now: Unix
        seconds.
        """
        amount = nano or 0
        claims: list[Claim] = [
            _new(Claim, (limit, counter, ends, amount)) for limit, counter, ends, _ in self._at(now).money
        ]
        for one in self._joined:
            claims += one.of_money(nano, now)
        return claims

    def of_usage(self, input_tokens: int, output_tokens: int, nano: int | None, now: float) -> list[Claim]:
        """Return the results of `of_tokens` and `of_money` together. nano, now: as for `of_money`."""
        return [*self.of_tokens(input_tokens, output_tokens, now), *self.of_money(nano, now)]

    def claims(self, input_tokens: int, output_tokens: int, nano: int | None, now: float) -> list[Claim]:
        """Return all claims of one request: the results of `of_requests` and `of_usage` together. nano, now:
        as for `of_money`.
        """
        return [*self.of_requests(now), *self.of_usage(input_tokens, output_tokens, nano, now)]

    def standing_claims(self, now: float) -> Sequence[Claim]:
        """Return a claim with the amount 0 for each limit, also for those that `join` has added, to look at
        the limits' counters. now: Unix seconds.
        """
        if not self._joined:
            return self._at(now).every
        every = [self, *self._joined]
        return [claim for one in every for claim in one._at(now).every]

    def rate_headers(self, form: Form, now: float) -> RateHeaders:
        """Return the writer of the headers that show these limits: only hard limits of requests and tokens,
        without those that `join` has added. form: which headers (see `RateHeaders`). now: Unix seconds.
        """
        windows = self._at(now)
        if (found := windows.headers.get(form)) is None:
            found = windows.headers[form] = RateHeaders(form, windows.told)
        return found

    def _at(self, now: float) -> _Windows:
        """Return the claims on the windows of the first call. If this is the first call: on the windows that
        contain `now` (Unix seconds).
        """
        windows = self._windows
        if windows is None:
            windows = self._windows = self._found.windows(now)
        return windows


def charged(
    claims: Iterable[Claim], input_tokens: int, output_tokens: int, nano: int | None, requests: int = 1
) -> dict[str, int]:
    """Return {name of the counter: used amount} for the counters of these claims, as `Ledger.settle` needs
    it; counters of `concurrency` are left out. nano: the cost in nano-USD; None = unknown, which counts as 0.
    requests: 0 = the request itself does not count.
    """
    amounts: Mapping[Resource, int] = {
        "requests": requests,
        "money": nano or 0,
        "tokens": input_tokens + output_tokens,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
    }
    return {
        counter: amounts[limit.resource]
        for limit, counter, _, _ in claims
        if limit.resource in amounts  # which `concurrency` is not
    }


def _is_of_some(limit: Limit) -> bool:
    """Whether a limit counts certain models only, or counts each model separately."""
    return limit.subject == "model" or limit.models is not None


class Limits:
    """The general limits of one configuration (`all` has them), and the limits that apply to its requests.
    Limits that are stated at a key, a user, a team or a tenant are not among the general ones: they come with
    the caller (`Caller.limits`).
    """

    def __init__(self, limits: Iterable[Limit] = ()) -> None:
        stated = tuple(limits)
        self.all = stated
        self._of_exchanges = tuple(one for one in stated if one.subject not in OF_ATTEMPTS)
        self._of_attempts = tuple(one for one in stated if one.subject in OF_ATTEMPTS)
        self._measures_others = any(
            one.resource not in _OF_REQUESTS and _is_of_some(one) for one in self._of_exchanges
        ) or any(one.resource not in _OF_REQUESTS for one in self._of_attempts)
        self.held: dict[Limit, None] = {}
        """The limits of the callers whose requests have come so far; emptied before there would be more than
        100,000, so that some may be missing.
        """
        self._names: dict[frozenset[str], Grants] = {}
        self._found: dict[_Place, tuple[Caller | None, Found | None]] = {}
        self._attempts: dict[str, Found | None] = {}

    def measure_others(self, caller: Caller | None) -> bool:
        """Whether fallbacks of a request may have limits of tokens or money that the requested model does not
        have. True if the configuration has such a limit on attempts, for certain models, or for each model
        separately; or if the caller has one for certain models. caller: None = the request has no caller.
        """
        if self._measures_others or caller is None:
            return self._measures_others
        return any(one.resource not in _OF_REQUESTS and one.models is not None for one in caller.limits)

    def found(
        self, caller: Caller | None, models: tuple[str, ...], asked: str | None, bare: str = ""
    ) -> Found | None:
        """Return the limits of a caller and a model; None = no limit applies. If the result has limits in
        `Found.invented`, the method `invented` finds those of them that apply to one request.

        models: the names by which the model is counted; several if the client has named a deployment
        that several models have. asked: the name that the client sent; None = it is not known, or stands
        for another model. bare: one more name of the model; "" = none. A limit for certain models
        (`Limit.models`) applies if its list has any of these names, or a pattern for one. A limit that
        counts each model separately, for certain names (`Limit.only`), is compared in the same way with
        one model; with several, it applies to those of `models` whose own name is in its list. The
        result must not be changed: it is cached.
        """
        if not self._of_exchanges and (caller is None or not caller.limits):
            return None
        place = (id(caller), models, asked, bare)
        known = self._found.get(place)
        if known is None or known[0] is not caller:
            known = caller, self._find(caller, models, {*models, asked or "", bare})
            if max(map(len, models)) <= LONGEST_NAME and len(asked or "") <= LONGEST_NAME:
                if len(self._found) >= _MOST_REMEMBERED:
                    self._found.clear()
                self._found[place] = known
        return known[1]

    def invented(
        self,
        found: Found,
        end_user: str | None,
        tags: Sequence[str],
        address: Callable[[], str | None] | None,
    ) -> Applied | None:
        """Return the limits of `found`, and those of its `invented` limits that apply to this end user, these
        tags and this address; None = no limit applies. end_user: None = the client has named none. address:
        returns the client's address as `addresses.subject_of` writes it, or None if it is not known; None in
        its place = no limit counts addresses.
        """
        where = None if address is None else address()
        invented = {
            "end_user": () if end_user is None else (end_user,),
            "tag": tuple(dict.fromkeys(tags)),
            "address": () if where is None else (where,),
        }
        rows = [
            Row(limit, value)
            for limit in found.invented
            for value in invented[limit.subject]
            if self.covers(limit, value)
        ]
        if not rows and not found.rows:
            return None
        return Applied(Found((*found.rows, *rows)))

    def of_attempt(self, deployment: str) -> Applied | None:
        """Return the limits of attempts at a deployment (`provider/model`); None = no limit applies."""
        if not self._of_attempts:
            return None
        if deployment not in self._attempts:
            provider = deployment.partition("/")[0]
            rows = [
                Row(limit, value)
                for limit in self._of_attempts
                if self.covers(limit, value := deployment if limit.subject == "deployment" else provider)
            ]
            remember(self._attempts, deployment, Found(rows) if rows else None)
            return Applied(Found(rows)) if rows else None
        found = self._attempts[deployment]
        return None if found is None else Applied(found)

    def _find(self, caller: Caller | None, models: tuple[str, ...], names: set[str]) -> Found | None:
        """Find the limits of a caller and a model, and add those of the caller to `held`. names: all names of
        the model that a limit's list of models may contain.
        """
        held = () if caller is None else caller.limits
        counted: Mapping[Subject, str] = {} if caller is None else caller.counted
        if len(self.held) + len(held) > _MOST_HELD:
            self.held.clear()
        self.held.update(dict.fromkeys(held))
        values: dict[Subject, str | None] = {"global": _EVERYBODY}
        if caller is not None:
            values |= {"key": caller.name, "user": caller.user, "team": caller.team, "tenant": caller.tenant}
        rows: list[Row] = []
        invented: list[Limit] = []
        for limit in (*self._of_exchanges, *held):
            if limit.models is not None and not self._is_one_of(limit.models, names):
                continue
            if limit.subject in _INVENTED:
                invented.append(limit)
            elif limit.subject == "model":
                others = names if len(models) == 1 else set()
                rows += [
                    Row(limit, model)
                    for model in models
                    if limit.only is None or self._is_one_of(limit.only, {model, *others})
                ]
            elif (value := values.get(limit.subject)) is not None and self.covers(limit, value):
                rows.append(Row(limit, counted.get(limit.subject, value)))
        return Found(rows, invented) if rows or invented else None

    def covers(self, limit: Limit, value: str) -> bool:
        """Whether a limit counts the subject with this name: `Limit.only` is None, or has the name or a
        pattern that matches it.
        """
        return limit.only is None or value in self._grants(limit.only)

    def _is_one_of(self, granted: frozenset[str], names: set[str]) -> bool:
        grants = self._grants(granted)
        return any(name in grants for name in names)

    def _grants(self, names: frozenset[str]) -> Grants:
        if (grants := self._names.get(names)) is None:
            if len(self._names) >= _MOST_REMEMBERED:
                self._names.clear()
            grants = self._names[names] = Grants(names)
        return grants
