"""The lines between workers and the keeper: whole messages over a pair of datagram sockets.

The parent makes each pair before it forks, and keeps both ends, so a line outlives the processes at its ends:
what was sent while one of them was dead is read by its replacement, as far as the system's buffer holds it.
The kernel keeps the borders of datagrams, so a process that is killed leaves no half of one. A message that
is larger than a datagram is sent in pieces; if some are missing, the others are dropped.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from typing import Final

log = logging.getLogger("dragoman.server.lines")

_LINUX: Final = sys.platform == "linux"
_PIECE: Final = 32_768 if _LINUX else 1_536
"""Bytes. Other systems than Linux send no large datagrams."""
_HEAD: Final = struct.Struct("<III")
"""Before each piece: the number of the message, the place of this piece, and the number of its pieces."""
LARGEST: Final = 8_000_000
"""Bytes of the largest message."""
_BACKLOG: Final = 2 * LARGEST
"""Bytes that may wait in this process for the other end to read."""
_AT_ONCE: Final = 64
"""Pieces that are read before the event loop does other things."""


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a new line. On Linux an end notices when no process has the other end open any more; on
    other systems it does not.
    """
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET if _LINUX else socket.SOCK_DGRAM)


class Line:
    """One end of a line in an event loop. hear: called with each message that comes in; its exceptions are
    logged. After the other end was closed for good, nothing comes in, and what is sent is dropped.
    """

    def __init__(self, end: socket.socket, hear: Callable[[bytes], None]) -> None:
        end.setblocking(False)
        self._end = end
        self._hear = hear
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sent = 0
        self._coming: tuple[int, int] = (0, 0)
        """The number of the message whose pieces come in, and how many pieces it has."""
        self._pieces: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end, self._read)

    def send(self, message: bytes) -> bool:
        """Send a message soon, without waiting. Returns whether there was room for it."""
        if len(message) > LARGEST or self._waiting_bytes + len(message) > _BACKLOG:
            return False
        self._sent = (self._sent + 1) & 0xFFFF_FFFF
        count = max(1, -(-len(message) // _PIECE))
        idle = not self._waiting
        for place in range(count):
            piece = _HEAD.pack(self._sent, place, count) + message[place * _PIECE : (place + 1) * _PIECE]
            self._waiting.append(piece)
            self._waiting_bytes += len(piece)
        if idle:
            self._write()
            if self._waiting:
                self._loop.add_writer(self._end, self._write)
        return True

    def close(self) -> None:
        """Stop to read and write. The socket itself stays open."""
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._forget()

    def _forget(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    def _write(self) -> None:
        """Send what waits, as much as the system takes."""
        while self._waiting:
            try:
                self._end.send(self._waiting[0])
            except BlockingIOError:
                return
            except OSError:  # nobody has the other end any more, or the system has no memory for it
                self._forget()
                break
            self._waiting_bytes -= len(self._waiting.popleft())
        self._loop.remove_writer(self._end)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                piece = self._end.recv(_PIECE + _HEAD.size)
            except BlockingIOError:
                return
            except OSError:
                piece = b""
            if not piece:  # nobody has the other end any more: this process is about to end, too
                self._loop.remove_reader(self._end)
                return
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        """Join a piece to those before it, and pass the message on when it is whole."""
        number, place, count = _HEAD.unpack_from(piece)
        if place == 0:
            self._coming, self._pieces = (number, count), []
        elif self._coming != (number, count) or place != len(self._pieces):
            self._coming, self._pieces = (0, 0), []
            return
        self._pieces.append(piece[_HEAD.size :])
        if len(self._pieces) < count:
            return
        message = b"".join(self._pieces)
        self._coming, self._pieces = (0, 0), []
        try:
            self._hear(message)
        except Exception:
            log.exception("a message of another process could not be handled")
