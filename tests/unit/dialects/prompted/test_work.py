"""How often the text of an answer is read again."""

from __future__ import annotations

from dragoman.dialects.prompted.work import Work


def test_a_short_answer_may_be_read_often() -> None:
    work = Work()
    work.grow(100)
    assert all(work.spend(100) for _ in range(1000))


def test_a_long_answer_may_be_read_a_few_times() -> None:
    work = Work()
    work.grow(10_000_000)
    readings = sum(work.spend(10_000_000) for _ in range(1000))
    assert 5 < readings < 20
    assert not work.spend(10_000_000)
