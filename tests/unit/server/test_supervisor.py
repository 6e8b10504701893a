"""The parent of workers, with workers that do little: how it starts, replaces and stops them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

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
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out.splitlines()


def test_the_first_worker_speaks_when_all_are_ready() -> None:
    parent = Parent("serve")
    assert parent.line() == "ready: 1 of 2"
    assert parent.end(signal.SIGTERM) == (0, ["over"])


RELOADS = """
from dragoman.config.load import load
from dragoman.server import rounds
from dragoman.server.orders import Orders, written
rounds.LIMIT = {limit}
path = __import__("pathlib").Path({file!r})
whole, supervise = load(path, {{"DRAGOMAN_HOME": {home!r}}}), supervisor.supervise
told = lambda outcome: say("told: " + ("; ".join(map(str, outcome.problems)) or f"{{len(outcome.changed)}}"))
supervisor.supervise = lambda *given, **named: supervise(*given, **named, loaded=whole, told=told)

def follow(worker, prepares=lambda worker: True):
    strict = worker.loaded.config.strict
    worker.ready(b"strict" if strict else b"lenient")
    say(f"{{worker.number}} {{strict}}")
    orders, used = Orders(), False
    while data := worker.orders.recv(4096):
        for one in orders.feed(data):
            if isinstance(one, bytes):
                return
            if one["do"] == "drop":
                say(f"{{worker.number}} keeps {{len(one['problems'])}}")
            elif one["do"] == "use" or prepares(worker):
                worker.orders.sendall(written({{"round": one["round"], "did": one["do"]}}))
            else:
                worker.orders.sendall(written({{"round": one["round"], "problems": [["a", "b"]]}}))
"""


class Reloading(Parent):
    """A parent whose workers follow its reloads. limit: seconds for each half of one."""

    def __init__(self, folder: Path, work: str = "follow", *, limit: float = 20, setting: str = "") -> None:
        self.file = folder / "dragoman.yaml"
        self.file.write_text("strict: false")
        ready = RELOADS.format(file=str(self.file), home=str(folder), limit=limit)
        setting = f"supervisor._PAUSE = 0.01; {setting}exec({ready!r}, globals())"
        super().__init__(work, setting=setting)
        assert sorted(self.line() for _ in range(3)) == ["1 False", "2 False", "ready: lenient"]

    def reload(self, text: str) -> None:
        self.file.write_text(text)
        self.process.send_signal(signal.SIGHUP)

    def children(self) -> list[int]:
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], check=True, capture_output=True, text=True
        )
        return [int(child) for child in found.stdout.split()]


def test_sighup_has_all_workers_use_the_new_configuration_and_their_replacements_too(tmp_path: Path) -> None:
    parent = Reloading(tmp_path)
    parent.reload("strict: true")
    assert parent.line() == "told: 1"
    os.kill(parent.children()[0], signal.SIGKILL)
    assert "has ended by SIGKILL" in parent.line()
    assert parent.line().endswith(" True")
    assert parent.end(signal.SIGINT) == (0, ["over"])


def test_a_file_that_changes_is_noticed_without_a_signal(tmp_path: Path) -> None:
    parent = Reloading(tmp_path, setting="__import__('dragoman.config.watch').config.watch.LOOK = 0.05; ")
    parent.file.write_text("strict: true")
    assert parent.line() == "told: 1"
    assert parent.end(signal.SIGINT) == (0, ["over"])


def test_a_configuration_with_problems_reaches_no_worker_but_as_a_word(tmp_path: Path) -> None:
    parent = Reloading(tmp_path)
    parent.reload("strict: maybe")
    lines = sorted(parent.line() for _ in range(3))
    assert lines[:2] == ["1 keeps 1", "2 keeps 1"]
    assert lines[2].startswith(f"told: {parent.file}:1: strict: ")
    assert parent.end(signal.SIGINT) == (0, ["over"])


def test_what_one_worker_cannot_prepare_none_uses(tmp_path: Path) -> None:
    parent = Reloading(tmp_path, "lambda worker: follow(worker, lambda worker: worker.number == 1)")
    parent.reload("strict: true")
    assert sorted(parent.line() for _ in range(3)) == ["1 keeps 1", "2 keeps 1", "told: a: b"]
    os.kill(parent.children()[0], signal.SIGKILL)
    assert "has ended by SIGKILL" in parent.line()
    assert parent.line().endswith(" False")
    assert parent.end(signal.SIGINT) == (0, ["over"])


def test_a_worker_that_takes_too_long_keeps_the_others_from_it(tmp_path: Path) -> None:
    slow = "lambda worker: follow(worker, lambda worker: worker.number == 1 or time.sleep(60))"
    parent = Reloading(tmp_path, slow, limit=0.3, setting="supervisor._GRACE = 0.1; ")
    parent.reload("strict: true")
    assert sorted([parent.line(), parent.line()]) == [
        "1 keeps 1",
        "told: worker 2 did not prepare it within 0.3 s",
    ]
    parent.end(signal.SIGINT, signal.SIGINT)


def test_a_worker_that_dies_meanwhile_keeps_nobody_from_it(tmp_path: Path) -> None:
    dies = "lambda worker: follow(worker, lambda worker: worker.number == 1 or os._exit(7))"
    parent = Reloading(tmp_path, dies)
    parent.reload("strict: true")
    lines = sorted(parent.line() for _ in range(3))
    assert (lines[0], lines[1]) == ("2 True", "told: 1")
    assert "worker 2" in lines[2]
    assert parent.end(signal.SIGINT) == (0, ["over"])


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
    assert time.monotonic() - began < 50
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
