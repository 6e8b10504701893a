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
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, NO_RIGHT, UNREACHABLE, Failure, Terminal

KEYS = [
    {"name": "ann", "key": "ann-key-0123456789"},
    {"name": "old", "key": "old-key-0123456789", "scopes": ["admin"], "expires": "2020-01-01"},
    {"name": "boss", "key": "admin-key-0123456789", "scopes": ["admin"]},
]


def found(url: str | None = None, key: str | None = None) -> Target:
    return target(Terminal(io.StringIO(), io.StringIO()), None, url, key)


def configure(folder: Path, **settings: Any) -> None:
    (folder / "dragoman.yaml").write_text(json.dumps(settings))


def test_the_gateway_of_the_configuration(folder: Path) -> None:
    configure(folder, server={"port": 7000, "base_path": "/ai"}, auth={"keys": KEYS})
    assert found() == Target("http://127.0.0.1:7000/ai", "admin-key-0123456789")


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
    assert found() == Target("http://127.0.0.1:8080", None)


def test_the_created_key_if_none_is_configured(folder: Path) -> None:
    (folder / "home").mkdir()
    (folder / "home" / "client-key").write_text("dgm_" + "a" * 40)
    assert found().key == "dgm_" + "a" * 40


@pytest.mark.parametrize(
    "url", ["gateway.example:3000", "http://gateway.example:3000/", "http://gateway.example:3000/v1"]
)
def test_spellings_of_a_url(url: str) -> None:
    assert found(url) == Target("http://gateway.example:3000", None)


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


async def answered(status: int, body: Any) -> Any:
    """What the command makes of an answer."""
    seen: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((request.path_qs, request.headers.get("authorization")))
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/admin/exchanges", handle)
    async with TestServer(app) as server:
        base = str(server.make_url("")).rstrip("/")
        result = await ask(Target(base, "the-key"), "/admin/exchanges", {"limit": "2"})
    assert seen == [("/admin/exchanges?limit=2", "Bearer the-key")]
    return result


def error(code: str) -> dict[str, Any]:
    return {"error": {"message": "No.", "code": code}}


async def test_an_answer() -> None:
    assert await answered(200, {"data": []}) == {"data": []}


async def test_no_such_exchange_is_no_failure() -> None:
    assert await answered(404, error("exchange_not_found")) is None


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, error("invalid_api_key"), NO_RIGHT),
        (403, error("insufficient_scope"), NO_RIGHT),
        (404, error("unknown_url"), ANSWER_IS_NO),
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
        await ask(Target("http://127.0.0.1:9", None), "/admin/exchanges", {})
    assert failed.value.code == UNREACHABLE
