"""Tells clients about their limits in words: the fault of a request that a limit refuses, parts of sentences
that name a limit, and the written forms of durations, moments and amounts. For headers see `rate_headers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil, inf
from typing import Final

from dragoman import ir
from dragoman.accounts.ledger import Refused
from dragoman.accounts.limits import NANO, Claim, Limit, Subject
from dragoman.accounts.windows import name_of
from dragoman.state.counters import Resource, read

WARNING: Final = "x-dragoman-warning"
_SOON: Final = 1.0
_OWN: Final = frozenset[Subject]({"key", "user", "team", "tenant"})
"""The subjects whose amounts a refusal tells to the client. For other subjects, which may count other
tenants, too, it tells only the size of the limit.
"""
_LONG: Final = frozenset({"day", "week", "month", "lifetime"})
"""The windows in which a limit of tokens is a budget, not a rate."""
_WORDS: Final[Mapping[Resource, str]] = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "money": "USD",
    "concurrency": "requests at once",
}
_DIGITS: Final = 13
_WHOM: Final[Mapping[Subject, str]] = {"end_user": "the end user", "address": "the address"}


def lasting(seconds: float) -> str:
    """Return a duration as a text such as "250ms", "21s", "1m3s", "2h0m5s" or "6d23h59m0s". It is rounded up,
    below a second to milliseconds, else to seconds. 0 and less = "0s".
    """
    if seconds <= 0:
        return "0s"
    thousandths = ceil(seconds * 1000)
    return f"{thousandths}ms" if thousandths < 1000 else _whole(ceil(seconds))


@lru_cache(maxsize=1024)
def _whole(left: int) -> str:
    """Return a number of seconds as a text such as "21s" or "1m3s"."""
    written = ""
    for letter, unit in (("d", 86_400), ("h", 3_600), ("m", 60)):
        amount, left = divmod(left, unit)
        if amount or written:
            written += f"{amount}{letter}"
    return f"{written}{left}s"


def date(seconds: float) -> str:
    """Return a moment in the form of RFC 3339, in UTC. seconds: Unix seconds; a part of a second is rounded
    up.
    """
    return datetime.fromtimestamp(ceil(seconds), UTC).isoformat().replace("+00:00", "Z")


def fault(refused: Refused, now: float) -> ir.Fault:
    """Return the fault for a request that a limit refuses. now: Unix seconds.

    Its kind is `quota` for a budget (`is_budget`), so that clients do not repeat the request at once; for any
    other limit `rate_limit`. Its `retry_after` is the number of seconds after which the request may succeed;
    None = it cannot succeed as long as the limit stays as it is.
    """
    limit = refused.claim.limit
    too_large = refused.claim.amount > limit.most > 0
    budget = is_budget(limit)
    wait = _wait(refused, now)
    state = "is smaller than this request" if too_large else "is used up" if budget else "is reached"
    if budget and not too_large and refused.standing.used + refused.claim.amount <= limit.most:
        state = "has no room for this request beside those that run"
    sentences = [
        f"The {_name(limit)}{whose(refused.claim)} {state}.",
        _numbers(refused, too_large=too_large),
        _when(refused, wait, too_large=too_large),
    ]
    return ir.Fault(
        "quota" if budget else "rate_limit",
        " ".join(one for one in sentences if one),
        "insufficient_quota" if budget else "rate_limit_exceeded",
        retry_after=wait,
    )


def unpriced(limit: Limit) -> ir.Fault:
    """Return the fault (kind `permission`) for a request that is refused because a limit on money applies,
    and the price of the model is not known. limit: that limit; the text names it.
    """
    return ir.Fault(
        "permission",
        f"The {_name(limit)} counts money, and the price of this model is not known (unknown_price: refuse).",
        "unknown_price",
    )


def is_budget(limit: Limit) -> bool:
    """Whether a limit is a budget, not a rate: a limit of money; of tokens in windows of days, weeks, months
    or a lifetime; or of requests in a lifetime.
    """
    if limit.resource == "concurrency":
        return False
    if limit.resource == "requests":
        return limit.window == "lifetime"
    return limit.resource == "money" or limit.window in _LONG


def amount_of(limit: Limit, amount: int | None = None) -> str:
    """Return an amount of a limit's resource in words: "60 requests", "5.00 USD". amount: in the limit's
    unit; None = the size of the limit, with its window: "60 requests per minute", "100.00 USD in all".
    """
    shown = limit.most if amount is None else amount
    text = f"{usd(shown)} USD" if limit.resource == "money" else f"{shown} {_WORDS[limit.resource]}"
    if shown == 1 and limit.resource not in ("money", "concurrency"):
        text = text.removesuffix("s")
    if amount is not None or limit.window is None:
        return text
    if limit.window == "lifetime":
        return f"{text} in all"
    return f"{text} per {limit.window}" if limit.every == 1 else f"{text} per {limit.every} {limit.window}s"


def usd(nano: int) -> str:
    """Return nano-USD (>= 0) as a text in USD, with two to six decimal places: "5.00", "0.00012". Further
    places are cut off.
    """
    whole, rest = divmod(nano, NANO)
    digits = f"{rest // 1_000:06d}".rstrip("0")
    return f"{whole}.{digits:0<2}"


def whose(claim: Claim) -> str:
    """Return whom a claim counts, as the rest of a phrase: " of key ci-agent"; "" = all requests together, or
    the name of the counter cannot be read. A name of which the counter has only a hash is shown as `#` and
    the first 12 digits of the hash.
    """
    subject, counter = claim.limit.subject, read(claim.counter)
    if subject == "global" or counter is None:
        return ""
    # Of a hash some digits are enough; all of them would look like a secret, and be hidden.
    value = counter.value[:_DIGITS] if counter.value.startswith("#") else counter.value
    return f" of {_WHOM.get(subject, subject)} {name_of(value, subject)}"


def _name(limit: Limit) -> str:
    kind = "budget" if is_budget(limit) else "rate limit" if limit.window else "limit"
    # A limit that is stated at a key, say, has a name such as "key ci-agent", which `whose` tells already.
    return kind if " " in limit.name else f"{kind} `{limit.name}`"


def _numbers(refused: Refused, *, too_large: bool) -> str:
    limit = refused.claim.limit
    if too_large:
        return (
            f"It is {amount_of(limit)}, and this request may need {amount_of(limit, refused.claim.amount)}."
        )
    if limit.subject not in _OWN:
        return f"It is {amount_of(limit)}."
    used, reserved = refused.standing
    if limit.resource == "concurrency":
        return f"It is {amount_of(limit)}, and {reserved} run."
    verb = "is" if used == 1 and limit.resource != "money" else "are"
    text = f"Of {amount_of(limit)}, {amount_of(limit, used)} {verb} used"
    if reserved:
        text += f" and {amount_of(limit, reserved)} reserved by running requests"
    if refused.claim.amount > 1:
        text += f"; this request may need {amount_of(limit, refused.claim.amount)}"
    return f"{text}."


def _when(refused: Refused, wait: float | None, *, too_large: bool) -> str:
    limit, ends = refused.claim.limit, refused.claim.ends
    if too_large:
        tokens = limit.resource in ("tokens", "output_tokens", "money")
        return "Ask for less output (max_tokens), or shorten the prompt." if tokens else ""
    if wait is None:
        return "It does not start again by itself; whoever runs this gateway can raise it."
    if limit.window in _LONG and ends != inf and wait > _SOON:
        return f"It starts again at {date(ends)}."
    return f"Try again in {lasting(wait)}."


def _wait(refused: Refused, now: float) -> float | None:
    """Return the `retry_after` of `fault`."""
    claim = refused.claim
    if claim.amount > claim.limit.most:
        return None
    if refused.again is None:
        return _SOON if claim.limit.window is None else None
    return max(0.0, refused.again - now)
