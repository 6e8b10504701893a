"""Converts LiteLLM's general limits (cooldowns, retries, parallel requests, budgets), and the limits and tags
of its deployments, into Dragoman's settings ("ours"). Pure.

https://docs.litellm.ai/docs/router/learn/reliability, https://docs.litellm.ai/docs/proxy/tag_routing,
https://docs.litellm.ai/docs/proxy/users, https://docs.litellm.ai/docs/proxy/provider_budget_routing
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dragoman.config.litellm_values import number

_LONGEST_BACKOFF: Final = 8
_LONGEST_PAUSE: Final = 300
"""The defaults of `retries.backoff_max` (above) and of `breaker.pause_max`, in seconds."""
_DEFAULT: Final = "default"
"""The tag of deployments for requests whose tags name no other deployment."""


class Bound(NamedTuple):
    """What one of LiteLLM's settings becomes. section: the name of Dragoman's section (`"breaker"`).
    settings: the settings in it (`{"failures": 0}`). text: the text of the note about the conversion.
    """

    section: str
    settings: dict[str, Any]
    text: str


def _failures(value: float) -> Bound:
    failures = min(int(value) + 1, 1000)
    return Bound(
        "breaker",
        {"failures": failures},
        f"here: breaker.failures: {failures}, counted in a row; a deployment that fails is then asked last",
    )


def _cooldown(value: float) -> Bound:
    longer = {"pause_max": value} if value > _LONGEST_PAUSE else {}
    return Bound(
        "breaker", {"pause": value, **longer}, "here: breaker.pause, doubled by each further failure"
    )


def _retry_after(value: float) -> Bound:
    longer = {"backoff_max": value} if value > _LONGEST_BACKOFF else {}
    text = "here: retries.backoff; a provider's Retry-After takes precedence"
    return Bound("retries", {"backoff": value, **longer}, text)


def _in_all(value: float) -> Bound:
    text = "here: server.max_requests, for each worker; requests beyond it get 503"
    return Bound("server", {"max_requests": int(value)}, text)


_BOUNDS: Final[Mapping[str, Callable[[float], Bound]]] = {
    "allowed_fails": _failures,
    "cooldown_time": _cooldown,
    "retry_after": _retry_after,
    "global_max_parallel_requests": _in_all,
}


def bound_of(name: str, value: Any) -> Bound | None:
    """Return what one of LiteLLM's general settings (of cooldowns, of the pause before a retry, or of all
    parallel requests) becomes; None = a setting of this name, or with this value, is not converted here.
    """
    if name == "disable_cooldowns" and value is True:
        return Bound("breaker", {"failures": 0}, "here: breaker.failures: 0")
    stated = number(value)
    if name not in _BOUNDS or stated is None:
        return None
    return _BOUNDS[name](stated) if stated > 0 or (name == "allowed_fails" and stated == 0) else None


def conditions(tags: Sequence[Sequence[str]]) -> list[dict[str, list[str]]]:
    """Return Dragoman's `when` for each deployment of a model, by the deployments' tags in LiteLLM; {} = no
    condition.

    The list has the order of `tags`. A deployment with tags, but without the tag `default`, gets the requests
    with at least one of its tags. Every other deployment gets the requests with none of these tags; if no
    deployment has such tags, it has no condition.
    """
    led = list(dict.fromkeys(tag for one in tags if _DEFAULT not in one for tag in one))
    if not led:
        return [{} for _ in tags]
    return [{"tags": list(one)} if one and _DEFAULT not in one else {"without_tags": led} for one in tags]


LIMITS: Final[Mapping[str, str]] = {
    "rpm": "requests",
    "tpm": "tokens",
    "max_budget": "money",
    "budget_duration": "money",
}
"""The parameters of a LiteLLM deployment that limit it, each with the resource in Dragoman's `limits`."""
BUDGETS: Final[Mapping[str, tuple[str, str, str]]] = {
    "max_budget": ("budget_duration", "litellm-budget", "global"),
    "max_internal_user_budget": ("internal_user_budget_duration", "litellm-user-budget", "user"),
    "max_end_user_budget": ("", "litellm-end-user-budget", "end_user"),
}
"""LiteLLM's general budgets: {setting: (the setting with the budget's duration, Dragoman's name for the
limit, the limit's scope)}.
"""
_DURATION: Final = re.compile(r"(\d{1,4})(mo|s|m|h|d|w)", re.ASCII)
_NAMED: Final = {"hourly": "h", "daily": "day", "weekly": "week", "monthly": "month"}
_WINDOWS: Final = {"24h": "day", "1d": "day", "7d": "week", "1w": "week", "30d": "month", "1mo": "month"}
_UNITS: Final = {"s": ("s", 1), "m": ("min", 60), "h": ("h", 3_600)}


def timeouts_of(name: str, seconds: Any) -> dict[str, Any]:
    """Return Dragoman's `timeouts` for a time limit of LiteLLM's in seconds: `stream_timeout` becomes
    `first_byte`, every other limit (which LiteLLM applies to each HTTP read) `first_byte` and `idle`.
    https://docs.litellm.ai/docs/proxy/timeout
    """
    return {"first_byte": seconds} if name == "stream_timeout" else {"first_byte": seconds, "idle": seconds}


def limits_of(stated: Mapping[str, Any]) -> dict[str, str]:
    """Return Dragoman's `limits` for the limits of a LiteLLM deployment: `rpm`, `tpm`, and a budget in USD. A
    limit that cannot be converted is left out. {} = there is none.
    """
    found = {}
    for name, resource in (("rpm", "requests"), ("tpm", "tokens")):
        count = stated.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            found[resource] = f"{count}/min"
    if (money := _money(stated.get("max_budget"), stated.get("budget_duration"))) is not None:
        found["money"] = money
    return found


def budgets_of(stated: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return Dragoman's `limits` for LiteLLM's general budgets: {name of the limit: {"scope": …, "money":
    …}}. A budget that cannot be converted is left out. stated: LiteLLM's section `litellm_settings`.
    """
    found = {}
    for name, (duration, ours, scope) in BUDGETS.items():
        money = _money(stated.get(name), stated.get(duration))
        if money is not None:
            found[ours] = {"scope": scope, "money": money}
    return found


def budgets_for(name: str, stated: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return all general budgets (see `budgets_of`) if the setting `name` belongs to one of them that can be
    converted; {} otherwise. name: a LiteLLM setting, the amount of a budget or its duration. stated:
    LiteLLM's section `litellm_settings`.
    """
    ours = next(
        (ours for setting, (duration, ours, _) in BUDGETS.items() if name in (setting, duration)), None
    )
    found = budgets_of(stated)
    return found if ours in found else {}


def _money(budget: Any, duration: Any) -> str | None:
    """Return Dragoman's text for one of LiteLLM's budgets ("50 USD/month"); None = there is no budget above
    0, or Dragoman has no window of this length.

    budget: USD. duration: `30d`, `1mo`, `daily`, …; empty or None = for all time.
    """
    stated = number(budget)
    if stated is None or stated <= 0:
        return None
    amount = f"{stated:.9f}".rstrip("0").rstrip(".")
    text = str(duration or "").strip().lower()
    if not text:
        return f"{amount} USD"
    if (named := _NAMED.get(text) or _WINDOWS.get(text)) is not None:
        return f"{amount} USD/{named}"
    if (window := _DURATION.fullmatch(text)) is None or window[2] not in _UNITS:
        return None
    unit, seconds = _UNITS[window[2]]
    count = int(window[1])
    return f"{amount} USD/{count}{unit}" if 0 < count * seconds <= 86_400 else None
