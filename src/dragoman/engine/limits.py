"""How long an attempt may take until its first content, and the faults of those that take longer.

An attempt that is silent is left for another deployment after `switch_after`. The default is a minute, and
only for streams of models that are not known to think first, and that stream with tools, too: a whole answer
is sent when all of it has been written, and hidden thinking takes minutes in which nothing is sent.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from dragoman import ir
from dragoman.routing.route import Deployment
from dragoman.upstreams.answers import silent

SWITCH_AFTER: Final = 60.0
"""Seconds without content after which a stream is left for another deployment, if the model states none."""

SWITCHED: Final = "switch_timeout"
"""The fault's code if a silent deployment was left for another one."""

OVERTIME: Final = "attempts_timeout"
"""The fault's code if the time of all attempts was over."""

FAIR_SHARE: Final = 0.5
"""The share of its own time that an attempt must have had, so that the end of all attempts' time counts as a
failure of its deployment.
"""

Cause: TypeAlias = Literal["silence", "switch", "time"]
"""What ends an attempt before its first content: the provider's `answers.max_silence`, the model's
`switch_after`, or `retries.max_time`.
"""


def switch_after(deployment: Deployment, *, streamed: bool) -> float | None:
    """The seconds without content after which a deployment is left if there is another; None = no limit."""
    if deployment.switch_after is not None:
        return deployment.switch_after or None
    facts = deployment.facts
    early = streamed and facts.thinks is not True and facts.streams_tools is not False
    return SWITCH_AFTER if early else None


def own_time(deployment: Deployment, silence: float | None, *, streamed: bool) -> float:
    """The shortest of the deployment's own limits on silence, in seconds. The time of all attempts together
    is not one of them. silence: as for `until_content`.
    """
    timers = deployment.timers
    limits = (timers.total, timers.first_byte, silence, switch_after(deployment, streamed=streamed))
    return min((seconds for seconds in limits if seconds is not None), default=SWITCH_AFTER)


def until_content(
    total: float | None, silence: float | None, switch: float | None = None, left: float | None = None
) -> tuple[float | None, Cause]:
    """The time limit until the first content, in seconds, and which of the limits it is. Seconds None = no
    limit ends before `total` does.

    total: the limit of the whole attempt. silence, switch: see `Cause`. left: what is left of the time of all
    attempts. Each is in seconds; None = no limit.
    """
    told: list[tuple[float | None, Cause]] = [(silence, "silence"), (switch, "switch"), (left, "time")]
    stated = [(seconds, cause) for seconds, cause in told if seconds is not None]
    if not stated:
        return None, "silence"
    seconds, cause = min(stated, key=lambda one: one[0])
    return (None, cause) if total is not None and total <= seconds else (seconds, cause)


def too_late(deployment: Deployment, seconds: float | None, cause: Cause) -> ir.Fault:
    """The fault of an attempt that took too long. seconds: until the first content; None = the limit of the
    whole attempt was reached.
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
