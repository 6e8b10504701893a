"""The free places of a limit: counted in this process, or shared with the other workers of a gateway.

Workers share places as locks on the bytes of one file, which the parent process opens before it starts the
workers. The process that holds the lock on a byte holds the place. The kernel gives a lock to one process
only, so no place is taken twice, and it removes the locks of a process that ends for any reason (fcntl(2),
"advisory record locking"). The file does not depend on the configuration, so a new limit needs no new file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
from collections.abc import Iterator
from typing import Final, Protocol

try:
    import fcntl
except ImportError:  # Windows, where there is only one worker
    fcntl = None  # type: ignore[assignment]

_REGION: Final = 24
"""Each limit has 2 ** `_REGION` offsets in the file."""
_WAITING: Final = 1 << 21
"""The byte at this offset plus a worker's number is locked while requests wait in that worker."""
_STARTING: Final = 1 << 22
"""The byte at this offset is locked while the time of the next start is read and written."""
_TIMES: Final = 1 << 16
"""For how many limits the file has room to store the time of the next start. Limits whose names have the same
hash, modulo this number, share one stored time.
"""
_TIME: Final = struct.Struct("<d")


class Places(Protocol):
    """The places of one limit: for each request that runs at once, one. shared: whether other processes take
    the same places, so that a place can become free without a call here.
    """

    @property
    def shared(self) -> bool: ...

    def take(self, limit: int | None) -> int | None:
        """Take a place and return its number (any integer, also 0), which `give` needs; None = all are taken.
        limit: how many places there are, None = any number.
        """

    def give(self, place: int) -> None:
        """Give back the place with this number, which `take` returned."""

    def due(self, now: float, delay: float) -> float:
        """Return `now` if a request may start now, else the later time (monotonic seconds) at which the next
        request may start. That time was fixed by the last `start`: its time and its delay. If the delay has
        become shorter since then, the result is at most `now + delay`; if it has become longer, the longer
        one counts only after the next start. Records nothing. now: monotonic seconds. delay: the least
        seconds between two starts, 0 = no delay (then the result is `now`).
        """

    def start(self, now: float, delay: float) -> float:
        """If a request may start now (`due` returns `now`), record that it does, and return `now`. Otherwise
        record nothing and return the later time (monotonic seconds) at which the request may start; this can
        be `now + delay` because another process is just deciding about a start. now: monotonic seconds.
        delay: the least seconds from this start to the next one, 0 = no delay.
        """

    def wait(self, *, waiting: bool) -> None:
        """Tell the other processes whether requests wait for a place in this process (`others_wait`)."""

    def others_wait(self) -> bool:
        """Whether requests wait for a place in another process."""


class OwnPlaces:
    """Places that only this process takes."""

    shared: Final = False

    def __init__(self) -> None:
        self._taken = 0
        self._next = float("-inf")

    def take(self, limit: int | None) -> int | None:
        """Take a place and return 0; None = all are taken. limit: how many places there are, None = any
        number. All places that are taken count, also those taken under another limit.
        """
        if limit is not None and self._taken >= limit:
            return None
        self._taken += 1
        return 0

    def give(self, place: int) -> None:
        """Give back one place. place: not used, because the places have no numbers here."""
        self._taken -= 1

    def due(self, now: float, delay: float) -> float:
        """Return `now` if a request may start now, else the later time (monotonic seconds) at which the next
        request may start: the time of the last start and the delay that it was given, but at most `now +
        delay`. Records nothing. now: monotonic seconds. delay: the least seconds between two starts, 0 = no
        delay (then the result is `now`).
        """
        return max(now, min(self._next, now + delay))  # the delay may have been longer before

    def start(self, now: float, delay: float) -> float:
        """If a request may start now (`due` returns `now`), record that it does, and return `now`. Otherwise
        record nothing and return the later time at which the request may start. now: monotonic seconds.
        delay: the least seconds from this start to the next one, 0 = no delay.
        """
        at = self.due(now, delay)
        if at <= now:
            self._next = now + delay
        return at

    def wait(self, *, waiting: bool) -> None:
        """Do nothing, because no other process takes these places."""

    def others_wait(self) -> bool:
        """Return False, because no other process takes these places."""
        return False


class PlacesFile:
    """The file that workers lock to share the places of all limits. Create this object before the first fork:
    the workers inherit `descriptor`, its open file.
    """

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("dragoman-places")
        else:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the gateway is
            self.descriptor = self._file.fileno()


class SharedPlaces:
    """The places of one limit, shared by all workers. file: the same for all workers. name: the limit's name.
    worker: the number of this process, from 1 to `workers`. workers: how many workers there are.
    """

    shared: Final = True

    def __init__(self, file: PlacesFile, name: str, worker: int, workers: int) -> None:
        self._descriptor = file.descriptor
        hashed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
        self._region = hashed << _REGION
        self._time_at = hashed % _TIMES * _TIME.size
        self._worker = worker
        self._workers = workers
        self._held: set[int] = set()
        self._unlimited = 0

    def take(self, limit: int | None) -> int | None:
        """Take a place and return its number; None = all are taken. limit: how many places there are, with
        the numbers 0 to `limit - 1`. None = any number; then the result is a negative number, and the place
        is not counted: a request that has it takes nothing from a later limit. After the limit became
        smaller, taken places with higher numbers are not counted either.

        The workers begin their searches at different numbers, as far as there are enough, so that they find a
        free place sooner.
        """
        if limit is None:
            self._unlimited -= 1
            return self._unlimited
        first = (self._worker - 1) * limit // self._workers
        for number in range(limit):
            place = (first + number) % limit
            if place not in self._held and self._lock(place):
                self._held.add(place)
                return place
        return None

    def give(self, place: int) -> None:
        """Give back the place with this number, which `take` returned in this process."""
        if place >= 0:
            self._held.discard(place)
            self._unlock(place)

    def due(self, now: float, delay: float) -> float:
        """Return `now` if a request may start now, else the later time (monotonic seconds) at which the next
        request may start: the time of the last start in any worker and the delay that it was given, but at
        most `now + delay`. Records nothing. now: monotonic seconds. delay: the least seconds between two
        starts, 0 = no delay (then the result is `now`).
        """
        known = os.pread(self._descriptor, _TIME.size, self._time_at)
        at = _TIME.unpack(known)[0] if len(known) == _TIME.size else now
        return float(max(now, min(at, now + delay)))  # the delay may have been longer before

    def start(self, now: float, delay: float) -> float:
        """If a request may start now (`due` returns `now`), record that it does, and return `now`. Otherwise
        record nothing and return the later time at which the request may start; while another process decides
        about a start, this is `now + delay`. now: monotonic seconds. delay: the least seconds from this start
        to the next one; 0 = return `now` and record nothing.
        """
        if not delay:
            return now
        with self._starting() as mine:
            if not mine:
                return now + delay
            at = self.due(now, delay)
            if at <= now:
                os.pwrite(self._descriptor, _TIME.pack(now + delay), self._time_at)
            return at

    def wait(self, *, waiting: bool) -> None:
        """Tell the other workers whether requests wait for a place in this process (`others_wait`)."""
        if waiting:
            self._lock(_WAITING + self._worker)
        else:
            self._unlock(_WAITING + self._worker)

    def others_wait(self) -> bool:
        """Whether requests wait for a place in another process. True also if another process asks this at the
        same moment.
        """
        before, after = self._worker - 1, self._workers - self._worker
        return self._is_locked(_WAITING + 1, before) or self._is_locked(_WAITING + self._worker + 1, after)

    @contextlib.contextmanager
    def _starting(self) -> Iterator[bool]:
        mine = self._lock(_STARTING)
        try:
            yield mine
        finally:
            if mine:
                self._unlock(_STARTING)

    def _lock(self, offset: int, length: int = 1) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, self._region + offset)
        except OSError:
            return False
        return True

    def _unlock(self, offset: int, length: int = 1) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, length, self._region + offset)

    def _is_locked(self, offset: int, length: int) -> bool:
        """Whether another process has locked one of the `length` bytes from `offset` on. This process must
        not have locked any of them, because they are unlocked afterwards.
        """
        if not length:
            return False
        if not self._lock(offset, length):
            return True
        self._unlock(offset, length)
        return False
