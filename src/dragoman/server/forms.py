"""Reads clients' forms as they come in. Large files go to disk. The form's memory and disk space are freed
when the exchange ends, except for values that are still being sent to a provider (`Upload.__exit__`).

A form with large files has one temporary file without a name, in the system's folder for temporary files
(TMPDIR). The handler gets large files as views of this file, which is mapped into memory. Pieces are written
to the file on the event loop, because this takes less time than the switch to a thread.
"""

from __future__ import annotations

import logging
import mmap
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Final, Self

import msgspec

from dragoman import ir
from dragoman.capacity.space import Share, Space
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import TOO_LARGE
from dragoman.wire.multipart import Field, Form, Head, MultipartParser, boundary_of

log = logging.getLogger("dragoman.server")

_ALONE = 1024 * 1024
"""Bytes. A file of a form up to this size can stay in memory; a larger one goes to disk."""
_TOGETHER = 8 * 1024 * 1024
"""Bytes. If the fields of one form that are in memory take more than this together, the file that is coming
in goes to disk.
"""


class _Received(msgspec.Struct):
    """The part of a form's field that has come in. head: the field's headers. parts: its bytes, if they are
    in memory. size: the number of its bytes. start: where its bytes begin in the temporary file; None = they
    are in memory.
    """

    head: Head
    parts: list[bytes] = []
    size: int = 0
    start: int | None = None


class Upload:
    """Reads one form (multipart/form-data) as it comes in. A context manager: at its end it frees the values
    of all fields.

    content_type: the request's content type, with the boundary. space: the disk space that all forms share.
    length: the number of bytes of the body, None = unknown. Raises RequestFailed: 400 if the content type is
    another or malformed, or has no valid boundary; 503 if a form of this length may need more disk space than
    other forms leave of `space`.
    """

    def __init__(self, content_type: str, space: Space, length: int | None = None) -> None:
        with _blamed():
            self._parser = MultipartParser(boundary_of(content_type))
        space.require((length or 0) - _TOGETHER)
        self._share = Share(space)
        self._fields: list[_Received] = []
        self._kept = 0
        self._file: IO[bytes] | None = None
        self._map: mmap.mmap | None = None
        self._views: list[memoryview] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the memory and the file. The memory of a value that is still being sent to a provider is freed
        when its connection ends.
        """
        self._fields.clear()
        for view in self._views:
            with suppress(BufferError):
                view.release()
        if self._map is not None:
            with suppress(BufferError):
                self._map.close()
        if self._file is not None:
            self._file.close()
        self._share.free()

    def feed(self, chunk: bytes) -> None:
        """Read the next piece of the body. Raises RequestFailed: 400 if the form is invalid; 413 if a limit
        for forms is exceeded; 503 if there is no disk space, or other forms take too much of it.
        """
        with _blamed():
            for piece in self._parser.feed(chunk):
                if isinstance(piece, Head):
                    self._fields.append(_Received(piece))
                else:
                    self._take(self._fields[-1], piece)

    def form(self) -> Form:
        """Return the fields of the form; call this once, after `feed` has got the whole body. The values of
        files on disk are memoryviews, which `__exit__` makes invalid; other values are bytes. Raises
        RequestFailed: 400 if the form is incomplete; 503 if the temporary file fails.
        """
        with _blamed():
            self._parser.close()
            if self._file is not None:
                self._file.flush()
                self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return tuple(
            Field(field.head.name, self._value(field), field.head.filename, field.head.kind)
            for field in self._fields
        )

    def named(self, failed: RequestFailed) -> RequestFailed:
        """Return a copy of an error. The `param` of the copy's fault is the name of the field that is being
        read, or None if no field is being read.
        """
        return RequestFailed(failed.fault.changed(param=self._parser.field or None))

    def _take(self, field: _Received, piece: bytes) -> None:
        field.size += len(piece)
        if field.start is not None:
            assert self._file is not None
            self._share.take(len(piece))
            self._file.write(piece)
            return
        field.parts.append(piece)
        self._kept += len(piece)
        if field.head.filename is not None and (field.size > _ALONE or self._kept > _TOGETHER):
            self._share.take(field.size)
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="dragoman-")  # noqa: SIM115 - closed with the block
            field.start = self._file.tell()
            self._file.writelines(field.parts)
            self._kept -= field.size
            field.parts.clear()

    def _value(self, field: _Received) -> bytes | memoryview:
        if field.start is None:
            return b"".join(field.parts)
        assert self._map is not None
        view = memoryview(self._map)[field.start : field.start + field.size]
        self._views.append(view)
        return view


@contextmanager
def _blamed() -> Generator[None]:
    """A context manager that turns a WireError into RequestFailed (400 or 413) and an OSError, which comes
    from the disk, into RequestFailed (503).
    """
    try:
        yield
    except WireError as error:
        kind: ir.Kind = "too_large" if error.code == TOO_LARGE else "invalid_request"
        message = f"The form cannot be parsed: {error.message}."
        raise RequestFailed(ir.Fault(kind, message, error.code, error.path or None)) from error
    except OSError as error:
        log.exception("an uploaded file cannot be stored")
        raise RequestFailed(_NO_ROOM) from error


_NO_ROOM: Final = ir.Fault(
    "unavailable",
    "The gateway has no space for this file at the moment. Try again later.",
    "insufficient_storage",
    blame="gateway",
)
NO_ROOM_BESIDE_OTHERS: Final = msgspec.structs.replace(_NO_ROOM, retry_after=5.0)
"""Like `_NO_ROOM`, but tells the client when to try again, because other forms take the space only for a
time.
"""
