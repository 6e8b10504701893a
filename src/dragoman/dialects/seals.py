"""Writes seals (`ir.Sealed`: opaque signatures) into protocols other than their own, tagged with their origin
(a dialect), and reads them back.

Clients send opaque values back unchanged, so that a seal returns to its origin. A seal is written in the
member that the client's protocol has for seals, as `dgm1.<origin>.<payload>`. A seal without the tag belongs
to the client's own protocol. `dgm1.<origin>!.<payload>` is the seal of a thought whose words the provider
withheld: its origin uses another kind of block for it. Pure.
"""

from __future__ import annotations

from typing import Final

from dragoman.ir import Sealed

TAG: Final = "dgm1."
"""The beginning of every tagged seal. No known seal of a provider begins in this way."""

_WITHHELD: Final = "!"
_ESCAPED: Final = str.maketrans({"%": "%25", ".": "%2E", _WITHHELD: "%21"})


def tag_seal(sealed: Sealed, *, withheld: bool = False) -> str:
    """Return a seal as a text that is tagged with the seal's origin: `dgm1.<origin>.<payload>`. In the
    origin, `%`, `.` and `!` are percent-encoded. The caller has checked that the origin is not the client's
    protocol. withheld: True = the provider sent no words of the thinking; then "!" follows the origin.
    """
    return f"{TAG}{sealed.origin.translate(_ESCAPED)}{_WITHHELD * withheld}.{sealed.data}"


def read_seal(text: str, dialect: str) -> Sealed:
    """Return the seal in a text that a client sent back, without the tag. dialect: the client's protocol; it
    is the origin of a text without a tag. A text with a broken tag counts as a text without a tag. Whether
    the tag says "withheld" is not in the result (`is_withheld`).
    """
    if text.startswith(TAG):
        origin, dot, data = text[len(TAG) :].partition(".")
        if dot:
            origin = origin.removesuffix(_WITHHELD)
            return Sealed(origin.replace("%21", "!").replace("%2E", ".").replace("%25", "%"), data)
    return Sealed(dialect, text)


def is_withheld(text: str) -> bool:
    """Whether a text that a client sent back begins with a tag that says "withheld" (`tag_seal`)."""
    return text.startswith(TAG) and text[len(TAG) :].partition(".")[0].endswith(_WITHHELD)
