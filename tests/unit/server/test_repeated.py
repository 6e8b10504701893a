"""Which requests can be recognised by their head; that nothing else is: tests/unit/server/test_http.py."""

from __future__ import annotations

from typing import Any, cast

import pytest

from dragoman.server.cycle import Cycle
from dragoman.server.head import Head
from dragoman.server.repeated import repeatable
from dragoman.wire.headers import HeaderMap

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\nContent-Length: 2\r\nuser-agent: y\r\n\r\n"


def came(body: bytes | None, *, keep_alive: bool = True, headers: Any = ()) -> Cycle:
    lines = HeaderMap(headers)
    more: Any = ((), "1.1", None, None, {}, "openai_chat", b"", "/", (), None, None, None)
    head = Head("POST", "/", None, "", lines, *more)
    cycle = Cycle(cast(Any, None), head, lines, 0.0)
    cycle.keep_alive = keep_alive
    cycle.body = body
    return cycle


def test_the_bytes_around_the_length_are_remembered() -> None:
    known = repeatable(HEAD + b"{}", came(b"{}"))
    assert known is not None
    assert known.before + known.digits + known.after == HEAD
    assert known.digits == b"2"


def test_a_head_whose_body_is_still_coming_is_remembered() -> None:
    for begun in (b"", b"{"):
        cycle = came(None)
        if begun:
            cycle.feed(begun)
        known = repeatable(HEAD + begun, cycle)
        assert known is not None
        assert known.before + known.digits + known.after == HEAD


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (HEAD + b"{}", ("2", b"{}", 0)),
        (HEAD.replace(b": 2", b": 12") + b"{}", ("12", b"{}", 10)),
        (HEAD, ("2", b"", 2)),
        (HEAD + b"{}more", None),
        (HEAD.replace(b": 2", b": x") + b"{}", None),
        (HEAD.replace(b": y", b": z") + b"{}", None),
        (HEAD.replace(b": 2", b": 1234567890123") + b"{}", None),
    ],
)
def test_a_repetition_may_have_another_length(data: bytes, found: tuple[str, bytes, int] | None) -> None:
    known = repeatable(HEAD + b"{}", came(b"{}", headers=[(b"content-length", b"2")]))
    assert known is not None
    repeated = known.repeated_by(data)
    if found is None:
        assert repeated is None
    else:
        assert repeated is not None
        headers, body, rest = repeated
        assert (headers["content-length"], body, rest) == found


@pytest.mark.parametrize(
    ("data", "cycle"),
    [
        (HEAD + b"{", came(b"{}")),
        (HEAD, came(b"", headers=[(b"transfer-encoding", b"chunked")])),
        (HEAD + b"{}", came(b"{}", keep_alive=False)),
        (HEAD + b"{}", came(b"{}", headers=[(b"expect", b"100-continue")])),
        (HEAD + b"{}\r\n", came(b"{}")),
        (b"\r\n\r\n" + HEAD + b"{}", came(b"{}")),
        (HEAD.replace(b"Content-Length: 2", b"transfer-encoding: chunked") + b"2\r\n{}\r\n", came(b"{}")),
        (HEAD.replace(b": 2", b":2") + b"{}", came(b"{}")),
        (HEAD.replace(b": 2", b": 2 ") + b"{}", came(b"{}")),
        (HEAD.replace(b"x", b"x" * 20_000) + b"{}", came(b"{}")),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", came(b"")),
    ],
)
def test_what_is_not_remembered(data: bytes, cycle: Cycle) -> None:
    assert repeatable(data, cycle) is None
