"""Hides secrets in a body that is passed on piece by piece. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

SHORTEST: Final = 16
"""The fewest characters of a secret that is hidden. Shorter texts may stand in bodies by chance."""
_WORDS: Final = b"[redacted]"


class Hider:
    """Replaces secrets in a body by a text with the same number of bytes (`[redacted]` and as many `*` as are
    needed), so that a stated length of the body stays true. Secrets of less than `shortest` characters (at
    least 10) are not replaced. `feed` holds back the last bytes if they may be the beginning of a secret.
    """

    def __init__(self, secrets: Iterable[str], shortest: int = SHORTEST) -> None:
        found = {one.encode("utf-8", "replace") for one in secrets if len(one) >= shortest}
        self._secrets = sorted(found, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets)))  # a longer secret comes first
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Return the part of the body that can be passed on after this piece, with its secrets replaced; b""
        = nothing yet.
        """
        if not self._secrets:
            return piece
        body = self._held + piece
        end, place, shown = self._unfinished(body, 0), 0, b""
        if any(secret in body for secret in self._secrets):  # much faster than the pattern
            for found in self._pattern.finditer(body):
                if found.start() >= end:
                    break  # with the next piece it may be a longer secret
                shown += body[place : found.start()] + _redacted(found)
                place = found.end()
                if place > end:
                    end = self._unfinished(body, place)
        self._held = body[end:]
        return shown + body[place:end]

    def rest(self) -> bytes:
        """Return the last part of the body, which was held back, with its secrets replaced; b"" = nothing was
        held back.
        """
        rest, self._held = self._held, b""
        return self._pattern.sub(_redacted, rest) if rest else rest

    @property
    def held(self) -> int:
        """How many bytes at the end of the body are held back."""
        return len(self._held)

    def _unfinished(self, body: bytes, begin: int) -> int:
        """Return the first place from `begin` on at which an unfinished secret may stand; the length of
        `body` = there is none.
        """
        return len(body) - max(_overlap(body, secret, begin) for secret in self._secrets)


def without_beginnings(body: bytes, secrets: Iterable[str], shortest: int = SHORTEST) -> bytes:
    """Return `body`, which was cut off, without those last bytes that may be the beginning of a secret. Other
    secrets in it are not replaced. secrets, shortest: as for `Hider`.
    """
    hider = Hider(secrets, shortest)
    hider.feed(body)
    return body[: len(body) - hider.held]


def _redacted(found: re.Match[bytes]) -> bytes:
    return _WORDS.ljust(len(found[0]), b"*")


def _overlap(body: bytes, secret: bytes, begin: int) -> int:
    """Return how many bytes at the end of `body` are the beginning of `secret`: the largest such number that
    is smaller than the length of `secret`, or 0. begin: the bytes before this place do not count.
    """
    place = body.find(secret[:1], max(begin, len(body) - len(secret) + 1))
    while place >= 0:
        if secret.startswith(body[place:]):
            return len(body) - place
        place = body.find(secret[:1], place + 1)
    return 0
