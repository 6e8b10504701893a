"""Durations in buckets: percentiles that can be added."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from dragoman.state.durations import BUCKETS, bucket_of, percentile


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.00142, 1), (1.0, 20), (999.0, 39), (1e9, BUCKETS - 1)]
)
def test_a_duration_has_its_bucket(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_percentile_is_near_the_true_one_also_of_several_sums(share: float) -> None:
    rng = random.Random(7)
    parts = [[rng.lognormvariate(mean, 0.8) for _ in range(4000)] for mean in (-2, 0.5)]
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(map(bucket_of, part))
    true = sorted(parts[0] + parts[1])[int(share * 8000)]
    found = percentile(counts, share)
    assert found is not None
    assert abs(found / true - 1) < 0.1


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({3: 0}, 0.5) is None
    assert percentile({20: 1}, 0.0) == pytest.approx(1.0)
    assert percentile({19: 1}, 1.0) == pytest.approx(1.0)
