"""Bodies of requests as they come in: bounded in size, and in the time that a client may take.

A client has `patience` seconds in which its body may stand still. They pass while the body is waited for, and
come back with what arrives: a second for each `rate` bytes, up to `patience` again. A body that drips thus
ends as soon as one that stops, and one that flows may take all the time it needs.

A packed body is unpacked as it comes in, in steps that take turns with those of other large requests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import Final

import msgspec

from dragoman import ir
from dragoman.capacity.heavy import LARGE, Run
from dragoman.capacity.space import Share
from dragoman.errors import RequestFailed, WireError
from dragoman.seams.deadlines import Deadlines
from dragoman.server.client import ClientGone
from dragoman.server.codings import TAKEN, TOO_LARGE, UNKNOWN, Unpacker, codings
from dragoman.server.link import Message, Receive


class Pace(msgspec.Struct, frozen=True):
    """How slowly a body may come in.

    deadlines: of the running loop. patience: seconds, None = no limit. rate: bytes a second, 0 = each piece
    buys the whole time again.
    """

    deadlines: Deadlines
    patience: float | None
    rate: int

    def earned(self, left: float, waited: float, size: int) -> float:
        """The seconds that are left after a piece of `size` bytes that was waited for."""
        assert self.patience is not None
        if not self.rate:
            return self.patience if size else left - waited
        return min(self.patience, left - waited + size / self.rate)


async def arrived_body(receive: Receive, limit: int) -> bytes:
    """A body that has come in whole, of at most `limit` bytes. Nothing is waited for.

    Raises RequestFailed (413) and ClientGone.
    """
    body, more = _part(await receive())
    while more and len(body) <= limit:
        part, more = _part(await receive())
        body += part
    if len(body) > limit:
        raise RequestFailed(_too_large(limit))
    return body


async def take_body(
    receive: Receive, length: str | None, limit: int, pace: Pace, take: Callable[[bytes], None]
) -> None:
    """Hand on a request's body of at most `limit` bytes as it comes in. Raises as `body_parts` does."""
    async for part in body_parts(receive, length, limit, pace):
        take(part)


async def body_parts(receive: Receive, length: str | None, limit: int, pace: Pace) -> AsyncIterator[bytes]:
    """A request's body of at most `limit` bytes piece by piece, read as fast as the pieces are taken.

    length: the header content-length. The time in which the caller works on a piece is not the client's.
    Raises RequestFailed (413, 408) and ClientGone.
    """
    _refuse_stated(length, limit)
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
            raise RequestFailed(_too_large(limit))
        if part:
            yield part


async def unpacked(
    parts: AsyncIterator[bytes], applied: Sequence[str], limit: int, share: Share, run: Callable[[int], Run]
) -> AsyncGenerator[bytes]:
    """A packed body out of its codings, piece by piece, at most `limit` bytes in all.

    applied: as `stated_codings` gives them. share: has the memory that the codings take meanwhile; the
    pieces are for their taker to count. run: what runs a step, for so many bytes. To be closed before the
    share is free. Raises RequestFailed (413, 400).
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
"""Bytes that are unpacked at once on the loop: a third of a millisecond."""
_LARGE_PIECE: Final = 512 * 1024
"""Bytes that are unpacked at once in the thread: a few milliseconds, so that its switch costs little."""


def stated_codings(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """What a request's body is packed in, in the order of its headers. Raises RequestFailed (415)."""
    stated = b",".join(value for name, value in headers if name == b"content-encoding")
    try:
        return codings(stated.decode("latin-1"))
    except WireError as error:
        raise RequestFailed(_unpackable(error)) from error


def _unpackable(error: WireError) -> ir.Fault:
    message = f"{error.message[0].upper()}{error.message[1:]}."
    if error.code == UNKNOWN:
        message = f"{message[:-1]}; supported: {', '.join(TAKEN)}."
        return ir.Fault("media_type", message, code=UNKNOWN)
    return ir.Fault("too_large" if error.code == TOO_LARGE else "invalid_request", message, code=error.code)


def _part(message: Message) -> tuple[bytes, bool]:
    """What an ASGI message brings of the body, and whether more follows."""
    if message["type"] == "http.disconnect":
        raise ClientGone("before its body was complete")
    return message.get("body", b""), message.get("more_body", False)


def stated_size(length: str | None) -> int | None:
    """The bytes that the header content-length states; None for none, or for what is no such number."""
    if length is None or not (length.isascii() and length.isdigit()):
        return None
    return int(length[:20])  # 64 bits have no more digits; Python refuses to read thousands of them


def _refuse_stated(length: str | None, limit: int) -> None:
    if (stated_size(length) or 0) > limit:
        raise RequestFailed(_too_large(limit))


_TOO_SLOW: Final = ir.Fault(
    "timeout", "The request body did not arrive in time.", code="request_timeout", status=408
)


def _too_large(limit: int) -> ir.Fault:
    return ir.Fault(
        "too_large", f"The request body is larger than {limit:d} bytes.", code="request_too_large"
    )
