"""Reads the header content-encoding, and decompresses bodies piece by piece: gzip, zstd, br and deflate, one
of these content codings or several.

Specs: RFC 9110 section 8.4 (codings are listed in the order in which they were applied), RFC 1952 (gzip), RFC
8878 and 9659 (zstd, windows of at most 8 MB), RFC 7932 (br), RFC 1950 (deflate is zlib's format; some senders
omit its header and checksum). The limits apply to each coding of a body, because the inner one of two codings
may be the decompression bomb.
"""

from __future__ import annotations

import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from dragoman.errors import WireError

if TYPE_CHECKING:
    from backports.zstd import ZstdDecompressor

TOO_LARGE: Final = "request_too_large"
"""The error code for a body that is larger than its limit after decompression, or larger than FREE bytes with
a ratio above MAX_RATIO.
"""
UNKNOWN: Final = "unsupported_content_encoding"
"""The error code for an unknown content coding, and for more than three codings."""
BROKEN: Final = "invalid_content_encoding"
"""The error code for bytes that are not valid in the stated coding, are cut off, or have too many parts."""

MAX_RATIO: Final = 100
"""The largest ratio of decompressed to compressed bytes, for a body above FREE bytes. Chat requests have 3 to
30.
"""
FREE: Final = 4 * 1024 * 1024
"""Up to this many decompressed bytes a body may have any ratio: short bodies of spaces have a high one."""
_MAX_CODINGS: Final = 3
_MAX_MEMBERS: Final = 4096
"""The most members of a gzip body, or frames of a zstd body. Each takes time, even without bytes."""
_WINDOW_LOG: Final = 23
"""The largest window of zstd as a power of two: 8 MB, as RFC 9659 requires of decoders."""
_SLICE: Final = 64 * 1024
"""The most compressed bytes of a body that its first decoder gets at once."""


class _Coding(Protocol):
    """A decoder for one content coding. needs_input: True = `unpack` can return nothing more before it gets
    more input; False = it may have more output. may_end: whether the body may end after the input so far.
    window: the most bytes of output that the decoder keeps in memory. error: the exception class of its
    library for invalid bytes.
    """

    needs_input: bool
    may_end: bool
    window: int
    error: type[Exception]

    def unpack(self, data: bytes, most: int) -> bytes:
        """Add `data` to the input, and return the next decompressed bytes, at most about `most`, possibly
        b"". While `needs_input` is False, call this with b"" for more output. Raises `self.error` or
        WireError for invalid bytes, for data after the end of the body, and for more members or frames than
        `_MAX_MEMBERS`.
        """


class _Zlib(ABC):
    """The base of decoders that use zlib. `_open` creates the decoder of each compressed stream in the
    body.
    """

    window = 32 * 1024
    error: type[Exception] = zlib.error

    def __init__(self) -> None:
        self.needs_input = True
        self.may_end = False
        self._rest = b""
        self._stream: zlib._Decompress | None = None

    def unpack(self, data: bytes, most: int) -> bytes:
        data = self._rest + data
        if self._stream is None or (self.may_end and data):
            self._stream = self._open(data)
        if self._stream is None:
            self._rest = data
            return b""
        unpacked = self._stream.decompress(data, most)
        self.may_end = self._stream.eof
        self._rest = self._stream.unused_data if self.may_end else self._stream.unconsumed_tail
        self.needs_input = not self._rest and (self.may_end or len(unpacked) < most)
        return unpacked

    @abstractmethod
    def _open(self, data: bytes) -> zlib._Decompress | None:
        """Return the decoder for a stream that begins with `data`; None = more bytes are needed to choose it.
        Raises WireError if there is one stream too many.
        """


class _Gzip(_Zlib):
    def __init__(self) -> None:
        super().__init__()
        self._members = 0

    def _open(self, data: bytes) -> zlib._Decompress | None:
        self._members = _counted(self._members)
        return zlib.decompressobj(wbits=31)


class _Deflate(_Zlib):
    def _open(self, data: bytes) -> zlib._Decompress | None:
        if self.may_end:
            raise WireError("there is data after its end")
        if len(data) < 2:
            return None
        headed = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if headed else -zlib.MAX_WBITS)


class _Zstd:
    window = 1 << _WINDOW_LOG

    def __init__(self) -> None:
        self.error = _zstd().ZstdError
        self.needs_input = True
        self.may_end = False
        self._rest = b""
        self._frame = _zstd_frame()
        self._frames = 1

    def unpack(self, data: bytes, most: int) -> bytes:
        data = self._rest + data
        if self.may_end and data:
            self._frame, self._frames = _zstd_frame(), _counted(self._frames)
        unpacked = self._frame.decompress(data, most)
        self.may_end = self._frame.eof
        self._rest = self._frame.unused_data if self.may_end else b""
        self.needs_input = not self._rest if self.may_end else self._frame.needs_input
        return unpacked


def _zstd() -> ModuleType:
    """Return the module of zstd, which is imported only when zstd is used: Python's own from 3.14 on, else
    `backports.zstd`.
    """
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def _zstd_frame() -> ZstdDecompressor:
    zstd = _zstd()
    options = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    return cast("ZstdDecompressor", zstd.ZstdDecompressor(options=options))


class _Brotli:
    window = 1 << 24

    def __init__(self) -> None:
        import brotli

        self.error = brotli.error
        self.needs_input = True
        self.may_end = False
        self._stream = brotli.Decompressor()

    def unpack(self, data: bytes, most: int) -> bytes:
        unpacked: bytes = self._stream.process(data, output_buffer_limit=most)
        self.may_end = self._stream.is_finished()
        # The library has no flag for unread input; an empty result tells that there is none.
        self.needs_input = self.may_end or not unpacked
        return unpacked


_New: TypeAlias = Callable[[], _Coding]
_CODINGS: Final[Mapping[str, _New]] = {"gzip": _Gzip, "zstd": _Zstd, "br": _Brotli, "deflate": _Deflate}
_ALSO: Final = {"x-gzip": "gzip"}
TAKEN: Final = tuple(_CODINGS)
"""The names of the supported content codings, as the header accept-encoding lists them."""


def codings(stated: str) -> tuple[str, ...]:
    """Return the content codings in a content-encoding header (`stated`) in the order in which they were
    applied, as their names in `TAKEN`. `identity` and empty parts are left out. () = none. Raises WireError
    (code UNKNOWN) for an unknown coding, and for more than three.
    """
    names = [name.strip().lower() for name in stated.split(",")]
    applied = tuple(_ALSO.get(name, name) for name in names if name not in ("", "identity"))
    for name in applied:
        if name not in _CODINGS:
            raise WireError(f"the content coding {name[:40]!r} is not supported", code=UNKNOWN)
    if len(applied) > _MAX_CODINGS:
        raise WireError(f"{len(applied)} content codings are more than {_MAX_CODINGS}", code=UNKNOWN)
    return applied


class Unpacker:
    """Decompresses one body. For each compressed piece call `feed`, then `next` until it returns None; at the
    end of the body call `close`.

    applied: the content codings, from `codings`; at least one. limit: the most bytes that each coding may
    make of the body. With a limit, `MAX_RATIO` is enforced as well, for more than FREE bytes. None = neither
    the size nor the ratio is limited here. The texts of the errors speak of a request's body.
    """

    def __init__(self, applied: Sequence[str], limit: int | None) -> None:
        self._names = tuple(reversed(applied))
        self._stages = [_CODINGS[name]() for name in self._names]
        self._made = [0] * len(self._stages)
        self._limit = limit
        self._given = b""
        self._place = 0
        self._taken = 0

    @property
    def held(self) -> int:
        """About how many bytes of memory the windows of the decoders take now."""
        return sum(min(stage.window, made) for stage, made in zip(self._stages, self._made, strict=True))

    def feed(self, data: bytes) -> None:
        """Set the next compressed bytes. Call this only at the start, and when `next` has returned None."""
        self._given, self._place = data, 0

    def next(self, most: int) -> bytes | None:
        """Return the next decompressed bytes, at most about `most`, possibly b"", after which there may be
        more; None = all bytes of the last `feed` are used. Raises WireError: code BROKEN for invalid data,
        TOO_LARGE for output above the limits.
        """
        return self._pull(len(self._stages) - 1, most)

    def close(self) -> None:
        """Raise WireError (code BROKEN) if the body had no bytes at all, or ended in the middle of a coding's
        data.
        """
        for name, stage in zip(self._names, self._stages, strict=True):
            if not stage.may_end:
                raise _broken(name, "it is cut off")

    def _pull(self, place: int, most: int) -> bytes | None:
        """Return the next output of the decoder at `place`, possibly b""; None = more input is needed. The
        decoder at 0 reads the bytes from `feed`, each other one the output of the one before it. Raises
        WireError for damaged data, and for output above the limits.
        """
        stage, name = self._stages[place], self._names[place]
        data: bytes | None = b""
        if stage.needs_input:
            data = self._pull(place - 1, most) if place else self._slice()
            if not data:
                return data
        try:
            unpacked = stage.unpack(data or b"", most)
        except WireError as error:
            raise _broken(name, error.message) from error
        except stage.error as error:
            raise _broken(name, "it is damaged") from error
        self._made[place] += len(unpacked)
        self._hold(self._made[place])
        return unpacked

    def _slice(self) -> bytes | None:
        if self._place >= len(self._given):
            return None
        data = self._given[self._place : self._place + _SLICE]
        self._place += len(data)
        self._taken += len(data)
        return data

    def _hold(self, made: int) -> None:
        if self._limit is None:
            return
        if made > self._limit:
            raise WireError(
                f"the request body is larger than {self._limit:d} bytes after decompression", code=TOO_LARGE
            )
        if made > max(FREE, self._taken * MAX_RATIO):
            message = f"the request body becomes more than {MAX_RATIO} times larger by decompression"
            raise WireError(message, code=TOO_LARGE)


def _counted(members: int) -> int:
    if members >= _MAX_MEMBERS:
        raise WireError(f"it has more than {_MAX_MEMBERS} parts")
    return members + 1


def _broken(name: str, why: str) -> WireError:
    return WireError(
        f"the request body is not valid {name}, as its header content-encoding says: {why}", code=BROKEN
    )
