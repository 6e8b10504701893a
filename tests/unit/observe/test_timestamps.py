"""Times as text."""

from __future__ import annotations

import time

from dragoman.observe.timestamps import local, utc


def test_a_time_in_utc_has_milliseconds() -> None:
    assert utc(1_700_000_000.0) == "2023-11-14T22:13:20.000Z"
    assert utc(1_700_000_000.9996) == "2023-11-14T22:13:20.999Z"
    assert utc(1_699_999_999.5) == "2023-11-14T22:13:19.500Z"


def test_people_read_the_time_of_their_machine() -> None:
    assert local(1_700_000_000.9) == time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_700_000_000))
