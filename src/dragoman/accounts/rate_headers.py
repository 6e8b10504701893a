"""Writes the headers of an answer that tell the client how much its limits leave.

Sources: https://platform.openai.com/docs/guides/rate-limits (headers `x-ratelimit-*`),
https://docs.anthropic.com/en/api/rate-limits (`anthropic-ratelimit-*`), and, for all other protocols,
https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06 (`ratelimit-*`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil, inf
from typing import Final, Literal, TypeAlias

from dragoman.accounts.limits import Claim, Standing
from dragoman.accounts.told import date, lasting
from dragoman.state.counters import Resource

Form: TypeAlias = Literal["openai", "anthropic", "standard"]
"""The form in which a protocol's headers show limits."""
FORMS: Final[Mapping[str, Form]] = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "openai_completions": "openai",
    "cursor": "openai",
    "anthropic": "anthropic",
}
"""{name of a protocol: form of its headers}; each protocol that is missing has the form `standard`."""
_TOKENS: Final[tuple[Resource, ...]] = ("tokens", "input_tokens", "output_tokens")


class _Group:
    """Writes one group of headers (limit, remaining, reset). They show the one limit that leaves least.
    claims: one on each limit of the group; at least one. names: the names of the three headers. until: makes
    the value of the reset header from the end of the window and the present time (Unix seconds).
    """

    __slots__ = ("_remaining", "_reset", "_rows", "_until", "_untils")

    def __init__(
        self, claims: Sequence[Claim], names: tuple[str, str, str], until: Callable[[float, float], str]
    ) -> None:
        limit, remaining, reset = (name.encode() for name in names)
        self._remaining, self._reset, self._until = remaining, reset, until
        self._rows = [
            (claim.limit.most, claim.counter, claim.ends, (limit, b"%d" % claim.limit.most))
            for claim in claims
        ]
        self._untils: dict[float, tuple[int, tuple[bytes, bytes]]] = {}
        """{end of a window: (the seconds until then, the reset header that was last made for them)}."""

    def add(self, onto: list[tuple[bytes, bytes]], standing: Callable[[str], Standing], now: float) -> None:
        """Add the headers to the list `onto`. The reset header is left out if the limit's window never ends.
        standing, now: as in `RateHeaders.add`.
        """
        tightest, least = self._rows[0], inf
        for row in self._rows:
            used, reserved = standing(row[1])
            left = row[0] - used - reserved
            if left < least:
                tightest, least = row, left
        _, _, ends, limit = tightest
        remaining = self._remaining, b"%d" % least if least > 0 else b"0"
        if ends == inf:
            onto += limit, remaining
            return
        seconds = ceil(ends - now)
        known = self._untils.get(ends)
        if known is None or known[0] != seconds or seconds <= 1:
            known = self._untils[ends] = seconds, (self._reset, self._until(ends, now).encode())
        onto += limit, remaining, known[1]


class RateHeaders:
    """Writes the headers that show the limits of an exchange, in one form. Each group of headers shows the
    limit that leaves least; a group without a claim is not written. `anthropic` has a group for each of
    `requests`, `tokens`, `input_tokens` and `output_tokens`. `openai` has one group for requests, and one for
    tokens of all kinds. `standard` has one group: for requests, or for tokens of all kinds if no claim is on
    a limit of requests. claims: one on each limit to show. Those on money and concurrency are ignored, and so
    are the amounts of all claims.
    """

    __slots__ = ("_groups",)

    def __init__(self, form: Form, claims: Iterable[Claim]) -> None:
        of: dict[Resource, list[Claim]] = {}
        for claim in claims:
            of.setdefault(claim.limit.resource, []).append(claim)
        requests = of.get("requests", [])
        tokens = [claim for resource in _TOKENS for claim in of.get(resource, ())]
        groups: list[tuple[Sequence[Claim], tuple[str, str, str]]]
        if form == "anthropic":
            resources: tuple[Resource, ...] = ("requests", *_TOKENS)
            groups = [(of.get(one, []), _anthropic(one)) for one in resources]
        elif form == "standard":  # it has one limit: the one on requests, else the tightest one on tokens
            groups = [(requests or tokens, ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"))]
        else:
            groups = [(requests, _openai("requests")), (tokens, _openai("tokens"))]
        self._groups = [_Group(found, names, _UNTIL[form]) for found, names in groups if found]

    def add(
        self, onto: list[tuple[bytes, bytes]], standing: Callable[[str], Standing], now: float
    ) -> list[tuple[bytes, bytes]]:
        """Add the headers to the list `onto`, and return this list. A window that never ends has no reset
        header. standing: returns (used, reserved) for the name of a counter, as `Ledger.standing` does. now:
        Unix seconds.
        """
        for group in self._groups:
            group.add(onto, standing, now)
        return onto


def _openai(what: str) -> tuple[str, str, str]:
    return f"x-ratelimit-limit-{what}", f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}"


def _anthropic(resource: str) -> tuple[str, str, str]:
    name = f"anthropic-ratelimit-{resource.replace('_', '-')}"
    return f"{name}-limit", f"{name}-remaining", f"{name}-reset"


_UNTIL: Final[Mapping[Form, Callable[[float, float], str]]] = {
    "openai": lambda ends, now: lasting(ends - now),
    "anthropic": lambda ends, _: date(ends),
    "standard": lambda ends, now: str(max(0, ceil(ends - now))),
}
