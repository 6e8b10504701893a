"""Rendezvous hashing."""

from __future__ import annotations

from collections import Counter

import pytest

from dragoman.routing.policy_affinity import by_affinity

NAMES = ["one/m", "two/m", "three/m"]


def test_the_place_follows_from_digest_and_name_alone() -> None:
    places = by_affinity(b"digest", NAMES)
    assert sorted(places) == [0, 1, 2]
    turned = by_affinity(b"digest", NAMES[::-1])
    assert [NAMES[::-1][place] for place in turned] == [NAMES[place] for place in places]
    assert by_affinity(b"digest", NAMES, [1, 1, 1]) == places
    assert by_affinity(b"digest", []) == []


def test_the_same_in_every_process() -> None:
    """The orders are written down: if a release changed them, all prompt caches would be cold."""
    orders = [by_affinity(bytes([number]), NAMES) for number in range(6)]
    assert orders == [[2, 0, 1], [2, 0, 1], [0, 1, 2], [0, 2, 1], [2, 0, 1], [0, 2, 1]]


def test_shares_follow_the_weights() -> None:
    firsts = Counter(by_affinity(number.to_bytes(8), NAMES, [5, 3, 2])[0] for number in range(10_000))
    assert [firsts[place] / 10_000 for place in range(3)] == [
        pytest.approx(share, abs=0.02) for share in (0.5, 0.3, 0.2)
    ]


def test_a_larger_weight_takes_requests_only_for_itself() -> None:
    digests = [number.to_bytes(8) for number in range(1000)]
    before = [by_affinity(digest, NAMES, [1, 1, 1])[0] for digest in digests]
    after = [by_affinity(digest, NAMES, [1, 2, 1])[0] for digest in digests]
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed
    assert {new for _, new in changed} == {1}
