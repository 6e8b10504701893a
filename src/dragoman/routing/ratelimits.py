"""Reads what providers state about their rate limits in headers: how much is left, when there is more, and
how long to wait (`retry-after`).

Vendors use the same few forms under many names. Resets have different units; the size of the number tells its
unit.

| form | vendors |
| --- | --- |
| `x-ratelimit-{limit,remaining,reset}-RESOURCE` | OpenAI, Azure, Groq, Cerebras, Mistral, xAI, Hugging Face |
| `x-ratelimit-{limit,remaining,reset}`, `x-tokenlimit-…` | Together, Cohere, OpenRouter |
| `anthropic-ratelimit-RESOURCE-{limit,remaining,reset}` | Anthropic |
| `ratelimit-…`, `ratelimitbysize-…` | the IETF's earlier drafts, Mistral |
| `RateLimit: "name";r=…;t=…`, `RateLimit: limit=…, remaining=…, reset=…` | the IETF's drafts, Hugging Face |

https://developers.openai.com/api/docs/guides/rate-limits, https://docs.anthropic.com/en/api/rate-limits,
https://console.groq.com/docs/rate-limits, https://inference-docs.cerebras.ai/support/rate-limits,
https://docs.together.ai/docs/rate-limits,
https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from dragoman.wire.headers import HeaderMap

LONGEST: Final = 86_400.0
"""Seconds. A later reset (of a month's budget, for example) counts as one day, because the limit may change
before.
"""
_SCARCE: Final = 0.05
"""A fraction of a limit. If less is left of the limit, it may be too little for a single request."""
_GUESSED: Final = 60.0
"""The most seconds for which a key rests because of a limit that is scarce (`_SCARCE`) but not used up."""
_MILLISECONDS: Final = 1e11
"""A number from here on is milliseconds since 1970; from `_SECONDS` on it is seconds since 1970."""
_SECONDS: Final = 1e9
_QUOTA: Final = re.compile(
    r"(?:x-)?(?P<family>ratelimit(?:bysize)?|tokenlimit)-(?P<what>limit|remaining|reset)(?P<resource>-[\w-]+)?"
    r"|anthropic-(?P<tier>(?:\w+-)?)ratelimit-(?P<named>[\w-]+)-(?P<said>limit|remaining|reset)"
)
_DURATION: Final = re.compile(
    r"(?=.)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)
_UNITS: Final = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_SPECIAL: Final = ("image", "audio", "character", "page", "search", "priority", "fast")
"""Parts of the names of resources that only some requests for a model need, or that no request needs: beyond
Anthropic's priority tier, for example, requests are served in the standard tier.
"""


class Quota(msgspec.Struct, frozen=True):
    """One limit of a provider. limit, remaining: how much there is in all and how much is left, in the
    resource's unit. reset: seconds until there is more, at most a day. Each is None if it is not stated, or
    unreadable.
    """

    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None

    @property
    def share(self) -> float | None:
        """The fraction of the limit that is left, 0 to 1; None = unknown. If nothing is left, it is 0, also
        if the limit is not stated. But a limit of 0 counts as unknown: a provider may state it for an account
        that has no limit of this kind.
        """
        if self.remaining is None or self.limit == 0:
            return None
        if self.remaining <= 0:
            return 0.0
        return None if not self.limit else min(1.0, self.remaining / self.limit)


def quotas(headers: Mapping[str, str], now: float) -> dict[str, Quota]:
    """Return the limits in the headers (names in any case) of a response, by the resource's name in the
    header ("requests", "tokens-minute"); "" = the header names no resource. A reset without a resource counts
    for each resource that does not state its own (Together). now: Unix seconds, for resets that are stated as
    a point in time.
    """
    said: dict[str, dict[str, float]] = {}
    for written, value in headers.items():
        name = written.lower()
        if name == "ratelimit":
            for resource, items in _items(value):
                said.setdefault(resource, {}).update(items)
        elif (found := _QUOTA.fullmatch(name)) is not None:
            what = found["what"] or found["said"]
            number = seconds(value, now) if what == "reset" else _count(value)
            if number is not None:
                family = "" if found["family"] in {"ratelimit", None} else found["family"]
                resource = (found["tier"] or "") + (found["named"] or family + (found["resource"] or ""))
                said.setdefault(resource.strip("-"), {})[what] = number
    if (reset := said.get("", {}).get("reset")) is not None:
        for items in said.values():
            items.setdefault("reset", reset)
    return {resource: Quota(**items) for resource, items in said.items()}


def hints(headers: Mapping[str, str]) -> bool:
    """Whether headers may say that a limit is used up: a value is a plain 0, or there is a `ratelimit` header
    of the drafts. headers: with lower-case names. Most answers have neither, and this test is much faster
    than reading the limits.
    """
    if isinstance(headers, HeaderMap):
        return b"0" in headers.raw.values() or b"ratelimit" in headers.raw
    return "0" in headers.values() or "ratelimit" in headers


def spent(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds for which an answer's headers say that no requests or tokens are left: until the
    latest reset of the limits that are used up, at most a day. None = no limit is used up, or the headers do
    not say for how long. Limits of special resources (`_SPECIAL`) do not count. `retry-after` does not count:
    Anthropic's answers have it also while enough is left. now: Unix seconds.
    """
    ends = [
        quota.reset
        for resource, quota in quotas(headers, now).items()
        if quota.share == 0.0 and quota.reset is not None and not any(word in resource for word in _SPECIAL)
    ]
    return max(ends, default=None)


def rest(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds, at most a day, for which a key that was refused with 429 is to rest; None = the
    headers do not say. now: Unix seconds.

    `retry-after-ms` and `retry-after` (seconds or a date) come first. Without them, the key rests until the
    latest reset of the limits that are used up and state one. If there is none, the limits with less than
    `_SCARCE` left may be the reason: the key rests until the earliest of their resets, but at most a minute,
    because another limit may be the reason. If there is only one limit, and the headers do not say how much
    is left of it, the key rests until its reset.
    """
    stated = {name.lower(): value for name, value in headers.items()}
    if (pause := _number(stated.get("retry-after-ms"))) is not None:
        return _bounded(pause / 1000)
    if (pause := retry_after(stated.get("retry-after"), now)) is not None:
        return pause
    limits = list(quotas(stated, now).values())
    found = [(quota.share, quota.reset) for quota in limits if quota.reset is not None]
    if spent := [reset for share, reset in found if share == 0.0]:
        return max(spent)
    if scarce := [reset for share, reset in found if share is not None and share < _SCARCE]:
        return min(_GUESSED, *scarce)
    return limits[0].reset if len(limits) == 1 and limits[0].remaining is None else None


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds to wait that a `retry-after` header states, as a number or a date (RFC 9110,
    10.2.3); at most a day, and 0 for a date in the past. None = there is no header, or it is unreadable. now:
    Unix seconds.
    """
    if value is None:
        return None
    if (number := _number(value)) is not None:
        return _bounded(number)
    try:
        return _bounded(parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def seconds(value: str, now: float) -> float | None:
    """Return the seconds from `now` (Unix seconds) until a reset, at most a day; 0 for a time in the past.
    value: a duration (`6m0s`, `12ms`), a number of seconds, a time as RFC 3339 with its offset from UTC, or
    seconds or milliseconds since 1970. None = the value is unreadable or a negative number.
    """
    value = value.strip()
    if (number := _number(value)) is not None:
        if number >= _MILLISECONDS:
            return _bounded(number / 1000 - now)
        return _bounded(number - now if number >= _SECONDS else number)
    if (found := _DURATION.fullmatch(value)) is not None:
        return _bounded(
            sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part)
        )
    try:
        moment = datetime.fromisoformat(value)
        return None if moment.tzinfo is None else _bounded(moment.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _items(value: str) -> Iterable[tuple[str, dict[str, float]]]:
    """Yield (resource, {"limit", "remaining" or "reset": number}) for each limit in a header `RateLimit` of
    the drafts: `"minute";r=50;t=30` (r = remaining, t = reset), or `remaining=50, reset=30` (with the
    resource ""). Members that are unreadable are missing.
    """
    words = dict(item.strip().partition("=")[::2] for item in value.split(","))
    if "remaining" in words:
        told = {what: _stated(what, words[what]) for what in ("limit", "remaining", "reset") if what in words}
        yield "", {what: number for what, number in told.items() if number is not None}
        return
    for item in value.split(","):
        name, *parameters = item.split(";")
        found: dict[str, float] = {}
        for parameter in parameters:
            key, _, number = parameter.partition("=")
            what = _PARAMETERS.get(key.strip())
            if what is not None and (said := _stated(what, number)) is not None:
                found[what] = said
        yield name.strip().strip('"'), found


_PARAMETERS: Final = {"r": "remaining", "t": "reset"}


def _stated(what: str, value: str) -> float | None:
    number = _number(value)
    return _bounded(number) if what == "reset" and number is not None else number


def _number(value: str | None) -> float | None:
    """Return a number of at least 0; None = the text is not a number, is negative, or is not finite."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _count(value: str) -> float | None:
    """Return the number before the first comma in a header that states a limit or how much is left of it;
    None = this is not a number, or it is negative (Azure's -1 = unknown).
    """
    return _number(value.partition(",")[0])


def _bounded(pause: float) -> float:
    return min(max(pause, 0.0), LONGEST)
