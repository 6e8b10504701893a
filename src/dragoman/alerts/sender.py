"""Delivers alerts, with retries. Each receiver has its own queue and task, and its alerts are sent one after
another, in the order of the queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any, Final

import msgspec
from multidict import CIMultiDict
from yarl import URL

from dragoman.alerts import webhook
from dragoman.alerts.alert import Alert, Quiet, read
from dragoman.errors import RequestFailed
from dragoman.net.client import Head
from dragoman.net.transport import Pool, Transport
from dragoman.routing.route import Timers
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.seams.secret import Secret
from dragoman.seams.tasks import spawn

log = logging.getLogger("dragoman.alerts.sender")

TRIES: Final = 6
"""The most times that one alert is sent to a receiver."""
_FIRST_WAIT = 1.0
_LONGER: Final = 4.0
"""Each wait before another try is this many times as long as the wait before it: 1 s, 4 s, and so on, about
six minutes in all.
"""
_QUEUE: Final = 100
"""The most alerts that wait for one receiver. One more drops the oldest, and the log says so."""
_TIMERS: Final = Timers(connect=10.0, first_byte=15.0, idle=15.0)
_LARGEST_ANSWER: Final = 65_536


class Target(msgspec.Struct, frozen=True):
    """Where alerts are sent. name: the name of its setting (`alerts[0]`), for the log. url: the address of
    the webhook, a secret because a path can contain a token. secret: signs the webhooks: `whsec_` and base64,
    or any other text. events: the types of alerts that are sent there. every: for so many seconds after an
    alert, further alerts on the same subject are not sent, except a recovery (`Quiet` has all rules).
    """

    name: str
    url: Secret
    secret: Secret
    events: frozenset[str]
    every: float


class Alerts:
    """Sends the alerts of one gateway to its targets. No connection is opened before the first alert."""

    def __init__(self, seams: Seams = SYSTEM) -> None:
        self._seams = seams
        self._receivers: list[_Receiver] = []

    def adopt(self, targets: Sequence[Target]) -> None:
        """Send alerts to these targets, and no others, from now on. A target with the same URL as an earlier
        one gets the queue of that one. Alerts that wait for other earlier targets are not sent; soon the log
        has their messages.
        """
        before, self._receivers = self._receivers, []
        for target in targets:
            url = target.url.reveal()
            receiver = next((one for one in before if one.target.url.reveal() == url), None)
            if receiver is None:
                receiver = _Receiver(target, self._seams)
            else:
                before.remove(receiver)  # two targets may have the same URL
            receiver.use(target)
            self._receivers.append(receiver)
        for receiver in before:
            spawn(receiver.close("this receiver was removed"), "closing a receiver of alerts")

    def note(self, value: Any) -> None:
        """Give an alert to each receiver. The receiver sends the alert soon, delays it or drops it. value:
        what `msgspec.to_builtins` made from the alert.
        """
        alert = read(value)
        for receiver in self._receivers:
            receiver.note(alert)

    async def close(self) -> None:
        """Stop all receivers, also in the middle of a try. Unsent alerts are not sent; the log has their
        messages. An alert in the middle of a try is logged as unsent, too, but its receiver may have it.
        """
        receivers, self._receivers = self._receivers, []
        for receiver in receivers:
            await receiver.close("the gateway stops")


class _Receiver:
    """The queue of one target, and the task that sends from it."""

    def __init__(self, target: Target, seams: Seams) -> None:
        self.target = target
        self._seams = seams
        self._quiet = Quiet(target.every)
        self._queue: deque[Alert] = deque()
        self._sending: Alert | None = None
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._transport: Transport | None = None

    def use(self, target: Target) -> None:
        """Use these settings from now on. Their URL must be the URL of the earlier settings."""
        self.target = target
        self._quiet.every = target.every

    def note(self, alert: Alert) -> None:
        """Queue an alert for sending, if `Quiet` lets it pass now and the target wants its type; if `Quiet`
        delays it, later. `Quiet` is asked about alerts of all types, because a recovery passes only after its
        outage, also for a target that wants no outages.
        """
        if self._quiet.passes(alert, self._seams.monotonic()):
            self._enqueue(alert)
        self._came.set()  # the next delayed alert may be due at another time now
        if self._task is None:
            self._task = spawn(self._run(), f"sending alerts to {self.target.name}")

    def _enqueue(self, alert: Alert) -> None:
        if alert.type not in self.target.events:
            return
        if len(self._queue) >= _QUEUE:
            dropped = self._queue.popleft()
            log.error("%s: alert dropped, too many wait: %s", self.target.name, dropped.message)
        self._queue.append(alert)

    async def close(self, why: str) -> None:
        """Stop, also in the middle of a try. Unsent alerts are not sent; the log has their messages. why: the
        reason, for the log.
        """
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        sending = () if self._sending is None else (self._sending,)
        held = (one for one in self._quiet.released(inf) if one.type in self.target.events)
        for alert in (*sending, *self._queue, *held):
            log.error("%s: alert not sent, %s: %s", self.target.name, why, alert.message)
        if self._transport is not None:
            await self._transport.close()

    async def _run(self) -> None:
        while True:
            self._came.clear()
            now = self._seams.monotonic()
            for alert in self._quiet.released(now):
                self._enqueue(alert)
            if self._queue:
                self._sending = self._queue.popleft()
                await self._deliver(self._sending)
                self._sending = None
                continue
            due = self._quiet.due()
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - now)):
                    await self._came.wait()
            except TimeoutError:
                pass

    async def _deliver(self, alert: Alert) -> None:
        """Send an alert until the receiver takes it (a status of 200 to 299), at most `TRIES` times. The log
        has each failure. After the last one, the alert is dropped.
        """
        id_, payload, wait = f"msg_{self._seams.random_id()}", webhook.body(alert), _FIRST_WAIT
        for left in range(TRIES - 1, -1, -1):
            why = await self._try(id_, payload)
            if why is None:
                return
            if left:
                log.warning("%s: alert not taken, tried again in %g s: %s", self.target.name, wait, why)
                await asyncio.sleep(wait)
                wait *= _LONGER
        log.error("%s: alert given up after %d tries: %s", self.target.name, TRIES, alert.message)

    async def _try(self, id_: str, payload: bytes) -> str | None:
        """Send an alert once. Returns None if it was taken (a status of 200 to 299), else the reason for the
        log. id_: of the delivery, the same for all tries. payload: the body of the request.
        """
        target = self.target
        if self._transport is None:
            self._transport = Transport(Pool(keep_alive=5.0), name=target.name, max_answer=_LARGEST_ANSWER)
        key = webhook.key_of(target.secret.reveal())
        headers = CIMultiDict(webhook.headers(id_, self._seams.now(), payload, key))
        try:
            head = Head("POST", URL(target.url.reveal(), encoded=True), headers)
            answer = await self._transport.send(head, payload, _TIMERS)
        except RequestFailed as failed:
            return failed.fault.message
        answer.close()
        return None if 200 <= answer.status < 300 else f"it answered with the status {answer.status}"
