"""Shares: who must give up how much so that all of them fit."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
from hypothesis import given
from hypothesis import strategies as st

from dragoman.state.store import StoreFull
from dragoman.stores.sql.rows import check, chunks, excess


@given(st.dictionaries(st.text(), st.integers(0, 1000), max_size=6), st.integers(0, 3000))
def test_shares_fit_and_whoever_gave_keeps_most(totals: dict[str, int], limit: int) -> None:
    gone = excess(totals, limit)
    left = {name: size - gone.get(name, 0) for name, size in totals.items()}
    assert all(0 < more <= totals[name] for name, more in gone.items())
    assert sum(left.values()) <= limit
    if gone:
        assert sum(left.values()) > limit - len(totals)  # no more than is needed
        most = {left[name] for name in gone}
        assert len(most) == 1
        assert max(left.values()) == most.pop()
    else:
        assert left == totals


def test_lists_fit_a_statement() -> None:
    assert list(chunks([])) == []
    assert [len(chunk) for chunk in chunks(range(1001))] == [500, 500, 1]


def test_what_is_too_large_is_told_with_its_size() -> None:
    check(5, 5)
    with pytest.raises(StoreFull, match="6 bytes are more than the 5"):
        check(6, 5)
