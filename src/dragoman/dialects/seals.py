"""Seals in protocols that are not their origin's: tagged with it, so that a client brings them back to it.

A client keeps what is opaque to it as it came. So a seal stands where its own protocol has one, as
`dgm1.<origin>.<payload>`; what comes back with the tag belongs to that origin, and what comes without one to
the protocol that it came in. Pure.
"""

from __future__ import annotations

from typing import Final

from dragoman.ir import Sealed

TAG: Final = "dgm1."
"""What every tagged seal begins with; no provider's own does."""


def tag_seal(sealed: Sealed) -> str:
    """Another origin's seal as a text of ours."""
    return f"{TAG}{sealed.origin.replace('%', '%25').replace('.', '%2E')}.{sealed.data}"


def read_seal(text: str, dialect: str) -> Sealed:
    """What a client brought back. dialect: the origin of a text without a tag."""
    if text.startswith(TAG):
        origin, dot, data = text[len(TAG) :].partition(".")
        if dot:
            return Sealed(origin.replace("%2E", ".").replace("%25", "%"), data)
    return Sealed(dialect, text)
