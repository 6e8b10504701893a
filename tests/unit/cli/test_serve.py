"""`dragoman serve` up to the point where it listens; what follows is in the end-to-end tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import discovery, serve
from dragoman.cli.discovery import Server
from dragoman.config.load import Loaded
from dragoman.errors import ConfigError
from dragoman.seams import extras
from tests.unit.cli.conftest import Run


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Loaded, Any]]]:
    """What would be served, instead of serving it; signal handlers as they were."""
    import signal

    began: list[tuple[Loaded, Any]] = []
    monkeypatch.setattr(serve, "_run", lambda _terminal, found, key, _at: began.append((found, key)))
    handler = signal.getsignal(signal.SIGTERM)
    yield began
    signal.signal(signal.SIGTERM, handler)


def test_options_win_over_the_environment_and_the_file(
    run: Run, started: list[tuple[Loaded, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "dragoman.yaml").write_text("server: {port: 1, host: '::1', heartbeat: 3}")
    monkeypatch.setenv("DRAGOMAN_PORT", "2")
    assert run("serve", "--port", "3", "--preset", "qwen").code == 0
    ((found, key),) = started
    server = found.config.server
    assert (server.port, server.host, server.heartbeat, key) == (3, "::1", 3.0, None)
    assert found.config.preset == ("qwen",)


@pytest.mark.parametrize(
    ("arguments", "environment", "keyed"),
    [
        ((), {}, False),
        (("--host", "0.0.0.0"), {}, True),
        (("--host", "::"), {}, True),
        (("--host", "gateway.lan"), {}, True),
        (("--require-auth",), {}, True),
        (("--host", "0.0.0.0", "--no-auth"), {}, False),
        (("--host", "0.0.0.0"), {"DRAGOMAN_API_KEY": "mine-of-sixteen-characters"}, False),
        (("--host", "0.0.0.0"), {"DRAGOMAN_AUTH_REQUIRED": "false"}, False),
    ],
)
def test_a_key_is_made_where_one_is_needed_and_none_is_there(
    run: Run,
    started: list[tuple[Loaded, Any]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    keyed: bool,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run("serve", *arguments).code == 0
    ((found, key),) = started
    assert (key is not None) is keyed
    assert (folder / "home" / "client-key").exists() is keyed
    if keyed:
        assert [one.key and one.key.reveal() for one in found.config.auth.keys] == [key.key]


def test_servers_of_this_machine_are_used_where_that_is_wished(
    run: Run, started: list[tuple[Loaded, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """5.31: only then; what the command line says holds as before."""
    asked: list[Any] = []

    async def find(**more: Any) -> tuple[Server, ...]:
        asked.append(more)
        return (Server("ollama", "http://127.0.0.1:11434", ("llama3.2:latest",)),) if len(asked) < 2 else ()

    monkeypatch.setattr("dragoman.cli.discovery.find", find)
    assert run("serve").code == 0
    monkeypatch.setenv("DRAGOMAN_DISCOVER", "true")
    assert run("serve", "--port", "3").code == 0
    assert run("serve").code == 0
    assert asked == [{"but": {3}}, {"but": {8080}}]
    assert [list(found.providers) for found, _ in started] == [[], ["ollama"], []]
    config = started[1][0].config
    assert (config.server.port, list(config.models)) == (3, ["llama3.2:latest"])


def test_two_wishes_that_exclude_each_other(run: Run) -> None:
    assert run("serve", "--no-auth", "--require-auth") == (
        2, "", "error: --no-auth and --require-auth cannot be combined\n hint: remove one of them\n",
    )  # fmt: skip


def test_a_port_that_is_taken(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("serve", "--port", str(port))
    assert (code, out) == (4, "")
    assert err.splitlines() == [
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use",
        " hint: another program uses this port: dragoman serve --port 0 chooses a free one",
    ]


def test_an_address_that_is_not_ours(run: Run) -> None:
    code, _, err = run("serve", "--host", "192.0.2.1", "--port", "0", "--no-auth")
    assert (code, err.splitlines()[1][:7]) == (4, " hint: ")
    assert "no network interface of this machine has this address" in err


def test_what_lasts_is_kept_in_a_file_where_that_is_possible(
    run: Run, started: list[tuple[Loaded, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.stores.open.installed", lambda: True)
    assert run("serve", "--workers", "2").code == 0
    monkeypatch.setenv("DRAGOMAN_SQL", "memory")
    assert run("serve").code == 0
    monkeypatch.delenv("DRAGOMAN_SQL")
    monkeypatch.setattr("dragoman.stores.open.installed", lambda: False)
    assert run("serve").code == 0
    monkeypatch.setattr("dragoman.stores.open.installed", lambda: True)
    monkeypatch.setattr("dragoman.stores.open.writable", lambda _: False)
    assert run("serve").code == 0
    assert "set DRAGOMAN_HOME to a writable folder" in run("serve", "--workers", "2").err
    told = [(found.config.stores.sql, found.config.server.workers) for found, _ in started]
    assert told == [("sqlite", 2), ("memory", 1), (None, 1), (None, 1)]


def test_a_folder_that_became_read_only_does_not_open_a_gateway_with_keys(
    run: Run, started: list[tuple[Loaded, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As after an error of the disk, which Linux mounts again read-only."""
    monkeypatch.setattr("dragoman.stores.open.installed", lambda: True)
    monkeypatch.setattr("dragoman.stores.open.writable", lambda _: False)
    home = tmp_path / "home"  # as the folder of `run` says
    home.mkdir(parents=True, exist_ok=True)
    code, _, err = run("serve")
    assert (code, err.count(f"stores.sql: {home} is not writable: a restart forgets everything")) == (0, 1)
    (home / "state.db").touch()
    assert "is not writable" not in run("serve").err
    assert [found.config.stores.sql for found, _ in started] == [None, "sqlite"]
    monkeypatch.setattr("dragoman.stores.open.installed", lambda: False)
    code, _, err = run("serve")
    assert (code, "state.db exists, and may have client keys; it needs the extra `sql`" in err) == (3, True)
    assert "or set stores.sql: memory, to run without this file" in err


def test_a_store_that_cannot_be_is_told_before_anything_listens(run: Run, folder: Path) -> None:
    (folder / "team.yaml").write_text("stores: {sql: 'redis://here'}")
    code, out, err = run("serve", "--config", "team.yaml")
    assert (code, out) == (3, "")
    assert err.splitlines() == [
        "error: team.yaml:1: stores.sql: must be memory, sqlite, a sqlite URL or a postgresql URL",
        " hint: for example sqlite:////var/lib/state.db or postgresql://user:password@host:5432/name",
    ]


def test_several_workers_need_a_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.stores.open.installed", lambda: False)
    code, out, err = run("serve", "--workers", "2")
    assert (code, out) == (3, "")
    assert err.splitlines() == [
        "error: server.workers: several workers need a shared database, which needs the extra `sql`",
        f" hint: install it with {extras.command('sql')}, or run one worker",
    ]


def test_several_workers_and_a_store_that_is_one_process_s_own(run: Run, folder: Path) -> None:
    (folder / "team.yaml").write_text("stores: {sql: memory}")
    code, out, err = run("serve", "--workers", "2", "--config", "team.yaml")
    assert (code, out) == (3, "")
    assert err.splitlines() == [
        "error: the command line: server.workers: several workers need a shared database",
        " hint: stores.sql: sqlite",
    ]


def test_windows_runs_one_worker(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.stores.open.installed", lambda: True)
    monkeypatch.setattr(serve, "_PLATFORM", "win32")
    code, _, err = run("serve", "--workers", "2", "--port", "0")
    assert (code, err.splitlines()[1]) == (3, " hint: use --workers 1")


def test_the_configuration_is_loaded_again_as_at_the_start(
    run: Run, started: list[tuple[Loaded, Any]], folder: Path
) -> None:
    """With the command line, the store and the key of the start."""
    file = folder / "dragoman.yaml"
    file.write_text("strict: false")
    assert run("serve", "--host", "0.0.0.0", "--port", "3").code == 0
    ((found, key),) = started
    file.write_text("strict: true")
    assert found.again is not None
    again = found.again()
    assert again.config.strict is True
    assert again.config.server == found.config.server
    assert again.config.stores == found.config.stores
    assert again.config.auth == found.config.auth
    assert again.config.auth.keys[0].key is not None
    assert again.config.auth.keys[0].key.reveal() == key.key
    assert again.again is found.again
    file.write_text("strict: [")
    with pytest.raises(ConfigError):
        found.again()


def test_no_key_is_made_while_the_gateway_runs(
    run: Run, started: list[tuple[Loaded, Any]], folder: Path
) -> None:
    """Nobody would see it."""
    file = folder / "dragoman.yaml"
    file.write_text("auth: {keys: [mine-of-sixteen-characters]}")
    assert run("serve", "--host", "0.0.0.0").code == 0
    ((found, key),) = started
    assert key is None
    file.write_text("strict: true")
    assert found.again is not None
    with pytest.raises(ConfigError, match=r"auth\.keys: clients of this address need a key"):
        found.again()


def test_servers_that_were_found_at_the_start_stay(
    run: Run, started: list[tuple[Loaded, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(**_: Any) -> tuple[Server, ...]:
        return (Server("ollama", "http://127.0.0.1:11434", ("qwen3:8b",)),)

    monkeypatch.setattr(discovery, "find", find)
    monkeypatch.setenv("DRAGOMAN_DISCOVER", "true")
    file = folder / "dragoman.yaml"
    file.write_text("strict: false")
    assert run("serve").code == 0
    ((found, _),) = started
    assert "ollama" in found.config.providers.named
    file.write_text("strict: true")
    assert found.again is not None
    again = found.again()
    assert "qwen3:8b" in again.config.models
    file.write_text("providers: {ollama: {enabled: false}}")
    assert "qwen3:8b" not in found.again().config.models
