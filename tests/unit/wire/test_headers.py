"""A request's headers as a mapping of texts."""

import pytest

from dragoman.wire.headers import HeaderMap, members

HEADERS = HeaderMap([(b"x-a", b"first"), (b"x-name", "größe".encode("latin-1")), (b"x-a", b"last")])


def test_the_last_of_equal_headers_counts() -> None:
    assert HEADERS["x-a"] == HEADERS.get("x-a") == "last"
    assert (list(HEADERS), len(HEADERS)) == (["x-a", "x-name"], 2)


def test_the_lines_of_a_list_are_one_list() -> None:
    """RFC 9110, section 5.3."""
    lines = [(b"accept", b"a/b"), (b"x-a", b"1"), (b"x-forwarded-for", b"1.1.1.1"), (b"x-a", b"2")]
    headers = HeaderMap([*lines, (b"accept", b"c/d, e/f"), (b"x-forwarded-for", b"2.2.2.2")])
    assert dict(headers) == {"accept": "a/b, c/d, e/f", "x-a": "2", "x-forwarded-for": "1.1.1.1, 2.2.2.2"}


def test_members_of_a_list() -> None:
    assert members("Keep-Alive ,, Upgrade\t,") == ["keep-alive", "upgrade"]
    assert members("") == []


def test_values_are_latin_1() -> None:
    assert HEADERS["x-name"] == "größe"


def test_names_are_latin_1_in_every_look_up() -> None:
    """A client may send such a name; a configuration may name any text."""
    headers = HeaderMap([("x-größe".encode("latin-1"), b"1"), ("x-größe".encode(), b"2"), (b"x-?", b"3")])
    assert [*headers] == ["x-größe", "x-grÃ¶Ã\x9fe", "x-?"]
    assert "x-größe" in headers
    assert headers["x-größe"] == headers.get("x-größe") == "1"
    assert dict(headers.items()) == {name: headers.get(name) for name in headers}


@pytest.mark.parametrize("name", ["x-€", "x-\udcff"])
def test_a_name_beyond_latin_1_names_no_header(name: str) -> None:
    assert name not in HEADERS
    assert HEADERS.get(name, "standard") == "standard"
    with pytest.raises(KeyError):
        HEADERS[name]


def test_a_missing_header_is_no_member() -> None:
    assert "x-b" not in HEADERS
    assert (HEADERS.get("x-b"), HEADERS.get("x-b", "standard")) == (None, "standard")
    with pytest.raises(KeyError):
        HEADERS["x-b"]
