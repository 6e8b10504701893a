"""The model process's queue, cancellation and memory, with scripted models; its pipes, as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from dragoman.upstreams.local import protocol
from dragoman.upstreams.local.protocol import (
    Cancel,
    Count,
    Counted,
    Delta,
    Done,
    Embed,
    Embedded,
    Failed,
    Generate,
    Inspect,
    Options,
    Pause,
    PromptTurn,
    Reply,
    Report,
    Resume,
    Started,
    Unload,
)
from dragoman.upstreams.local.worker import Worker
from tests.unit.upstreams.local.scripted import ScriptedEngine, ScriptedModel


class Stage:
    """A worker on a stage: its models are scripted, its clock stands still, its answers are kept."""

    def __init__(self, *, queue: int = 16, script: Callable[[], ScriptedModel] | None = None) -> None:
        self.now = 0.0
        self.said: list[Reply] = []
        make = script or (lambda: ScriptedModel([b"a", b"b"]))
        self.engine = ScriptedEngine({"a": make, "b": make})
        self.worker = Worker(lambda: self.engine, self.said.append, queue=queue, clock=lambda: self.now)

    def ask(self, number: int, path: str = "a", keep_alive: float = 300.0, client: str = "") -> None:
        turns = (PromptTurn("user", "Hi"),)
        self.worker.take(Generate(number, Options(path), turns, keep_alive=keep_alive, client=client))

    def report(self) -> Report:
        self.worker.take(Inspect(99))
        report = self.said.pop()
        assert isinstance(report, Report)
        return report

    def of(self, kind: type[Reply]) -> list[int]:
        return [answer.id for answer in self.said if isinstance(answer, kind)]


def test_requests_are_answered_one_after_the_other_in_their_order() -> None:
    stage = Stage()
    stage.ask(1)
    stage.ask(2)
    stage.now = 2.0
    stage.worker.step()
    stage.worker.step()
    assert [type(answer) for answer in stage.said] == [Started, Delta, Delta, Done] * 2
    assert [answer.id for answer in stage.said] == [1] * 4 + [2] * 4
    done = stage.said[-1]
    assert isinstance(done, Done)
    assert done.timings.queued == 2.0


def test_a_count_waits_for_its_turn_and_has_one_answer() -> None:
    stage = Stage()
    stage.ask(1)
    stage.worker.take(Count(2, Options("a"), (PromptTurn("user", "Hi"),)))
    stage.worker.step()
    assert stage.of(Counted) == []
    stage.worker.step()
    assert stage.said[-1] == Counted(2, 2)


@pytest.mark.parametrize("queue", [0, 2])
def test_a_full_queue_refuses_at_once(queue: int) -> None:
    stage = Stage(queue=queue)
    for number in range(queue + 2):
        stage.ask(number)
    assert stage.of(Failed) == [queue + 1]
    failed = stage.said[0]
    assert isinstance(failed, Failed)
    assert failed.kind == "overloaded"
    stage.worker.step()
    stage.ask(50)
    assert 50 not in stage.of(Failed)


def test_a_cancelled_request_that_waits_is_never_computed() -> None:
    stage = Stage()
    stage.ask(1)
    stage.ask(2)
    stage.worker.take(Cancel(1))
    stage.worker.step()
    assert {answer.id for answer in stage.said} == {2}


class Vectors:
    """A model of vectors: so many of them, unless it is told to stop."""

    context = 8

    def __init__(self, stage: Stage, *, stops: bool) -> None:
        self.stage, self.stops = stage, stops

    def answer(self, order: Embed, cancelled: Callable[[], bool]) -> Embedded | None:
        if self.stops:
            self.stage.worker.take(Cancel(order.id))
        return None if cancelled() else Embedded(order.id, (b"1234",) * len(order.texts), 2)

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("stops", [False, True])
def test_other_work_has_one_answer_and_none_once_it_is_cancelled(
    stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    monkeypatch.setattr(stage.engine, "load", lambda _options: Vectors(stage, stops=stops))
    stage.worker.take(Embed(1, Options("v", engine="minilm"), ("a", "b")))
    stage.worker.step()
    assert stage.said == ([] if stops else [Embedded(1, (b"1234", b"1234"), 2)])
    assert stage.report().models[0].context == 8


def test_an_answer_that_no_frame_holds_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()

    def send(answer: Reply) -> None:
        protocol.frame(answer)
        stage.said.append(answer)

    def load(_: Options) -> Vectors:
        return Vectors(stage, stops=False)

    monkeypatch.setattr(stage.worker, "_send", send)
    monkeypatch.setattr(stage.engine, "load", load)
    stage.worker.take(Embed(1, Options("v", engine="minilm"), ("a",) * 20))
    monkeypatch.setattr(protocol, "MAX_FRAME", 120)
    stage.worker.step()
    failed = stage.said[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == "invalid"


@pytest.fixture
def gated() -> Iterator[tuple[Stage, threading.Semaphore, threading.Thread]]:
    """A worker in its own thread, whose model waits for a permit before every token."""
    gate = threading.Semaphore(0)
    stage = Stage(script=lambda: ScriptedModel([b"x"] * 50, gate=gate))
    thread = threading.Thread(target=stage.worker.step, daemon=True)
    yield stage, gate, thread
    gate.release(100)
    thread.join(5)
    assert not thread.is_alive()


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so; fails after five seconds."""
    pause = threading.Event()
    assert any(true() or pause.wait(0.005) for _ in range(1000))


def test_a_cancelled_request_that_runs_ends_within_one_token(
    gated: tuple[Stage, threading.Semaphore, threading.Thread],
) -> None:
    stage, gate, thread = gated
    stage.ask(1)
    thread.start()
    gate.release(3)
    until(lambda: len(stage.of(Delta)) == 3)
    assert stage.report().running == 1
    assert stage.report().models[0].idle is None
    stage.worker.take(Cancel(1))
    thread.join(5)
    assert stage.engine.loaded[0].computed == 3
    assert stage.engine.loaded[0].interrupted == 1
    assert stage.of(Done) == []
    assert stage.report().running is None


@pytest.mark.parametrize("end", [Resume(1), Cancel(1)])
def test_a_paused_answer_waits_and_nothing_else_does(end: Resume | Cancel) -> None:
    stage = Stage(script=lambda: ScriptedModel([b"a"] * 5))
    said, halted = stage.said, threading.Event()

    def send(answer: Reply) -> None:
        said.append(answer)
        if isinstance(answer, Delta) and not halted.is_set():
            stage.worker.take(Pause(2))  # of another request
            stage.worker.take(Pause(1))
            halted.set()

    stage.worker._send = send
    stage.ask(1)
    thread = threading.Thread(target=stage.worker.step, daemon=True)
    thread.start()
    assert halted.wait(10)
    thread.join(0.05)
    assert thread.is_alive()
    assert stage.report().running == 1
    assert [type(answer) for answer in said] == [Started, Delta]
    stage.worker.take(end)
    thread.join(10)
    assert not thread.is_alive()
    assert len(stage.of(Delta)) == (5 if isinstance(end, Resume) else 1)
    assert stage.of(Done) == ([1] if isinstance(end, Resume) else [])


def test_cancelling_one_request_leaves_the_running_one_alone(
    gated: tuple[Stage, threading.Semaphore, threading.Thread],
) -> None:
    stage, gate, thread = gated
    stage.ask(1)
    stage.ask(2)
    thread.start()
    gate.release(1)
    until(lambda: len(stage.of(Delta)) == 1)
    stage.worker.take(Cancel(2))
    gate.release(49)
    thread.join(5)
    assert stage.of(Done) == [1]
    assert stage.report().waiting == 0


def test_an_idle_model_is_freed_when_its_time_is_over() -> None:
    stage = Stage()
    stage.ask(1, keep_alive=10)
    stage.worker.step()
    stage.now = 4.0
    (loaded,) = stage.report().models
    assert (loaded.options, loaded.context, loaded.idle, loaded.expires) == (Options("a"), 1000, 4.0, 6.0)
    stage.now = 10.0
    stage.worker.step()
    assert stage.report().models == ()
    assert stage.engine.loaded[0].closed


def test_the_last_request_says_how_long_a_model_stays() -> None:
    stage = Stage()
    stage.ask(1, keep_alive=10)
    stage.ask(2, keep_alive=-1)
    stage.worker.step()
    stage.worker.step()
    stage.now = 1e9
    assert stage.report().models[0].expires is None
    stage.ask(3, keep_alive=0)
    stage.worker.step()
    stage.worker.step()
    assert stage.report().models == ()
    assert len(stage.engine.loaded) == 1


def test_a_model_that_the_next_request_needs_is_not_freed_first() -> None:
    stage = Stage()
    stage.ask(1, keep_alive=0)
    stage.ask(2, keep_alive=0)
    stage.worker.step()
    stage.worker.step()
    assert stage.of(Done) == [1, 2]
    assert len(stage.engine.loaded) == 1


def test_models_stand_side_by_side_and_are_freed_by_name() -> None:
    stage = Stage()
    stage.ask(1, "a")
    stage.ask(2, "b")
    stage.worker.step()
    stage.worker.step()
    assert {loaded.options.path for loaded in stage.report().models} == {"a", "b"}
    stage.worker.take(Unload("a"))
    stage.worker.step()
    assert [loaded.options.path for loaded in stage.report().models] == ["b"]
    assert [model.closed for model in stage.engine.loaded] == [True, False]


def test_a_file_that_cannot_be_loaded_fails_its_own_request_alone() -> None:
    stage = Stage()
    stage.ask(1, "c")
    stage.ask(2)
    stage.worker.step()
    stage.worker.step()
    assert stage.said[0] == Failed(1, "model", "c cannot be loaded")
    assert stage.of(Done) == [2]


def test_a_mistake_in_one_answer_does_not_end_the_next(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedModel):
        def tokenize(self, prompt: str) -> list[int]:
            if self.prompts:
                return super().tokenize(prompt)
            self.prompts.append(prompt)
            raise RuntimeError("no memory for this batch")

    stage = Stage(script=lambda: Broken([b"a"]))
    stage.ask(1)
    stage.ask(2)
    stage.worker.step()
    stage.worker.step()
    assert stage.said[0] == Failed(1, "internal", "the embedded model failed: no memory for this batch")
    assert stage.of(Done) == [2]
    assert "request 1 failed" in caplog.text


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "dragoman.upstreams.local.worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def test_the_process_answers_in_frames_and_ends_with_its_input(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(protocol.frame(Inspect(5)))
    child.stdin.flush()
    size = protocol.length(child.stdout.read(4))
    report = protocol.answer(child.stdout.read(size))
    assert isinstance(report, Report)
    assert (report.id, report.models) == (5, ())
    for stop in (signal.SIGINT, signal.SIGTERM):  # the gateway's to understand
        child.send_signal(stop)
    rest, said = child.communicate(timeout=10)
    assert (rest, said, child.returncode) == (b"", b"", 0)


def test_what_is_no_frame_ends_the_process_with_the_reason(child: subprocess.Popen[bytes]) -> None:
    _, said = child.communicate(b"GET / HTTP/1.1\r\n\r\n", timeout=10)
    assert child.returncode == 1
    assert b"out of step" in said


def test_the_client_that_fills_the_queue_makes_room_for_others() -> None:
    stage = Stage(queue=4)
    for number in range(1, 7):
        stage.ask(number, client="loud")
    assert stage.of(Failed) == [6]
    for number, client in ((7, "quiet"), (8, "other"), (9, "quiet"), (10, "loud"), (11, "other")):
        stage.ask(number, client=client)
    assert stage.of(Failed) == [6, 5, 4, 3, 10, 11]
    for _ in range(5):
        stage.worker.step()
    assert sorted(stage.of(Done)) == [1, 2, 7, 8, 9]
