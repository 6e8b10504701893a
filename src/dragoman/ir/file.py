"""A file that a client sent along."""

from __future__ import annotations

from dragoman.ir.blocks import Value


class File(Value, frozen=True):
    """data: its bytes; those of a large file lie on disk and are mapped into memory. name: as its client
    calls it, whose ending may be all that tells its format. kind: its media type, None where unstated. url:
    where it lies, for clients that name it instead of sending it; then there is no data. id: what its
    provider calls it, where it lies there; then there is neither.
    """

    data: bytes | memoryview = b""
    name: str | None = None
    kind: str | None = None
    url: str | None = None
    id: str | None = None
