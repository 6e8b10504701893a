"""Pages of lists in memory, and what a cursor means."""

from __future__ import annotations

import pytest

from dragoman.state.pages import Placed, cursor, last_place, meanings, read_page, whole
from dragoman.state.store import PAGE_SIZE, Item

LIST = {3: Item("a", b"1"), 5: Item("b", b"2"), 9: Item("a", b"3")}


@pytest.mark.parametrize(
    ("item", "alone", "written"),
    [("msg_1", True, "msg_1"), ("msg_1", False, "msg_1@7"), ("m@2", True, "m@2@7"), ("", True, "")],
)
def test_a_cursor_means_one_item(item: str, alone: bool, written: str) -> None:
    assert cursor(Placed(item, b"", 7), alone=alone) == written
    assert meanings(written)[0] == (item, None if written == item else 7)


@pytest.mark.parametrize("plain", ["a", "a@", "a@x", "a@-1", "a@\u0663", "a@12345678901"])
def test_what_has_no_place_is_an_id(plain: str) -> None:
    assert meanings(plain) == ((plain, None),)


def test_what_looks_like_a_place_may_be_part_of_an_id() -> None:
    items = {0: Item("a@5", b"x"), 1: Item("b", b"y")}
    assert read_page(items, after="a@5", limit=1, newest=False).items == [Placed("b", b"y", 1)]


@pytest.mark.parametrize(
    ("after", "newest", "bodies"),
    [
        (None, False, [b"1", b"2", b"3"]),
        (None, True, [b"3", b"2", b"1"]),
        ("a@3", False, [b"2", b"3"]),
        ("a@9", True, [b"2", b"1"]),
        ("b", True, [b"1"]),
        ("a", False, []),
        ("a", True, []),
    ],
)
def test_a_page_begins_after_the_item_that_the_cursor_means(
    after: str | None, newest: bool, bodies: list[bytes]
) -> None:
    found = read_page(LIST, after=after, limit=9, newest=newest)
    assert ([item.body for item in found.items], found.more) == (bodies, False)


@pytest.mark.parametrize("after", ["z", "a@5", "b@3", "z@9"])
def test_a_cursor_that_means_no_item_is_an_error(after: str) -> None:
    with pytest.raises(KeyError):
        read_page(LIST, after=after, limit=1, newest=False)


def test_a_page_has_a_limit_of_bytes() -> None:
    items = {number: Item(str(number), b"x" * (PAGE_SIZE // 2)) for number in range(3)}
    found = read_page(items, after=None, limit=9, newest=False)
    assert (len(found.items), found.more, found.last) == (2, True, "1")


def test_the_last_place_is_the_one_that_is_read_last() -> None:
    assert (last_place([4, 2], newest=True), last_place([4, 2], newest=False)) == (2, 4)


def test_items_that_were_just_added_are_one_page() -> None:
    assert (whole([Item("a", b"")]).last, whole([]).last) == ("a", None)
