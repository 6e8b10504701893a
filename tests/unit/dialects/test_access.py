"""What a protocol states of its paths, headers and keys."""

from __future__ import annotations

from dragoman.dialects.access import Face, Headers, key_header
from dragoman.dialects.table import DIALECTS, faces, key_headers
from dragoman.wire.headers import HeaderMap


def test_a_key_travels_as_its_scheme_says() -> None:
    assert key_header("bearer", "k") == ("authorization", "Bearer k")
    assert key_header("x-api-key", "k") == ("x-api-key", "k")
    assert key_header("api-key", "0123abcd") == ("api-key", "0123abcd")


def test_azures_header_holds_no_token() -> None:
    token = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJhIn0.c2ln"
    assert key_header("api-key", token) == ("authorization", f"Bearer {token}")
    for key in ("eyJ0eXAi", "eyJ0eXAi.a", "a.b.c", f"{token}.d"):
        assert key_header("api-key", key) == ("api-key", key)


def test_only_stated_headers_pass() -> None:
    headers = Headers(response=frozenset({"retry-after"}))
    assert headers.passed({"retry-after": "5", "set-cookie": "a"}) == [(b"retry-after", b"5")]


def test_headers_of_limits_pass_only_if_they_shall() -> None:
    headers = Headers(response=frozenset({"retry-after", "x-ratelimit-limit-tokens", "ratelimit-reset"}))
    stated = {"retry-after": "5", "x-ratelimit-limit-tokens": "9", "ratelimit-reset": "1"}
    for found in (stated, HeaderMap([(name.encode(), value.encode()) for name, value in stated.items()])):
        assert len(headers.passed(found)) == 3
        assert headers.passed(found, limits=False) == [(b"retry-after", b"5")]


def test_headers_tell_clients_of_a_protocol() -> None:
    face = Face(client_headers=("x-one", "x-two"))
    assert face.serves({"x-two": ""})
    assert not face.serves({"x-three": ""})
    assert not Face().serves({"x-three": ""})


def test_every_header_with_a_key_is_known() -> None:
    assert key_headers() == ("x-api-key", "x-goog-api-key")
    schemes = {dialect.keys.scheme for dialect in DIALECTS.values()}
    assert schemes - {"bearer"} == set(key_headers())


def test_bases_and_lists_of_models() -> None:
    assert {
        name: dialect.paths.base for name, dialect in DIALECTS.items() if dialect.paths.base != "/v1"
    } == {
        "bedrock": "",
        "gemini": "/v1beta",
        "cohere": "/v2",
        "ollama": "",
    }
    assert {name for name, dialect in DIALECTS.items() if dialect.paths.appends} == {
        "anthropic",
        "gemini",
        "mistral",
        "cohere",
    }
    assert {dialect.models.path for dialect in DIALECTS.values()} == {"/models", "/api/tags", ""}


def test_all_but_three_protocols_are_served() -> None:
    assert DIALECTS.keys() - {dialect.name for dialect, _ in faces()} == {"mistral", "cohere", "bedrock"}
