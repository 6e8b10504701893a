"""The operators' ways in: who can open the Unix socket, and what is served behind each door."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.server.doors import Doors, Opened, listen_locally
from dragoman.server.serve import listen
from dragoman.server.uvicorn_options import uvicorn_options

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets")


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: that of a Unix socket may have about 100 characters."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "run.sock"


def test_only_its_user_can_open_it(place: Path) -> None:
    with listen_locally(place):
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        assert list(place.parent.iterdir()) == [place]


def test_one_on_which_nobody_listens_is_replaced_and_another_is_not(place: Path) -> None:
    listen_locally(place).close()
    assert place.exists()
    with listen_locally(place), pytest.raises(OSError, match="in use"):
        listen_locally(place)
    place.unlink()
    place.write_text("something else")
    with listen_locally(place):
        assert stat.S_ISSOCK(place.stat().st_mode)


def test_a_path_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        listen_locally(tmp_path / ("a" * 120))


def test_a_door_leaves_no_file(place: Path) -> None:
    door = Opened("socket", listen_locally(place), place)
    door.remove()
    assert not place.exists()
    door.remove()


@asynccontextmanager
async def opened(gateway: Gateway, *doors: Opened) -> AsyncIterator[Doors]:
    await gateway.start()
    app = App(gateway)
    config = uvicorn.Config(app, **uvicorn_options(app))
    config.load()
    made = Doors(app, doors, config)
    await made.open()
    made.tick([(b"date", b"today")])
    try:
        yield made
    finally:
        made.close()
        for door in doors:
            door.remove()
        await gateway.close()
        await asyncio.sleep(0)


async def got(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str
) -> tuple[int, dict[str, str], bytes]:
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


async def test_the_socket_needs_no_key_and_tells_its_user(place: Path) -> None:
    gateway = Gateway({"auth": {"keys": ["a-key-of-sixteen-letters"]}})
    async with opened(gateway, Opened("socket", listen_locally(place), place)):
        status, headers, body = await got(*await asyncio.open_unix_connection(place), "/admin/requests")
        assert (status, headers["date"]) == (200, "today")
        status, _, body = await got(*await asyncio.open_unix_connection(place), "/health")
        assert "store" in json.loads(body)
        status, _, _ = await got(*await asyncio.open_unix_connection(place), "/v1/models")
        assert status == 404, "models are not served there"
        line = await asyncio.open_unix_connection(place)
        line[1].write(
            b"POST /admin/providers/local/disable HTTP/1.1\r\nhost: local\r\ncontent-length: 0\r\n\r\n"
        )
        assert b" 200 OK" in await line[0].readline()
        line[1].close()
        _, _, body = await got(*await asyncio.open_unix_connection(place), "/admin/audit")
        (entry,) = json.loads(body)["data"]
        assert entry["address"] is None
        assert entry["who"] == (f"uid {os.getuid()}" if sys.platform == "linux" else "operator")


async def test_the_operators_port_needs_the_scope() -> None:
    gateway = Gateway({"auth": {"keys": ["a-key-of-sixteen-letters"]}, "server": {"admin_port": 0}})
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with opened(gateway, Opened("admin", listener)):
        for path, expected in (("/admin", 401), ("/health/live", 200), ("/v1/models", 401)):
            status, _, _ = await got(*await asyncio.open_connection("127.0.0.1", port), path)
            assert status == expected


async def test_it_has_room_of_its_own_and_closes_what_idles(place: Path) -> None:
    gateway = Gateway({"server": {"max_connections": 16}})
    async with opened(gateway, Opened("socket", listen_locally(place), place)) as doors:
        lines = [await asyncio.open_unix_connection(place) for _ in range(20)]
        for reader, writer in lines:
            writer.write(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
            assert b" 200 OK" in await reader.readline()
        doors.close()
        for reader, writer in lines:
            async with asyncio.timeout(60):
                await reader.read()
            writer.close()
    with pytest.raises(OSError, match=r"."), socket.socket(socket.AF_UNIX) as trial:
        trial.connect(str(place))
