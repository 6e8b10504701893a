"""A file that a client sent with its request."""

from __future__ import annotations

from dragoman.ir.blocks import Value


class File(Value, frozen=True):
    """A file by its bytes, its address or its id.

    data: the bytes; large files are on disk and mapped into memory. name: the client's file name; its suffix
    may be the only sign of the format. kind: the media type, None where unstated. url: the address of a file
    that the client did not send; data is then empty. id: the provider's id of a file that is stored there;
    data is then empty and url None.
    """

    data: bytes | memoryview = b""
    name: str | None = None
    kind: str | None = None
    url: str | None = None
    id: str | None = None
