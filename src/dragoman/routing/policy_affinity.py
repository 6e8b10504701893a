"""Affinity: requests with the same digest go to the same deployment (or key), as long as it can be asked and
the configured names and weights stay.

Rendezvous hashing: each name draws a number from the digest and itself, and the smallest number wins. There
is no table, so all workers agree and a restart changes nothing. If a name disappears, only its own requests
move, and they return when it returns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

DIGEST: Final = 16
"""The number of bytes of a digest."""
_DRAWS: Final = 2.0**64


def by_affinity(digest: bytes, names: Sequence[str], weights: Sequence[float] | None = None) -> list[int]:
    """Return the indexes of `names` in the order to ask for this digest. digest: only its first 64 bytes
    count. weights: relative, above 0; None = all are equal.

    For each name a number is computed from the digest, the name and its weight (exponentially distributed,
    with the weight as the rate). The name with the smallest number is the first. So over many digests, each
    name is the first one in proportion to its weight.
    """
    shares = weights or [1.0] * len(names)
    return sorted(
        range(len(names)), key=lambda place: -math.log(_drawn(digest, names[place])) / shares[place]
    )


def _drawn(digest: bytes, name: str) -> float:
    """Return a number in (0, 1] that is the same for the same digest and name, and otherwise evenly
    distributed.
    """
    hashed = blake2b(name.encode(), digest_size=8, key=digest[:64]).digest()
    return (int.from_bytes(hashed) + 1) / _DRAWS
