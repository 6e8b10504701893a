"""The connection to real servers: what is refused, and how Sentinels and TLS lead to one."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dragoman.accounts.shared.address import parsed
from dragoman.accounts.shared.link import LinkFailed, Unfit, _escaped, connect
from dragoman.accounts.shared.messages import Join
from tests.unit.accounts.shared.world import claim, eventually, granted, world
from tests.valkey_server import PATIENCE, ValkeyServer, free_port


async def _connect(url: str, **options: Any) -> Any:
    known: dict[str, Any] = {"password": "", "ca": None, "prefix": "t:", "patience": 5.0, **options}
    return await connect(parsed(url), **known)


async def test_it_knows_the_server(valkey: ValkeyServer) -> None:
    link = await _connect(valkey.url)
    assert link.version.startswith(("Valkey 9", "Redis 7"))
    assert len(link.run) == 40
    await link.close()


async def test_a_cluster_is_refused_with_the_reason() -> None:
    server = ValkeyServer("--cluster-enabled", "yes", "--cluster-port", str(free_port()), tcp=True)
    try:
        with pytest.raises(Unfit, match="it is a Cluster, in which the counters of one request may be on"):
            await _connect(server.url)
    finally:
        server.close()


async def test_a_password_is_asked_for(own_valkey: ValkeyServer) -> None:
    own_valkey.command("ACL", "SETUSER", "dragoman", "on", ">right", "~*", "&*", "+@all")
    own_valkey.command("CONFIG", "SET", "requirepass", "secret")
    for options in ({}, {"password": "wrong"}):
        with pytest.raises(Unfit, match="it refuses us"):
            await _connect(own_valkey.url, **options)
    await (await _connect(own_valkey.url, password="secret")).close()
    path = own_valkey.url.removeprefix("unix://")
    assert parsed(f"unix://{path}").path == path


async def test_a_user_may_stand_in_the_url() -> None:
    server = ValkeyServer(tcp=True)
    try:
        server.command("ACL", "SETUSER", "me", "on", ">right", "~t:*", "&t:*", "+@all")
        server.command("ACL", "SETUSER", "default", "off")
        at = server.url.removeprefix("redis://")
        with pytest.raises(Unfit):
            await _connect(f"redis://me:wrong@{at}")
        link = await _connect(f"redis://me:right@{at}/3")
        await link.listen()
        joined = await link.join(Join("me", link.run, "epoch", 1000, "", [], 0))
        assert (joined.epoch, joined.forgotten) == ("epoch", False)
        await link.close()
    finally:
        server.close()


async def test_a_replica_is_not_written_to(own_valkey: ValkeyServer) -> None:
    own_valkey.command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(LinkFailed, match="it is a replica"):
        await _connect(own_valkey.url)


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(LinkFailed):
        await _connect(f"unix://{tmp_path}/none")
    with pytest.raises(LinkFailed):
        await _connect("redis://127.0.0.1:1")
    with pytest.raises(LinkFailed, match="no Sentinel answers"):
        await _connect("sentinel+redis://127.0.0.1:1/main")


async def test_a_silent_server_is_given_up(own_valkey: ValkeyServer) -> None:
    own_valkey.pause()
    try:
        with pytest.raises(LinkFailed, match="does not answer in time"):
            await _connect(own_valkey.url, password="x", patience=0.2)
    finally:
        own_valkey.go_on()


async def test_an_old_server_is_refused() -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while words := await reader.read(4096):
            body = b"redis_version:6.2.14\r\nrun_id:x\r\n"
            for command in re.findall(rb"\*\d+\r\n\$\d+\r\n(\w+)", words):
                writer.write(b"$%d\r\n%s\r\n" % (len(body), body) if command == b"INFO" else b"+OK\r\n")
        writer.close()
        await writer.wait_closed()
        gone.append(True)

    gone: list[bool] = []
    server = await asyncio.start_server(old, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unfit, match=r"Redis 6\.2\.14 is too old: Redis 7 or Valkey 7\.2 is needed"):
        await _connect(f"redis://127.0.0.1:{port}")
    await eventually(lambda: len(gone) == 2)
    server.close()


@pytest.fixture
def main_and_replica() -> Iterator[tuple[ValkeyServer, ValkeyServer, ValkeyServer]]:
    """A server, its replica, and a Sentinel that watches both."""
    main = ValkeyServer(tcp=True)
    replica = ValkeyServer("--replicaof", f"127.0.0.1 {main.port}", tcp=True)
    sentinel = ValkeyServer(tcp=True, watches=main.port)
    yield main, replica, sentinel
    for one in (sentinel, replica, main):
        one.close()


async def test_sentinels_lead_to_the_server_and_to_its_successor(
    main_and_replica: tuple[ValkeyServer, ValkeyServer, ValkeyServer],
) -> None:
    main, replica, sentinel = main_and_replica
    url = f"sentinel+redis://127.0.0.1:1,127.0.0.1:{sentinel.port}/mymaster"
    with pytest.raises(LinkFailed, match="the Sentinels do not know 'other'"):
        await _connect(url.replace("mymaster", "other"))
    async with world(main) as all_of:
        main.url = url
        ledger = all_of.ledger()
        await granted(ledger, claim("a", 10, 4))
        until = time.monotonic() + PATIENCE
        while b"slave0:" not in main.command("INFO", "replication") or (
            b"num-slaves\r\n$1\r\n1" not in sentinel.command("SENTINEL", "MASTER", "mymaster")
        ):
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        sentinel.command("SENTINEL", "FAILOVER", "mymaster")
        while b"role:master" not in replica.command("INFO", "replication"):
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        main.kill()
        while not ledger.state()["healthy"] or not ledger._joined:
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        await granted(ledger, claim("a", 10, 6))
        refused = await ledger.ask([claim("a", 10)], time.time())
        assert not hasattr(refused, "claims")


def _certificates(folder: Path) -> tuple[Path, Path]:
    """An authority, and a certificate of it with its key for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    ca, both = folder / "ca.pem", folder / "both.pem"
    pem = made.public_bytes(serialization.Encoding.PEM)
    ca.write_bytes(pem)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both.write_bytes(pem + secret)
    return ca, both


async def test_tls_trusts_the_stated_authority_alone(valkey: ValkeyServer, tmp_path: Path) -> None:
    ca, both = _certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, out = await asyncio.open_unix_connection(str(valkey.socket))

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                target.write(data)
            target.close()

        await asyncio.gather(pump(reader, out), pump(inner, writer), return_exceptions=True)
        for one in (out, writer):
            one.close()
        gone.append(True)

    gone: list[bool] = []

    server = await asyncio.start_server(passed_on, "127.0.0.1", 0, ssl=context)
    url = f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    link = await _connect(url, ca=str(ca))
    assert link.run
    await link.close()
    with pytest.raises(LinkFailed, match="certificate"):
        await _connect(url)
    await eventually(lambda: len(gone) == 2)
    server.close()


def test_prefixes_are_no_patterns() -> None:
    assert _escaped(b"a*[b]?:\\") == b"a\\*\\[b\\]\\?:\\\\"
