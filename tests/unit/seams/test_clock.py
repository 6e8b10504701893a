"""The values that come from outside: each has the range that its readers rely on."""

import re

from dragoman.seams.clock import SYSTEM


def test_the_clocks_and_the_random_values_of_this_machine() -> None:
    assert SYSTEM.now() > 1_700_000_000
    assert SYSTEM.monotonic() <= SYSTEM.monotonic()
    assert 0 <= SYSTEM.uniform() < 1
    ids = {SYSTEM.random_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", id_) for id_ in ids)
