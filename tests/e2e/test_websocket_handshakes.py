"""Handshakes of WebSockets, byte by byte: those that open one, and the errors for the others."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.e2e.calls import CHAT
from tests.e2e.conftest import Serve
from tests.e2e.test_websocket import raw, upgrade


async def test_connection_may_be_a_list_over_several_lines(serve: Serve) -> None:
    """RFC 9110, section 5.3."""
    base = await serve()
    for lines in (("Upgrade", "keep-alive"), ("keep-alive", "te, upgrade", "x")):
        reader, writer = await raw(base)
        stated = "\r\n".join(f"connection: {line}" for line in lines)
        writer.write(upgrade().replace(b"connection: keep-alive, Upgrade", stated.encode()))
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (upgrade(CHAT, "authorization: Bearer " + "x" * 9000), b"431"),
        (upgrade(CHAT, *(f"x-{n}: y" for n in range(200))), b"431"),
        (upgrade(CHAT, "content-length: 2") + b"{}", b"400"),
        (upgrade().replace(b"sec-websocket-key", b"sec-websocket-kex"), b"400"),
        (upgrade().replace(b"version: 13", b"version: 8"), b"426"),
        (upgrade().replace(b"GET", b"POST"), b"400"),
        (upgrade(CHAT, "sec-websocket-protocol: a b"), b"400"),
        (upgrade(CHAT, "host: localhost"), b"400"),
        (upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"), b"200"),  # which has no upgrades: a plain GET
    ],
)
async def test_a_handshake_that_cannot_be_read_is_answered(serve: Serve, head: bytes, status: bytes) -> None:
    base = await serve()
    reader, writer = await raw(base)
    writer.write(head)
    async with asyncio.timeout(60):
        told = await reader.read()
    assert told.split(b" ")[1] == status
    assert isinstance(json.loads(told.partition(b"\r\n\r\n")[2]), dict)  # an error as any other
    assert (b"sec-websocket-version: 13" in told) == (status == b"426")
    writer.close()
