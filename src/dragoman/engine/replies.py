"""Accounts for the replies of a realtime session, one by one.

For limits on requests, a session is one request. Each of its replies has its own usage record; its tokens and
cost are charged to the windows of limits in which the reply began. So a limit also applies within a session.
If the process is killed, only the running reply's usage is not known exactly.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.accounts.claims import Applied
from dragoman.accounts.limits import Claim
from dragoman.dialects.live import Heard, Message, Used
from dragoman.engine.accounting import Expected
from dragoman.engine.attempt import Attempt
from dragoman.engine.growth import Growth
from dragoman.engine.meter import EndedByLimit, Meter
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.providers.rates import EVERYTHING
from dragoman.routing.route import Deployment, Route

log = logging.getLogger("dragoman.engine.replies")

_MOST_AT_ONCE: Final = 64
"""The most replies of one session that run at once. If a provider begins more, the oldest is accounted for as
if it had broken off, so that a provider that ends none cannot fill the memory.
"""
_USUAL: Final = Expected(512, 512, kinds=EVERYTHING)
"""The tokens that are reserved for the first reply of a session. For a later reply, as many are reserved as
the reply before has used.
"""
_SOUND: Final = 1000
"""Bytes. A longer message of a provider contains sound; a shorter one contains about one token of text."""
_BYTES_PER_TOKEN: Final = 1280
"""The bytes of one token's sound in base64: 20 ms of 24,000 samples of 16 bits in a second. A recorded
session of xAI's states 250 tokens for 4.97 seconds; other providers' tokens last longer, so that this is an
upper bound.
"""


class _ReplyMeter(Meter):
    """Accounts for one reply within a session."""

    __slots__ = ()

    @classmethod
    def within(cls, session: Meter, exchange: Exchange, route: Route) -> _ReplyMeter:
        """Return a meter for one reply. Its claims are on the windows of the time at which the reply begins.
        The limits of the model that the client has asked for apply and, if the session uses a fallback, also
        those of the fallback. session: the meter of the session. exchange: the reply's own record. route: the
        route of the session's deployment.
        """
        meter = cls(session._accounting, exchange, session._seams, session._operation, own=session._own)
        meter._apply(*session.named)
        if (reserved := meter._reserving()) is not None and (further := reserved.further(route)) is not None:
            reserved.join(further)
        meter.open_ended = True
        return meter

    async def expect_reply(self, expected: Expected, deployment: Deployment, record: AttemptRecord) -> None:
        """Reserve the tokens and the money, but no request, that a reply within a session may use. record: of
        the reply. Raises RequestFailed if a limit refuses it.
        """
        most, reserved = self.at_most(expected, (deployment,)), self._reserving()
        if reserved is None:
            return
        if reserved.applied is not None and reserved.applied.measures:
            await self.expect(most)
        applied, now = self._accounting.limits.of_attempt(deployment.name), self._seams.now()
        claims = [] if applied is None else applied.of_usage(most.taken, most.given, most.cost, now)
        if claims:
            await reserved.hold(record, claims, now)
            self.expected = most

    async def hold_reply(self, record: AttemptRecord) -> None:
        """Make claims of the amount 0 for work within a session that was done before it was reserved. So the
        work is charged at the end, also beyond a limit. record: of the work. If the counters cannot be
        reached, this is logged, and limits do not count the work.
        """
        now, reserved = self._seams.now(), self._reserving()
        if reserved is None:
            return
        try:
            if reserved.applied is not None:
                await reserved.add(_soft(reserved.applied, now), now)
            applied = self._accounting.limits.of_attempt(record.deployment)
            if applied is not None:
                await reserved.hold(record, _soft(applied, now), now)
        except RequestFailed as failed:
            log.warning(
                "the work of %s is not counted by limits: %s", record.deployment, failed.fault.message
            )

    def refuse_unpriced(self, deployment: str) -> None:
        """Raise RequestFailed if the price of a deployment is not known and a limit refuses that
        (`unknown_price: refuse`).
        """
        if (reserved := self._reserving()) is None:
            return
        for applied in (reserved.applied, self._accounting.limits.of_attempt(deployment)):
            if applied is not None and self._most(_USUAL, deployment) is None:
                reserved.refuse_unpriced(applied)


class _Reply(msgspec.Struct, eq=False):
    """A running reply. exchange, record: made for this reply alone. meter: accounts for it; None = nothing is
    accounted for. growth: watches how long it becomes. size: the bytes of its messages that are longer than
    `_SOUND`. words: the number of its other messages.
    """

    exchange: Exchange
    record: AttemptRecord
    meter: _ReplyMeter | None
    growth: Growth | None = None
    size: int = 0
    words: int = 0

    @property
    def said(self) -> int:
        """The estimated output tokens of the reply so far."""
        return self.size // _BYTES_PER_TOKEN + self.words


class Replies:
    """The replies of one session at one deployment; several may run at once, if the provider names them by
    ids. usage: the tokens of all replies together; None = none
    are known. cost: of all replies together, in nano-USD; None = a part of it is unknown. priced: the part of
    the cost that is known, in nano-USD.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._expected = _USUAL
        self._running: dict[str | None, _Reply] = {}
        """The running replies by the provider's ids, oldest first. None = a reply without an id."""
        self._number = 0
        self.usage: ir.Usage | None = None
        self.cost: int | None = 0
        self.priced = 0

    @property
    def running(self) -> bool:
        """Whether a reply has begun and has not ended."""
        return bool(self._running)

    def runs(self, reply: str | None) -> bool:
        """Whether the reply with this id is running. None = the one reply without an id."""
        return reply in self._running

    async def probe(self) -> None:
        """Find out whether a limit refuses a first reply: reserve what a reply may use, and free it at once.
        Raises EndedByLimit if a limit refuses the reply.
        """
        reply = self._made(self._attempt.deployment.name)
        if reply.meter is not None:
            await self._expect(reply, reply.meter)
            reply.exchange.attempts = []  # it was not begun, so that it leaves no record
            reply.meter.close()

    async def probe_again(self) -> None:
        """Find out whether a limit refuses a further reply: reserve what a reply may use, and free it at
        once. Raises EndedByLimit if a limit refuses it. The numbers by which replies are told apart go on as
        if this call had not been made.
        """
        number = self._number
        try:
            await self.probe()
        finally:
            self._number = number

    def admit(self, model: str) -> None:
        """Check the price of a model that is about to transcribe the client's speech, because its work is
        charged only afterwards. model: its name at the session's provider. Raises EndedByLimit if the price
        is not known and a limit refuses that.
        """
        number, name = self._number, f"{self._attempt.deployment.provider}/{model}"
        reply = self._made(name)
        self._number = number  # it is no reply, and leaves no record
        reply.exchange.attempts = []
        if reply.meter is None:
            return
        try:
            reply.meter.refuse_unpriced(name)
        except RequestFailed as refused:
            self._attempt.exchange.refused_by = reply.exchange.refused_by
            raise EndedByLimit(refused.fault) from None
        finally:
            reply.meter.close()

    async def begin(self, name: str | None = None) -> None:
        """Reserve in the limits what a reply may use, because the provider begins a reply. name: the
        provider's id of the reply, None = it has none. Does nothing if this reply is running. Raises
        EndedByLimit if a limit or a failing journal refuses the reply.
        """
        if name in self._running:
            return
        if len(self._running) >= _MOST_AT_ONCE:
            self._end(next(iter(self._running)))
        reply = self._made(self._attempt.deployment.name)
        if reply.meter is not None:
            await self._expect(reply, reply.meter)
            try:
                reply.meter.began(reply.record)
            except RequestFailed as refused:
                reply.exchange.attempts = []
                reply.meter.close()
                raise EndedByLimit(refused.fault) from None
            reply.growth = Growth(reply.meter, self._attempt.deployment.name, lambda: reply.said, first=1.0)
        self._running[name] = reply

    async def heard(self, heard: Heard) -> None:
        """Add the usage that a message of the provider states to the running reply that the message is a part
        of. Usage of another model, and any usage if no such reply is running, becomes a reply of its own. If
        the message ends the reply, account for it; if not, and the reply becomes longer than was expected,
        reserve more. Raises EndedByLimit if a hard limit or a failing journal refuses that.
        """
        name, message = self._part_of(heard), heard.message
        reply = self._running.get(name)
        if reply is not None:
            self._grow(reply, message)
        for used in heard.used:
            if used.model is not None or reply is None:
                await self._beside(used, used.model or self._attempt.deployment.model)
                continue
            reply.record.usage = added(reply.record.usage, used.usage)
            reply.record.units = _sum(reply.record.units or {}, used.units) or None
        if reply is None:
            return
        if heard.ends:
            self._end(name)
        elif (growth := reply.growth) is not None and reply.said > growth.at:
            await growth.look(reply.said)

    def close(self) -> None:
        """Account for the replies that are still running, because the session ends: with an estimate, unless
        their usage was stated.
        """
        for name in [*self._running]:
            self._end(name)

    def _part_of(self, heard: Heard) -> str | None:
        """Return the key in `_running` of the reply that a message is a part of: the reply that the message
        names, otherwise the reply without an id, otherwise the reply that began last; but a message that ends
        a reply and names an unknown one is a part of no other reply.
        """
        running, name = self._running, heard.reply
        if name in running or None in running or not running:
            return name if name in running else None
        return name if name is not None and heard.ends else next(reversed(running))

    def _grow(self, reply: _Reply, message: Message) -> None:
        if len(message) > _SOUND:
            reply.size += len(message)
        else:
            reply.words += 1

    def _end(self, name: str | None) -> None:
        reply = self._running.pop(name)
        reply.growth, record = None, reply.record  # `growth` refers back to the reply
        if record.usage is not None and not record.usage.plausible():
            record.usage = None
        if record.usage is None and record.units is None:
            record.usage = ir.Usage(output=reply.said, estimated=True)
        usage = record.usage
        if usage is not None:
            taken, given = max(usage.input_total, 1), max(usage.output_total, 1)
            self._expected = _USUAL._replace(input=taken, output=given)
        self._account(reply)

    async def _beside(self, used: Used, model: str) -> None:
        """Charge work that belongs to no running reply, as a reply with its own record. used: the work.
        model: the name of the model that did it, at the session's provider.
        """
        reply = self._made(f"{self._attempt.deployment.provider}/{model}")
        reply.record.usage, reply.record.units = used.usage, dict(used.units) or None
        try:
            await self._hold(reply)
        finally:
            self._account(reply)

    async def _hold(self, reply: _Reply) -> None:
        if reply.meter is not None:
            await reply.meter.hold_reply(reply.record)

    def _account(self, reply: _Reply) -> None:
        record, exchange = reply.record, reply.exchange
        record.ended = self._attempt.delivery.now()
        exchange.usage = record.usage
        self.usage = added(self.usage, record.usage)
        if reply.meter is not None:
            reply.meter.close()
            cost = exchange.cost
            self.cost = None if self.cost is None or cost is None else self.cost + cost
            self.priced += exchange.priced or cost or 0

    async def _expect(self, reply: _Reply, meter: _ReplyMeter) -> None:
        try:
            await meter.expect_reply(self._expected, self._attempt.deployment, reply.record)
        except RequestFailed as refused:
            self._attempt.exchange.refused_by = reply.exchange.refused_by
            reply.exchange.attempts = []
            meter.close()
            raise EndedByLimit(refused.fault) from None

    def _made(self, deployment: str) -> _Reply:
        attempt, session = self._attempt, self._attempt.exchange
        self._number += 1
        now, held = attempt.delivery.now(), attempt.record
        id_ = f"{session.id}.{self._number}"
        record = AttemptRecord(
            f"{id_}-1", deployment, held.key_tail, "relay", now, key_id=held.key_id, own=held.own
        )
        record.sent = record.first = now
        exchange = msgspec.structs.replace(
            session,
            id=id_,
            began=now,
            created=attempt.runtime.seams.now(),
            answered=deployment,
            attempts=[record],
            phase="done",
            losses=(),
            changes=(),
            waits=(),
            bodies=None,
            usage=None,
            cost=None,
            priced=None,
            waited=0.0,
            first=now,
        )
        meter = attempt.delivery.meter
        if meter is None:
            return _Reply(exchange, record, None)
        return _Reply(exchange, record, _ReplyMeter.within(meter, exchange, attempt.plan.route))


def _soft(applied: Applied, now: float) -> Sequence[Claim]:
    """Return claims of the amount 0 on the limits of tokens and of money. No limit refuses them."""
    claims = applied.of_usage(0, 0, 0, now)
    return [one._replace(limit=msgspec.structs.replace(one.limit, hard=False)) for one in claims]


def added(one: ir.Usage | None, other: ir.Usage | None) -> ir.Usage | None:
    """Return the sum of two usages of a session; None counts as no usage. If both are None, return None. A
    sum has only the fields that sessions state: not `others`, `extra`, or the lifetimes of cache writes.
    """
    if one is None or other is None:
        return other if one is None else one
    counts: dict[str, Any] = {}
    for name in ("input", "cache_read", "cache_write", "tool_input", "output", "reasoning"):
        first, second = getattr(one, name), getattr(other, name)
        counts[name] = first if second is None else second if first is None else first + second
    detail = _sum(one.detail or {}, other.detail or {})
    return ir.Usage(**counts, detail=detail or None, estimated=one.estimated or other.estimated)


def _sum(one: Any, other: Any) -> dict[str, Any]:
    """Return the sums of the whole numbers in two mappings, by name. A name that only one mapping has keeps
    its number; values that are not whole numbers are left out.
    """
    sums: dict[str, Any] = {}
    for counts in (one, other):
        for name, count in counts.items():
            if type(count) is int:
                sums[name] = sums.get(name, 0) + count
    return sums
