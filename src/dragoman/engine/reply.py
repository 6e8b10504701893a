"""The record of one piece of work within a realtime session: of a reply, or of a transcript.

Each has a usage record and a meter of its own, and belongs to the client and the model of the session.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.accounts.claims import Applied
from dragoman.accounts.limits import Claim
from dragoman.engine.accounting import Expected
from dragoman.engine.attempt import Attempt
from dragoman.engine.growth import Growth
from dragoman.engine.meter import EndedByLimit, Meter
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.providers.rates import EVERYTHING
from dragoman.routing.route import Deployment, Route

log = logging.getLogger("dragoman.engine.reply")

USUAL: Final = Expected(512, 512, units={"input_audio_ms": 10_000}, kinds=EVERYTHING)
"""The amounts that are reserved for the first reply of a session: tokens, and milliseconds for models that
bill time. For a later reply, as much is reserved as the reply before has used.
"""
_BYTES_PER_TOKEN: Final = 1280
"""The bytes of one token's sound in base64: 20 ms of 24,000 samples of 16 bits in a second. A recorded
session of xAI's states 250 tokens for 4.97 seconds; other providers' tokens last longer, so that this is an
upper bound.
"""


class ReplyMeter(Meter):
    """Accounts for one reply, or one transcript, within a realtime session, which has a meter of its own."""

    __slots__ = ()

    @classmethod
    def within(cls, session: Meter, exchange: Exchange, route: Route) -> ReplyMeter:
        """Return a meter for one reply. It claims on the windows of limits (the day, for example) in which
        the reply begins. The limits of the model that the client has asked for apply and, if the session uses
        a fallback, also those of the fallback. session: the meter of the session. exchange: the reply's own
        record. route: the route of the session's deployment.
        """
        meter = cls(session._accounting, exchange, session._seams, session._operation, own=session._own)
        meter._apply(*session.named)
        if (reserved := meter._reserving()) is not None and (further := reserved.further(route)) is not None:
            reserved.join(further)
        meter.open_ended = True
        return meter

    async def expect_reply(self, expected: Expected, deployment: Deployment, record: AttemptRecord) -> None:
        """Reserve the tokens and the money that a reply within a session may use, at the limits of the client
        and at those of the deployment and its provider. Limits on requests are not charged, because the whole
        session is one request. record: the reply's record. Raises RequestFailed if a limit refuses the reply,
        also because the price is not known, or if the ledger cannot check its limits. What was reserved
        before the failure stays reserved.
        """
        most, reserved = self.at_most(expected, (deployment,)), self._reserving()
        if reserved is None:
            return
        if reserved.applied is not None and reserved.applied.measures:
            await self.expect(most)
        applied, now = self._accounting.limits.of_attempt(deployment.name), self._seams.now()
        if applied is None:
            return
        if most.cost is None:
            reserved.refuse_unpriced(applied)
        if claims := applied.of_usage(most.taken, most.given, most.cost, now):
            await reserved.hold(record, claims, now)
            self.expected = most

    async def hold_reply(self, record: AttemptRecord) -> None:
        """Make claims of the amount 0 at the limits on tokens and money, for work within a session that was
        done before it was reserved. So the work is charged at the end, also beyond a limit. record: the
        work's record. If the counters cannot be reached, this is logged, and limits do not count the work.
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
        """Raise RequestFailed if the price of a deployment is not known and a limit, of the client or of the
        deployment or its provider, refuses that (`unknown_price: refuse`). deployment: `provider/model`.
        """
        if (reserved := self._reserving()) is None:
            return
        for applied in (reserved.applied, self._accounting.limits.of_attempt(deployment)):
            if applied is not None and self._most(USUAL, deployment) is None:
                reserved.refuse_unpriced(applied)


class Reply(msgspec.Struct, eq=False):
    """A running reply, or other work within a session, such as a transcript. exchange, record: made for it
    alone. meter: accounts for it; None = nothing is accounted for. growth: watches how long the reply
    becomes; None = nothing watches it. size: the bytes of the provider's messages with sound. words: the
    number of the provider's other messages, each about one token of text.
    """

    exchange: Exchange
    record: AttemptRecord
    meter: ReplyMeter | None
    growth: Growth | None = None
    size: int = 0
    words: int = 0

    @property
    def said(self) -> int:
        """The estimated output tokens of the reply so far."""
        return self.size // _BYTES_PER_TOKEN + self.words


class Books:
    """Makes the records of one session's replies and transcripts, and adds up what they have used. attempt:
    the session's attempt. usage: the tokens of all of them together; None = none are known. cost: of all of
    them together, in nano-USD; None = a part of it is unknown. priced: the part of the cost that is known, in
    nano-USD.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._number = 0
        self.usage: ir.Usage | None = None
        self.cost: int | None = 0
        self.priced = 0

    def made(self, deployment: str, *, counts: bool = True) -> Reply:
        """Return a new reply of this deployment (`provider/model`). Nothing is reserved for it yet, and the
        journal is not told. Its id is the session's id, a dot, and a number that counts from 1. counts: False
        = it will leave no record, so the next reply gets the same number.
        """
        attempt, session = self.attempt, self.attempt.exchange
        number = self._number + 1
        self._number = number if counts else self._number
        now, held = attempt.delivery.now(), attempt.record
        id_ = f"{session.id}.{number}"
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
            return Reply(exchange, record, None)
        return Reply(exchange, record, ReplyMeter.within(meter, exchange, attempt.plan.route))

    async def expect(self, reply: Reply, expected: Expected, deployment: Deployment) -> None:
        """Reserve what a reply of this deployment may use. Raises EndedByLimit, and forgets the reply, if a
        limit refuses it.
        """
        if reply.meter is None:
            return
        try:
            await reply.meter.expect_reply(expected, deployment, reply.record)
        except RequestFailed as refused:
            self.forget(reply)
            raise EndedByLimit(refused.fault) from None

    def opened(self, reply: Reply) -> None:
        """Tell the journal what is reserved for a reply. Raises EndedByLimit, and forgets the reply, if a
        failing journal refuses it.
        """
        if reply.meter is None:
            return
        try:
            reply.meter.began(reply.record)
        except RequestFailed as refused:
            self.forget(reply)
            raise EndedByLimit(refused.fault) from None

    def forget(self, reply: Reply) -> None:
        """Free what is reserved for a reply of which the journal was not told; it leaves no record. If a
        limit has refused it, the name of the limit is written into the session's exchange (`refused_by`).
        """
        self.note_refusal(reply)
        reply.exchange.attempts = []
        if reply.meter is not None:
            reply.meter.close()

    def note_refusal(self, reply: Reply) -> None:
        """If a limit has refused a reply, or the reservation of more for it, write the name of the limit into
        the session's exchange (`refused_by`).
        """
        self.attempt.exchange.refused_by = reply.exchange.refused_by or self.attempt.exchange.refused_by

    def account(self, reply: Reply) -> None:
        """End a reply: charge the usage and the units in its record, give the journal its usage record, and
        add its usage and cost to the sums of this object. Without a meter, only the usage is added.
        """
        record, exchange = reply.record, reply.exchange
        record.ended = self.attempt.delivery.now()
        exchange.usage = record.usage
        self.usage = added(self.usage, record.usage)
        if reply.meter is not None:
            reply.meter.close()
            cost = exchange.cost
            self.cost = None if self.cost is None or cost is None else self.cost + cost
            self.priced += exchange.priced or cost or 0


def _soft(applied: Applied, now: float) -> Sequence[Claim]:
    """Return claims of the amount 0 on the limits of tokens and of money. They count as claims on soft
    limits, so they are never refused, not even if a hard limit is exceeded already.
    """
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
    detail = summed(one.detail or {}, other.detail or {})
    return ir.Usage(**counts, detail=detail or None, estimated=one.estimated or other.estimated)


def summed(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sums of the whole numbers in two mappings, by name. A name that only one mapping has keeps
    its number; values that are not whole numbers are left out.
    """
    sums: dict[str, Any] = {}
    for counts in (one, other):
        for name, count in counts.items():
            if type(count) is int:
                sums[name] = sums.get(name, 0) + count
    return sums
