"""Reads and decompresses the bodies of requests as they come in. The size of a body is limited, and so is the
time for which the server waits for it.

A client has a budget of `patience` seconds for each body. The seconds for which the server waits for a piece
of the body are taken from the budget. A piece that arrives gives one second back for each `rate` bytes; the
budget never exceeds `patience`. If `rate` is 0, each piece that is not empty makes the budget full again. If
the budget is used up before the body is complete, the request is refused (408).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import Final

import msgspec

from dragoman import ir
from dragoman.capacity.heavy import LARGE, Run
from dragoman.capacity.space import Share
from dragoman.errors import RequestFailed, WireError
from dragoman.net.codings import TAKEN, TOO_LARGE, UNKNOWN, Unpacker, codings
from dragoman.seams.deadlines import Deadlines
from dragoman.server.client import ClientGone
from dragoman.server.link import Message, Receive


class Pace(msgspec.Struct, frozen=True):
    """The least speed at which a body has to come in.

    deadlines: the timers of the running event loop. patience: the client's budget in seconds; None = neither
    the time nor the speed is limited. rate: how many bytes give one second of the budget back; 0 = any piece
    with at least one byte makes the budget full again.
    """

    deadlines: Deadlines
    patience: float | None
    rate: int

    def earned(self, left: float, waited: float, size: int) -> float:
        """Return the seconds of the budget that are left after a piece has come in. left: the seconds that
        were left before the server waited for the piece. waited: the seconds for which it waited. size: the
        bytes of the piece; an empty piece gives nothing back. `patience` must not be None.
        """
        assert self.patience is not None
        if not self.rate:
            return self.patience if size else left - waited
        return min(self.patience, left - waited + size / self.rate)


async def body_parts(receive: Receive, length: str | None, limit: int, pace: Pace) -> AsyncIterator[bytes]:
    """Yield a request's body piece by piece, as it was sent (not decompressed), without empty pieces. A piece
    is read from the client only when the caller asks for the next piece.

    receive: ASGI's. length: the value of the header content-length, None = missing. limit: the most bytes of
    the body. pace: limits the time of waiting for the client; the caller's own time between two pieces does
    not count. Raises RequestFailed (413 above `limit`, at once if `length` is above it; 408 for a slow
    client), and ClientGone if the client disconnects.
    """
    if (stated_size(length) or 0) > limit:
        raise RequestFailed(too_large(limit))
    deadlines, left = pace.deadlines, pace.patience
    size = 0
    more = True
    while more:
        since = deadlines.time()
        try:
            with deadlines.within(left):
                message = await receive()
        except TimeoutError:
            raise RequestFailed(_TOO_SLOW) from None
        part, more = _part(message)
        if left is not None:
            left = pace.earned(left, deadlines.time() - since, len(part))
            if left <= 0 and more:
                raise RequestFailed(_TOO_SLOW)
        size += len(part)
        if size > limit:
            raise RequestFailed(too_large(limit))
        if part:
            yield part


async def unpacked(
    parts: AsyncIterator[bytes], applied: Sequence[str], limit: int, share: Share, run: Callable[[int], Run]
) -> AsyncGenerator[bytes]:
    """Yield the decompressed bytes of a compressed body, piece by piece. parts: the compressed pieces.
    applied: the content codings, from `stated_codings`. limit: the most decompressed bytes. share: is charged
    with the decoders' memory until this generator ends; close the generator before you free the share. run:
    gets the number of bytes decompressed so far, and returns the function that runs the next step. Raises
    RequestFailed (413: above `limit`, or compressed too strongly; 400: invalid bytes; 503: `share` has no
    room), and what `parts` and the function from `run` raise.
    """
    unpacker = Unpacker(applied, limit)
    size = held = 0
    try:
        async for part in parts:
            unpacker.feed(part)
            while True:
                most = _PIECE if size < LARGE else _LARGE_PIECE
                piece = await run(size)(unpacker.next, most)
                if piece is None:
                    break
                share.take(unpacker.held - held)
                held = unpacker.held
                size += len(piece)
                if piece:
                    yield piece
        unpacker.close()
    except WireError as error:
        raise RequestFailed(_unpackable(error)) from error
    finally:
        share.give(held)


_PIECE: Final = 64 * 1024
"""The most bytes that one step on the event loop decompresses, so that the step takes less than a
millisecond.
"""
_LARGE_PIECE: Final = 512 * 1024
"""The most bytes that one step in a thread decompresses."""


def stated_codings(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """Return the content codings that the headers `content-encoding` state, in the order in which they were
    applied; () = none, or only `identity`. headers: (name, value) pairs with lower-case names. Raises
    RequestFailed (415: an unknown coding, or more than three codings).
    """
    stated = b",".join(value for name, value in headers if name == b"content-encoding")
    try:
        return codings(stated.decode("latin-1"))
    except WireError as error:
        raise RequestFailed(_unpackable(error)) from error


def _unpackable(error: WireError) -> ir.Fault:
    message = f"{error.message[0].upper()}{error.message[1:]}."
    if error.code == UNKNOWN:
        message = f"{message[:-1]}; supported: {', '.join(TAKEN)}."
        return ir.Fault("media_type", message, UNKNOWN)
    return ir.Fault("too_large" if error.code == TOO_LARGE else "invalid_request", message, error.code)


def _part(message: Message) -> tuple[bytes, bool]:
    """Return the piece of the body in an ASGI message (b"" = an empty piece), and whether more pieces follow.
    Raises ClientGone if the message says that the client has disconnected.
    """
    if message["type"] == "http.disconnect":
        raise ClientGone("before its body was complete")
    return message.get("body", b""), message.get("more_body", False)


def stated_size(length: str | None) -> int | None:
    """Return the number in the header content-length; None if the header is missing or is not a number. Of a
    number with more than 20 digits, only the first 20 count. length: the header's value, None = the header is
    missing.
    """
    if length is None or not (length.isascii() and length.isdigit()):
        return None
    return int(length[:20])  # 64 bits have no more digits; Python refuses to read thousands of them


_TOO_SLOW: Final = ir.Fault(
    "timeout", "The request body did not arrive in time.", "request_timeout", status=408
)


def too_large(limit: int) -> ir.Fault:
    """Return the fault (413) for a body with more than `limit` bytes."""
    return ir.Fault("too_large", f"The request body is larger than {limit:d} bytes.", "request_too_large")
