"""Failures of a cloud that hosts another's protocol. The cloud's own servers answer in their own form: they
refuse credentials, limit rates, and break off streams.
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
    """The fault of an error response. It is read in the form of the hosted protocol, `dialect`, if it states
    a type of this protocol, else in that of the cloud's first protocol, `host`.
    """
    fault = dialect.errors.decode(status, headers, body)
    return fault if fault.type is not None else host.errors.decode(status, headers, body)


class HostedDecoder:
    """Decodes a stream of a hosted protocol that comes in the cloud's framing. An exception of the framing is
    the cloud's own.

    inner: the decoder of the hosted protocol. told: the fault of an exception.
    """

    def __init__(self, inner: StreamDecoder, told: Callable[[bytes], ir.Fault]) -> None:
        self._inner = inner
        self._told = told
        self._over = False

    def feed(self, frame: bytes) -> list[ir.Event]:
        """The events of one frame. Raises WireError for a malformed one."""
        if self._over:
            return []
        if type(frame) is ErrorFrame:
            self._over = True
            return [ir.Error(self._told(bytes(frame)))]
        return self._inner.feed(frame)

    def close(self) -> list[ir.Event]:
        """The last events."""
        return [] if self._over else self._inner.close()
