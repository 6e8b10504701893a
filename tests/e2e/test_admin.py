"""Operators before a running gateway: its doors, the command, several workers, and who is kept out."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import SECONDS, Serving, chat, run, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets")
MANY = pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`")

TEAM, OPS = "team-key-0123456789", "ops-key-0123456789"
KEYS = f"auth: {{keys: [{{name: team, key: {TEAM}}}, {{name: ops, key: {OPS}, scopes: [admin]}}]}}\n"
UP = "providers: {up: {base_url: 'http://127.0.0.1:9/v1', keys: [sk-secret-0123456789-abcd]}}\n"


@pytest.fixture
def environment(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """With a home folder whose path is short: that of a Unix socket may have about 100 characters."""
    with tempfile.TemporaryDirectory() as home:
        yield {**environment, "DRAGOMAN_HOME": home}


class Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("dragoman", timeout=SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


def over(path: Path, method: str, target: str) -> tuple[int, Any]:
    connection = Unix(path)
    connection.request(method, target)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def place_of(environment: dict[str, str], server: Serving) -> Path:
    return Path(environment["DRAGOMAN_HOME"]) / "run" / f"{server.ready['port']}.sock"


def got(url: str, key: str | None = None, method: str = "GET", **headers: str) -> tuple[int, Any]:
    stated = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        stated["authorization"] = f"Bearer {key}"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, method=method, headers=stated), timeout=SECONDS
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_command_goes_by_the_socket_and_needs_no_key(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dragoman.yaml").write_text(KEYS + UP)
    with serving(environment, tmp_path) as server:
        place = place_of(environment, server)
        assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        ended = run(environment, tmp_path, "providers", "list", "--json")
        told = json.loads(ended.stdout)
        assert (told["gateway"], told["data"][0]["name"]) == (str(place), "up")
        assert run(environment, tmp_path, "providers", "disable", "up").returncode == 0
        with pytest.raises(urllib.error.HTTPError) as refused:
            chat(server.url, TEAM, model="up/m")
        assert json.load(refused.value)["error"]["code"] == "provider_disabled"
        shown = run(environment, tmp_path, "providers", "show", "up")
        assert "up: disabled" in shown.stdout
        tested = run(environment, tmp_path, "providers", "test", "up")
        assert (tested.returncode, "…abcd: not reached" in tested.stdout) == (1, True)
        by_url = run(environment, tmp_path, "providers", "list", "--url", server.url, "--key", OPS)
        assert by_url.returncode == 0
        refused_key = run(environment, tmp_path, "providers", "list", "--url", server.url, "--key", TEAM)
        assert (refused_key.returncode, "scope 'admin'" in refused_key.stderr) == (5, True)
        code, _, events = server.stop()
        (entry,) = [event for event in events if event["event"] == "audit"]
        assert (entry["who"], entry["action"], entry["target"]) == (
            f"uid {os.getuid()}",
            "disable",
            "providers/up",
        )
        assert "sk-secret" not in json.dumps(events)
    assert (code, place.exists()) == (0, False)
    ended = run(environment, tmp_path, "providers", "list")
    assert "no gateway runs here" in ended.stderr


def test_the_operators_port_takes_admin_from_the_public_one(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "dragoman.yaml").write_text(KEYS + UP + "server: {admin_port: 0}\n")
    with serving(environment, tmp_path) as server:
        admin = server.ready["admin"]
        assert got(f"{server.url}/admin", OPS)[0] == 404
        assert got(f"{admin}/admin", OPS)[0] == 200
        for key, status in ((None, 401), (TEAM, 403), ("wrong-key-0123456789", 401)):
            assert got(f"{admin}/admin/providers", key)[0] == status
        assert got(f"{admin}/v1/models", TEAM)[0] == 404
        assert "store" not in got(f"{server.url}/health", OPS)[1]
        assert "store" in got(f"{admin}/health", OPS)[1]
        assert "store" not in got(f"{admin}/health")[1]


def test_without_keys_pages_and_other_hosts_are_kept_out(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dragoman.yaml").write_text(UP)
    with serving(environment, tmp_path) as server:
        target = f"{server.url}/admin/providers/up/disable"
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "http://localhost:3000"},
            {"origin": "null"},
            {"sec_fetch_site": "cross-site"},
            {"host": "rebound.example"},
            {"x_forwarded_for": "192.0.2.1"},
        ):
            assert got(target, method="POST", **headers)[0] == 403, headers
        assert got(f"{server.url}/admin/providers/up")[1]["enabled"] is True
        assert got(target, method="POST")[1]["enabled"] is False
        own = {"origin": server.url, "content_type": "application/json"}
        assert got(f"{server.url}/admin/providers/up/enable", method="POST", **own)[1]["enabled"] is True


@MANY
def test_each_of_two_workers_answers_at_the_doors(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dragoman.yaml").write_text(UP + "server: {admin_port: 0}\n")
    with serving(environment, tmp_path, "--workers", "2") as server:
        place, admin = place_of(environment, server), server.ready["admin"]
        by_socket: set[int] = set()
        by_port: set[int] = set()
        end = time.monotonic() + SECONDS
        while len(by_socket) + len(by_port) < 4 and time.monotonic() < end:
            by_socket.add(over(place, "GET", "/admin")[1]["worker"])
            by_port.add(got(f"{admin}/admin")[1]["worker"])
        assert (by_socket, by_port) == ({1, 2}, {1, 2})
        code, _, _ = server.stop()
        assert (code, place.exists()) == (0, False)


def test_operators_look_on_while_the_gateway_drains(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dragoman.yaml").write_text("providers: {simulate: {enabled: true, token_interval: 300ms}}")
    with serving(environment, tmp_path) as server:
        place = place_of(environment, server)
        begun, ended = threading.Event(), threading.Event()

        def talk() -> None:
            words = [{"role": "user", "content": "word " * 10}]
            with chat(server.url, stream=True, messages=words) as answer:
                answer.readline()
                begun.set()
                answer.read()
            ended.set()

        talking = threading.Thread(target=talk)
        talking.start()
        assert begun.wait(SECONDS)
        server.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + SECONDS
        while over(place, "GET", "/health")[0] != 503:
            assert time.monotonic() < end
        assert not ended.is_set()
        status, running = over(place, "GET", "/admin/requests")
        assert (status, [one["path"] for one in running["data"]]) == (200, ["/v1/chat/completions"])
        talking.join(SECONDS)
        assert ended.is_set()
        assert server.process.wait(SECONDS) == 0


def test_a_socket_that_is_stated_and_cannot_be_is_an_error(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "dragoman.yaml").write_text("server: {port: 0, admin_socket: missing/folder/x.sock}")
    ended = run(environment, tmp_path, "serve")
    assert ended.returncode == 4
    assert "server.admin_socket: cannot listen on" in ended.stderr


@MANY
def test_an_order_reaches_both_workers(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dragoman.yaml").write_text(UP)
    with serving(environment, tmp_path, "--workers", "2") as server:
        place = place_of(environment, server)
        assert over(place, "POST", "/admin/providers/up/disable")[0] == 200
        time.sleep(1)
        for _ in range(20):
            assert over(place, "GET", "/admin/providers/up")[1]["enabled"] is False
        assert len(over(place, "GET", "/admin/audit")[1]["data"]) == 1
