"""Hides secrets in a body that is passed on piece by piece. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

SHORTEST: Final = 16
"""The fewest characters of a secret that is hidden. Shorter texts stand in bodies by chance."""
_WORDS: Final = b"[redacted]"


class Hider:
    """Replaces secrets in a body by a text with the same number of bytes, so that a stated length of the body
    stays true. Secrets shorter than `SHORTEST` are not replaced. `feed` holds back only the last bytes of a
    piece, if they may be the beginning of a secret.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {one.encode("utf-8", "replace") for one in secrets if len(one) >= SHORTEST}
        self._secrets = sorted(found, key=len, reverse=True)
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Return the part of the body that can be passed on after this piece, with its secrets replaced; b""
        = nothing yet.
        """
        if not self._secrets:
            return piece
        body = self._held + piece
        for secret in self._secrets:
            if secret in body:
                body = body.replace(secret, _WORDS.ljust(len(secret), b"*"))
        held = max(_overlap(body, secret) for secret in self._secrets)
        self._held = body[len(body) - held :]
        return body[: len(body) - held]

    def rest(self) -> bytes:
        """Return the last part of the body, which was held back; b"" = nothing was held back."""
        rest, self._held = self._held, b""
        return rest


def _overlap(body: bytes, secret: bytes) -> int:
    """Return how many bytes at the end of `body` are the beginning of `secret`: the largest such number that
    is smaller than the length of `secret`, or 0.
    """
    place = body.find(secret[:1], max(0, len(body) - len(secret) + 1))
    while place >= 0:
        if secret.startswith(body[place:]):
            return len(body) - place
        place = body.find(secret[:1], place + 1)
    return 0
