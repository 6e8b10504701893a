"""How long answers took, as counts in logarithmic buckets. Counts of several hours, or of several models, are
added bucket by bucket; so a percentile of the sum is that of all answers together, which an average of
percentiles would not be. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

BUCKETS: Final = 40
"""The number of buckets: from 1 ms to 1000 s, of which each ends 41 % later than the one before."""
_LEAST: Final = 0.001
"""Seconds. Whatever is shorter counts in the first bucket."""
_PER_DECADE: Final = 20 / 3


def bucket_of(seconds: float) -> int:
    """The bucket of a duration, from 0 to BUCKETS - 1."""
    if seconds <= _LEAST:
        return 0
    return min(BUCKETS - 1, int(math.log10(seconds / _LEAST) * _PER_DECADE))


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The duration in seconds that this share (0 to 1) of all durations does not exceed; None = there are
    none. counts: by bucket. It is found inside of its bucket on the logarithmic scale, so it is 41 % off at
    most, and usually below 10 %.
    """
    total = sum(counts.values())
    if not total:
        return None
    rank = share * total
    before = 0
    bucket = 0
    for bucket in sorted(counts):
        if before + counts[bucket] >= rank and counts[bucket]:
            break
        before += counts[bucket]
    inside = min(1.0, max(0.0, (rank - before) / counts[bucket]))
    return _LEAST * math.pow(10, (bucket + inside) / _PER_DECADE)
