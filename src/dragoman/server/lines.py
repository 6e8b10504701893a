"""The lines between workers and the keeper. A line is a pair of connected sockets over which messages go in
both directions.

The parent process creates each line before it forks, and keeps both ends open, so a line lasts longer than
the processes at its ends. If one of these processes is killed, its replacement reads the messages that were
sent in the meantime, as many as fit into the system's buffer and into the sender's queue (`Line.send`). The
sockets carry datagrams, so a killed process never leaves half a datagram. A message that is larger than a
datagram is sent in several datagrams; if one of them is lost, the message is dropped.
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
"""The most bytes of a message in one datagram. Only Linux sends large datagrams."""
_HEAD: Final = struct.Struct("<III")
"""The header of each datagram: the number of the message, the position of this datagram in it, and the number
of its datagrams.
"""
LARGEST: Final = 8_000_000
"""The most bytes of a message."""
_BACKLOG: Final = 2 * LARGEST
"""About the most bytes of messages that wait in this process because the other end does not read."""
_AT_ONCE: Final = 64
"""How many datagrams are read before the event loop can do other work."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a new line. On Linux, a process that reads at one end notices when no process
    has the other end open any more; on other systems it does not.
    """
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET if _LINUX else socket.SOCK_DGRAM)


class Line:
    """One end of a line, in the running event loop. end: the socket, which is made non-blocking. hear: called
    with each message that comes in; an exception that it raises is logged. When no process has the other end
    open any more, sent messages are dropped, and no messages come in.
    """

    def __init__(self, end: socket.socket, hear: Callable[[bytes], None]) -> None:
        end.setblocking(False)
        self._end = end
        self._hear = hear
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sent = 0
        self._coming: tuple[int, int] = (0, 0)
        """The number of the message whose datagrams are coming in, and the number of its datagrams."""
        self._pieces: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end, self._read)

    def send(self, message: bytes) -> bool:
        """Send a message without waiting; datagrams that the system does not take now are sent later. Returns
        False, and sends nothing, if the message is larger than `LARGEST` (8 MB), or if it and the bytes that
        wait already are more than `_BACKLOG` (16 MB). After True the message may still be lost, for example
        if the other end is gone.
        """
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
        """Stop reading and writing; messages that wait to be sent are dropped. The socket stays open."""
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._forget()

    def _forget(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    def _write(self) -> None:
        """Send waiting datagrams, as many as the system takes now. If the other end is gone, or sending fails
        in another way, drop all waiting datagrams.
        """
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
        """Add a datagram to its message, and call `hear` when the message is complete. A datagram with
        position 0 begins a new message. If any other datagram is not the next one of the message that is
        coming in, drop both this datagram and that message.
        """
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
