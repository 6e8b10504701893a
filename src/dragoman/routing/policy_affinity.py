"""Affinity: requests that share a digest go to the same place, as long as it can be asked.

Rendezvous hashing: each place draws a number from the digest and its own name, and the smallest one wins. No
table is kept, so all workers agree, a restart changes nothing, and a place that goes away takes only its own
requests along: those of others keep their places, and its own return with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

DIGEST: Final = 16
"""The bytes of a digest."""
_DRAWS: Final = 2.0**64


def by_affinity(digest: bytes, names: Sequence[str], weights: Sequence[float] | None = None) -> list[int]:
    """The indexes of `names` in the order to ask for this digest. weights: of all digests, the share that
    each name gets first, more than 0; None = equal shares.

    The number drawn is exponentially distributed with the weight as its rate; so each name is the first one
    exactly in proportion to its weight.
    """
    shares = weights or [1.0] * len(names)
    return sorted(
        range(len(names)), key=lambda place: -math.log(_drawn(digest, names[place])) / shares[place]
    )


def _drawn(digest: bytes, name: str) -> float:
    """A number in (0, 1] that looks random, but is always the same for a digest and a name."""
    hashed = blake2b(name.encode(), digest_size=8, key=digest[:64]).digest()
    return (int.from_bytes(hashed) + 1) / _DRAWS
