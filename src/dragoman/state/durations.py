"""Sorts durations into logarithmic buckets, and estimates percentiles from the number of durations in each
bucket. The counts of several hours, or of several models, can be added bucket by bucket. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

BUCKETS: Final = 40
"""The number of buckets. They cover 1 ms to 1000 s; the upper end of each bucket is 41 % above that of the
bucket before.
"""
_LEAST: Final = 0.001
"""Seconds. Shorter durations count in the first bucket."""
_PER_DECADE: Final = 20 / 3


def bucket_of(seconds: float) -> int:
    """Return the index of a duration's bucket, from 0 to BUCKETS - 1. Durations below 1 ms count in the first
    bucket, durations above 1000 s in the last one.
    """
    if seconds <= _LEAST:
        return 0
    return min(BUCKETS - 1, int(math.log10(seconds / _LEAST) * _PER_DECADE))


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Return an estimate of the duration, in seconds, that this share (0 to 1) of all durations does not
    exceed; None = there are no durations. counts: {index of the bucket: number of durations}. The result is
    never below 1 ms or above 1000 s.
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
