"""Several workers behind one port: who answers, what happens when one dies, and how all of them end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import SECONDS, Serving, Terminal, chat, run, serving

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`"),
]

WORDS = [{"role": "user", "content": "word " * 20}]


@pytest.fixture
def two(environment: dict[str, str], tmp_path: Path) -> Iterator[Serving]:
    """Two workers whose streams take two seconds."""
    (tmp_path / "dragoman.yaml").write_text("providers: {simulate: {token_interval: 100ms}}")
    with serving(environment, tmp_path, "--workers", "2") as server:
        yield server


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def children(parent: int, *, valkey: bool = False) -> set[int]:
    """The processes that this one has started. valkey: the server that counts limits is one of them."""
    rows = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,comm="], check=True, capture_output=True, text=True)
    found = [line.split(maxsplit=2) for line in rows.stdout.splitlines()]
    return {int(pid) for pid, ppid, name in found if int(ppid) == parent and (valkey or "valkey" not in name)}


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has buried yet does not."""
    row = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return row.stdout.strip() not in {"", "Z"} and not row.stdout.startswith("Z")


def get(url: str | urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        body: dict[str, Any] = json.load(answer)
    return body


def health(url: str) -> dict[str, Any]:
    return get(f"{url}/health")


def ask(url: str, **fields: Any) -> dict[str, Any]:
    """A response of the simulator, which says again what it was asked."""
    body = json.dumps({"model": "simulate/echo", **fields}).encode()
    return get(urllib.request.Request(f"{url}/v1/responses", body, {"content-type": "application/json"}))


def seen(url: str) -> set[tuple[int, int]]:
    """Which of how many workers have answered a few questions."""
    return {(told["worker"], told["workers"]) for told in (health(url) for _ in range(20))}


def all_answer(url: str) -> bool:
    """Whether both workers answer, each under its own number."""
    found: set[tuple[int, int]] = set()

    def both() -> bool:
        found.update(seen(url))
        return len(found) == 2

    until(both)
    return found == {(1, 2), (2, 2)}


def keeper(server: Serving) -> int | None:
    """The process of the keeper; None = it is missing."""
    process: int | None = health(server.url)["keeper"]["process"]
    return process


def workers(server: Serving) -> set[int]:
    """The processes that answer requests."""
    return children(server.process.pid) - {keeper(server)}


def kill_one(server: Serving) -> None:
    """Kill the older of two workers."""
    victim, survivor = sorted(workers(server))
    os.kill(victim, signal.SIGKILL)

    def replaced() -> bool:
        there = workers(server)
        return victim not in there and survivor in there and len(there) == 2

    until(replaced)


def test_each_worker_answers_and_the_parent_says_so_once(two: Serving) -> None:
    assert (two.ready["event"], two.ready["workers"]) == ("ready", 2)
    assert all_answer(two.url)
    assert len(workers(two)) == 2
    assert len(children(two.process.pid)) == 3, "and the keeper"
    get(f"{two.url}/v1/models")
    code, out, events = two.stop()
    assert (code, out) == (0, "")
    assert {event["event"] for event in events} == {"exchange"}, "one banner, and nothing to complain about"


def test_a_worker_that_is_killed_is_replaced_and_nobody_is_refused(two: Serving) -> None:
    refused: list[Exception] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.01):
            try:
                health(two.url)
            except OSError as error:
                if "refused" in str(error):  # what the victim itself was asked is lost with it
                    refused.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    kill_one(two)
    kill_one(two)
    assert all_answer(two.url), "who comes takes the place of who went"
    done.set()
    asking.join()
    assert refused == []
    _, _, events = two.stop()
    every = [event["message"] for event in events if event["event"] == "log"]
    told = [message for message in every if message.startswith("worker ")]
    assert len(told) == 2
    assert all("a process was killed" in message for message in every if message not in told)
    assert all("has ended by SIGKILL; another one starts in " in message for message in told)


def test_what_lasts_is_the_same_through_every_worker_and_outlives_them(two: Serving) -> None:
    said = ask(two.url, input="the first thing")
    ids = [said["id"]]
    for turn in range(8):
        ids.append(ask(two.url, input=f"turn {turn}", previous_response_id=ids[-1])["id"])
    for worker in workers(two):
        os.kill(worker, signal.SIGKILL)
    assert all_answer(two.url)
    for id_ in ids * 2:
        assert get(f"{two.url}/v1/responses/{id_}")["status"] == "completed"
    items = get(f"{two.url}/v1/responses/{ids[-1]}/input_items?order=asc")["data"]
    assert items[0]["content"][0]["text"] == "the first thing"
    assert len(items) == 17, "nine questions and eight answers"


def test_lines_of_both_workers_stay_whole(two: Serving) -> None:
    def many() -> None:
        for _ in range(100):
            get(f"{two.url}/v1/models")

    asking = [threading.Thread(target=many) for _ in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    _, _, events = two.stop()  # which reads each line as JSON
    assert len(events) == 800


def test_a_stop_lets_every_worker_finish_what_runs(two: Serving) -> None:
    begun: list[bytes] = []
    answers: list[bytes] = []

    def ask() -> None:
        with chat(two.url, stream=True, messages=WORDS) as answer:
            begun.append(answer.readline())
            answers.append(answer.read())

    def refused() -> bool:
        try:
            health(two.url)
        except OSError as error:  # it may be reset too, while the port is closed
            return "refused" in str(error)
        return False

    asking = [threading.Thread(target=ask) for _ in range(6)]
    for thread in asking:
        thread.start()
    until(lambda: len(begun) == 6)
    two.process.send_signal(signal.SIGTERM)
    until(refused)
    assert two.process.poll() is None, "it waits for the streams"
    for thread in asking:
        thread.join(SECONDS)
    code, _, events = two.ended()
    assert code == 0
    assert [answer.rstrip().endswith(b"data: [DONE]") for answer in answers] == [True] * 6
    assert [one["end"] for one in events if one["path"] != "/health"] == ["done"] * 6


def test_ctrl_c_drains_and_again_ends_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dragoman.yaml").write_text("providers: {simulate: {token_interval: 2m}}")
    terminal = Terminal(environment, tmp_path, "serve", "--port", "0", "--workers", "2")
    banner = terminal.until("again stops now.")
    assert banner.count("dragoman 0") == 1
    assert " · 2 workers · " in banner
    url = next(word for word in banner.split() if word.startswith("http://"))
    processes = children(terminal.process.pid)
    with chat(url, stream=True) as answer:
        assert answer.readline().startswith(b"data: ")
        os.killpg(terminal.process.pid, signal.SIGINT)  # as a terminal does: parent and workers
        time.sleep(0.5)
        assert terminal.process.poll() is None, "it waits for the stream"
        began = time.monotonic()
        os.killpg(terminal.process.pid, signal.SIGINT)
        code, shown = terminal.end()
    assert (code, time.monotonic() - began < 60) == (0, True)
    assert not any(alive(pid) for pid in processes)
    assert "Traceback" not in shown
    assert "error" not in shown.lower()


def test_workers_end_by_themselves_when_their_parent_is_killed(two: Serving) -> None:
    processes = children(two.process.pid)
    assert len(processes) == 3, "two workers and the keeper"
    two.process.kill()
    until(lambda: not any(alive(pid) for pid in processes))
    with pytest.raises(urllib.error.URLError, match="refused"):
        health(two.url)


def test_a_port_that_is_taken_is_said_once(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(environment, tmp_path, "serve", "--port", str(port), "--workers", "2")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr.splitlines() == [
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use",
        " hint: another program uses this port: dragoman serve --port 0 chooses a free one",
    ]


def test_what_keeps_workers_from_starting_is_said_once(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "dragoman.yaml").write_text("stores: {sql: sqlite, journal: file/journal}")
    ended = run(environment, tmp_path, "serve", "--port", "0", "--workers", "3")
    assert (ended.returncode, ended.stdout) == (3, "")
    *log, error, hint = ended.stderr.splitlines()
    assert ended.stderr.count("stores.journal: cannot be used") == 1
    assert "stores.journal: cannot be used" in json.loads(log[0])["message"]
    assert "traceback" not in json.loads(log[0])
    assert (error, hint[:7]) == ("error: the gateway could not start", " hint: ")
