"""LiteLLM's general limits (cooldowns, retries, parallel requests) and its tags of deployments as ours. Pure.

https://docs.litellm.ai/docs/router/learn/reliability, https://docs.litellm.ai/docs/proxy/tag_routing
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

_LONGEST_BACKOFF: Final = 8
_LONGEST_PAUSE: Final = 300
"""The defaults of our `retries.backoff_max` and `breaker.pause_max`, in seconds."""
_DEFAULT: Final = "default"
"""The tag of deployments that get the requests which no tag leads elsewhere."""


class Bound(NamedTuple):
    """What one of LiteLLM's settings becomes here. section: the name of our section (`"breaker"`). settings:
    the settings within it (`{"failures": 0}`). text: for the note about the conversion.
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
    """What one of LiteLLM's general settings becomes here; None = a setting of this name, or with this value,
    is not converted here.
    """
    if name == "disable_cooldowns" and value is True:
        return Bound("breaker", {"failures": 0}, "here: breaker.failures: 0")
    if name not in _BOUNDS or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _BOUNDS[name](value) if value > 0 or (name == "allowed_fails" and value == 0) else None


def conditions(tags: Sequence[Sequence[str]]) -> list[dict[str, list[str]]]:
    """Our `when` for each deployment of a model, by its tags in LiteLLM; {} = none.

    A deployment with tags gets the requests with one of them. One without, or with the tag `default`, gets
    the requests with none of the tags of the others.
    """
    led = list(dict.fromkeys(tag for one in tags if _DEFAULT not in one for tag in one))
    if not led:
        return [{} for _ in tags]
    return [{"tags": list(one)} if one and _DEFAULT not in one else {"without_tags": led} for one in tags]
