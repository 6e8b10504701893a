"""What goes over the line between the parent process and a worker: orders, and messages about reloads.

An order is one byte. A message is one line of JSON, an object; so its first byte tells it from every order.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

DRAIN: Final = b"d"
"""The parent's order: stop after running requests; keep the port open for the gateway's `drain_delay`."""
CLOSE: Final = b"c"
"""The parent's order: close the port at once, and stop after running requests."""
END: Final = b"e"
"""The parent's order: stop at once."""

Message: TypeAlias = dict[str, Any]
_BEGINS: Final = b"{"


def written(message: Message) -> bytes:
    """The bytes of a message."""
    return json.dumps(message).encode() + b"\n"


def send(line: socket.socket, data: bytes) -> bool:
    """Send orders or a message without a wait. Returns whether the line has taken them; if not, it is broken:
    its other end hangs or is gone.
    """
    try:
        return line.send(data, getattr(socket, "MSG_DONTWAIT", 0)) == len(data)
    except OSError:
        return False


def receive(line: socket.socket) -> bytes:
    """Read what has come over the line, which must be readable. b"" = the other end is gone.

    A process that is killed before it has read what was sent to it resets the line. An event loop tells that
    only once, so the reader must take it for the end at once.
    """
    try:
        return line.recv(65_536)
    except ConnectionResetError:
        return b""


class Orders:
    """Cuts what has come over a line into orders and messages."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> Iterator[bytes | Message]:
        """Add `data`, bytes in the order in which they came, and yield each order and each message that is
        complete now. An incomplete message waits for the next call.
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
