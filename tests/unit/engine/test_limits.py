"""How long an attempt may be silent, and what it is told afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.facts import Facts
from dragoman.engine.limits import SWITCH_AFTER, Cause, own_time, switch_after, too_late, until_content
from dragoman.routing.route import Deployment, Timers

DEPLOYMENT = Deployment("one", "gpt", timers=Timers(total=9.0))


@pytest.mark.parametrize(
    ("stated", "thinks", "streamed", "seconds"),
    [
        (None, None, True, SWITCH_AFTER),
        (None, False, True, SWITCH_AFTER),
        (None, True, True, None),
        (None, None, False, None),
        (3.0, True, False, 3.0),
        (3.0, None, True, 3.0),
        (0.0, None, True, None),
    ],
)
def test_only_streams_of_models_that_do_not_think_first_are_left_by_default(
    stated: float | None, thinks: bool | None, streamed: bool, seconds: float | None
) -> None:
    one = Deployment("one", "gpt", Facts(thinks=thinks), switch_after=stated)
    assert switch_after(one, streamed=streamed) == seconds


def test_a_model_that_does_not_stream_with_tools_may_be_silent() -> None:
    one = Deployment("one", "gpt", Facts(streams_tools=False))
    assert switch_after(one, streamed=True) is None


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ((None, None, None, None), (None, "silence")),
        ((None, 30.0, None, None), (30.0, "silence")),
        ((None, 30.0, 5.0, None), (5.0, "switch")),
        ((None, 30.0, 5.0, 2.0), (2.0, "time")),
        ((None, None, None, 0.0), (0.0, "time")),
        ((9.0, 30.0, None, None), (None, "silence")),
        ((9.0, 30.0, 5.0, None), (5.0, "switch")),
        ((5.0, 30.0, 5.0, None), (None, "switch")),
    ],
)
def test_the_shortest_limit_counts(limits: Any, told: tuple[float | None, Cause]) -> None:
    assert until_content(*limits) == told


@pytest.mark.parametrize(
    ("seconds", "cause", "code"),
    [
        (None, "switch", "total_timeout"),
        (3.0, "switch", "switch_timeout"),
        (3.0, "time", "attempts_timeout"),
        (3.0, "silence", "answer_without_content"),
    ],
)
def test_each_limit_has_a_code_of_its_own(seconds: float | None, cause: Cause, code: str) -> None:
    fault = too_late(DEPLOYMENT, seconds, cause)
    assert (fault.code, fault.blame) == (code, "upstream")
    assert "one/gpt" in fault.message


@pytest.mark.parametrize(
    ("deployment", "silence", "streamed", "seconds"),
    [
        (Deployment("one", "gpt", timers=Timers(first_byte=600.0)), 300.0, False, 300.0),
        (Deployment("one", "gpt", timers=Timers(first_byte=600.0)), 300.0, True, SWITCH_AFTER),
        (Deployment("one", "gpt", timers=Timers(first_byte=20.0)), None, True, 20.0),
        (Deployment("one", "gpt", timers=Timers(first_byte=600.0), switch_after=5.0), None, False, 5.0),
        (DEPLOYMENT, None, False, 9.0),
        (Deployment("one", "gpt", timers=Timers(first_byte=None)), None, False, SWITCH_AFTER),
    ],
)
def test_the_time_of_a_deployment_is_its_shortest_limit(
    deployment: Deployment, silence: float | None, streamed: bool, seconds: float
) -> None:
    assert own_time(deployment, silence, streamed=streamed) == seconds
