"""Attempts that run at the same time for one exchange. The first attempt that has content wins: it answers,
and the others are cancelled before its first byte is sent.

Each attempt has a copy of the exchange record and of the request, and its own delivery. So no attempt sees
what another attempt sets there; only the list of attempt records is shared.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from copy import copy
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, Final, Generic, TypeVar

import msgspec

from dragoman.engine.asked import Asked
from dragoman.engine.client import Headers
from dragoman.engine.delivery import Delivery, Running
from dragoman.engine.spent import by_size, note_asked, was_sent
from dragoman.exchange import OVERTAKEN, Exchange
from dragoman.seams.tasks import spawn
from dragoman.upstreams.upstream import Call

log = logging.getLogger("dragoman.engine.race")

T = TypeVar("T")

_NOTED: Final = ("phase", "mode", "answered", "losses", "changes", "usage", "waited", "first")
"""The fields that an attempt sets in its copy of the exchange record."""
_LED: Final = ("committed", "running", "failing", "ends")
"""The attributes that an attempt sets in its delivery."""


class Contender(Delivery):
    """The delivery of one attempt of a race. All attempts of the race share the client, but only the winner
    sends anything. delivery: the exchange's own delivery. asked: the attempt's copy of the request.
    """

    def __init__(self, race: Race, delivery: Delivery, asked: Asked) -> None:
        super().__init__(asked.exchange, asked.inbound, delivery.client, delivery.now)
        self.asked = asked
        self.meter = delivery.meter
        self._race = race

    def _commit(self) -> Running:
        self._race.win(self)
        return super()._commit()

    def _headers(self, closing: int | None = None) -> list[tuple[bytes, bytes]]:
        # The last step before the client is told: its headers are made from the exchange itself.
        self._race.adopt(self)
        return super()._headers(closing)

    def _closing(self) -> None:
        self._race.adopt(self)
        super()._closing()

    def lose(self) -> None:
        """Mark this attempt as overtaken, because another attempt has won. Sets its usage, too, if the
        exchange is accounted for and the provider may have worked on the request (`was_sent`). Errors are
        only logged. Does nothing if the attempt has ended or has not begun its call.
        """
        if self.running is None or self.running.record.ended is not None:
            return
        record, asked, cost = self.running.record, self.asked, self.cost_so_far
        record.outcome = OVERTAKEN
        if self.meter is None or asked is None or not was_sent(record):
            return
        try:
            if not asked.light:
                record.usage = by_size(asked)  # to count it would hold up all others
            elif cost is None:
                note_asked(asked, record, self.meter.rates(record.deployment))
            else:
                record.usage = cost()
        except Exception:
            log.exception("exchange %s: the usage of an attempt could not be estimated", asked.exchange.id)

    def release(self) -> None:
        self.meter = None  # the exchange may go on with other attempts
        super().release()

    async def begin(self, call: Call, passed: Headers) -> None:
        await super().begin(call, passed)
        self._race.asked.said.forget()


class Race:
    """The attempts of one exchange that run at the same time. delivery: the exchange's own delivery. asked:
    the request before it was copied for the attempts. winner: the delivery of the attempt that has won; None
    = none has won yet, or the race was closed.
    """

    def __init__(self, delivery: Delivery, asked: Asked) -> None:
        self.winner: Contender | None = None
        self.asked = asked
        self._delivery = delivery
        self._began = delivery.now()
        self._tasks: dict[asyncio.Task[BaseException | None], Contender] = {}
        """The attempts, by their tasks. `fallen` removes an attempt when it reads how the attempt has ended.
        """
        self._all: list[tuple[Contender, Coroutine[Any, Any, None], Callable[[], None]]] = []
        self._foremost: Contender | None = None
        """The attempt whose settings `close` copies into the exchange: the winner; without a winner, the
        attempt that failed last or, if none has failed, the one that began last.
        """

    @property
    def exchange(self) -> Exchange:
        """The exchange's own record, not one of the copies."""
        return self.asked.exchange

    @property
    def open(self) -> bool:
        """Whether no attempt has won, and there are attempts whose end `fallen` has not read yet."""
        return self.winner is None and bool(self._tasks)

    @property
    def running(self) -> bool:
        """Whether no attempt has won, and at least one attempt has not ended."""
        return self.winner is None and not all(task.done() for task in self._tasks)

    def contender(self) -> Contender:
        """Create a delivery for one more attempt, with copies of the exchange record and of the request. The
        time since this race was created is added to `waited` in the copied record.
        """
        exchange = copy(self.exchange)
        exchange.waited += self._delivery.now() - self._began
        said = self.asked.said
        asked = msgspec.structs.replace(self.asked, exchange=exchange, said=said.with_request(said.request))
        return Contender(self, self._delivery, asked)

    def start(
        self, contender: Contender, attempt: Coroutine[Any, Any, None], ended: Callable[[], None]
    ) -> None:
        """Start an attempt in a task. contender: its delivery. attempt: its work. ended: frees what
        the attempt holds. `close` always calls it, once, also if the attempt never ran, or has
        freed everything itself.
        """
        self._foremost = contender
        task = spawn(_told(attempt), f"attempt of {self.exchange.id}")
        self._tasks[task] = contender
        self._all.append((contender, attempt, ended))

    def win(self, contender: Contender) -> None:
        """Make this attempt the winner, cancel the others, and record that these have lost (`lose`). Does
        nothing if this attempt has won already. Raises CancelledError if another attempt has won.
        """
        if self.winner is not None:
            if self.winner is not contender:
                raise asyncio.CancelledError
            return
        self.winner = contender
        for task, other in self._tasks.items():
            if other is contender:
                continue
            task.cancel()
            other.lose()

    def adopt(self, contender: Contender) -> None:
        """Copy what this attempt has set in its exchange record and delivery into the exchange's own record
        and delivery. The record of this attempt becomes the last one in the list of attempts.
        """
        self._foremost = contender
        for name in _LED:
            setattr(self._delivery, name, getattr(contender, name))
        assert contender.asked is not None
        noted, exchange = contender.asked.exchange, self.exchange
        for name in _NOTED:
            setattr(exchange, name, getattr(noted, name))
        running = contender.running
        if running is not None and running.record in exchange.attempts:
            exchange.attempts.remove(running.record)
            exchange.attempts.append(running.record)

    async def wait(self, seconds: float | None) -> None:
        """Wait until there is an attempt that has ended and whose end `fallen` has not read yet, at most for
        so many seconds; None = without a limit. Raises ValueError if `fallen` has read the ends of all
        attempts.
        """
        await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    async def fallen(self) -> Fallen[Any] | None:
        """Wait until an attempt has ended, and return its failure (`Fallen`); None = it has delivered the
        answer. The end of each attempt is read once; attempts that have lost to a winner are passed over.
        Raises the attempt's error if this is not a `Fallen`, and CancelledError if no attempt is left.
        """
        while self._tasks:
            await self.wait(None)
            task = next(one for one in self._tasks if one.done())
            contender = self._tasks.pop(task)
            if self.winner not in {None, contender}:
                continue
            error = task.result()
            if error is None:
                return None
            self._foremost = contender
            if isinstance(error, Fallen):
                return error
            raise error
        raise asyncio.CancelledError  # all were cancelled from outside

    async def close(self) -> None:
        """Cancel the attempts that still run, wait until they have ended, and free what all attempts hold.
        The exchange's record and delivery get what the attempt `_foremost` has set (`adopt`). `winner`
        becomes None.
        """
        try:
            for task, contender in self._tasks.items():
                if self.winner in {None, contender}:
                    task.cancel()  # the others were cancelled when it won
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            if self._foremost is not None:
                self.adopt(self._foremost)
            for contender, attempt, ended in self._all:
                if getcoroutinestate(attempt) == CORO_CREATED:
                    attempt.close()
                ended()
                contender.release()
            self._tasks.clear()
            self._all.clear()
            self._foremost = self.winner = None  # they refer back to this


class Fallen(Exception, Generic[T]):
    """Raised by an attempt of a race that has failed, if its candidate is not to be called again. candidate:
    the candidate (a deployment with one of its keys) that was called. fault: the `ir.Fault` that says why the
    attempt failed.
    """

    def __init__(self, candidate: T, fault: Any) -> None:
        super().__init__()
        self.candidate = candidate
        self.fault = fault


async def _told(attempt: Coroutine[Any, Any, None]) -> BaseException | None:
    """Run an attempt to its end. Returns the exception that has ended it, instead of raising it; None = the
    attempt has delivered the answer.
    """
    try:
        await attempt
    except asyncio.CancelledError:
        # Not the error itself: the task would hold it, with all frames that it has passed, and they the task.
        return asyncio.CancelledError()
    except Fallen as fallen:
        return Fallen(fallen.candidate, fallen.fault)
    except Exception as error:  # noqa: BLE001 - the race raises it where it has to end
        return error
    return None
