"""The free places of a limit: counted in this process, or shared with the other workers of a gateway.

Workers share places as locks on the bytes of one file, which the parent process opens before it starts the
workers. The process that holds the lock on a byte holds the place. The kernel gives a lock to one process
only, so no place is taken twice, and it removes the locks of a process that ends for any reason (fcntl(2),
"advisory record locking"). The file does not depend on the configuration, so a new limit needs no new file.

A limit of N places usually is exact because only the first N bytes are locked. Other bytes are locked by
requests that began under a higher limit or under none. While there are any, a process that has locked a byte
counts all locked bytes, and unlocks its own again if they are more than N. Of N + 1 processes that hold a
byte at the same time, the one that locked its byte last has counted all the others, so one of them has
unlocked its byte: the limit is never exceeded. Two processes that count at the same time may both find too
many; they try again.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import os
import struct
import sys
import tempfile
from collections.abc import Iterator
from typing import Final, Protocol

try:
    import fcntl
except ImportError:  # Windows, where there is only one worker
    fcntl = None  # type: ignore[assignment]

_REGION: Final = 26
"""Each limit has 2 ** `_REGION` offsets in the file."""
_UNLIMITED: Final = 1 << 24
"""The places of requests that run without a limit begin at this offset. Those of a limit begin at 0."""
_PLACES: Final = 1 << 25
"""The bytes of places are at the offsets from 0 to this one."""
_WAITING: Final = _PLACES
"""The byte at this offset plus a worker's number is locked while requests wait in that worker."""
_STARTING: Final = _PLACES + (1 << 24)
"""The byte at this offset is locked while the time of the next start is read and written."""
_TIMES: Final = 1 << 16
"""For how many limits the file has room to store the time of the next start. Limits whose names have the same
hash, modulo this number, share one stored time.
"""
_TIME: Final = struct.Struct("<d")
_LINUX: Final = sys.platform == "linux"
_FLOCK: Final = struct.Struct("hhqqi0q" if _LINUX else "qqihh0q")
"""`struct flock` of fcntl(2). Linux: type, whence, start, length, process. macOS and the BSDs: start, length,
process, type, whence (FreeBSD has one more member at the end, which is 0 here).
"""


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
        """If a request may start now (`due` returns `now`), record that it does, and return `now`.
        Otherwise record nothing and return the later time (monotonic seconds) at which the request may
        start; this can be `now + delay` because another process is just deciding about a start. now:
        monotonic seconds. delay: the least seconds from this start to the next one; 0 = no delay (then
        the result is `now`, and the start need not be recorded).
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
        self._limit: int | None = None
        self._beyond = 0
        """How many held places have numbers from `_limit` on. `_limit` is the limit of the latest `take`."""
        self._unlimited = _UNLIMITED + (_PLACES - _UNLIMITED) // workers * (worker - 1)
        """The first place without a limit that this process has never taken. Each worker has its own part."""
        self._spare: list[int] = []
        """Places before `_unlimited` that were given back, as a heap."""

    def take(self, limit: int | None) -> int | None:
        """Take a place and return its number; None = all are taken. limit: how many places there are, None =
        any number. All places that are taken count, in all processes, also those taken under another limit
        or under none. While there are such places, the result may also be None because another process tries
        to take a place at the same moment.
        """
        if limit is None:
            return self._take_unlimited()
        if limit != self._limit:
            self._limit = limit
            self._beyond = sum(place >= limit for place in self._held)
        if self._beyond >= limit:
            return None
        first = (self._worker - 1) * limit // self._workers
        for number in range(limit):
            place = (first + number) % limit
            if place not in self._held and self._lock(place):
                self._held.add(place)
                if self._within(limit):
                    return place
                self.give(place)
                return None
        return None

    def give(self, place: int) -> None:
        """Give back the place with this number, which `take` returned in this process."""
        self._held.remove(place)
        self._beyond -= self._limit is not None and place >= self._limit
        if place >= _UNLIMITED:
            heapq.heappush(self._spare, place)
        self._unlock(place)

    def _take_unlimited(self) -> int:
        """Take the first free place of this worker's part of the places without a limit, and return it."""
        if self._spare:
            place = heapq.heappop(self._spare)
        else:
            place = self._unlimited
            self._unlimited += 1
        self._lock(place)  # no other process locks it; if the kernel has no memory for it, it is not counted
        self._held.add(place)
        self._beyond += self._limit is not None
        return place

    def _within(self, limit: int) -> bool:
        """Whether no more than `limit` places are taken in all processes. Call this after taking a place with
        a number below `limit`.
        """
        if not self._beyond and self._locked(limit, _PLACES) is None:
            return True  # the usual case: nobody has a place of another limit
        return len(self._held) + self._taken_elsewhere() <= limit

    def _taken_elsewhere(self) -> int:
        """Return how many places other processes have taken. A place that is taken all the time is counted;
        one that is taken or given back meanwhile may be counted or not.
        """
        taken, unseen = 0, [(0, _PLACES)]
        while unseen:
            start, end = unseen.pop()
            if start < end and (found := self._locked(start, end)) is not None:
                first, last = max(found[0], start), min(found[1], end)
                taken += last - first
                unseen += (start, first), (last, end)  # which of several locks is told is not defined
        return taken

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
        """Whether requests wait for a place in another process."""
        return self._locked(_WAITING + 1, _WAITING + 1 + self._workers) is not None

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

    def _locked(self, start: int, end: int) -> tuple[int, int] | None:
        """Return (the first offset, the offset after the last one) of a lock that another process has on one
        of the bytes from `start` to before `end`; None = there is none. Locks nothing. The lock may begin
        before `start` and last after `end`.
        """
        kind, at = fcntl.F_WRLCK, (self._region + start, end - start)
        asked = (kind, os.SEEK_SET, *at, 0) if _LINUX else (*at, 0, kind, os.SEEK_SET)
        told = _FLOCK.unpack(fcntl.fcntl(self._descriptor, fcntl.F_GETLK, _FLOCK.pack(*asked)))
        kind, first, length = (told[0], *told[2:4]) if _LINUX else (told[3], *told[:2])
        if kind == fcntl.F_UNLCK:
            return None
        return first - self._region, first - self._region + length
