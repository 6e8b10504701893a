"""Reads and writes thought signatures. A signature of Google's stays unchanged. A seal of another origin (a
dialect) gets a tag that names the origin.

The official clients decode a signature from base64 and encode it again, in base64 or base64url, so the tag is
inside the base64. https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from dragoman.dialects.gemini.terms import NAME
from dragoman.dialects.seals import TAG, read_seal, tag_seal
from dragoman.ir import Sealed

_TAGGED: Final = b64encode(TAG.encode())[: len(TAG) * 8 // 6].decode()
"""The first characters of every tagged signature, in base64."""
FOREIGN: Final = b'"' + _TAGGED.encode()
"""The first bytes of every tagged signature in the JSON of a request body."""
_USUAL: Final = str.maketrans("-_", "+/")


def read_signature(signature: str) -> Sealed:
    """Return the seal (a value that only its origin can read) in a signature. A tag in the signature names
    the origin, and the rest is the seal's data. Without a valid tag that names another dialect, the origin is
    this dialect, and the whole signature is the data.
    """
    if not signature.startswith(_TAGGED):
        return Sealed(NAME, signature)
    padded = signature.translate(_USUAL) + "=" * (-len(signature) % 4)
    try:
        found = read_seal(b64decode(padded, validate=True).decode(), NAME)
    except ValueError:
        return Sealed(NAME, signature)
    return Sealed(NAME, signature) if found.origin == NAME else found


def write_signature(sealed: Sealed) -> str:
    """Return the signature for a seal (a value that only its origin can read). The data of a seal of this
    dialect is returned unchanged; for another origin, a tag and the data together are encoded in base64.
    """
    return sealed.data if sealed.origin == NAME else b64encode(tag_seal(sealed).encode()).decode()
