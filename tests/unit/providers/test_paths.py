"""Paths that may be listed, and how they are compared and sent."""

from __future__ import annotations

import pytest

from dragoman.providers.paths import BadPath, Paths, listed, query, spelled


@pytest.mark.parametrize(
    ("raw", "segments", "text"),
    [
        ("/v1/ocr", ("v1", "ocr"), "/v1/ocr"),
        ("/v1/ocr/", ("v1", "ocr"), "/v1/ocr/"),
        ("/%76%31/a%20b", ("v1", "a b"), "/v1/a%20b"),
        ("/m/x:predict", ("m", "x:predict"), "/m/x:predict"),
        ("/a;b/c", ("a;b", "c"), "/a%3Bb/c"),
        ("/%c3%a9", ("é",), "/%C3%A9"),
    ],
)
def test_one_spelling(raw: str, segments: tuple[str, ...], text: str) -> None:
    assert spelled(raw) == (segments, text)
    assert spelled(text) == (segments, text)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", "begin with a slash"),
        ("v1", "begin with a slash"),
        ("/", "empty"),
        ("//a", "empty"),
        ("/a//b", "empty"),
        ("/.", "`.` or `..`"),
        ("/a/..", "`.` or `..`"),
        ("/a/%2E%2e/b", "`.` or `..`"),
        ("/a/..;x=1/b", "`.` or `..`"),
        ("/;x/b", "`.` or `..`"),
        ("/a%2Fb", "not allowed"),
        ("/a%5cb", "not allowed"),
        ("/a%25b", "not allowed"),
        ("/a%00", "not allowed"),
        ("/a%0A", "not allowed"),
        ("/a%3Fb", "not allowed"),
        ("/a%23", "not allowed"),
        ("/%c0%ae", "UTF-8"),
        ("/" + "a" * 2_000, "2000 characters"),
    ],
)
def test_what_servers_could_read_differently(raw: str, words: str) -> None:
    with pytest.raises(BadPath, match=words):
        spelled(raw)


def test_what_is_allowed() -> None:
    paths = Paths(["POST /v1/ocr", "get,DELETE /v1/jobs/*", "GET /tree/**", "POST /m/*:predict", "PUT /**"])
    for method, path, allowed in (
        ("POST", "/v1/ocr", True),
        ("POST", "/v1/ocr/", True),
        ("GET", "/v1/ocr", False),
        ("POST", "/V1/ocr", False),
        ("HEAD", "/v1/jobs/1", True),
        ("DELETE", "/v1/jobs/1", True),
        ("PATCH", "/v1/jobs/1", False),
        ("GET", "/v1/jobs", False),
        ("GET", "/v1/jobs/1/2", False),
        ("GET", "/tree/a/b/c", True),
        ("GET", "/tree", False),
        ("POST", "/m/gemini:predict", True),
        ("POST", "/m/:predict", True),
        ("POST", "/m/gemini:predictLong", False),
        ("PUT", "/x", True),
    ):
        assert paths.allows(method, spelled(path).segments) is allowed, (method, path)
    assert paths.methods(("v1", "jobs", "1")) == ["GET", "PUT", "DELETE"]
    assert Paths().methods(("v1",)) == []
    assert (bool(paths), bool(Paths())) == (True, False)


@pytest.mark.parametrize(
    "text",
    ["", "/v1", "POST", "POST v1", "POST /a b", "TRACE /a", "POST,X /a", "POST /", "POST /a/**/b",
     "POST /a**", "POST /a/../b", "POST /a%2fb", "POST //a"],
)  # fmt: skip
def test_what_cannot_be_listed(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        listed(text)


def test_many_wildcards_end() -> None:
    paths = Paths(["GET /" + "*a" * 30])
    assert not paths.allows("GET", ("a" * 1_900 + "b",))


@pytest.mark.parametrize(
    ("search", "sent"),
    [
        ("", ""),
        ("a=1&b=%2F&a=2&c", "a=1&b=%2F&a=2&c"),
        ("key=x&a=1", "a=1"),
        ("KEY=x&%6bey=y&a=1", "a=1"),
        ("a=1&access_token=t&api-key=k&x-goog-api-key=z", "a=1"),
        ("$httpMethod=DELETE&%24httpHeaders=a&_method=PUT&X-Amz-Signature=1", ""),
        ("pageToken=t&&", "pageToken=t"),
        ("key[]=1", "key[]=1"),
    ],
)
def test_queries(search: str, sent: str) -> None:
    assert query(search) == sent


@pytest.mark.parametrize("search", ["a=é", "a=1#b", "a b", "a\r\nb"])
def test_what_is_no_query(search: str) -> None:
    with pytest.raises(BadPath):
        query(search)
