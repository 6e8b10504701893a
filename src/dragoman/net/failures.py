"""The ways in which an HTTP call fails, for all clients, with reasons in words. The words that are made here
contain no addresses of our own.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final

from dragoman.errors import DragomanError


class Failure(DragomanError):
    """A call failed. meaning: the reason in words, which is also the text of the exception; None = the words
    of the class (its attribute `meaning`).
    """

    meaning = "the reason is unknown"

    def __init__(self, meaning: str | None = None) -> None:
        super().__init__(meaning or self.meaning)
        if meaning is not None:
            self.meaning = meaning


class NotReached(Failure):
    """No connection was opened. For example, the name was not found, no address answered, or TLS failed."""

    meaning = "none of its IP addresses can be reached"


class ConnectTimeout(Failure):
    """No connection was opened within the time limit."""

    meaning = "it took too long"


class Disconnected(Failure):
    """The connection ended before the answer's head was complete, or after the answer's end. The provider may
    have got the request.
    """

    meaning = "it was closed before a response arrived"


class Truncated(Failure):
    """The connection ended in the middle of the answer's body, or the gateway wanted to send a message on a
    WebSocket that is closed.
    """

    meaning = "it was closed in the middle of the response"


class Malformed(Failure):
    """The answer is not valid HTTP, or a WebSocket handshake was not answered as the protocol requires. The
    subclasses are for answers whose head is too large, and for bodies that cannot be decompressed.
    """

    meaning = "the response is not valid HTTP"


class HeadTooLarge(Malformed):
    """The answer's head, or its trailers, have too many bytes or fields, or the size line of a chunk has too
    many bytes.
    """

    meaning = "its response headers are too large"


class NotDecoded(Malformed):
    """The body cannot be decompressed: it is not in the form that the header content-encoding says, or it is
    cut off.
    """

    meaning = "the response is not compressed as its headers say"


class Refused(DragomanError):
    """A WebSocket handshake was answered with an HTTP status other than 101. It is no `Failure`. headers:
    with lower-case names. body: at most 1 MiB.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers
        self.body = body


def meaning_of(error: Any) -> str:
    """Return in words, without addresses, why a connection failed. error: an exception of the system, of TLS
    or of asyncio; its cause is used if it has one.
    """
    cause = getattr(error, "os_error", None) or error.__cause__ or error
    number = getattr(cause, "errno", None) or 0
    if number > 0 and not isinstance(cause, ssl.SSLError | socket.gaierror):  # these have their own numbers
        return os.strerror(number)  # asyncio's own text would name the address
    said = _PYTHON_WORDS.sub("", str(getattr(cause, "strerror", None) or ""))
    return said or next((words for kind, words in _MEANINGS if isinstance(cause, kind)), Failure.meaning)


_PYTHON_WORDS: Final = re.compile(r"^\[[A-Z0-9: _]*\] | \(_ssl\.c:\d+\)$")
"""The parts that Python adds to the text of a TLS error."""
_MEANINGS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (EOFError, Disconnected.meaning),
    (ConnectionError, "it was reset"),
    (TimeoutError, ConnectTimeout.meaning),
    (OSError, NotReached.meaning),
)
"""Exceptions for which the system has no text, each with its meaning. The first row that matches decides."""
