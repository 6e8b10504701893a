"""A stop that load balancers notice: readiness says no for a while before the port closes."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.command import SECONDS, Serving, Terminal, chat, serving

DELAY = 3
WORKERS = [
    pytest.param("1"),
    pytest.param(
        "2",
        marks=[
            pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
            pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database"),
        ],
    ),
]


def readiness(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=SECONDS) as answer:
            return answer.status, json.load(answer)["status"]
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)["status"]


def is_open(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=SECONDS).close()
    except OSError:
        return False
    return True


def closes_after(server: Serving) -> float:
    """Seconds until the port is closed."""
    began = time.monotonic()
    while is_open(server.url):
        assert time.monotonic() - began < SECONDS
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.parametrize("workers", WORKERS)
def test_readiness_says_no_before_the_port_closes(
    environment: dict[str, str], tmp_path: Path, workers: str
) -> None:
    settings = {**environment, "DRAGOMAN_DRAIN_DELAY": f"{DELAY}s"}
    with serving(settings, tmp_path, "--workers", workers) as server:
        assert readiness(server.url) == (200, "ready")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert readiness(server.url) == (503, "draining")
        with chat(server.url) as answer:  # whoever has not noticed yet is answered
            assert answer.status == 200
        assert closes_after(server) > 0.3
        assert server.process.wait(SECONDS) == 0


@pytest.mark.parametrize("workers", WORKERS)
def test_a_second_signal_and_ctrl_c_do_not_wait(
    environment: dict[str, str], tmp_path: Path, workers: str
) -> None:
    settings = {**environment, "DRAGOMAN_DRAIN_DELAY": "1m"}
    for signals in ([signal.SIGTERM, signal.SIGTERM], [signal.SIGINT]):
        with serving(settings, tmp_path, "--workers", workers) as server:
            for number in signals:
                server.process.send_signal(number)
                time.sleep(0.3)
            assert server.process.wait(SECONDS) == 0


@pytest.mark.parametrize("workers", WORKERS)
def test_signals_up_to_the_very_end_are_no_failure(
    environment: dict[str, str], tmp_path: Path, workers: str
) -> None:
    """Also those that come while Python itself ends."""
    with serving(environment, tmp_path, "--workers", workers) as server:
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.0005)
        assert [event["event"] for event in server.events()] == ["stopping", "stopped"]
        assert server.process.returncode == 0
        assert list((tmp_path / "home" / "run").iterdir()) == []


@pytest.mark.parametrize("workers", WORKERS)
def test_each_line_of_the_log_begins_in_the_same_form(
    environment: dict[str, str], tmp_path: Path, workers: str
) -> None:
    with serving(environment, tmp_path, "--workers", workers) as server:
        chat(server.url).close()
        server.process.send_signal(signal.SIGTERM)
        events = [server.ready, *server.events()]
    named = [event["event"] for event in events]
    assert sorted(named[1:-1]) == ["exchange", "stopping"]  # of two processes, if there are workers
    assert (named[0], named[-1]) == ("ready", "stopped")
    for event in events:
        assert list(event)[:4] == ["time", "at", "event", "level"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert event["level"] == "info"


def test_by_default_it_waits_for_those_who_ask_for_readiness(
    environment: dict[str, str], tmp_path: Path
) -> None:
    terminal = Terminal(environment, tmp_path, "serve", "--port", "0")
    terminal.until("again stops now.")
    terminal.process.send_signal(signal.SIGTERM)
    code, shown = terminal.end()
    assert (code, "the port closes in" in shown) == (0, False)
    with serving(environment, tmp_path) as server:
        assert readiness(server.url) == (200, "ready")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert readiness(server.url) == (503, "draining")
        assert server.process.wait(SECONDS) == 0
