"""Thought signatures: the API's own as they came; those of other origins tagged, in the form of its own.

The official clients read a signature as base64 and write it back in base64, in the alphabet of URLs or in the
usual one: a tag has to stand inside. What comes back with it is no signature that Google could read.

https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from dragoman.dialects.gemini.terms import NAME
from dragoman.dialects.seals import TAG, read_seal, tag_seal
from dragoman.ir import Sealed

_TAGGED: Final = b64encode(TAG.encode())[: len(TAG) * 8 // 6].decode()
"""What every tagged signature begins with: the characters that the tag alone decides."""
FOREIGN: Final = b'"' + _TAGGED.encode()
"""The same in the body of a request."""
_USUAL: Final = str.maketrans("-_", "+/")


def read_signature(signature: str) -> Sealed:
    """Whose a signature is."""
    if not signature.startswith(_TAGGED):
        return Sealed(NAME, signature)
    padded = signature.translate(_USUAL) + "=" * (-len(signature) % 4)
    try:
        found = read_seal(b64decode(padded, validate=True).decode(), NAME)
    except ValueError:
        return Sealed(NAME, signature)
    return Sealed(NAME, signature) if found.origin == NAME else found


def write_signature(sealed: Sealed) -> str:
    """A seal as a signature, whoever made it."""
    return sealed.data if sealed.origin == NAME else b64encode(tag_seal(sealed).encode()).decode()
