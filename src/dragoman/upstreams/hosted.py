"""Decodes the failures of a cloud that hosts another company's protocol. When the cloud itself refuses a
credential, limits the rate or breaks off a stream, it answers in its own form, not in that of the hosted
protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.streaming import StreamDecoder
from dragoman.wire.sse import ErrorFrame


def refusal_of(
    dialect: Dialect, host: Dialect, status: int, headers: Mapping[str, str], body: bytes
) -> ir.Fault:
    """Return the fault of an error response. The response is decoded in the hosted protocol (`dialect`). If
    the fault has no error type (`type` is None), the response is decoded in the cloud's first protocol
    (`host`) instead.
    """
    fault = dialect.errors.decode(status, headers, body)
    return fault if fault.type is not None else host.errors.decode(status, headers, body)


class HostedDecoder:
    """Decodes a stream of a hosted protocol that comes in the cloud's framing. In this framing, an exception
    frame reports a failure of the cloud itself.

    inner: the decoder of the hosted protocol. told: takes the bytes of an exception frame, and returns its
    fault.
    """

    def __init__(self, inner: StreamDecoder, told: Callable[[bytes], ir.Fault]) -> None:
        self._inner = inner
        self._told = told
        self._over = False

    def feed(self, frame: bytes) -> list[ir.Event]:
        """Return the events of one frame. An exception frame (an `ErrorFrame`) gives one `ir.Error`; every
        frame after an exception frame gives []. Raises WireError for a malformed frame.
        """
        if self._over:
            return []
        if type(frame) is ErrorFrame:
            self._over = True
            return [ir.Error(self._told(bytes(frame)))]
        return self._inner.feed(frame)

    def close(self) -> list[ir.Event]:
        """Return the last events of the stream; [] after an exception frame."""
        return [] if self._over else self._inner.close()
