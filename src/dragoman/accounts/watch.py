"""Tells operators that a limit is nearly used up, or is reached, and counts how many requests each limit has
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil, inf
from typing import Final, Literal, NamedTuple, TypeAlias

from dragoman.accounts.ledger import Refused
from dragoman.accounts.limits import Claim, Standing
from dragoman.accounts.told import amount_of, date, is_budget, whose
from dragoman.state.counters import windowless

Kind: TypeAlias = Literal["limit_warning", "limit_reached"]
_MOST: Final = 10_000
"""The most counters whose refusals are counted, and the most events that are remembered as told."""
_HOUR: Final = 3_600
_HOURS: Final = 24


class LimitEvent(NamedTuple):
    """An event that an operator should know about a limit. kind: "limit_warning" = the limit is nearly used
    up; "limit_reached" = the limit refuses requests, or a soft limit is exceeded. limit: its name. whose:
    "key ci-agent"; "" = all requests together. counted: the size of the limit: "60 requests per minute".
    message: a clause for people.
    """

    kind: Kind
    limit: str
    whose: str
    counted: str
    message: str


class Watch:
    """Tells operators of the events of limits in one process, and counts how many requests limits refuse."""

    def __init__(self) -> None:
        self.tell: Callable[[LimitEvent], None] | None = None
        """Called with each event, usually once for each kind of event and each window of a counter; if the
        window never ends, or the limit has no window, about once an hour. None = nobody is told.
        """
        self._told: dict[tuple[Kind, str], float] = {}
        """{(kind, name of the counter): until when the event is not told again, in Unix seconds}."""
        self._refusals: dict[str, dict[int, int]] = {}
        """{result of `windowless`: {hours since 1970: how many requests were refused}}."""

    def refused(self, refused: Refused, now: float) -> None:
        """Count that a limit has refused a request, and tell operators that the limit is reached (see
        `tell`). Operators are not told if the refused claim is larger than the whole limit, or has the amount
        0. now: Unix seconds.
        """
        claim = refused.claim
        place = windowless(claim.counter)
        if place not in self._refusals and len(self._refusals) >= _MOST:
            self._refusals.clear()
        hours = self._refusals.setdefault(place, {})
        hour = int(now) // _HOUR
        hours[hour] = hours.get(hour, 0) + 1
        for old in [one for one in hours if one <= hour - _HOURS]:
            del hours[old]
        if 0 < claim.amount <= claim.limit.most:
            self._once("limit_reached", claim, refused.standing, now)

    def refusals(self, now: float) -> dict[str, int]:
        """Return how many requests this process has refused in the present hour and the 23 hours before, by
        the limit and the subject that it counts: {name of a counter without its window: requests}. A counter
        that has refused nothing is missing. All counts begin again from 0 when more than 10,000 such counters
        have refused. now: Unix seconds.
        """
        earliest = int(now) // _HOUR - _HOURS
        found = {
            place: sum(count for hour, count in hours.items() if hour > earliest)
            for place, hours in self._refusals.items()
        }
        return {place: count for place, count in found.items() if count}

    def warning(self, claims: Iterable[Claim], standing: Callable[[str], Standing], now: float) -> str | None:
        """Return the text of the header `x-dragoman-warning` for an answer; None = the answer gets no
        warning. Tell operators of each limit that is reached or warns (see `tell`).

        A soft limit is reached if it is exceeded. A limit warns if the used and reserved amounts have come to
        the part `warn_at` of its size, such as 0.8. The text names only the limit of which the largest part
        is used or reserved; characters that are not ASCII are escaped. claims: on the counters to look at.
        standing: `Ledger.standing`; it has to include what this request has reserved. now: Unix seconds.
        """
        worst, most = None, -1.0
        for claim in claims:
            limit = claim.limit
            if limit.warn_at is None and limit.hard:
                continue
            found = standing(claim.counter)
            taken = found.used + found.reserved
            reached = not limit.hard and taken > limit.most
            if reached or (limit.warn_at is not None and taken >= limit.warn_at * limit.most):
                self._once("limit_reached" if reached else "limit_warning", claim, found, now)
                share = taken / limit.most if limit.most else inf
                if share > most:
                    worst, most = _sentence(claim, found), share
        return None if worst is None else worst.encode("ascii", "backslashreplace").decode()

    def _once(self, kind: Kind, claim: Claim, standing: Standing, now: float) -> None:
        place = kind, claim.counter
        if self.tell is None or self._told.get(place, 0.0) > now:
            return
        if len(self._told) >= _MOST:
            self._told = {one: ends for one, ends in self._told.items() if now < ends < inf}
            if len(self._told) >= _MOST:
                self._told.clear()
        # Operators are told again of a limit without a window after an hour.
        self._told[place] = now + _HOUR if claim.ends == inf else claim.ends
        limit = claim.limit
        self.tell(
            LimitEvent(
                kind,
                limit.name,
                whose(claim).removeprefix(" of "),
                amount_of(limit),
                _sentence(claim, standing),
            )
        )


def _sentence(claim: Claim, standing: Standing) -> str:
    """Return a clause for people: the limit, how much of it is used, and the end of the window if it has one:
    "the limit burst (60 requests per minute) is 90 % used, until 2026-01-01T00:01:00Z".
    """
    limit = claim.limit
    taken = standing.used + standing.reserved
    share = f"{min(999, taken * 100 // limit.most)} %" if limit.most else "100 %"
    kind = "budget" if is_budget(limit) else "limit"
    text = f"the {kind} {limit.name}{whose(claim) if ' ' not in limit.name else ''} ({amount_of(limit)}) is"
    text += f" {share} used"
    return text if claim.ends == inf else f"{text}, until {date(ceil(claim.ends))}"
