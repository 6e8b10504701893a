"""How long an attempt may last before its first content, and the faults of attempts that last longer.

An attempt that has sent no content for `switch_after` seconds is given up if another deployment can be
called. Without this setting, only streams are given up, and not where the model is known to be silent for
long: see the function `switch_after`.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from dragoman import ir
from dragoman.routing.route import Deployment
from dragoman.upstreams.answers import silent

SWITCH_AFTER: Final = 60.0
"""Seconds without content after which a stream is given up for another deployment, if the model states no
`switch_after`.
"""

SWITCHED: Final = "switch_timeout"
"""The fault's code if an attempt was given up for another deployment because it had sent no content."""

OVERTIME: Final = "attempts_timeout"
"""The fault's code if the time of all attempts together is over."""

FAIR_SHARE: Final = 0.5
"""If the time of all attempts is over, the running attempt counts as a failure of its deployment only if it
has had at least this fraction of its own time.
"""

Cause: TypeAlias = Literal["silence", "switch", "time"]
"""The limit that ends an attempt before its first content: the provider's `answers.max_silence` ("silence"),
the model's `switch_after` ("switch"), or `retries.max_time` ("time").
"""


def switch_after(deployment: Deployment, *, streamed: bool) -> float | None:
    """Return the seconds without content after which a deployment is given up if there is another one; None =
    no limit. This is the setting `switch_after` of the model (0 = no limit). Without the setting, it is 60 s
    for a stream, and None if the model is known to think before it answers or to send tool calls whole, or if
    no stream is requested. streamed: whether the request asks for a stream.
    """
    if deployment.switch_after is not None:
        return deployment.switch_after or None
    facts = deployment.facts
    early = streamed and facts.thinks is not True and facts.streams_tools is not False
    return SWITCH_AFTER if early else None


def own_time(deployment: Deployment, silence: float | None, *, streamed: bool) -> float:
    """Return the shortest of these limits of the deployment, in seconds: for the whole attempt, until the
    first byte, `silence`, and `switch_after`; 60 s if it has none of them. silence: the provider's
    `answers.max_silence` in seconds, None = no limit. streamed: whether the request asks for a stream.
    """
    timers = deployment.timers
    limits = (timers.total, timers.first_byte, silence, switch_after(deployment, streamed=streamed))
    return min((seconds for seconds in limits if seconds is not None), default=SWITCH_AFTER)


def until_content(
    total: float | None, silence: float | None, switch: float | None = None, left: float | None = None
) -> tuple[float | None, Cause]:
    """Return (the time limit until the first content in seconds, the limit that causes it). Seconds None =
    there is no such limit, or it is not shorter than `total`, so that `total` alone counts; then the cause
    has no meaning.

    total: the limit for the whole attempt. silence, switch: the limits "silence" and "switch" of `Cause`.
    left: the rest of the time of all attempts ("time"). All are in seconds; None = no limit.
    """
    told: list[tuple[float | None, Cause]] = [(silence, "silence"), (switch, "switch"), (left, "time")]
    stated = [(seconds, cause) for seconds, cause in told if seconds is not None]
    if not stated:
        return None, "silence"
    seconds, cause = min(stated, key=lambda one: one[0])
    return (None, cause) if total is not None and total <= seconds else (seconds, cause)


def too_late(deployment: Deployment, seconds: float | None, cause: Cause) -> ir.Fault:
    """Return the fault of an attempt that took too long. seconds: the limit until the first content, which
    was reached; None = the limit for the whole attempt was reached. cause: which limit until the first
    content it was.
    """
    name = deployment.name
    if seconds is None:
        text = f"{name} did not complete the response within {deployment.timers.total:g} s."
        return ir.Fault("timeout", text, code="total_timeout", blame="upstream")
    if cause == "switch":
        text = f"{name} sent no content within {seconds:g} s, and there was another deployment to ask."
        return ir.Fault("timeout", text, code=SWITCHED, blame="upstream")
    if cause == "time":
        text = f"The time for all attempts was over before {name} sent any content."
        return ir.Fault("timeout", text, code=OVERTIME, blame="upstream")
    return silent(name, seconds)
