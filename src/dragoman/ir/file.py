"""A file that belongs to a request."""

from __future__ import annotations

from dragoman.ir.blocks import Value


class File(Value, frozen=True):
    """A file by its bytes (`data`), its URL (`url`) or its id at the provider (`id`): at most one of these is
    set. data: the bytes; the bytes of a large file are on disk and mapped into memory. name: the client's
    file name, None = not stated; its suffix may be the only sign of the format. kind: the media type, None =
    not stated.
    """

    data: bytes | memoryview = b""
    name: str | None = None
    kind: str | None = None
    url: str | None = None
    id: str | None = None
