"""The parent of workers, with workers that do little: how it starts, replaces and stops them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

if sys.platform != "win32":
    from dragoman.server.supervisor import _how

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")

PROGRAM = """
import logging, os, signal, socket, sys, time
from dragoman.server import supervisor

def serve(worker):
    worker.ready(b"%d of %d" % (worker.number, worker.count))
    worker.orders.recv(16)

def say(text):
    os.write(1, f"{{text}}\\n".encode())  # in one piece: others write there, too

logging.basicConfig(format="%(message)s", stream=sys.stdout)
try:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        {setting}
        supervisor.supervise(
            listener, 2, {work}, lambda told: say("ready: " + told.decode()), drain={drain}, keep={keep}
        )
    say("over")
except supervisor.NotStarted as error:
    say(f"not started: {{error}}")
"""


class Parent:
    """A parent in a process of its own, whose workers do `work`, and whose keeper does `keep`."""

    def __init__(self, work: str, *, setting: str = "pass", drain: float = 5, keep: str = "None") -> None:
        program = PROGRAM.format(work=work, setting=setting, drain=drain, keep=keep)
        self.process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self._out = self.process.stdout

    def line(self) -> str:
        return self._out.readline().rstrip()

    def end(self, *signals: int) -> tuple[int, list[str]]:
        """Stop it; the exit code, and what it says meanwhile."""
        for number in signals:
            self.process.send_signal(number)
            time.sleep(0.2)
        out, _ = self.process.communicate(timeout=20)
        return self.process.returncode, out.splitlines()


def test_the_first_worker_speaks_when_all_are_ready() -> None:
    parent = Parent("serve")
    assert parent.line() == "ready: 1 of 2"
    assert parent.end(signal.SIGTERM) == (0, ["over"])


def test_sighup_is_passed_on_and_ends_nothing() -> None:
    """Also to those that take another's place: they know no more of secrets than their parent did."""
    obey = "lambda worker: (worker.ready(b'up'), say(worker.orders.recv(1)), worker.orders.recv(1))"
    parent = Parent(obey, setting="supervisor._PAUSE = 0.01")
    assert parent.line() == "ready: up"
    parent.process.send_signal(signal.SIGHUP)
    assert [parent.line(), parent.line()] == ["b'r'", "b'r'"]
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent.process.pid)], check=True, capture_output=True, text=True
    )
    os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
    told = [parent.line(), parent.line()]
    assert "has ended by SIGKILL" in told[0]
    assert told[1] == "b'r'"
    assert parent.end(signal.SIGINT) == (0, ["over"])


def test_a_replacement_finds_its_order_to_read_secrets_when_it_begins() -> None:
    """So it can read them before its first request."""
    setting = (
        "supervisor._PAUSE, supervisor._GRACE = 0.01, 0.1; "
        "ordered = lambda worker: bool(__import__('select').select([worker.orders], [], [], 0)[0])"
    )
    obey = "lambda worker: (say(ordered(worker)), worker.ready(b'up'), time.sleep(60))"
    parent = Parent(obey, setting=setting)
    assert [parent.line() for _ in range(3)] == ["False", "False", "ready: up"]
    parent.process.send_signal(signal.SIGHUP)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent.process.pid)], check=True, capture_output=True, text=True
    )
    for child in children.stdout.split():
        time.sleep(0.2)
        os.kill(int(child), signal.SIGKILL)
        assert "has ended by SIGKILL" in parent.line()
        assert parent.line() == "True"
    parent.end(signal.SIGINT, signal.SIGINT)


def test_a_worker_that_hangs_does_not_hold_up_the_parent() -> None:
    """It reads no order, so that those for it fill the line."""
    hangs = "lambda worker: (worker.ready(b'up'), time.sleep(60))"
    parent = Parent(hangs, setting="supervisor._GRACE = 0.1", drain=0)
    assert parent.line() == "ready: up"
    for _ in range(1000):
        parent.process.send_signal(signal.SIGHUP)
        time.sleep(0.001)
    code, lines = parent.end(signal.SIGINT)
    assert code == 0
    assert lines[-1] == "over"


@pytest.mark.parametrize("how", ["sys.exit(3)", "1 / 0"])
def test_what_the_first_worker_cannot_no_other_tries(how: str) -> None:
    work = f"lambda worker: (say(f'try {{worker.number}}'), {how})"
    code, lines = Parent(work).end()
    assert code == 0
    assert (lines[0], lines[-1]) == ("try 1", "not started: worker 1 could not start")
    assert sum(line.startswith("try") for line in lines) == 1
    assert any("ZeroDivisionError" in line for line in lines) is (how == "1 / 0")


def test_who_dies_young_is_replaced_after_a_growing_pause() -> None:
    parent = Parent(
        "lambda worker: os.kill(os.getpid(), signal.SIGKILL)", setting="supervisor._PAUSE_MAX = 0.3"
    )
    told = [parent.line() for _ in range(4)]
    assert [re.sub(r"\d{2,}", "N", line) for line in told] == [
        f"worker 1 (process N) has ended by SIGKILL; another one starts in {pause} s"
        for pause in (0.1, 0.2, 0.3, 0.3)
    ]
    code, lines = parent.end(signal.SIGTERM)
    assert code == -signal.SIGINT, "told to stop before it answered"
    assert "over" not in lines


def test_who_has_lived_long_is_replaced_at_once() -> None:
    parent = Parent(
        "lambda worker: (worker.ready(b'up'), time.sleep(0.3), os._exit(7))",
        setting="supervisor._YOUNG = 0.2",
    )
    assert parent.line() == "ready: up"
    assert re.fullmatch(
        r"worker \d \(process \d+\) has ended with code 7; another one starts in 0 s", parent.line()
    )
    assert parent.end(signal.SIGTERM)[0] == 0


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert [_how(code) for code in (0, 3, -9, -40)] == [
        "with code 0",
        "with code 3",
        "by SIGKILL",
        "by signal 40",
    ]


STUBBORN = (
    "lambda worker: (signal.signal(signal.SIGTERM, signal.SIG_IGN), worker.ready(b'up'), time.sleep(60))"
)


@pytest.mark.parametrize(
    ("signals", "drain"),
    [((signal.SIGTERM,), 0.2), ((signal.SIGTERM, signal.SIGTERM), 60)],
    ids=["once", "twice"],
)
def test_who_does_not_obey_is_killed(signals: tuple[int, ...], drain: float) -> None:
    parent = Parent(STUBBORN, setting="supervisor._GRACE = 0.3", drain=drain)
    assert parent.line() == "ready: up"
    began = time.monotonic()
    code, lines = parent.end(*signals)
    assert time.monotonic() - began < 10
    assert code == 0
    assert [re.sub(r"\d{2,}", "N", line) for line in lines] == [
        "worker 1 (process N) does not stop and is killed",
        "worker 2 (process N) does not stop and is killed",
        "over",
    ]


KEEP = "lambda keeper: (keeper.ready(), say(f'keeper of {len(keeper.lines)}'), keeper.orders.recv(1))"


def test_the_keeper_starts_with_the_workers_and_ends_after_them() -> None:
    """It obeys as they do, but hears of a stop only when no worker runs any more."""
    keep = f"lambda keeper: (({KEEP})(keeper), say('keeper ends'))"
    work = "lambda worker: (worker.ready(b'up'), worker.orders.recv(1), time.sleep(0.3), say('worker ends'))"
    parent = Parent(work, keep=keep)
    assert {parent.line(), parent.line()} == {"ready: up", "keeper of 2"}
    assert parent.end(signal.SIGTERM) == (0, ["worker ends", "worker ends", "keeper ends", "over"])


def test_a_keeper_that_is_killed_is_replaced_and_no_worker_with_it() -> None:
    keep = f"lambda keeper: (say(os.getpid()), ({KEEP})(keeper))"
    work = "lambda worker: (worker.ready(b'up'), worker.orders.recv(1), say('ends'))"
    parent = Parent(work, keep=keep, setting="supervisor._PAUSE = 0.01")
    told = {parent.line() for _ in range(3)}
    assert told > {"ready: up", "keeper of 2"}
    (keeper,) = told - {"ready: up", "keeper of 2"}
    os.kill(int(keeper), signal.SIGKILL)
    assert parent.line().startswith(f"the keeper (process {keeper}) has ended by SIGKILL; another one starts")
    assert parent.line().isdigit()
    assert parent.line() == "keeper of 2"
    assert parent.end(signal.SIGTERM) == (0, ["ends", "ends", "over"])


def test_what_a_worker_sends_is_read_by_the_next_keeper() -> None:
    """Each worker has one end of its line alone, and the parent keeps both."""
    keep = (
        "lambda keeper: (keeper.ready(),"
        " say(b' '.join(sorted(line.recv(10) for line in keeper.lines))), os.kill(os.getpid(), 9))"
    )
    work = (
        "lambda worker: (worker.line.send(b'%d' % worker.number), worker.line.send(b'again'),"
        " worker.ready(b'up'), worker.orders.recv(1))"
    )
    parent = Parent(work, keep=keep, setting="supervisor._PAUSE = 0.01")
    told = [parent.line() for _ in range(4)]
    assert [line for line in told if line.startswith("b")] == ["b'1 2'", "b'again again'"]
    assert parent.end(signal.SIGTERM)[0] == 0


def test_a_keeper_that_cannot_start_is_told_as_a_worker_is() -> None:
    parent = Parent("serve", keep="lambda keeper: sys.exit(3)")
    code, lines = parent.end()
    assert (code, lines[-1]) == (0, "not started: the keeper could not start")
