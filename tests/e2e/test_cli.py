"""What the command does as people and programs start it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import pytest

import dragoman
from dragoman.version import __version__
from tests.e2e.command import COMMAND, Terminal, chat, run, serving

SCRIPT = str(Path(sys.executable).with_name("dragoman"))


def test_both_ways_to_start_it_are_the_same(environment: dict[str, str], tmp_path: Path) -> None:
    by_module = run(environment, tmp_path, "--help")
    by_script = subprocess.run(
        [SCRIPT, "--help"], check=True, capture_output=True, text=True, env=environment
    )
    assert by_module.stdout == by_script.stdout
    assert run(environment, tmp_path, "--version").stdout == f"dragoman {__version__}\n"


def test_help_loads_nothing_that_is_slow(environment: dict[str, str]) -> None:
    program = (
        "import sys; from dragoman.cli import run; code = run(sys.argv[1:]); "
        "print(code, *sys.modules, file=sys.stderr)"
    )
    for arguments in ([], ["--help"], ["--version"]):
        command = [sys.executable, "-c", program, *arguments]
        ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        code, *loaded = ended.stderr.split()
        assert code == "0"
        slow = {"aiohttp", "asyncio", "cyllama", "msgspec", "ssl", "uvicorn", "yaml", "dragoman.config"}
        assert slow.isdisjoint(loaded)


def test_a_gateway_is_served_tested_and_stopped(environment: dict[str, str], tmp_path: Path) -> None:
    with serving(environment, tmp_path) as server:
        assert server.ready["event"] == "ready"
        assert server.ready["access"] == "open here"
        tested = run(environment, tmp_path, "test", server.url, "--model", "simulate/echo", "--stream")
        assert (tested.returncode, tested.stdout.count("\npassed\t")) == (0, 14)
        assert tested.stderr == "Say hello in one short sentence.\n14 passed, 0 failed\n"
        port = str(server.ready["port"])
        arguments = ("test", "--json", "--host", "localhost", "--port", port, "--model", "simulate/lorem")
        as_json = run(environment, tmp_path, *arguments)
        assert (as_json.returncode, as_json.stderr, json.loads(as_json.stdout)["passed"]) == (0, "", True)
        code, out, events = server.stop()
    assert (code, out) == (0, "")
    assert {event["event"] for event in events} == {"exchange"}
    assert sum(event["path"] == "/v1/chat/completions" for event in events) >= 20


def test_a_public_gateway_makes_its_key_once(environment: dict[str, str], tmp_path: Path) -> None:
    with serving(environment, tmp_path, "--host", "0.0.0.0") as server:
        key = server.ready["client_key"]
        kept = tmp_path / "home" / "client-key"
        assert kept.read_text().strip() == key
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        refused = run(environment, tmp_path, "test", server.url)
        assert (refused.returncode, refused.stderr.splitlines()[0]) == (
            5, f"error: {server.url}/v1 asks for a key, and no key was sent",
        )  # fmt: skip
        own = run(environment, tmp_path, "test", "--port", str(server.ready["port"]))
        assert own.stderr.splitlines()[0].endswith(f" with the key of {kept}")
        assert own.returncode == 0
        with chat(server.url, key) as response:
            assert response.status == 200
        code, _, events = server.stop(signal.SIGINT)
        assert code == 0
        assert key not in json.dumps(events)
    with serving(environment, tmp_path, "--host", "::") as server:
        assert "client_key" not in server.ready
        assert server.ready["access"] == "key"
        with chat(server.url, key) as response:
            assert response.status == 200
        environment["DRAGOMAN_API_KEY"] = key
        assert run(environment, tmp_path, "test", server.url, "--model", "simulate/echo").returncode == 0


def test_a_gateway_says_that_its_database_has_keys(environment: dict[str, str], tmp_path: Path) -> None:
    with serving(environment, tmp_path) as server:
        made = run(environment, tmp_path, "keys", "create", "ann", "--url", server.url)
        assert made.returncode == 0, made.stderr
        server.stop()
    for workers in ("1", "2"):
        with serving(environment, tmp_path, "--workers", workers) as server:
            assert server.ready["access"] == "key"
            assert "Bearer KEY" in server.ready["paste"]["list"]
            with pytest.raises(urllib.error.HTTPError, match="401"):
                chat(server.url)
            with chat(server.url, made.stdout.strip()) as response:
                assert response.status == 200
            server.stop()


def test_no_auth_opens_a_public_host(environment: dict[str, str], tmp_path: Path) -> None:
    environment["DRAGOMAN_HOST"] = "0.0.0.0"
    with serving(environment, tmp_path, "--no-auth") as server:
        assert server.ready["access"] == "open to all"
        with chat(server.url) as response:
            assert response.status == 200
    assert not (tmp_path / "home" / "client-key").exists()


def test_what_runs_is_finished_after_ctrl_c(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dragoman.yaml").write_text("providers: {simulate: {token_interval: 100ms}}")
    with serving(environment, tmp_path) as server:
        words = [{"role": "user", "content": "word " * 10}]
        with chat(server.url, stream=True, messages=words) as answer:
            assert answer.readline().startswith(b"data: ")
            server.process.send_signal(signal.SIGINT)
            assert answer.read().rstrip().endswith(b"data: [DONE]")
        code, _, events = server.ended()
    assert code == 0
    assert events[-1]["end"] == "done"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once_and_quietly(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "dragoman.yaml").write_text("providers: {simulate: {token_interval: 2m}}")
    terminal = Terminal(environment, tmp_path, "serve", "--port", "0")
    banner = terminal.until("again stops now.")
    found = re.search(r"http://127\.0\.0\.1:\d+", banner)
    assert found is not None
    with chat(found[0], stream=True) as answer:
        assert answer.readline().startswith(b"data: ")
        began = time.monotonic()
        os.killpg(terminal.process.pid, number)
        time.sleep(0.5)
        assert terminal.process.poll() is None, "it waits for the stream"
        terminal.until("finishing 1 request; Ctrl-C again stops now")
        os.killpg(terminal.process.pid, number)
        code, shown = terminal.end()
    assert (code, time.monotonic() - began < 60) == (0, True)
    assert "Traceback" not in shown
    assert "error" not in shown.lower()


def test_the_banner_at_a_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    terminal = Terminal(environment, tmp_path, "serve", "--port", "0", "--require-auth")
    terminal.until("again stops now.")
    os.killpg(terminal.process.pid, signal.SIGTERM)
    code, shown = terminal.end()
    assert code == 0
    assert shown.startswith(f"dragoman {__version__} · http://127.0.0.1:")
    rows = dict(re.findall(r"\n  \x1b\[2m(\w+) *\x1b\[0m (.*)", shown))
    assert list(rows) == ["providers", "models", "access", "store", "curl", "python", "list"]
    key = (tmp_path / "home" / "client-key").read_text().strip()
    assert rows["access"].startswith(f"this key, shown only now: \x1b[1m{key}\x1b[0m")
    assert f"Bearer {key}" in rows["curl"]
    assert "{" not in re.sub(r"curl.*|python.*", "", shown), "no JSON for people"


def test_colour_and_signs_follow_the_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    plain = Terminal({**environment, "TERM": "dumb"}, tmp_path, "check").end()
    assert plain == (0, "● the environment (no configuration file) is valid\n")
    coloured = Terminal(environment, tmp_path, "check").end()
    assert coloured == (0, "\x1b[36m●\x1b[0m the environment (no configuration file) is valid\n")
    assert Terminal({**environment, "NO_COLOR": "1"}, tmp_path, "check").end() == plain
    ascii_only = {**environment, "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}
    assert Terminal(ascii_only, tmp_path, "check").end() == (
        0,
        "ok the environment (no configuration file) is valid\n",
    )
    assert "\x1b" not in run(environment, tmp_path, "check").stderr
    assert "\x1b[36m" in run({**environment, "FORCE_COLOR": "1"}, tmp_path, "check").stderr


def test_ctrl_c_at_a_prompt_or_a_read_is_quiet(environment: dict[str, str], tmp_path: Path) -> None:
    terminal = Terminal(environment, tmp_path, "translate", "--from", "openai_chat", "--to", "anthropic")
    terminal.until("Ctrl-D ends the input")
    os.killpg(terminal.process.pid, signal.SIGINT)
    code, shown = terminal.end()
    assert (code, shown.count("\n")) == (130, 1)


def test_a_table_fits_the_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    terminal = Terminal(environment, tmp_path, "config", "show")
    code, shown = terminal.end()
    lines = shown.splitlines()
    assert code == 0
    assert re.sub(r"\x1b\[\d+m", "", lines[0]).split() == ["path", "value", "source"]
    assert all(len(re.sub(r"\x1b\[\d+m", "", line)) <= 80 for line in lines)
    assert "\t" not in shown


@pytest.mark.parametrize(
    "arguments", [["config", "show"], ["--help"], ["config", "schema", "--json"]], ids=" ".join
)
def test_a_closed_pipe_ends_it_quietly(
    environment: dict[str, str], tmp_path: Path, arguments: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        ended = subprocess.run(
            [*COMMAND, *arguments],
            check=False,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
    assert (ended.returncode, ended.stderr) == (141, "")


def test_streams_that_are_closed_from_the_start(environment: dict[str, str], tmp_path: Path) -> None:
    line = f"'{sys.executable}' -m dragoman check <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", line], check=False, env=environment, cwd=tmp_path).returncode == 0


def test_a_dead_port_fails_the_test(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ended = run(environment, tmp_path, "test", "--port", str(port))
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (1, "0 passed, 1 failed")
    assert f"cannot connect to http://127.0.0.1:{port}/v1: Connection refused" in ended.stdout
    as_json = run(environment, tmp_path, "test", "--port", str(port), "--json")
    assert (as_json.returncode, json.loads(as_json.stdout)["passed"]) == (1, False)


def test_a_gateway_that_cannot_start_says_why(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "dragoman.yaml").write_text("stores: {sql: sqlite, journal: file/journal}")
    ended = run(environment, tmp_path, "serve", "--port", "0")
    assert (ended.returncode, ended.stdout) == (3, "")
    error, hint = ended.stderr.splitlines()
    assert error.startswith("error: stores.journal: cannot be used: [Errno 20] Not a directory")
    assert hint == " hint: dragoman config schema lists every setting"


def test_a_process_runs_the_code_that_its_test_imports(environment: dict[str, str], tmp_path: Path) -> None:
    """Also in a second working tree of the repository, beside the one that is installed."""
    program = "import dragoman; print(dragoman.__file__)"
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == str(Path(dragoman.__file__).resolve())


def test_a_certificate_that_cannot_be_read_is_told_before_the_start(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    provider = "{base_url: 'https://10.0.0.5', keys: [], ca_file: no.pem}"
    (tmp_path / "dragoman.yaml").write_text(f"providers: {{mine: {provider}}}")
    told = "providers.mine.ca_file: there is no valid certificate in PEM form in"
    for command in (["check"], ["serve", "--port", "0"]):
        ended = run(environment, tmp_path, *command)
        assert (ended.returncode, ended.stdout) == (3, "")
        assert told in ended.stderr
        assert "Traceback" not in ended.stderr


def test_translations_pass_through_pipes(environment: dict[str, str], tmp_path: Path) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Grüße 😀"}]})
    there = run(environment, tmp_path, "translate", "--from", "openai_chat", "--to", "anthropic", stdin=body)
    back = run(
        environment, tmp_path, "translate", "--from", "anthropic", "--to", "openai_chat", stdin=there.stdout
    )
    assert (there.returncode, back.returncode) == (0, 0)
    assert json.loads(back.stdout)["messages"] == json.loads(body)["messages"]


def test_the_configuration_beside_it_says_where_and_with_which_key(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free_port = taken.getsockname()[1]
    settings = {
        "server": {"port": free_port, "base_path": "/ai"},
        "models": {"embeds": "simulate/embedding", "robust": "simulate/echo"},
        "auth": {
            "keys": [
                {"name": "narrow", "key": "dgm_1123456789abcdef0123456789", "models": ["embeds"]},
                {"name": "team-a", "key": "dgm_0123456789abcdef0123456789"},
            ]
        },
    }
    (tmp_path / "dragoman.yaml").write_text(json.dumps(settings))
    with serving(environment, tmp_path, "--port", str(free_port)) as server:
        assert server.ready["clients"] == {"narrow": 1, "team-a": 1}
        tested = run(environment, tmp_path, "test")
        unsent = run(environment, tmp_path, "test", server.url)
    where, asking, total = tested.stderr.splitlines()
    assert where == f"testing http://127.0.0.1:{free_port}/ai/v1 with the key of team-a"
    assert asking == "asking robust, a model of dragoman.yaml; it costs nothing"
    assert (tested.returncode, total) == (0, "14 passed, 0 failed")
    assert unsent.returncode == 5
    assert unsent.stderr.splitlines()[0].endswith(" asks for a key, and no key was sent")
