"""Reads what providers say about their rate limits in headers: what is left, and when there is more.

Vendors use the same few forms under many names; the units differ, and are told by the values themselves:

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
"""Seconds. A reset that is later, as of a month's budget, counts as a day: what it says may change before."""
_SCARCE: Final = 0.05
"""The part of a limit that a single request may need."""
_GUESSED: Final = 60.0
"""Seconds for which a key rests at most if no limit is used up."""
_MILLISECONDS: Final = 1e11
"""From here on a number is milliseconds since 1970, and from `_SECONDS` on it is seconds."""
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
"""Parts of the names of resources that only some requests for a model need, or that none needs: Anthropic
serves what is beyond its priority tier in the standard one.
"""


class Quota(msgspec.Struct, frozen=True):
    """One limit of a provider. limit, remaining: how much in all and how much is left, in the resource's
    unit. reset: seconds until there is more. Each is None if it is not stated, or unreadable.
    """

    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None

    @property
    def share(self) -> float | None:
        """The part of the limit that is left, 0 to 1; None = unknown. A limit of 0 counts as unknown: a
        provider may state it for an account that has no limit of this kind.
        """
        if self.remaining is None or self.limit == 0:
            return None
        if self.remaining <= 0:
            return 0.0
        return None if not self.limit else min(1.0, self.remaining / self.limit)


def quotas(headers: Mapping[str, str], now: float) -> dict[str, Quota]:
    """The limits that the headers (names in any case) of a response state, by resource; "" has no name.

    now: Unix seconds, for resets that are a time. A reset without a resource is that of each resource that
    states none itself (Together).
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
    """Whether headers may say that a limit is used up. Most answers do not, and this is found much faster
    than the limits can be read: one of the values has to be a plain 0, or there is a header of the drafts.
    """
    if isinstance(headers, HeaderMap):
        return b"0" in headers.raw.values() or b"ratelimit" in headers.raw
    return "0" in headers.values() or "ratelimit" in headers


def spent(headers: Mapping[str, str], now: float) -> float | None:
    """For how many seconds, as an answer forecasts, nothing is left of the requests or tokens; None = there
    is some left, or the headers do not say for how long. `retry-after` says nothing here: Anthropic's answers
    have it also while there is enough left.
    """
    ends = [
        quota.reset
        for resource, quota in quotas(headers, now).items()
        if quota.share == 0.0 and quota.reset is not None and not any(word in resource for word in _SPECIAL)
    ]
    return max(ends, default=None)


def rest(headers: Mapping[str, str], now: float) -> float | None:
    """For how many seconds a key that was refused with 429 is to rest; None = the headers do not say.

    `retry-after-ms` and `retry-after` (seconds or a date) count first. Without them, the key rests until the
    latest reset of the limits that are used up. If none is used up, a limit of which hardly anything is left
    may be the reason, as a request may need more than that: the key rests until its reset, but for a minute
    at most, because another limit may have been reached.
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


def least(quotas_: Iterable[Quota]) -> float | None:
    """The smallest part that is left of any limit, 0 to 1; None = nothing is known."""
    return min((share for quota in quotas_ if (share := quota.share) is not None), default=None)


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds to wait that a header `retry-after` states, as a number or as a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if (number := _number(value)) is not None:
        return _bounded(number)
    try:
        return _bounded(parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def seconds(value: str, now: float) -> float | None:
    """The seconds from `now` (Unix seconds) until a reset: a duration (`6m0s`, `12ms`), a number of seconds,
    a time as RFC 3339, or as seconds or milliseconds since 1970; None = unreadable, or -1.
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
    """The limits in a header `RateLimit` of the drafts: `"minute";r=50;t=30`, or `remaining=50, reset=30`."""
    words = dict(item.strip().partition("=")[::2] for item in value.split(","))
    if "remaining" in words:
        told = {what: _number(words[what]) for what in ("limit", "remaining", "reset") if what in words}
        yield "", {what: number for what, number in told.items() if number is not None}
        return
    for item in value.split(","):
        name, *parameters = item.split(";")
        found: dict[str, float] = {}
        for parameter in parameters:
            key, _, number = parameter.partition("=")
            what = _PARAMETERS.get(key.strip())
            if what is not None and (said := _number(number)) is not None:
                found[what] = said
        yield name.strip().strip('"'), found


_PARAMETERS: Final = {"r": "remaining", "t": "reset"}


def _number(value: str | None) -> float | None:
    """A number of at least 0; None = it is none, is negative, or is not finite."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _count(value: str) -> float | None:
    """What is left, or a limit: Azure's -1 means that it is unknown."""
    return _number(value.partition(",")[0])


def _bounded(pause: float) -> float:
    return min(max(pause, 0.0), LONGEST)
