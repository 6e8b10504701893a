"""A request's headers as a mapping of texts."""

import pytest

from dragoman.wire.headers import HeaderMap

HEADERS = HeaderMap([(b"x-a", b"first"), (b"x-name", "größe".encode("latin-1")), (b"x-a", b"last")])


def test_the_last_of_equal_headers_counts() -> None:
    assert HEADERS["x-a"] == HEADERS.get("x-a") == "last"
    assert (list(HEADERS), len(HEADERS)) == (["x-a", "x-name"], 2)


def test_values_are_latin_1() -> None:
    assert HEADERS["x-name"] == "größe"


def test_a_missing_header_is_no_member() -> None:
    assert "x-b" not in HEADERS
    assert (HEADERS.get("x-b"), HEADERS.get("x-b", "standard")) == (None, "standard")
    with pytest.raises(KeyError):
        HEADERS["x-b"]
