"""The limits of a store, and times that end never."""

import pytest

from dragoman.state.store import HistoryTooLarge
from dragoman.stores.limits import Limits, check_read, later


@pytest.mark.parametrize(
    ("limits", "seals"), [(Limits(), True), (Limits(seals_size=0), False), (Limits(seals_ttl=0), False)]
)
def test_whether_seals_are_kept(limits: Limits, seals: bool) -> None:
    assert limits.seals is seals


@pytest.mark.parametrize(("end", "other", "last"), [(1.0, 2.0, 2.0), (None, 2.0, None), (1.0, None, None)])
def test_never_is_later_than_any_time(end: float | None, other: float | None, last: float | None) -> None:
    assert later(end, other) == last


def test_a_read_up_to_the_limit_passes_and_a_larger_one_says_what_is_too_many() -> None:
    check_read(10, 10)
    with pytest.raises(HistoryTooLarge, match="11 items are more than the 10 items"):
        check_read(11, 10, "items")
