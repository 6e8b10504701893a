"""Limits the bytes that all requests of a process take together: files on disk, or bodies and answers in
memory.
"""

from __future__ import annotations

import sys

import msgspec

from dragoman import ir
from dragoman.errors import RequestFailed


class Space:
    """Counts the bytes that all requests of a process take on disk or in memory. limit: the most bytes of all
    requests together; a request may take more while no other request has taken any. full: the fault of a
    request that would exceed the limit.
    """

    def __init__(self, limit: int, full: ir.Fault) -> None:
        self._limit = limit
        self._full = full
        self._taken = 0

    def take(self, size: int, own: int = 0) -> None:
        """Count `size` more bytes for a request. own: how many of the counted bytes this request has taken
        before. Raises RequestFailed (`full`), and counts nothing, if the bytes of all requests would exceed
        the limit and other requests have taken some.
        """
        self.require(size, own)
        self._taken += size

    def require(self, size: int, own: int = 0) -> None:
        """Raise RequestFailed (`full`) if the bytes of all requests, with `size` more, would exceed the limit
        and other requests have taken some. Counts nothing. own: how many of the counted bytes this request
        has taken before.
        """
        if self._taken > own and self._taken + size > self._limit:
            raise RequestFailed(self._full)

    def free(self, size: int) -> None:
        """Count `size` bytes, which a request has taken before, as free again."""
        self._taken -= size


class Share(msgspec.Struct, eq=False):
    """The bytes that one request has taken of a `Space`. They are given back to the space when every holder
    has called `free`; the request is the first holder.
    """

    _space: Space
    _taken: int = 0
    _holders: int = 1

    def take(self, size: int) -> None:
        """Take `size` more bytes. Raises RequestFailed, and takes nothing, if the bytes of all requests would
        exceed the space's limit and other requests have taken some.
        """
        self._space.take(size, self._taken)
        self._taken += size

    def give(self, size: int) -> None:
        """Give `size` of the taken bytes back to the space now, whoever holds them."""
        self._space.free(size)
        self._taken -= size

    def hold(self) -> None:
        """Add a holder of the bytes beside the request. The new holder must call `free` too."""
        self._holders += 1

    def free(self) -> None:
        """Remove one holder, which no longer needs the bytes. After the last one, all bytes that are still
        taken are given back to the space.
        """
        self._holders -= 1
        if self._taken and not self._holders:
            self.give(self._taken)


_ENDLESS = Space(sys.maxsize, ir.Fault("unavailable", "There is no memory left.", blame="gateway"))


def unbounded() -> Share:
    """Return a new share of a space without a limit, for a request whose memory is not counted. Its `take`
    never fails.
    """
    return Share(_ENDLESS)
