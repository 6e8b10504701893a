"""Answers in the background: they run although nobody waits, and their events are kept.

A flight writes to a `Writer` as it writes to any client. The writer keeps every event before anybody reads
it, so readers only ever read the store: it makes no difference whether one follows from the beginning, comes
back after its connection broke, or asks another process. A running answer has a lease that its process
renews; once it has not changed for a while, another process writes that the answer has failed. Cancelling is
a conditional write, which the process that runs the answer learns of with its next renewal.

No lease is compared with the time of day: that jumps when a clock is set or a machine wakes up. Each process
looks at the leases again and again, and counts by its own monotonic clock how long one has stayed as it was.
https://platform.openai.com/docs/guides/background
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.response import response_object
from dragoman.dialects.reply import Reply
from dragoman.dialects.streaming import Ending
from dragoman.engine.work import Client, Headers, Inbound, Work
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.seams.tasks import spawn
from dragoman.state.store import UNSETTLED, Lease, Status, StoredResponse, StoreFailed, StoreFull
from dragoman.turns.items import decode, kept
from dragoman.turns.keeping import NO_ROOM, Keeping, reachable, shown
from dragoman.turns.turn import ResponseTurn, decode_kind
from dragoman.wire.json import encode

log = logging.getLogger("dragoman.background")

_LEASE: Final = 20.0
"""Seconds for which a running answer's process is believed to be alive although its lease stays the same."""
_LOOK: Final = 5.0
"""Seconds between two looks at the leases."""
_RENEWAL: Final = 2.0
"""Seconds between renewals, and about how late a cancel from another process is noticed."""
_FAREWELL: Final = 5.0
"""Seconds that stopped answers have to say so."""
_FLUSH: Final = 0.05
"""Seconds for which events are gathered before they are kept together."""
_BUFFER: Final = 1_000_000
"""Bytes of events that are gathered while the store is busy; beyond that the upstream waits, too."""
_POLL: Final = 0.25
"""Seconds between two looks at an answer that another process runs."""
_ENDINGS: Final[Mapping[Status, str]] = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "failed": "response.failed",
    "cancelled": "response.failed",
}
"""The last event by how an answer has ended. There is none for what was cancelled; see its status."""
_TERMINAL: Final = frozenset(_ENDINGS.values())

Run = Callable[[Exchange, Inbound, Client], Awaitable[None]]


class _Seen(msgspec.Struct):
    """A lease, and the seconds for which it has been seen unchanged."""

    lease: float
    silent: float = 0.0


class Silences:
    """How long each lease has stayed the same, as far as this process has looked.

    The time between two looks counts for twice `_LOOK` at most: a process that was suspended, or whose loop
    was held up, has not watched meanwhile, and those that it watches may have slept with it.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._looked: float | None = None

    def ended(self, leases: Sequence[Lease], now: float) -> list[Lease]:
        """Those that have not changed for `_LEASE` seconds. now: seconds of a monotonic clock."""
        passed = 0.0 if self._looked is None else min(now - self._looked, 2 * _LOOK)
        self._looked = now
        seen: dict[str, _Seen] = {}
        for one in leases:
            known = self._seen.get(one.id)
            if known is None or known.lease != one.lease:
                known = _Seen(one.lease)
            else:
                known.silent += passed
            seen[one.id] = known
        self._seen = seen
        return [one for one in leases if seen[one.id].silent >= _LEASE]


class BackgroundTurn(ResponseTurn):
    """A turn whose answer is kept by its writer."""

    def __init__(self, keeping: Keeping, tenant: str, writer: Writer) -> None:
        super().__init__(keeping, tenant, background=True)
        self._writer = writer

    async def admitted(self, work: Work) -> bool:
        """The answer exists from now on. Raises RequestFailed (503) when it cannot be kept."""
        await self._writer.accept(self, work)
        return True

    async def kept(self, work: Work, ending: Ending) -> bool:
        """Its writer keeps it with its last event."""
        return True


class Refused(msgspec.Struct, frozen=True):
    """What the client is answered instead of an answer's beginning."""

    status: int
    headers: Headers
    body: bytes
    fault: ir.Fault | None = None


class Writer:
    """Where a flight in the background writes to. Implements `work.Client`, framing "ndjson"."""

    def __init__(self, background: Background, exchange: Exchange) -> None:
        self._background = background
        self._exchange = exchange
        self._turn: ResponseTurn
        self._record: StoredResponse
        self._buffer: list[bytes] = []
        self._size = self._next = self._kept = 0
        self._full: ir.Fault | None = None
        """Why no more can be kept."""
        self._flusher: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()
        """Events are kept in order, however slow the store is."""
        self._work: Work
        self.begun = False
        self.over = False
        """Whether the last event is there: what is complete is kept, and stopped by nobody."""
        self.accepted: asyncio.Future[StoredResponse | Refused | ir.Fault]
        """What the client is told first. A fault as a result: perhaps nobody waits for it any more."""
        self.accepted = asyncio.get_running_loop().create_future()

    async def accept(self, turn: ResponseTurn, work: Work) -> None:
        """Keep the answer as queued, with its first two events."""
        self._turn, self._work = turn, work
        reply = Reply(
            work.brief,
            Report(work.face.name),
            work.answer_id,
            int(work.exchange.created),
            model=work.exchange.asked,
            echo=work.echo,
        )
        nothing = ir.Response("", None, None, None, (), None)
        response = {**response_object(nothing, reply, [], running=True), "status": "queued"}
        record = turn.record(response, "queued", (), None)
        record = msgspec.structs.replace(record, lease=turn.keeping.seams.now())
        await reachable(turn.keeping.store.responses.save(record))
        self._record = record
        self._background.running[record.id] = self
        for word in ("created", "queued"):
            self._add({"type": f"response.{word}", "response": response})
        await reachable(self.flush())
        self.begun = True  # from now on a failure is part of the answer
        self.accepted.set_result(record)

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A failure before the answer existed."""
        self._exchange.status = status
        self.accepted.set_result(Refused(status, headers, body))

    def expect_stream(self) -> None:
        """Nobody waits who had to be kept waiting."""

    async def begin(self, status: int, headers: Headers) -> None:
        """There are no headers."""
        self._exchange.status = status

    async def write(self, data: bytes) -> None:
        """More events, a line each."""
        self._take(data)
        if self._full is not None:
            raise RequestFailed(self._full)
        if self._size > _BUFFER:
            await self._kept_now()
        elif self._flusher is None:
            self._flusher = spawn(self._later(), "events")

    async def end(self, data: bytes = b"") -> None:
        """The last events. The answer is settled before they can be read.

        Where there is no room for it, it has failed, and is kept without its output.
        """
        self._take(data)
        try:
            await self.flush()
        except StoreFull:
            response = decode(self._buffer[-1]).get("response") or decode(self._record.body)
            error = {"code": "server_error", "message": NO_ROOM.message}
            failed = {**response, "status": "failed", "error": error, "output": []}
            self._give_up(NO_ROOM)
            self._add({"type": "response.failed", "response": failed})
            await self.flush()

    def _give_up(self, fault: ir.Fault) -> None:
        """Forget the events that cannot be kept: the next write ends the flight, and its end is told."""
        self._full = fault
        self._buffer, self._size = [], 0
        self._next = self._kept
        self.over = False

    def _take(self, data: bytes) -> None:
        for line in data.splitlines():
            if line and not self.over:
                self._add(decode(line))

    def _add(self, event: dict[str, Any]) -> None:
        if event["type"] == "response.created" and self._next:
            return  # it has been said, before anybody was asked
        line = encode({**event, "sequence_number": self._next})
        self._buffer.append(line)
        self._size += len(line)
        self._next += 1
        if event["type"] in _TERMINAL:
            self.over = True

    async def _later(self) -> None:
        await asyncio.sleep(_FLUSH)
        self._flusher = None
        try:
            await self.flush()
        except StoreFull:
            self._give_up(NO_ROOM)
        except StoreFailed:
            log.exception("events of the response %s could not be stored", self._record.id)

    async def _kept_now(self) -> None:
        """Keep what has been gathered before more is read. Raises RequestFailed where that fails."""
        try:
            await reachable(self.flush())
        except RequestFailed as failed:
            self._give_up(failed.fault)
            raise

    async def flush(self) -> None:
        """Keep what has been gathered. Raises StoreFailed: it is gathered still."""
        async with self._flushing:
            events, self._buffer = self._buffer, []
            size, self._size = self._size, 0
            try:
                await self._keep(events)
            except StoreFailed:
                self._buffer[:0] = events
                self._size += size
                raise

    async def _keep(self, events: Sequence[bytes]) -> None:
        if not events:
            return
        responses, first = self._turn.keeping.store.responses, self._kept
        if self.over:
            await self._settle(decode(events[-1])["response"], events)
            return
        if self._record.status == "queued" and first > 1:
            body = encode({**decode(self._record.body), "status": "in_progress"})
            running = msgspec.structs.replace(self._record, status="in_progress", body=body)
            await responses.settle(running, first, events)
            self._record = running
        else:
            await responses.append(self._record.id, first, events)
        self._kept += len(events)
        self._background.wake(self._record.id)

    async def _settle(self, response: Mapping[str, Any], events: Sequence[bytes]) -> None:
        """Write the answer with its last events; nothing where it was cancelled or deleted meanwhile."""
        turn = self._turn
        output = kept(response.get("output") or (), turn.keeping.seams.random_id)
        status: Status = response["status"]
        record = turn.record(response, status, output, self._work.exchange.answered)
        settled = await turn.keeping.store.responses.settle(record, self._kept, events)
        if settled and turn.conversation is not None and status != "failed":
            try:
                await turn.converse(output)
            except RequestFailed:  # logged, because the answer itself is whole and kept
                log.exception("the conversation %s lacks the response %s", turn.conversation, record.id)
        self._record = record
        self._background.wake(record.id)

    async def abandon(self, fault: ir.Fault) -> None:
        """The flight ends without an answer."""
        if not self.accepted.done():
            self.accepted.set_result(fault)
        elif self.begun and not self.over:
            await self.end(self._work.failing(fault))


class Background:
    """The answers that this process runs.

    run: asks the engine. begun, finished: are told of each exchange, the latter when it is over. most:
    answers that run for one client at the same time. most_in_all: and for all of them.
    """

    def __init__(
        self,
        keeping: Keeping,
        run: Run,
        finished: Callable[[Exchange], None],
        *,
        begun: Callable[[Exchange], None],
        most: int,
        most_in_all: int,
    ) -> None:
        self._keeping = keeping
        self._begun = begun
        self._run = run
        self._finished = finished
        self._most = most
        self._most_in_all = most_in_all
        self._running_for: Counter[str] = Counter()
        self._silences = Silences()
        self._tasks: dict[asyncio.Task[None], Writer] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._renewal: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self.running: dict[str, Writer] = {}

    def open(self) -> None:
        """Begin to look after what other processes have left."""
        self._watch = spawn(self.watch(), "abandoned answers")

    async def start(self, asked: Exchange, inbound: Inbound, tenant: str) -> StoredResponse | Refused:
        """Have an answer run, and wait until it exists or is refused.

        asked: the exchange that asks for it; the answer gets one of its own. inbound: a stream, framed
        "ndjson". Raises RequestFailed (429) where too many run already: nothing has been kept or asked then.
        """
        self._admit(tenant)
        inbound.room.hold()
        seams = self._keeping.seams
        exchange = Exchange(
            f"ex_{seams.random_id()}",
            asked.request_id,
            asked.face,
            asked.method,
            f"{asked.path} (background)",
            began=seams.monotonic(),
            created=seams.now(),
        )
        exchange.client, exchange.address = asked.client, asked.address
        exchange.forwarded, exchange.agent = asked.forwarded, asked.agent
        writer = Writer(self, exchange)
        turn = BackgroundTurn(self._keeping, tenant, writer)
        flight = self._flight(exchange, msgspec.structs.replace(inbound, turn=turn), writer)
        task = spawn(flight, f"background {exchange.id}")
        self._tasks[task] = writer
        self._begun(exchange)
        self._running_for[tenant] += 1
        task.add_done_callback(partial(self._ended, tenant))
        task.add_done_callback(lambda _: inbound.room.free())
        if self._renewal is None or self._renewal.done():
            self._renewal = spawn(self._renew(), "leases")
        begun = await asyncio.shield(writer.accepted)
        if isinstance(begun, ir.Fault):
            raise RequestFailed(begun)
        return msgspec.structs.replace(begun, fault=exchange.fault) if isinstance(begun, Refused) else begun

    def _admit(self, tenant: str) -> None:
        own = self._running_for[tenant]
        if own >= self._most or len(self._tasks) >= self._most_in_all:
            raise RequestFailed(_too_many(own) if own >= self._most else _BUSY)

    def _ended(self, tenant: str, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._running_for[tenant] -= 1
        if not self._running_for[tenant]:
            del self._running_for[tenant]

    async def _flight(self, exchange: Exchange, inbound: Inbound, writer: Writer) -> None:
        seams = self._keeping.seams
        try:
            await self._run(exchange, inbound, writer)
        except asyncio.CancelledError:
            exchange.fault = _STOPPED
            await writer.abandon(_STOPPED)
            raise
        except Exception:
            log.exception("the background response %s failed", exchange.id)
            exchange.fault = _FAILED
            await writer.abandon(_FAILED)
        finally:
            id_ = exchange.id.replace("ex_", "resp_", 1)
            self.running.pop(id_, None)
            self.wake(id_)
            exchange.close(seams.monotonic())
            self._finished(exchange)

    # --- Reading -----------------------------------------------------------------------------------

    def wake(self, id_: str) -> None:
        """Tell those who follow an answer here that there is more."""
        if (news := self._news.pop(id_, None)) is not None:
            news.set()

    async def follow(self, tenant: str, id_: str, after: int) -> AsyncIterator[bytes]:
        """The events of an answer behind a number, kept and to come, until the last."""
        responses = self._keeping.store.responses
        while True:
            news = self._news.setdefault(id_, asyncio.Event()) if id_ in self.running else None
            events = await reachable(responses.events(tenant, id_, after=after))
            for number, event in events:
                after = number
                yield event
            if events:
                if decode_kind(events[-1][1]).type in _TERMINAL:
                    return
                continue
            record = await self.look(tenant, id_)
            if record.status not in UNSETTLED:
                around = await reachable(responses.events(tenant, id_, after=after - 1, limit=2))
                if any(number > after for number, _ in around):
                    continue
                if around and decode_kind(around[0][1]).type in _TERMINAL:
                    return  # it has been read before
                yield _ending(record, after + 1)  # it was cancelled, or its process is gone
                return
            if news is None:
                await asyncio.sleep(_POLL)
            else:
                await news.wait()

    async def look(self, tenant: str, id_: str) -> StoredResponse:
        """One answer as it is now. Raises RequestFailed (404, 503)."""
        return await self._keeping.get(tenant, id_)

    async def cancel(self, tenant: str, id_: str) -> StoredResponse:
        """Cancel an answer, wherever it runs. Raises RequestFailed (400, 404, 503)."""
        record = await self.look(tenant, id_)
        if not record.background:
            raise RequestFailed(_NOT_BACKGROUND)
        if record.status in UNSETTLED:
            body = encode({**decode(record.body), "status": "cancelled"})
            cancelled = msgspec.structs.replace(record, status="cancelled", body=body, lease=None)
            await reachable(self._keeping.store.responses.settle(cancelled))
            self._stop(id_)
            self.wake(id_)
            record = await self._keeping.get(tenant, id_)
        return record

    async def delete(self, tenant: str, id_: str) -> None:
        """Forget an answer; if it runs, it need not go on. Raises RequestFailed (404, 503)."""
        await self._keeping.delete(tenant, id_)
        self._stop(id_)

    # --- Keeping alive ------------------------------------------------------------------------------

    def _stop(self, id_: str) -> None:
        writer = self.running.get(id_)
        for task, at in list(self._tasks.items()):
            if at is writer and not at.over:
                task.cancel()

    async def _renew(self) -> None:
        seams = self._keeping.seams
        while self._tasks:
            await asyncio.sleep(_RENEWAL)
            ids = list(self.running)
            try:
                kept_on = await self._keeping.store.responses.renew(ids, seams.now()) if ids else ids
            except StoreFailed:
                log.exception("leases could not be renewed")
                continue
            for id_ in set(ids) - set(kept_on):
                self._stop(id_)

    async def watch(self) -> None:
        """Look after the answers of processes that are gone, from time to time, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                if self._keeping.store.healthy:  # nothing is to be opened for this
                    await self.sweep()
            except (StoreFailed, RequestFailed):
                log.exception("abandoned background responses could not be looked up")

    async def sweep(self) -> None:
        """Write that the answers of processes that are gone have failed. Raises StoreFailed."""
        leases = await self._keeping.store.responses.leases()
        for one in self._silences.ended(leases, self._keeping.seams.monotonic()):
            if one.id not in self.running:
                record = await self._keeping.store.responses.get(one.tenant, one.id)
                if record is not None:
                    await self._orphaned(record, one.lease)

    async def _orphaned(self, record: StoredResponse, lease: float) -> None:
        body = {
            **decode(record.body),
            "status": "failed",
            "error": {
                "code": "server_error",
                "message": "The gateway process that ran this background response has ended.",
            },
        }
        failed = msgspec.structs.replace(record, status="failed", body=encode(body), lease=None)
        await reachable(self._keeping.store.responses.settle(failed, lease=lease))

    async def drain(self, seconds: float) -> None:
        """Wait for what runs, so long."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)

    async def close(self) -> None:
        """End what runs, as failed."""
        self.stop()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=_FAREWELL)
        for own in (self._renewal, self._watch):
            if own is not None:
                own.cancel()

    def stop(self) -> None:
        """End what runs, without waiting for it. What is complete is only being kept, and ends by itself."""
        for task, writer in list(self._tasks.items()):
            if not writer.over:
                task.cancel()


def _ending(record: StoredResponse, number: int) -> bytes:
    """The last event of an answer that ended without one: cancelled, or its process died."""
    event = {"type": _ENDINGS[record.status], "sequence_number": number, "response": shown(record)}
    return encode(event)


_WAIT: Final = 10.0
"""Seconds after which a client may ask again whose answers still run, as Retry-After says it."""


def _too_many(own: int) -> ir.Fault:
    text = (
        f"{own} background responses are already running for this API key. Wait for one to "
        "finish, or cancel it."
    )
    return ir.Fault("rate_limit", text, code="too_many_background", param="background", retry_after=_WAIT)


_BUSY: Final = ir.Fault(
    "rate_limit",
    "The gateway has reached its limit of background responses. Try again later.",
    code="too_many_background",
    param="background",
    retry_after=_WAIT,
    blame="gateway",
)
_NOT_BACKGROUND: Final = ir.Fault(
    "invalid_request",
    "Only responses that were requested with 'background': true can be cancelled.",
    code="invalid_request",
    param="id",
)
_STOPPED: Final = ir.Fault(
    "unavailable", "The response was cancelled before it was complete.", code="stopped", blame="gateway"
)
_FAILED: Final = ir.Fault(
    "internal", "The gateway failed to handle this request.", code="internal_error", blame="gateway"
)
