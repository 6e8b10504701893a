"""Background responses: they run without a waiting client, and their events are stored.

The engine writes the events of an answer to a `Writer`, as it writes to any client. The writer stores every
event before a client can read it. Clients read only what is stored (except a last event that
`Background.follow` may make), so they can read through any process that shares the store. A running response
has a lease that its process renews. After `_LEASE` seconds without a renewal, another process marks the
response as failed. Each process measures these seconds with its own monotonic clock, because the time of day
may jump. To cancel a response, any process writes the new status to the store; the process that runs the
response notices this at its next renewal. https://platform.openai.com/docs/guides/background
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
from dragoman.engine.asked import Asked, Inbound
from dragoman.engine.client import Client, Headers
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.ir.fault import INTERNAL
from dragoman.seams.tasks import spawn
from dragoman.state.store import UNSETTLED, Lease, Status, StoredResponse, StoreFailed, StoreFull
from dragoman.turns.items import decode, kept
from dragoman.turns.keeping import NO_ROOM, Keeping, reachable, shown
from dragoman.turns.turn import ResponseTurn
from dragoman.wire.json import encode

log = logging.getLogger("dragoman.background")

_LEASE: Final = 20.0
"""Seconds without a renewal after which the process of a running response counts as dead."""
_LOOK: Final = 5.0
"""Seconds between two reads of the leases."""
_RENEWAL: Final = 2.0
"""Seconds between two renewals of a lease. Each renewal also finds cancellations by other processes."""
_FAREWELL: Final = 5.0
"""Seconds for which `close` waits until the stopped responses have stored their end."""
_FLUSH: Final = 0.05
"""Seconds for which events are collected before they are stored together."""
_BUFFER: Final = 1_000_000
"""Bytes. While more collected events than this wait to be stored, nothing is read from the upstream."""
_POLL: Final = 0.25
"""Seconds between two reads of a response that another process runs."""
_ENDINGS: Final[Mapping[Status, str]] = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "failed": "response.failed",
    "cancelled": "response.failed",
}
"""The type of a response's last event, by the response's status. The API has no type for cancelled
responses.
"""
_TERMINAL: Final = frozenset(_ENDINGS.values())

Run = Callable[[Exchange, Inbound, Client], Awaitable[None]]


class _Kind(msgspec.Struct):
    type: str = ""


_decode_kind: Final = msgspec.json.Decoder(_Kind).decode


class Silences:
    """Measures how long each running response has given no sign of life: the time for which its lease has
    stayed the same, as this process has observed.

    The time between two calls of `ended` counts as at most twice `_LOOK`. A longer pause may mean that this
    process, and perhaps other processes too, was suspended or blocked, so it proves nothing.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, float]] = {}
        """For each response: the value of its lease, and the seconds for which the lease has stayed
        unchanged.
        """
        self._looked: float | None = None

    def ended(self, leases: Sequence[Lease], now: float) -> list[Lease]:
        """Record these leases at the time `now` (monotonic seconds), in place of those that were recorded
        before. Return the leases that have been unchanged for at least `_LEASE` seconds.
        """
        passed = 0.0 if self._looked is None else min(now - self._looked, 2 * _LOOK)
        self._looked = now
        before, self._seen = self._seen, {}
        for one in leases:
            lease, silent = before.get(one.id, (None, 0.0))
            self._seen[one.id] = one.lease, silent + passed if lease == one.lease else 0.0
        return [one for one in leases if self._seen[one.id][1] >= _LEASE]


class BackgroundTurn(ResponseTurn):
    """A `ResponseTurn` that stores its response as queued before a model is called. The writer, not `kept`,
    stores the finished response.
    """

    def __init__(self, keeping: Keeping, tenant: str, writer: Writer) -> None:
        super().__init__(keeping, tenant, background=True)
        self._writer = writer

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        """Store the response as queued, through the writer. Return what `ResponseTurn.admitted` returns.
        last_words: returns, for a fault, the last event (JSON) of a failed response. Raises RequestFailed
        (503) if the store fails or has no space.
        """
        await self._writer.accept(self, asked, last_words)
        return await super().admitted(asked, last_words)


class Refused(msgspec.Struct, frozen=True):
    """The HTTP answer for a request that failed before its background response was stored. body: the error as
    JSON. fault: why it failed; None = unknown.
    """

    status: int
    headers: Headers
    body: bytes
    fault: ir.Fault | None = None


class Writer:
    """Stands for the client in the engine while a background response runs, and stores the response's events.
    Implements `Client`, for the framing "ndjson": one event as JSON in each line.
    """

    def __init__(self, background: Background, exchange: Exchange) -> None:
        self._background = background
        self._exchange = exchange
        self._turn: ResponseTurn
        self._record: StoredResponse
        self._buffer: list[bytes] = []
        self._size = self._next = self._kept = 0
        self._full: ir.Fault | None = None
        """Why no more events can be stored; None = they can be stored."""
        self._flusher: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()
        """Locked while events are stored, so that they stay in order, however slow the store is."""
        self._last_words: Callable[[ir.Fault], bytes]
        """Returns, for a fault, the last event (JSON) of a failed response."""
        self.begun = False
        self.gone = True
        """Always True, so that the engine writes no end when the exchange is stopped: `abandon` writes it."""
        self.over = False
        """Whether the engine has given the last event. Only storing is left then, so the flight is not
        stopped any more.
        """
        self.accepted: asyncio.Future[StoredResponse | Refused | ir.Fault]
        """Set to the response when it is first stored, or to the reason why there is none (as a value, not an
        exception, because nobody may be waiting).
        """
        self.accepted = asyncio.get_running_loop().create_future()

    async def accept(self, turn: ResponseTurn, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> None:
        """Store the response as queued, with its events `response.created` and `response.queued`. Then set
        `accepted` to the response, and `begun` to True. Add this writer to `Background.running`.

        turn: the turn of the request `asked`; it makes the response's record for the store. last_words: for
        `abandon`; returns, for a fault, the last event (JSON) of a failed response. Raises RequestFailed
        (503) if the store fails or has no space.
        """
        self._turn, self._last_words = turn, last_words
        reply = asked.reply(Report(asked.face.name), model=asked.exchange.asked)
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
        """Set `accepted` to this HTTP answer (`Refused`): the request failed before its background response
        was stored.
        """
        self._exchange.status = status
        self.accepted.set_result(Refused(status, headers, body))

    def expect_stream(self) -> None:
        """Do nothing: no waiting client needs a heartbeat."""

    async def begin(self, status: int, headers: Headers) -> None:
        """Record the status in the exchange. The headers are ignored: no client waits for them."""
        self._exchange.status = status

    async def write(self, data: bytes) -> None:
        """Collect more events, one in each line of `data`, and give each its sequence number. They are stored
        about `_FLUSH` seconds later; if more than `_BUFFER` bytes are collected, before this method returns.
        Raises RequestFailed if that fails, or if the store had no space for earlier events; so does each
        later call. Events after the response's last event are ignored.
        """
        self._take(data)
        if self._full is not None:
            raise RequestFailed(self._full)
        if self._size > _BUFFER:
            try:
                await reachable(self.flush())
            except RequestFailed as failed:
                self._give_up(failed.fault)
                raise
        elif self._flusher is None:
            self._flusher = spawn(self._later(), "events")

    async def end(self, data: bytes = b"") -> None:
        """Store the collected events and those in `data`, together with the response's final status. If the
        store has no space for them, the response is stored as failed, without its output. Raises StoreFailed
        if the store fails, or has no space even for that.
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
        """Drop the collected events, because they cannot be stored. Every later `write` raises `fault`."""
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
            return  # it was stored before the upstream was asked
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

    async def flush(self) -> None:
        """Store the collected events, and wake the readers. Raises StoreFailed if the store fails; in this
        case the events stay collected.
        """
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
        """Store the final `response` with its last events, unless the response was cancelled or deleted
        before. If it was stored, did not fail and has a conversation, add the turn to the conversation; a
        failure to add it is only logged.
        """
        turn = self._turn
        output = kept(response.get("output") or (), turn.keeping.seams.random_id)
        status: Status = response["status"]
        record = turn.record(response, status, output, self._exchange.answered)
        settled = await turn.keeping.store.responses.settle(record, self._kept, events)
        if settled and turn.conversation is not None and status != "failed":
            try:
                await turn.converse(output)
            except RequestFailed:  # only logged, because the answer itself is complete and stored
                log.exception("the conversation %s lacks the response %s", turn.conversation, record.id)
        self._record = record
        self._background.wake(record.id)

    def stopped(self) -> None:
        """Record that the gateway, not the client, ends the exchange. Call this before the task that runs the
        response is cancelled.
        """
        self._exchange.fault = _STOPPED

    async def abandon(self, fault: ir.Fault) -> None:
        """End a response whose task was cancelled or raised an exception. If the response is not stored yet,
        set `accepted` to the fault. Otherwise store the fault as the response's last event, unless the engine
        has given the last event already, or the request was refused. Raises StoreFailed if this cannot be
        stored.
        """
        if not self.accepted.done():
            self.accepted.set_result(fault)
        elif self.begun and not self.over:
            await self.end(self._last_words(fault))


class Background:
    """Runs background responses in this process, and reads, cancels and deletes those of all processes that
    share the store. The constructor starts the task `watch`, so it needs a running event loop; `close` ends
    the task.

    run: sends a request through the engine. begun, finished: called for the exchange of each response, when
    it starts and when it has ended. most: how many responses may run for one client at the same time.
    most_in_all: how many may run for all clients together. Both numbers count the responses of this process.
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
        self._watch = spawn(self.watch(), "abandoned answers")
        self.running: dict[str, Writer] = {}

    async def start(self, parent: Exchange, inbound: Inbound, tenant: str) -> StoredResponse | Refused:
        """Start a background response, and wait until it is stored as queued or is refused. Return the stored
        response, or the HTTP answer that refuses it.

        parent: the exchange of the client's request; the response gets a separate exchange. inbound: the
        request, as a stream with the framing "ndjson". tenant: the name of the client that owns the response.
        Raises RequestFailed: 429 if too many responses run already; 503 or 500 if the response was stopped or
        an exception ended it before it was stored.
        """
        self._admit(tenant)
        inbound.room.hold()
        seams = self._keeping.seams
        exchange = Exchange(
            f"ex_{seams.random_id()}",
            parent.request_id,
            parent.face,
            parent.method,
            f"{parent.path} (background)",
            began=seams.monotonic(),
            created=seams.now(),
        )
        exchange.client, exchange.address, exchange.caller = parent.client, parent.address, parent.caller
        exchange.forwarded, exchange.agent = parent.forwarded, parent.agent
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
        if own >= self._most:
            text = (
                f"{own} background responses are already running for this API key. Wait for one to "
                "finish, or cancel it."
            )
            raise RequestFailed(_BUSY.changed(message=text, blame="client"))
        if len(self._tasks) >= self._most_in_all:
            raise RequestFailed(_BUSY)

    def _ended(self, tenant: str, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._running_for[tenant] -= 1
        if not self._running_for[tenant]:
            del self._running_for[tenant]

    async def _flight(self, exchange: Exchange, inbound: Inbound, writer: Writer) -> None:
        seams, cancelled = self._keeping.seams, False
        try:
            await self._run(exchange, inbound, writer)
        except asyncio.CancelledError:
            cancelled = exchange.fault is None  # else the gateway stops it (`Writer.stopped`), not the client
            await writer.abandon(_STOPPED)
            raise
        except Exception:
            log.exception("the background response %s failed", exchange.id)
            exchange.fault = INTERNAL
            await writer.abandon(INTERNAL)
        finally:
            id_ = exchange.id.replace("ex_", "resp_", 1)
            self.running.pop(id_, None)
            self.wake(id_)
            exchange.close(seams.monotonic(), gone=cancelled)
            self._finished(exchange)

    def wake(self, id_: str) -> None:
        """Wake the readers of a response in this process, because it may have new events."""
        if (news := self._news.pop(id_, None)) is not None:
            news.set()

    async def follow(self, tenant: str, id_: str, after: int) -> AsyncIterator[tuple[int, str, bytes]]:
        """Yield the events of a response with numbers above `after`, as they come: (number, type, JSON). The
        first event has the number 0. Ends after the response's last event; yields nothing if `after` is the
        number of this event, or a greater one. If the response ended without a last event (it was cancelled,
        or its process died), a last event with the next number is made and yielded, but not stored. Raises
        RequestFailed: 404 if this client has no such response, or it is deleted meanwhile; 503 if the store
        fails.
        """
        asked = after
        responses = self._keeping.store.responses
        while True:
            news = self._news.setdefault(id_, asyncio.Event()) if id_ in self.running else None
            events = await reachable(responses.events(tenant, id_, after=after))
            kind = ""
            for number, event in events:
                after, kind = number, _decode_kind(event).type
                yield after, kind, event
            if kind in _TERMINAL:
                return
            if events:
                continue
            record = await self._keeping.get(tenant, id_)
            if record.status not in UNSETTLED:
                stored = await reachable(responses.last_event(tenant, id_))
                last, event = (-1, b"{}") if stored is None else stored
                if last > after or (last < after and asked < after):
                    continue  # it was stored since, or the response was deleted
                if _decode_kind(event).type in _TERMINAL or last < asked:
                    return  # the client has read all, also a made event, or names one that does not exist
                ending = {"sequence_number": last + 1, "response": shown(record)}
                kind = _ENDINGS[record.status]  # it was cancelled, or its process is gone
                yield last + 1, kind, encode({"type": kind, **ending})
                return
            if news is None:
                await asyncio.sleep(_POLL)
            else:
                await news.wait()

    async def cancel(self, tenant: str, id_: str) -> StoredResponse:
        """Cancel a response if it has not ended yet, also if another process runs it, and return the response
        as it is then stored. Raises RequestFailed: 400 for a response that was not requested in the
        background, 404 if this client has no such response, 503 if the store fails.
        """
        record = await self._keeping.get(tenant, id_)
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
        """Delete a response, and stop it if this process runs it. Another process that runs it stops it at
        its next renewal. Raises RequestFailed: 404 if this client has no such response, 503 if the store
        fails.
        """
        await self._keeping.delete(tenant, id_)
        self._stop(id_)

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
        """Call `sweep` every `_LOOK` seconds, while the store is open and works. Failures of the store are
        logged. Runs until it is cancelled.
        """
        store = self._keeping.store
        while True:
            await asyncio.sleep(_LOOK)
            try:
                if store.is_open and store.healthy:  # do not open the store only for this
                    await self.sweep()
            except (StoreFailed, RequestFailed):
                log.exception("abandoned background responses could not be looked up")

    async def sweep(self) -> None:
        """Mark as failed the responses whose leases have not changed for at least `_LEASE` seconds
        (`Silences`), except those that this process runs. Raises StoreFailed or RequestFailed if the store
        fails.
        """
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
        """Wait until the responses that this process runs have ended, but at most `seconds` seconds."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)

    async def close(self) -> None:
        """Stop the responses that this process runs, and wait at most `_FAREWELL` seconds until they are
        stored: as failed, except those that are already complete. Then stop the tasks of this object.
        """
        self.stop()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=_FAREWELL)
        for own in (self._renewal, self._watch):
            if own is not None:
                own.cancel()

    def stop(self) -> None:
        """Stop the responses that this process runs, without waiting. They are then stored as failed. A
        response that is complete, and only has to be stored, is not stopped.
        """
        for task, writer in list(self._tasks.items()):
            if not writer.over:
                writer.stopped()
                task.cancel()


_BUSY: Final = ir.Fault(
    "rate_limit",
    "The gateway has reached its limit of background responses. Try again later.",
    "too_many_background",
    "background",
    retry_after=10.0,
    blame="gateway",
)
_NOT_BACKGROUND: Final = ir.Fault(
    "invalid_request",
    "Only responses that were requested with 'background': true can be cancelled.",
    "invalid_request",
    "id",
)
_STOPPED: Final = ir.Fault(
    "unavailable", "The response was cancelled before it was complete.", "stopped", blame="gateway"
)
