"""Forms as `multipart/form-data`: fields in order, files among them.

Spec: https://www.rfc-editor.org/rfc/rfc7578, https://www.rfc-editor.org/rfc/rfc2046#section-5.1
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Field(msgspec.Struct, frozen=True):
    """One field of a form. value: its bytes; those of a large file lie on disk and are mapped into memory.
    filename: None = it is no file. kind: its media type as stated.
    """

    name: str
    value: bytes | memoryview
    filename: str | None = None
    kind: str | None = None


Form: TypeAlias = tuple[Field, ...]
"""The fields in their order; names may repeat."""
