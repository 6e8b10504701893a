"""Reads and writes thought signatures: Google's unchanged, those of other origins tagged, in base64.

The official clients decode a signature from base64 and encode it again, in base64 or base64url. So the tag is
inside the base64. A signature that comes back with the tag is one that Google cannot read.

https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from dragoman.dialects.gemini.terms import NAME
from dragoman.dialects.seals import TAG, read_seal, tag_seal
from dragoman.ir import Sealed

_TAGGED: Final = b64encode(TAG.encode())[: len(TAG) * 8 // 6].decode()
"""The beginning of every tagged signature: the characters that only the tag determines."""
FOREIGN: Final = b'"' + _TAGGED.encode()
"""The beginning of a tagged signature in a request body's JSON."""
_USUAL: Final = str.maketrans("-_", "+/")


def read_signature(signature: str) -> Sealed:
    """The seal that a signature holds: Google's own, or that of the origin in its tag."""
    if not signature.startswith(_TAGGED):
        return Sealed(NAME, signature)
    padded = signature.translate(_USUAL) + "=" * (-len(signature) % 4)
    try:
        found = read_seal(b64decode(padded, validate=True).decode(), NAME)
    except ValueError:
        return Sealed(NAME, signature)
    return Sealed(NAME, signature) if found.origin == NAME else found


def write_signature(sealed: Sealed) -> str:
    """The signature for a seal of any origin."""
    return sealed.data if sealed.origin == NAME else b64encode(tag_seal(sealed).encode()).decode()
