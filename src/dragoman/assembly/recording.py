"""Writes finished exchanges into the store of exchanges, without blocking the event loop, and finds them
there.

An exchange waits in memory until a thread has made its trace and the store has written it. No request waits
for that. If too many exchanges wait, because the store is slow or cannot be reached, the oldest are dropped
and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from dragoman.assembly.redaction import Redaction
from dragoman.exchange import Exchange
from dragoman.observe.finished import ALL, Wanted, body_size, lean
from dragoman.observe.metrics import Metrics
from dragoman.observe.trace import detail, summary
from dragoman.seams.tasks import spawn
from dragoman.state.exchanges import Exchanges, Search, StoredExchange
from dragoman.state.store import StoreFailed
from dragoman.wire.json import encode_shown

log = logging.getLogger("dragoman.recording")

_GATHERING: Final = 0.2
"""Seconds for which an idle writer waits after the first exchange. Exchanges that end meanwhile may be
written in the same transaction.
"""
_BATCH: Final = 200
"""The most exchanges that are written at once."""
_BATCH_BYTES: Final = 4_000_000
"""A batch with at least this many bytes of bodies takes no further exchange."""
WAITING: Final = 5000
"""The most exchanges that may wait in each process besides the batch that is written: about 10 MB without
bodies.
"""
WAITING_BYTES: Final = 32_000_000
"""The most bytes of the bodies of waiting exchanges, without the batch that is written."""
_PAUSES: Final = 1.0, 30.0
"""Seconds before a failed write is tried again: at first, and at most. Each pause is twice the one before."""
_BREATH: Final = 0.0002
"""Seconds for which the thread sleeps, so that the event loop can run: after each trace, and before each few
kB of text are searched for secrets.
"""
_FAREWELL: Final = 5.0
"""Seconds for which a closing gateway tries to write the waiting exchanges."""
_FAST: Final = 1
"""The level of compression: a trace becomes 4 times as small in 20 µs."""


class Recording:
    """Stores the finished exchanges of one process. Finds those that all processes have stored."""

    def __init__(self, store: Exchanges) -> None:
        self.stored = self.dropped = 0
        self.last_error: str | None = None
        """Why the latest write failed; None = it did not fail, or there was none yet."""
        self._store = store
        self._worker = 1
        self._secrets = self._latest = frozenset[str]()
        """_secrets: the known secrets that are removed from what is stored. _latest: the secrets of the
        latest configuration.
        """
        self._redaction = Redaction((), _breathe)
        self._metrics: Metrics | None = None
        self._waiting: deque[Exchange] = deque()
        self._size = 0
        self._batch: list[Exchange] = []
        """The exchanges that are being written; they count as waiting."""
        self._rows: Sequence[StoredExchange] | None = None
        """The exchanges of the batch in the form that the store takes; None = not made yet."""
        self._news = asyncio.Event()
        self._closing = asyncio.Event()
        self._writer = spawn(self._write_all(), "storing exchanges")

    def adopt(self, worker: int, secrets: Iterable[str], metrics: Metrics | None) -> None:
        """Use these values from now on. worker: the number of this worker, for traces. secrets: the secrets
        of the configuration, which `Redaction` removes from what is stored; those of the earlier
        configuration are still removed, too, because requests may have begun with it. metrics: counts stored
        and dropped exchanges; None = nobody counts them.
        """
        known = frozenset(secrets)
        self._secrets = known | (self._secrets if self.waiting else self._latest)
        self._latest = known
        self._worker, self._redaction, self._metrics = worker, Redaction(self._secrets, _breathe), metrics

    def note(self, exchange: Exchange) -> None:
        """Have a finished exchange stored. One that asked for no model, called no provider and did not fail,
        such as a health check, is not stored; any other that asked for no model is stored without its bodies.
        If too many exchanges wait (`WAITING`, `WAITING_BYTES`), the oldest are dropped. After `close` has
        ended, the exchange is dropped. `exchange` is not changed.
        """
        if exchange.asked is None and exchange.fault is None and not exchange.attempts:
            return
        if self._writer.done():  # the gateway has closed, and this exchange has outlived its patience
            self._drop(1)
            return
        kept = lean(exchange)
        if exchange.asked is None:
            kept.bodies = None  # of files, sessions or other exchanges
        self._waiting.append(kept)
        self._size += body_size(kept)
        while len(self._waiting) > WAITING or self._size > WAITING_BYTES:
            self._size -= body_size(self._waiting.popleft())
            self._drop(1)
        self._news.set()

    @property
    def waiting(self) -> int:
        """How many exchanges are not written yet."""
        return len(self._waiting) + len(self._batch)

    def state(self) -> dict[str, Any]:
        """Return the fields that `/health` shows. `healthy`: whether the latest write succeeded; null =
        nothing was stored yet, and no write has failed.
        """
        return {
            "healthy": None if not self.stored and self.last_error is None else self.last_error is None,
            "last_error": self.last_error,
            "stored": self.stored,
            "dropped": self.dropped,
            "waiting": self.waiting,
        }

    async def find(self, id_: str, within: Wanted = ALL) -> dict[str, Any] | None:
        """Return the trace of the stored exchange with the id `id_`, or else of the latest one with this
        request id. None = no such exchange is stored. within: exchanges that do not match this filter are
        not found. Raises StoreFailed if the store cannot be read.
        """
        found = await self._store.find(id_, _search(within, None))
        return None if found is None else await asyncio.to_thread(_unpacked, found)

    async def listed(
        self, wanted: Wanted, before: tuple[float, str] | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return at most `limit` stored exchanges that match `wanted`, each as an entry of a list, the latest
        first. before: a position in the list (`observe.finished.place`); the result begins after it. None =
        begin with the latest exchange. Raises StoreFailed if the store cannot be read.
        """
        lines = await self._store.listed(_search(wanted, before), limit)
        return await asyncio.to_thread(lambda: [msgspec.json.decode(line) for line in lines])

    async def close(self) -> None:
        """Write the waiting exchanges for at most 5 seconds, and only until a write fails. The others are
        dropped.
        """
        self._closing.set()
        self._news.set()
        await asyncio.wait([self._writer], timeout=_FAREWELL)
        self._writer.cancel()
        await asyncio.wait([self._writer])
        if left := self.waiting:
            self._drop(left)
            log.warning("%d finished requests were not stored: %s", left, self.last_error or "no time")

    # The writing task ---------------------------------------------------------------------------------

    async def _write_all(self) -> None:
        least, most = _PAUSES
        pause = least
        while self.waiting or not self._closing.is_set():
            await self._news.wait()
            await self._rest(_GATHERING)
            self._news.clear()
            while self.waiting:
                if await self._write():
                    pause = least
                elif self._closing.is_set():
                    return
                else:
                    await self._rest(pause)
                    pause = min(2 * pause, most)

    async def _rest(self, seconds: float) -> None:
        """Wait for this number of seconds, or until the recording closes if that is earlier."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _write(self) -> bool:
        """Write a batch of the waiting exchanges. Returns False if the store has failed; then the batch goes
        on waiting. If writing fails for another reason, the batch is dropped, and the result is True.
        """
        if not self._batch:
            self._take()
        if self._rows is None:
            self._rows = await asyncio.to_thread(self._made, tuple(self._batch))
        try:
            stored = await self._store.keep(self._rows) if self._rows else 0
        except StoreFailed as failed:
            if self.last_error is None:
                log.warning("finished requests cannot be stored: %s", failed)
            self.last_error = str(failed)
            return False
        except Exception as error:  # they are odd, and must not end the writing of all that follow
            log.exception("%d finished requests cannot be stored", len(self._batch))
            self._drop(len(self._batch))
            self._batch, self._rows, self.last_error = [], None, f"{type(error).__name__}: {error}"
            return True
        self._drop(len(self._batch) - stored)
        self.stored += stored
        self._count("stored", stored)
        self._batch, self._rows, self.last_error = [], None, None
        return True

    def _take(self) -> None:
        """Move the oldest waiting exchanges into the batch, until it has enough exchanges or bytes."""
        size = 0
        while self._waiting and len(self._batch) < _BATCH and size < _BATCH_BYTES:
            self._batch.append(self._waiting.popleft())
            size += body_size(self._batch[-1])
        self._size -= size

    def _drop(self, number: int) -> None:
        self.dropped += number
        self._count("dropped", number)

    def _count(self, result: str, number: int) -> None:
        if self._metrics is not None:
            self._metrics.recorded(result, number)

    # In a thread --------------------------------------------------------------------------------------

    def _made(self, exchanges: Sequence[Exchange]) -> list[StoredExchange]:
        """Return the exchanges in the form that the store takes, without those that cannot be encoded."""
        made: list[StoredExchange] = []
        redaction, worker = self._redaction, self._worker
        for exchange in exchanges:
            try:
                made.append(stored_form(exchange, worker, redaction))
            except Exception:  # one that is odd must not keep the others from being stored
                log.exception("exchange %s cannot be stored", exchange.id)
            _breathe()
        return made


def _breathe() -> None:
    time.sleep(_BREATH)


def stored_form(exchange: Exchange, worker: int, redaction: Redaction) -> StoredExchange:
    """Return a finished exchange in the form that the store takes. redaction: removes secrets from its texts,
    but not from the fields `id` and `tenant`. worker: the number of the worker that served it.
    """
    line = redaction.value(summary(exchange, worker))
    trace = redaction.value(detail(exchange, worker))
    return StoredExchange(
        id=exchange.id,
        request_id=line["request_id"],
        created=exchange.created,
        client=line["client"],
        model=line["model"],
        status=exchange.status,
        end=line["end"],
        error=line["error"],
        called=tuple(dict.fromkeys(attempt["deployment"] for attempt in trace["attempts"])),
        attempts=len(exchange.attempts),
        losses=len(exchange.losses),
        line=encode_shown(line),
        trace=zlib.compress(encode_shown(trace), _FAST),
        tenant=exchange.tenant,
    )


def _unpacked(trace: bytes) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(zlib.decompress(trace))
    return told


def _search(wanted: Wanted, before: tuple[float, str] | None) -> Search:
    status = None
    if wanted.status is not None:
        least, greatest = wanted.status.replace("xx", "00"), wanted.status.replace("xx", "99")
        status = int(least), int(greatest)
    return Search(
        client=wanted.client,
        model=wanted.model,
        deployment=wanted.deployment,
        provider=wanted.provider,
        status=status,
        error=wanted.error,
        end=wanted.end,
        since=wanted.since,
        until=wanted.until,
        losses="losses" in wanted.has,
        failover="failover" in wanted.has,
        failed="error" in wanted.has,
        q=wanted.q,
        before=before,
        tenant=wanted.tenant,
    )
