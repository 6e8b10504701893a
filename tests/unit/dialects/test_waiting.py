"""A call is found by the id or the name of its result, whatever else waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.waiting import Waiting

NAMES = st.sampled_from(["f", "g", "h"])
IDS = st.none() | st.sampled_from(["1", "2", "3"])
CALLS = st.lists(st.tuples(IDS, NAMES), max_size=8)
RESULTS = st.lists(st.tuples(IDS, st.none() | NAMES), max_size=8)


@given(CALLS, RESULTS)
def test_it_finds_what_looking_at_each_call_in_turn_finds(
    calls: list[tuple[str | None, str]], results: list[tuple[str | None, str | None]]
) -> None:
    waiting: Waiting[int] = Waiting()
    left = list(enumerate(calls))
    for number, call in left:
        waiting.add(number, *call)
    for call_id, name in results:
        found = next(
            (one for one in left if (one[1][0] == call_id if call_id else name in {None, one[1][1]})), None
        )
        assert waiting.take(call_id, name) == (None if found is None else found[0])
        if found is not None:
            left.remove(found)
        assert list(waiting) == [number for number, _ in left]
        assert len(waiting) == len(left)
        for wanted in ("1", "2", "3"):
            assert waiting.has(wanted) == any(one[1][0] == wanted for one in left)


def test_nothing_waits_once_it_is_cleared() -> None:
    waiting: Waiting[str] = Waiting()
    waiting.add("a", "1", "f")
    waiting.clear()
    assert not waiting
    assert not waiting.has("1")
    assert [waiting.take("1"), waiting.take(None, "f"), waiting.take(None)] == [None, None, None]
