"""Request bodies as they come in, with a limit for their size and for the time that a client may take.

A client has a budget of `patience` seconds. The time in which we wait for its body is taken from this budget.
Each piece that arrives gives time back: one second for each `rate` bytes, up to `patience` in all.
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

    deadlines: timers of the running loop. patience: seconds, None = no limit. rate: how many bytes give
    one second of the budget back; 0 = each piece gives the whole budget back.
    """

    deadlines: Deadlines
    patience: float | None
    rate: int

    def earned(self, left: float, waited: float, size: int) -> float:
        """The seconds of the budget left (`left` before) after waiting `waited` seconds for `size` bytes."""
        assert self.patience is not None
        if not self.rate:
            return self.patience if size else left - waited
        return min(self.patience, left - waited + size / self.rate)


async def body_parts(receive: Receive, length: str | None, limit: int, pace: Pace) -> AsyncIterator[bytes]:
    """Yield a request's body piece by piece. The next piece is read when the caller asks for it.

    length: the header content-length, None = missing. limit: bytes. pace: only waiting for the client counts.
    Raises RequestFailed (413 above `limit`, 408 for a slow client) and ClientGone (disconnected).
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
    """Yield a compressed body, decompressed piece by piece. parts: the compressed pieces. applied: the
    content codings, from `stated_codings`. limit: bytes of the decompressed body. share: is charged with the
    decoders' memory; close this generator before it is freed. run: gets the number of bytes decompressed so
    far, and returns the function that runs the next step (on the loop or in the thread). Raises RequestFailed
    (413, 400; 503 for `share`), and what `parts` raises.
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
"""Bytes that are decompressed in one step on the event loop, in a third of a millisecond."""
_LARGE_PIECE: Final = 512 * 1024
"""Bytes that are decompressed in one step in the thread, in a few milliseconds."""


def stated_codings(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """The content codings that headers state, in the order applied. Raises RequestFailed (415)."""
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
    """The body's piece in an ASGI message, and whether more follows. A disconnect raises ClientGone."""
    if message["type"] == "http.disconnect":
        raise ClientGone("before its body was complete")
    return message.get("body", b""), message.get("more_body", False)


def stated_size(length: str | None) -> int | None:
    """The header content-length as a number of bytes; None if it is missing or not a number."""
    if length is None or not (length.isascii() and length.isdigit()):
        return None
    return int(length[:20])  # 64 bits have no more digits; Python refuses to read thousands of them


_TOO_SLOW: Final = ir.Fault(
    "timeout", "The request body did not arrive in time.", "request_timeout", status=408
)


def too_large(limit: int) -> ir.Fault:
    """The fault (413) of a body with more than `limit` bytes."""
    return ir.Fault("too_large", f"The request body is larger than {limit:d} bytes.", "request_too_large")
