"""Connections are opened to the right server and to nobody else, at the first address that answers."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from yarl import URL

from dragoman.net.client import Head
from dragoman.net.failures import ConnectTimeout, Failure, NotReached, Truncated
from dragoman.net.h1.client import HTTPClient
from dragoman.net.h1.dial import Address, Dialer, Sessions, trusting
from tests.unit.net.h1.peer import HEADERS, Peer, ask, calling, friendly, serving

HOST = "localhost"


def server_side(cert: trustme.LeafCert, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A server's context. version: the only version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


async def test_a_verified_connection_speaks_http_1_1(authority: trustme.CA, ca_file: str) -> None:
    chosen: list[str | None] = []

    async def serve(peer: Peer) -> None:
        chosen.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await friendly(peer)

    context = server_side(authority.issue_cert(HOST))
    async with serving(serve, context, HOST) as server, calling(trusting(ca_file=ca_file)) as client:
        assert await ask(client, server.url) == (200, b"0 2")
        assert await ask(client, server.url) == (200, b"0 2")
    assert chosen == ["http/1.1"]


async def fails(context: ssl.SSLContext, tls: Sessions) -> Failure:
    """How a call to a server with this context fails."""
    heard: list[bytes] = []

    async def serve(peer: Peer) -> None:
        heard.append(await peer.reader.read(1))

    async with serving(serve, context, HOST) as server, calling(tls) as client:
        with pytest.raises(Failure) as caught:
            await ask(client, server.url)
    assert not any(heard), "the request went to a server that was not verified"
    return caught.value


async def test_a_certificate_of_an_unknown_authority_is_refused(authority: trustme.CA) -> None:
    failure = await fails(server_side(authority.issue_cert(HOST)), trusting())
    assert isinstance(failure, NotReached)
    assert "certificate verify failed" in failure.meaning
    assert "_ssl.c" not in failure.meaning


async def test_a_certificate_that_signs_itself_is_refused(ca_file: str) -> None:
    failure = await fails(server_side(trustme.CA().issue_cert(HOST)), trusting(ca_file=ca_file))
    assert "certificate verify failed" in failure.meaning


async def test_a_certificate_of_another_name_is_refused(authority: trustme.CA, ca_file: str) -> None:
    failure = await fails(server_side(authority.issue_cert("other.example")), trusting(ca_file=ca_file))
    assert isinstance(failure, NotReached)
    assert "certificate" in failure.meaning


async def test_an_expired_certificate_is_refused(authority: trustme.CA, ca_file: str) -> None:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    cert = authority.issue_cert(HOST, not_before=past - dt.timedelta(days=1), not_after=past)
    failure = await fails(server_side(cert), trusting(ca_file=ca_file))
    assert "expired" in failure.meaning


async def test_an_old_version_of_tls_is_refused(authority: trustme.CA, ca_file: str) -> None:
    context = server_side(authority.issue_cert(HOST))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert isinstance(await fails(context, trusting(ca_file=ca_file)), NotReached)


async def test_a_server_without_tls_is_told_as_such(ca_file: str) -> None:
    async def serve(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(serve) as server, calling(trusting(ca_file=ca_file)) as client:
        with pytest.raises(NotReached):
            await ask(client, server.url.with_scheme("https"))


async def test_a_certificate_may_go_unchecked_by_wish() -> None:
    context = server_side(trustme.CA().issue_cert("other.example"))
    async with serving(friendly, context, HOST) as server, calling(trusting(verify=False)) as client:
        assert await ask(client, server.url) == (200, b"0 2")


async def test_the_gateway_shows_its_own_certificate(
    authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    context = server_side(authority.issue_cert(HOST))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    own = authority.issue_cert("gateway@example.com")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    files = [(str(tmp_path / "both.pem"), None), (str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))]
    async with serving(friendly, context, HOST) as server:
        for cert, key in files:
            async with calling(trusting(ca_file=ca_file, client_cert=cert, client_key=key)) as client:
                assert (await ask(client, server.url))[0] == 200
        async with calling(trusting(ca_file=ca_file)) as client:
            with pytest.raises(Failure):
                await ask(client, server.url)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_next_connection_resumes_the_session(
    authority: trustme.CA, ca_file: str, version: ssl.TLSVersion
) -> None:
    resumed: list[bool] = []

    async def serve(peer: Peer) -> None:
        resumed.append(peer.writer.get_extra_info("ssl_object").session_reused)
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await peer.request()

    context = server_side(authority.issue_cert(HOST), version)
    async with serving(serve, context, HOST) as server, calling(trusting(ca_file=ca_file)) as client:
        for _ in range(3):
            assert (await ask(client, server.url))[0] == 200
            client.drop_idle()
    assert resumed == [False, True, True]


@pytest.mark.parametrize("proper", [True, False])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_only_tls_itself_ends_a_body_without_a_length(
    authority: trustme.CA, ca_file: str, version: ssl.TLSVersion, proper: bool
) -> None:
    """Whoever is on the way can end the TCP connection, and so cut an answer."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1000))
        if not proper:
            raw = socket.socket(fileno=os.dup(peer.writer.get_extra_info("socket").fileno()))
            raw.shutdown(socket.SHUT_RDWR)
            raw.close()

    context = server_side(authority.issue_cert(HOST), version)
    async with serving(serve, context, HOST) as server, calling(trusting(ca_file=ca_file)) as client:
        if proper:
            assert await ask(client, server.url) == (200, bytes(1000))
            return
        with pytest.raises(Truncated):
            await ask(client, server.url)


# Addresses ---------------------------------------------------------------------------------------------


def address(host: str, port: int) -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))


def named(*found: Address) -> HTTPClient:
    """A client for which every name has these addresses."""

    async def lookup(host: str, port: int) -> list[Address]:
        return list(found)

    return HTTPClient(Dialer(asyncio.get_running_loop(), trusting(verify=False), lookup))


async def test_every_address_of_a_name_is_tried() -> None:
    async with serving(friendly) as server:
        port = server.url.port or 0
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            client = named(address("127.0.0.1", taken.getsockname()[1]), address("127.0.0.1", port))
            for _ in range(3):
                assert (await ask(client, URL("http://provider.example/")))[0] == 200
                client.drop_idle()
            await client.close()


async def test_a_silent_address_holds_nobody_up() -> None:
    """RFC 8305: the next address is tried beside it after a quarter of a second."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # the queue is full, so the next connection gets no answer
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with serving(friendly) as server:
            client = named(address(*full.getsockname()), address("127.0.0.1", server.url.port or 0))
            began = asyncio.get_running_loop().time()
            assert (await ask(client, URL("http://provider.example/")))[0] == 200
            assert asyncio.get_running_loop().time() - began < 20.0
            await client.close()
        for one in waiting:
            one.close()


async def test_a_name_without_an_address_is_not_reached() -> None:
    async with calling() as client:
        with pytest.raises(NotReached) as caught:
            await ask(client, URL("http://nobody.invalid/"))
    assert caught.value.meaning
    assert "nobody.invalid" not in caught.value.meaning


async def test_a_refused_connection_names_no_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with calling() as client:
            with pytest.raises(NotReached) as caught:
                await ask(client, URL(f"http://127.0.0.1:{taken.getsockname()[1]}/"))
    assert caught.value.meaning == "Connection refused"


async def test_an_address_that_is_not_allowed_is_not_called() -> None:
    loop = asyncio.get_running_loop()
    asked: list[tuple[str, str]] = []

    def permits(host: str, ip: str) -> bool:
        asked.append((host, ip))
        return False

    async with serving(friendly) as server:
        client = HTTPClient(Dialer(loop, trusting(verify=False), permits=permits))
        with pytest.raises(NotReached):
            await ask(client, server.url)
        await client.close()
        assert not server.peers
    assert asked == [("127.0.0.1", "127.0.0.1")]


async def test_a_look_up_has_the_time_of_the_connection() -> None:
    async def slow(host: str, port: int) -> list[Address]:
        await asyncio.sleep(60)
        return []

    client = HTTPClient(Dialer(asyncio.get_running_loop(), trusting(verify=False), slow))
    with pytest.raises(ConnectTimeout):
        await client.request(Head("GET", URL("http://provider.example/"), HEADERS), None, connect=0.1)
    await client.close()


async def test_a_handshake_has_the_time_of_the_connection() -> None:
    async def silent(peer: Peer) -> None:
        await asyncio.sleep(60)

    async with serving(silent) as server, calling() as client:
        with pytest.raises(ConnectTimeout):
            await client.request(Head("GET", server.url.with_scheme("https"), HEADERS), None, connect=0.2)


async def test_a_look_up_is_kept_and_a_dead_address_is_looked_up_again() -> None:
    looked: list[str] = []
    async with serving(friendly) as server:
        port = server.url.port or 0
        places = [port]

        async def lookup(host: str, _: int) -> list[Address]:
            looked.append(host)
            return [address("127.0.0.1", places[0])]

        client = HTTPClient(Dialer(asyncio.get_running_loop(), trusting(verify=False), lookup))
        for _ in range(3):
            await ask(client, URL("http://provider.example/"))
            client.drop_idle()
        assert looked == ["provider.example"]
        await client.close()


async def test_many_requests_look_a_name_up_once() -> None:
    looked: list[str] = []
    async with serving(friendly) as server:

        async def lookup(host: str, _: int) -> list[Address]:
            looked.append(host)
            await asyncio.sleep(0.05)
            return [address("127.0.0.1", server.url.port or 0)]

        client = HTTPClient(Dialer(asyncio.get_running_loop(), lookup=lookup))
        asking = [asyncio.ensure_future(ask(client, URL("http://provider.example/"))) for _ in range(20)]
        await asyncio.sleep(0.01)
        asking[0].cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(answer, tuple) for answer in answers] == [False] + [True] * 19
        await client.close()
    assert looked == ["provider.example"]


@pytest.mark.parametrize("url", ["http://a..b/", f"http://{'a' * 64}.example/", "ftp://x/"])
async def test_a_name_that_cannot_be_is_not_reached(url: str) -> None:
    async with calling() as client:
        with pytest.raises(NotReached):
            await ask(client, URL(url))


async def test_ipv6_works() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6 address of its own")
    async with server, calling() as client:
        with pytest.raises(Failure) as caught:
            await ask(client, URL(f"http://[::1]:{server.sockets[0].getsockname()[1]}/"))
        assert not isinstance(caught.value, NotReached)
