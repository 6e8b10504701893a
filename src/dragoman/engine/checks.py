"""Asks providers in the background whether they answer, so that a failure or a recovery is known before a
request meets it. The question is the provider's list of models, which costs no tokens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Literal

import msgspec

from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed
from dragoman.net.connected import CONNECTED
from dragoman.routing.event import Event
from dragoman.routing.health import Health
from dragoman.routing.outcome import Outcome, classify
from dragoman.routing.route import Timers
from dragoman.seams.clock import Seams
from dragoman.seams.deadlines import Deadline, Deadlines, Unlimited
from dragoman.seams.tasks import spawn
from dragoman.upstreams.upstream import Call, Stopwatch
from dragoman.upstreams.wire import WireUpstream

log = logging.getLogger("dragoman.engine.checks")

_LASTS: Final = 2
"""A provider that did not answer a check counts as down for this many times the interval and the wait
together, because the next check may come so much later, or not at all.
"""


class Checked(msgspec.Struct, frozen=True):
    """One provider that is checked. every: seconds from the end of one check to the beginning of the next.
    wait: the most seconds to wait for an answer, 0 = no limit. when: "failing" = it is checked only while one
    of its deployments fails (its breaker is open) or the latest check has failed; "always" = it is checked
    each time.
    """

    upstream: WireUpstream
    every: float
    wait: float
    when: Literal["failing", "always"] = "failing"


class Checks:
    """Checks providers in background tasks, each provider at most once at a time. health: gets the results.
    told: called with an event (a recovery or an outage) for each result that is new; None = events are only
    logged. Events that repeat within a short time are not logged each time.
    """

    def __init__(
        self,
        checked: Iterable[Checked],
        health: Health,
        deadlines: Deadlines,
        seams: Seams,
        *,
        told: Callable[[Event], None] | None = None,
    ) -> None:
        self._health = health
        self._told = told
        self._deadlines = deadlines
        self._seams = seams
        self._tasks = [spawn(self._repeat(one), f"checking {one.upstream.name}") for one in checked]

    def stop(self) -> None:
        """Cancel all tasks. A check that is running is ended too."""
        for task in self._tasks:
            task.cancel()

    async def _repeat(self, checked: Checked) -> None:
        """Check one provider for ever, in each interval in which its `when` wants a check. The first interval
        begins after a random time, so that not all providers are checked at once.
        """
        await asyncio.sleep(checked.every * self._seams.uniform())
        while True:
            self._health.breakers.forget(self._seams.monotonic())
            if checked.when == "always" or self._health.breakers.ails(checked.upstream.name):
                try:
                    await self.check(checked)
                except Exception:  # whatever it is, the next check may succeed
                    log.exception("the check of %s failed", checked.upstream.name)
            await asyncio.sleep(checked.every)

    async def check(self, checked: Checked) -> None:
        """Ask a provider once, and record in `health` whether it answers. A refusal (a 401 or a 404, for
        example) is an answer too. If the result is new, call `told`. If the gateway's own bounds prevented
        the question or the answer, nothing is recorded.
        """
        name = checked.upstream.name
        try:
            failure = await self._failure(checked)
        except _Unknown:
            return
        now = self._seams.monotonic()
        lasts = _LASTS * (checked.every + checked.wait)
        if not self._health.checked(name, now, None if failure is None else now + lasts):
            return
        if failure is None:
            event = Event("recovery", name, f"{name}: answers again")
        else:
            text = f"{name}: does not answer a check, so it is asked after others: {failure}"
            event = Event("outage", name, text)
        if (line := self._health.words.of(event, now)) is not None:
            log.warning("%s", line)
        if self._told is not None:
            self._told(event)

    async def _failure(self, checked: Checked) -> str | None:
        """Ask a provider once. Return why it has failed the check, as a text without secrets: it cannot be
        reached, does not answer in time, or answers with an error of its own (a 500, for example). None = it
        has not failed. Raises _Unknown if the gateway's own bounds on connections or memory prevented the
        check.
        """
        upstream, seconds = checked.upstream, checked.wait or None
        timers = Timers(connect=seconds, first_byte=seconds, idle=seconds)
        report, watch = Report(upstream.dialect.name), Stopwatch(self._seams.monotonic)
        call = Call(self._seams.random_id(), "", report, watch, timers)
        limit = self._deadlines.within(seconds)
        limit.rest()  # the wait for one of our own connections says nothing about the provider
        connected = CONNECTED.set(partial(_begin, limit, seconds))
        try:
            with limit:
                await upstream.listed(call)
        except TimeoutError:
            return f"no answer within {checked.wait:g} s"
        except RequestFailed as failed:
            fault = upstream.accounts[0].discreet(failed.fault)
            if fault.kind == "overloaded" and fault.blame == "gateway":
                raise _Unknown from failed
            return fault.message if classify(fault) is Outcome.SERVER else None
        finally:
            CONNECTED.reset(connected)
        return None


class _Unknown(Exception):
    """Raised if a check says nothing about its provider."""


def _begin(limit: Deadline | Unlimited, seconds: float | None) -> None:
    """Start the time limit of a check, because its request has got a connection. seconds: the limit; None =
    no limit, and nothing is done.
    """
    if seconds is not None:
        limit.push(seconds)
