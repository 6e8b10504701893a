"""Seals in protocols that are not their origin's: tagged with it, so that a client brings them back to it.

A client keeps what is opaque to it as it came. So a seal stands where its own protocol has one, as
`dgm1.<origin>.<payload>`; what comes back with the tag belongs to that origin, and what comes without one to
the protocol that it came in. A seal that is all there is of a thought, because its provider withheld the
words, is tagged as `dgm1.<origin>!.<payload>`: to its origin that is another kind of block. Pure.
"""

from __future__ import annotations

from typing import Final

from dragoman.ir import Sealed

TAG: Final = "dgm1."
"""What every tagged seal begins with; no provider's own does."""


_WITHHELD: Final = "!"
_ESCAPED: Final = str.maketrans({"%": "%25", ".": "%2E", _WITHHELD: "%21"})


def tag_seal(sealed: Sealed, *, withheld: bool = False) -> str:
    """Another origin's seal as a text of ours. withheld: the words of the thought are nowhere else."""
    return f"{TAG}{sealed.origin.translate(_ESCAPED)}{_WITHHELD * withheld}.{sealed.data}"


def read_seal(text: str, dialect: str) -> Sealed:
    """What a client brought back. dialect: the origin of a text without a tag."""
    if text.startswith(TAG):
        origin, dot, data = text[len(TAG) :].partition(".")
        if dot:
            origin = origin.removesuffix(_WITHHELD)
            return Sealed(origin.replace("%21", "!").replace("%2E", ".").replace("%25", "%"), data)
    return Sealed(dialect, text)


def is_withheld(text: str) -> bool:
    """Whether a seal that a client brought back is tagged as all there is of its thought."""
    return text.startswith(TAG) and text[len(TAG) :].partition(".")[0].endswith(_WITHHELD)
