"""What all requests of a process may take together: files on disk, bodies and answers in memory."""

from __future__ import annotations

from dragoman import ir
from dragoman.errors import RequestFailed


class Space:
    """What all requests of a process may take together, on disk or in memory.

    limit: bytes; one request alone may have more. full: what is said where there is no room.
    """

    def __init__(self, limit: int, full: ir.Fault) -> None:
        self._limit = limit
        self._full = full
        self._taken = 0

    def take(self, size: int, own: int = 0) -> None:
        """Hand out so many bytes. own: those that the request has already. Raises RequestFailed (503)."""
        self.require(size, own)
        self._taken += size

    def require(self, size: int, own: int = 0) -> None:
        """Raises RequestFailed (503) where there are not so many bytes."""
        if self._taken > own and self._taken + size > self._limit:
            raise RequestFailed(self._full)

    def free(self, size: int) -> None:
        """Take them back."""
        self._taken -= size


class Share:
    """What one request has taken of a space. `free` gives it back, once all who hold it say so."""

    __slots__ = ("_holders", "_space", "_taken")

    def __init__(self, space: Space) -> None:
        self._space = space
        self._taken = 0
        self._holders = 1

    def take(self, size: int) -> None:
        """Hand out so many bytes more. Raises RequestFailed (503)."""
        self._space.take(size, self._taken)
        self._taken += size

    def give(self, size: int) -> None:
        """Give some of it back."""
        self._space.free(size)
        self._taken -= size

    def hold(self) -> None:
        """What is taken is needed for longer than the request: whoever holds it frees it, too."""
        self._holders += 1

    def free(self) -> None:
        """The request is over, or whoever held it needs it no more."""
        self._holders -= 1
        if self._taken and not self._holders:
            self.give(self._taken)
