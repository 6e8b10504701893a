"""Where a protocol is spoken: how a key travels, which headers pass, whose client asks."""

import pytest

from dragoman.dialects.access import Face, Headers, Scheme, key_header


@pytest.mark.parametrize(
    ("scheme", "header"),
    [
        ("bearer", ("authorization", "Bearer k")),
        ("x-api-key", ("x-api-key", "k")),
        ("x-goog-api-key", ("x-goog-api-key", "k")),
    ],
)
def test_a_key_travels_in_its_header(scheme: Scheme, header: tuple[str, str]) -> None:
    assert key_header(scheme, "k") == header


def test_only_named_headers_of_an_upstream_pass() -> None:
    headers = Headers(response=frozenset({"x-cost"}))
    assert headers.passed({"x-cost": "1\u20ac", "set-cookie": "a"}) == [(b"x-cost", b"1?")]


def test_a_client_is_known_by_one_of_its_headers() -> None:
    face = Face(client_headers=("anthropic-version",))
    assert face.serves({"anthropic-version": "2023-06-01"})
    assert not face.serves({"authorization": "Bearer k"})
    assert not Face().serves({})
