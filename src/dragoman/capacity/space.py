"""Limits the bytes that all requests take together: files on disk, bodies and answers in memory."""

from __future__ import annotations

import sys

import msgspec

from dragoman import ir
from dragoman.errors import RequestFailed


class Space:
    """Counts the bytes that all requests of a process take on disk or in memory. limit: in bytes; a request
    may take more while no other takes any. full: the error for a request that finds not enough bytes left.
    """

    def __init__(self, limit: int, full: ir.Fault) -> None:
        self._limit = limit
        self._full = full
        self._taken = 0

    def take(self, size: int, own: int = 0) -> None:
        """Count `size` more bytes. own: those the request took before. Raises RequestFailed as `require`."""
        self.require(size, own)
        self._taken += size

    def require(self, size: int, own: int = 0) -> None:
        """Raise RequestFailed (`full`) if `size` more bytes exceed the limit, and other requests have taken
        some. own: how many of the counted bytes this request has taken before.
        """
        if self._taken > own and self._taken + size > self._limit:
            raise RequestFailed(self._full)

    def free(self, size: int) -> None:
        """Count `size` bytes less."""
        self._taken -= size


class Share(msgspec.Struct, eq=False):
    """The bytes that one request has taken of a space; given back when every holder has called `free`."""

    _space: Space
    _taken: int = 0
    _holders: int = 1

    def take(self, size: int) -> None:
        """Take `size` more bytes. Raises RequestFailed if too few are left and other requests hold some."""
        self._space.take(size, self._taken)
        self._taken += size

    def give(self, size: int) -> None:
        """Give `size` of the bytes back to the space."""
        self._space.free(size)
        self._taken -= size

    def hold(self) -> None:
        """Add a holder of the bytes beside the request. It must call `free` too."""
        self._holders += 1

    def free(self) -> None:
        """Note that a holder (the request is one) needs the bytes no more. The last one gives them back."""
        self._holders -= 1
        if self._taken and not self._holders:
            self.give(self._taken)


_ENDLESS = Space(sys.maxsize, ir.Fault("unavailable", "There is no memory left.", blame="gateway"))


def unbounded() -> Share:
    """A new share of the one space without a limit, for requests whose memory is not counted."""
    return Share(_ENDLESS)
