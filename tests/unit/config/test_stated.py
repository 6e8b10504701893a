"""Limits that a request states have the errors of the configuration file."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.stated import stated_bounds


def test_limits_are_read() -> None:
    (one, other), problems = stated_bounds([{"requests": "60/min"}, {"money": ["5 USD/day"], "soft": True}])
    assert problems == []
    assert [str(quota) for quota in one.requests] == ["60/min"]
    assert ([str(budget) for budget in other.money], other.soft) == (["5 USD/day"], True)
    assert len(stated_bounds({"requests": "60/min"})[0]) == 1


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"requests": "many"}, "limits.requests"),
        ({"request": "60/min"}, "limits.request"),
        ([{}, {"money": 5}], "limits[1].money"),
        ("60/min", "limits"),
        ({"requests": "${LIMIT}"}, "limits.requests"),
    ],
)
def test_a_mistake_is_named(value: Any, path: str) -> None:
    found, problems = stated_bounds(value)
    assert [problem.path for problem in problems] == [path]
    assert isinstance(found, tuple)
