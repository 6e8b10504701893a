"""Which gateway an operator's command asks, with which key, and what goes wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dragoman.cli.admin_target import Target, ask, target
from dragoman.cli.operator import Way
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, NO_RIGHT, UNREACHABLE, Failure, Terminal

KEYS = [
    {"name": "ann", "key": "ann-key-0123456789"},
    {"name": "old", "key": "old-key-0123456789", "scopes": ["admin"], "expires": "2020-01-01"},
    {"name": "boss", "key": "admin-key-0123456789", "scopes": ["admin"]},
]


def found(url: str | None = None, key: str | None = None) -> Way:
    (one,) = ways(url, key)
    return one


def ways(url: str | None = None, key: str | None = None) -> Target:
    return target(Terminal(io.StringIO(), io.StringIO()), None, url, key)


def configure(folder: Path, **settings: Any) -> None:
    (folder / "dragoman.yaml").write_text(json.dumps(settings))


def test_the_gateway_of_the_configuration(folder: Path) -> None:
    configure(folder, server={"port": 7000, "base_path": "/ai"}, auth={"keys": KEYS})
    assert found() == Way(None, "http://127.0.0.1:7000/ai", "admin-key-0123456789")


def test_the_port_for_operators_has_no_base_path(folder: Path) -> None:
    """On the clients' port, all of /admin is then 404."""
    server = {"port": 7000, "base_path": "/ai", "admin_port": 9090}
    configure(folder, server=server, auth={"keys": KEYS})
    assert found().base == "http://127.0.0.1:9090"
    configure(folder, server={**server, "admin_host": "10.0.0.5"}, auth={"keys": KEYS})
    assert found().base == "http://10.0.0.5:9090"
    configure(folder, server={"port": 7000, "admin_port": 0}, auth={"keys": KEYS})
    with pytest.raises(Failure, match="lets the system choose the port"):
        found()


def test_keys_of_the_scope_admin_alone(folder: Path) -> None:
    configure(folder, auth={"keys": KEYS[:1]})
    assert found() == Way(None, "http://127.0.0.1:8080", None)


def test_the_created_key_if_none_is_configured(folder: Path) -> None:
    (folder / "home").mkdir()
    (folder / "home" / "client-key").write_text("dgm_" + "a" * 40)
    assert found().key == "dgm_" + "a" * 40


@pytest.mark.parametrize(
    "url", ["gateway.example:3000", "http://gateway.example:3000/", "http://gateway.example:3000/v1"]
)
def test_spellings_of_a_url(url: str) -> None:
    assert found(url) == Way(None, "http://gateway.example:3000", None)


def test_the_stated_key_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(folder, auth={"keys": KEYS})
    monkeypatch.setenv("DRAGOMAN_ADMIN_KEY", "operators-key-012345")
    assert found().key == "operators-key-012345"
    assert found(key="mine").key == "mine"


def test_a_port_that_the_system_chooses(folder: Path) -> None:
    configure(folder, server={"port": 0})
    with pytest.raises(Failure, match="lets the system choose") as failed:
        found()
    assert failed.value.code == MISUSE


def test_no_url(folder: Path) -> None:
    with pytest.raises(Failure) as failed:
        found("http://")
    assert failed.value.code == MISUSE


def socket_of(folder: Path, port: int) -> Path:
    """A file where a gateway on this port has its socket."""
    (folder / "home" / "run").mkdir(parents=True)
    (folder / "home" / "run" / f"{port}.sock").touch()
    return folder / "home" / "run" / f"{port}.sock"


def test_the_socket_comes_first_and_needs_no_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the other commands. The address remains, for a socket that a killed gateway has left."""
    configure(folder, server={"port": 7000}, auth={"keys": KEYS})
    socket = socket_of(folder, 7000)
    assert ways() == [Way(socket), Way(None, "http://127.0.0.1:7000", "admin-key-0123456789")]
    assert ways(key="mine") == [Way(None, "http://127.0.0.1:7000", "mine")]
    assert ways("http://there", "mine") == [Way(None, "http://there", "mine")]
    monkeypatch.setenv("DRAGOMAN_API_KEY", "a-clients-key")
    assert ways()[0] == Way(socket)


def test_a_socket_is_enough_where_the_system_chooses_the_port(folder: Path) -> None:
    configure(folder, server={"port": 0})
    socket = socket_of(folder, 49152)
    assert ways() == [Way(socket)]


async def answered(status: int, body: Any, *before: Way) -> Any:
    """What the command makes of an answer. before: ways that are tried first."""
    seen: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((request.path_qs, request.headers.get("authorization")))
        return web.json_response(body, status=status, headers={"x-request-id": "req_1"})

    app = web.Application()
    app.router.add_get("/admin/exchanges", handle)
    async with TestServer(app) as server:
        base = str(server.make_url("")).rstrip("/")
        there = [*before, Way(None, base, "the-key")]
        result = await ask(there, "/admin/exchanges", {"limit": "2", "q": "a b&c"})
    assert seen == [("/admin/exchanges?limit=2&q=a+b%26c", "Bearer the-key")]
    return result


def error(code: str) -> dict[str, Any]:
    return {"error": {"message": "No.", "code": code}}


async def test_an_answer() -> None:
    assert await answered(200, {"data": []}) == {"data": []}


async def test_a_socket_that_was_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "old.sock").touch()
    assert await answered(200, {"data": []}, Way(tmp_path / "old.sock")) == {"data": []}


@pytest.mark.parametrize("code", ["exchange_not_found", "unknown_url"])
async def test_nothing_there_is_no_failure(code: str) -> None:
    assert await answered(404, error(code)) is None


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, error("invalid_api_key"), NO_RIGHT),
        (403, error("insufficient_scope"), NO_RIGHT),
        (400, error("invalid_value"), ANSWER_IS_NO),
        (200, [], ANSWER_IS_NO),
    ],
)
async def test_failures(status: int, body: Any, code: int) -> None:
    with pytest.raises(Failure) as failed:
        await answered(status, body)
    assert failed.value.code == code


async def test_nobody_there() -> None:
    with pytest.raises(Failure, match="does not answer") as failed:
        await ask([Way(None, "http://127.0.0.1:9")], "/admin/exchanges", {})
    assert failed.value.code == UNREACHABLE
