"""The format of orders and messages between the parent process and its children (workers and the keeper).
They go over a socket pair.

An order is one byte; only the parent sends orders. A message is about a reload: one line that contains a JSON
object. The first byte of a message, `{`, distinguishes it from an order. The line by which a child reports
that it is ready has no such format; `server.supervisor` reads it first.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

DRAIN: Final = b"d"
"""The parent's order: keep the port open for the gateway's `drain_delay`, then close it; stop when the
running requests have ended, or the drain time is over.
"""
CLOSE: Final = b"c"
"""The parent's order: close the port at once; stop when the running requests have ended, or the drain time is
over.
"""
END: Final = b"e"
"""The parent's order: stop at once."""

Message: TypeAlias = dict[str, Any]
_BEGINS: Final = b"{"


def written(message: Message) -> bytes:
    """Return a message as bytes: one line of JSON."""
    return json.dumps(message).encode() + b"\n"


def send(line: socket.socket, data: bytes) -> bool:
    """Send bytes (orders, or a message from `written`) over the socket `line`, without waiting. Return True
    if the socket has taken all of the bytes. False = the process at the other end has ended or does not read;
    the socket may have taken the first part of the bytes.
    """
    try:
        return line.send(data, getattr(socket, "MSG_DONTWAIT", 0)) == len(data)
    except OSError:
        return False


def receive(line: socket.socket) -> bytes:
    """Return the bytes that have arrived at the socket `line`, at most 65,536. b"" = the other end is closed,
    or the process there was killed before it had read everything (the system then resets the connection).
    Call this when the socket is readable; otherwise the call may wait.
    """
    try:
        return line.recv(65_536)
    except ConnectionResetError:
        return b""


class Orders:
    """Splits the bytes that arrive at one socket into orders and messages."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> Iterator[bytes | Message]:
        """Add the bytes that have arrived next. Yield each order (one byte) and each message (decoded) that
        is complete now, in the order of arrival. An incomplete message waits for the next call. The bytes are
        added when the caller begins to iterate.
        """
        self._left += data
        while self._left:
            if not self._left.startswith(_BEGINS):
                order, self._left = self._left[:1], self._left[1:]
                yield order
                continue
            line, ended, rest = self._left.partition(b"\n")
            if not ended:
                return
            self._left = rest
            yield json.loads(line)
