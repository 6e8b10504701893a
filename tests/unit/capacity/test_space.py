"""What requests may take together."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.capacity.space import Share, Space, unbounded
from dragoman.errors import RequestFailed

FULL = ir.Fault("unavailable", "full")


def test_what_is_held_outlives_its_request() -> None:
    space = Space(100, FULL)
    one, other = Share(space), Share(space)
    one.take(80)
    one.hold()
    one.free()
    with pytest.raises(RequestFailed):
        Share(space).take(30)
    one.free()
    other.take(100)
    other.give(50)
    Share(space).take(50)


def test_a_share_without_a_limit_takes_everything() -> None:
    share = unbounded()
    share.take(10**12)
    share.take(10**12)
    share.free()
