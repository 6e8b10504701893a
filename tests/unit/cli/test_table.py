"""Aligned tables: right for numbers, cut in the middle, columns given up from the right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dragoman.cli.table import aligned

TITLES = ("model", "provider", "context")
ROWS = [("coder", "mine", 32_768), ("gpt", "openai", None)]


def test_columns_are_aligned_and_numbers_stand_right() -> None:
    assert aligned(TITLES, ROWS, 80) == [
        "model  provider  context",
        "coder  mine       32,768",
        "gpt    openai          –",
    ]


def test_no_rows_still_have_titles() -> None:
    assert aligned(TITLES, [], 80) == ["model  provider  context"]


def test_a_long_value_is_cut_in_its_middle_before_a_column_goes() -> None:
    name = "a-very-long-name-of-a-model-that-nobody-can-remember"
    line = aligned(TITLES, [(name, "mine", 1)], 60)[1]
    head, _, tail = line.partition("  ")[0].partition("…")
    assert len(line) == 60
    assert name.startswith(head)
    assert name.endswith(tail)
    assert line.endswith("  mine            1")


def test_columns_go_from_the_right_where_cutting_is_not_enough() -> None:
    row = ("x" * 40, "y" * 40, "z" * 40)
    assert aligned(("a", "b", "c"), [row], 45)[1] == f"{'x' * 11}…{'x' * 10}  {'y' * 10}…{'y' * 10}"
    assert aligned(("a", "b", "c"), [row], 12)[1] == f"{'x' * 6}…{'x' * 5}"


def test_names_are_cut_last() -> None:
    row = ("n" * 36, "v" * 60, "s")
    assert aligned(("a", "b", "c"), [row], 80, names=1)[1].startswith("n" * 36 + "  v")
    assert aligned(("a", "b", "c"), [("n" * 70, "v" * 60, "s")], 50, names=1)[1].startswith("n" * 12 + "…")


@given(
    st.lists(st.lists(st.text("abc", max_size=60), min_size=3, max_size=3), max_size=5), st.integers(1, 100)
)
def test_no_line_is_wider_than_the_window(rows: list[list[str]], width: int) -> None:
    for wraps in (False, True):
        lines = aligned(("one", "two", "three"), rows, width, wraps=wraps)
        assert all(len(line) <= width for line in lines)


def test_sentences_go_on_below_themselves_in_the_room_that_the_others_leave() -> None:
    row = ("nobody", "The provider 'nobody' was not reached: Connection refused")
    assert aligned(("provider", "in its words"), [row, ("up", "2 models")], 50, wraps=True) == [
        "provider  in its words",
        "nobody    The provider 'nobody' was not reached:",
        "          Connection refused",
        "up        2 models",
    ]
