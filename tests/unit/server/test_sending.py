"""Bodies on their way to a provider."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dragoman import ir
from dragoman.accounts.caller import ANYONE, Caller
from dragoman.errors import RequestFailed
from dragoman.net.client import Flow
from dragoman.server.endpoint import HttpRequest
from dragoman.server.sending import ClientBody, with_own_key, without_field
from dragoman.wire.headers import HeaderMap


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def request(parts: AsyncIterator[bytes] | None, **headers: str) -> HttpRequest:
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HttpRequest(b"", HeaderMap(lines), {}, ANYONE, parts=parts)


async def test_how_much_is_sent() -> None:
    assert ClientBody(request(None)).flow is None
    assert ClientBody(request(pieces())).flow == b""
    assert ClientBody(request(pieces(b"a")), b"other").flow == b"other"
    stated = ClientBody(request(pieces(b"ab"), content_length="2")).flow
    chunked = ClientBody(request(pieces(b"ab"), transfer_encoding="chunked")).flow
    assert isinstance(stated, Flow)
    assert isinstance(chunked, Flow)
    assert (stated.size, chunked.size) == (2, None)


async def test_who_broke_it_off() -> None:
    fault = RequestFailed(ir.Fault("too_large", "too large"))

    async def breaking() -> AsyncIterator[bytes]:
        yield b"a"
        raise fault

    body = ClientBody(request(breaking(), transfer_encoding="chunked"))
    assert isinstance(body.flow, Flow)
    with pytest.raises(RequestFailed):
        _ = [part async for part in body.flow.pieces]
    assert body.failure is fault


@pytest.mark.parametrize("cut", [1, 3, 10, 1_000])
async def test_a_form_without_a_field(cut: int) -> None:
    """The field is found however the form is cut; the name in a file's text or own name does not count."""
    file = b'--b\r\ncontent-disposition: form-data; name="file"; filename="file_id"\r\n\r\n{"file_id": 1}\r\n'
    assert b"".join([one async for one in without_field(pieces(*split(file, cut)), "file_id")]) == file
    for head in (
        b'Content-Disposition: form-data; name="file_id"',
        b"content-disposition:x;NAME*=utf-8''FILE_ID",
    ):
        with pytest.raises(RequestFailed) as caught:
            _ = [one async for one in without_field(pieces(*split(file + head, cut)), "file_id")]
        assert caught.value.fault.param == "file_id"


def split(data: bytes, cut: int) -> list[bytes]:
    return [data[place : place + cut] for place in range(0, len(data), cut)]


def test_an_idempotency_key_is_none_of_another_client() -> None:
    sent = {"idempotency-key": "order-7", "range": "bytes=0-1"}
    alice, bob, anyone = (with_own_key(sent, one) for one in (Caller("alice"), Caller("bob"), ANYONE))
    assert anyone == sent
    assert alice["range"] == bob["range"] == "bytes=0-1"
    assert len({one["idempotency-key"] for one in (alice, bob, anyone)}) == 3
    assert with_own_key({"range": "x"}, Caller("alice")) == {"range": "x"}
