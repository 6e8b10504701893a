"""Lists in pages."""

from __future__ import annotations

import pytest

from dragoman.errors import RequestFailed
from dragoman.server.admin.pages import Wanted, page

ROWS = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("wanted", "found", "more"),
    [
        (Wanted(), ROWS, False),
        (Wanted(limit=2), ["a", "b"], True),
        (Wanted("b", 2), ["c", "d"], True),
        (Wanted("c", 2), ["d", "e"], False),
        (Wanted("e"), [], False),
    ],
)
def test_a_page_begins_after_the_last_member_of_the_one_before(
    wanted: Wanted, found: list[str], more: bool
) -> None:
    assert page(ROWS, wanted, str) == (found, more)


def test_a_member_that_is_not_there_is_named() -> None:
    with pytest.raises(RequestFailed) as failed:
        page(ROWS, Wanted("x"), str)
    assert failed.value.fault.param == "after"
