"""A model process: `python -m dragoman.upstreams.local.worker [--engine NAME] [--queue N] [--verbose]`.

It loads models when they are needed, answers one request at a time, and frees idle models. Messages
(`protocol`) come on standard input and leave on standard output. Any other output is redirected to standard
error. The process ends when standard input ends, for example because its parent has ended.

The reader thread takes messages, so that a cancellation is noticed while a model computes (native code runs
without Python's global lock). The main thread loads models, computes and unloads models.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, get_args

import msgspec

from dragoman.seams.clock import SYSTEM
from dragoman.upstreams.local import protocol
from dragoman.upstreams.local.engine import AnyModel, Engine, EngineRefused
from dragoman.upstreams.local.generation import count, generate

log = logging.getLogger("dragoman.upstreams.local")


class _Slot(msgspec.Struct):
    """A loaded model. keep_alive: seconds for which the model stays in memory after its last use; 0 = it does
    not stay, negative = for ever. used: the time of the model's last use, by the worker's clock.
    """

    model: AnyModel
    keep_alive: float
    used: float

    @property
    def expires(self) -> float | None:
        """The time from which the model's memory is to be freed, by the worker's clock; None = never."""
        return None if self.keep_alive < 0 else self.used + self.keep_alive


class Worker:
    """The queue, the loaded models, and the work of both threads.

    engine: makes the engine; it is called when a model is needed, until it has succeeded once. send: writes
    one message to the gateway; both threads call it. queue: how many jobs may wait while another job runs.
    clock: returns seconds.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        send: Callable[[protocol.Reply], None],
        *,
        queue: int = protocol.QUEUE,
        clock: Callable[[], float] = SYSTEM.monotonic,
    ) -> None:
        self._make_engine = engine
        self._engine: Engine | None = None
        self._send = send
        self._limit = queue
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[tuple[float, protocol.Job]] = deque()
        self._slots: dict[protocol.Options, _Slot] = {}
        self._running: protocol.Job | None = None
        self._cancelled = False
        self._paused = False

    # --- The reader's half ---

    def take(self, order: protocol.Order) -> None:
        """Handle one message from the gateway, in the reader thread. The report for an `Inspect`, and the
        failure of a job that a full queue refuses, are sent at once.
        """
        answer: protocol.Reply | None = None
        with self._changed:
            match order:
                case (
                    protocol.Generate()
                    | protocol.Count()
                    | protocol.Embed()
                    | protocol.Speak()
                    | protocol.Transcribe()
                ):
                    answer = self._admit(order)
                case protocol.Cancel(id):
                    self._cancel(id)
                case protocol.Pause(id) | protocol.Resume(id):
                    if self._running is not None and self._running.id == id:
                        self._paused = isinstance(order, protocol.Pause)
                case protocol.Unload(path):
                    for options, slot in self._slots.items():
                        if options.path == path:
                            slot.keep_alive = 0.0
                case protocol.Inspect(id):
                    answer = self._report(id)
            self._changed.notify()
        if answer is not None:
            self._send(answer)

    def _admit(self, order: protocol.Job) -> protocol.Failed | None:
        """Put a job into the queue. If the queue is full, refuse one job, and return the failure for it; None
        = no job is refused. The refused job is the last waiting job of the client with the most waiting jobs,
        if this client has at least two more than the client of the new job. Otherwise it is the new job.
        """
        ahead = len(self._waiting) + (self._running is not None)
        refused = None
        if ahead > self._limit:
            full = f"too many requests are waiting for the local models ({ahead})"
            counts = Counter(job.client for _, job in self._waiting)
            most, count = counts.most_common(1)[0] if counts else (order.client, 0)
            if count <= counts[order.client] + 1:
                return protocol.Failed(order.id, "overloaded", full)
            last = next(entry for entry in reversed(self._waiting) if entry[1].client == most)
            self._waiting.remove(last)
            refused = protocol.Failed(last[1].id, "overloaded", full)
        self._waiting.append((self._clock(), order))
        return refused

    def _cancel(self, id_: int) -> None:
        if self._running is not None and self._running.id == id_:
            self._cancelled = True
            if (slot := self._slots.get(self._running.options)) is not None:
                slot.model.cancel()
        else:
            self._waiting = deque(entry for entry in self._waiting if entry[1].id != id_)

    def _report(self, id_: int) -> protocol.Report:
        now, running = self._clock(), self._running
        busy = None if running is None else running.options
        return protocol.Report(
            id_,
            tuple(
                protocol.Loaded(
                    options,
                    slot.model.context,
                    idle=None if options == busy else now - slot.used,
                    expires=None if slot.expires is None else max(0.0, slot.expires - now),
                )
                for options, slot in self._slots.items()
            ),
            waiting=len(self._waiting),
            running=None if running is None else running.id,
            resident=_resident(),
        )

    # --- The main thread's half ---

    def run(self) -> None:
        while True:
            self.step()

    def step(self) -> None:
        """Wait until there is a waiting job or an expired model. Free the expired models, except those that a
        waiting job needs. Then answer the first waiting job, if there is one. An error in this job is not
        raised, but sent as a `Failed`.
        """
        with self._changed:
            while not self._waiting and not self._expired():
                self._changed.wait(self._next_expiry())
            self._unload(self._expired())
            if not self._waiting:
                return
            arrived, request = self._waiting.popleft()
            self._running, self._cancelled, self._paused = request, False, False
        try:
            self._answer(request, self._clock() - arrived)
        except EngineRefused as refusal:
            self._send(protocol.Failed(request.id, refusal.kind, refusal.message))
        except protocol.FrameTooLarge as error:
            self._send(protocol.Failed(request.id, "invalid", f"the embedded models cannot handle {error}"))
        except Exception as error:
            # An error in one request must not end the requests that wait.
            log.exception("request %d failed", request.id)
            self._send(protocol.Failed(request.id, "internal", f"the embedded model failed: {error}"))
        finally:
            with self._changed:
                self._running = None

    def _answer(self, request: protocol.Job, queued: float) -> None:
        began = self._clock()
        slot = self._slot(request.options, request.keep_alive)
        spent = protocol.Timings(queued, load=self._clock() - began)
        try:
            for event in self._events(slot.model, request, spent):
                self._send(event)
                with self._changed:
                    while self._paused and not self._cancelled:
                        self._changed.wait()
        finally:
            with self._changed:
                slot.used = self._clock()

    def _events(self, model: Any, request: protocol.Job, spent: protocol.Timings) -> Iterable[protocol.Reply]:
        """Return the messages that answer a job; perhaps fewer if the job is cancelled. model: a model of the
        kind that the job needs. spent: the seconds that waiting and loading took, for the `Done` of a
        `Generate`.
        """
        if isinstance(request, protocol.Generate):
            return generate(model, request, lambda: self._cancelled, self._clock, spent)
        if isinstance(request, protocol.Count):
            return (count(model, request),)
        answer: protocol.Reply | None = model.answer(request, lambda: self._cancelled)
        return () if answer is None else (answer,)

    def _slot(self, options: protocol.Options, keep_alive: float) -> _Slot:
        """Return the loaded model for these options. Load it first if it is not in memory; raises
        EngineRefused if that fails. keep_alive: seconds as for `_Slot`, from now on.
        """
        slot = self._slots.get(options)
        if slot is None:
            if self._engine is None:
                self._engine = self._make_engine()
            model = self._engine.load(options)
            slot = _Slot(model, keep_alive, self._clock())
            with self._changed:
                self._slots[options] = slot
        slot.keep_alive = keep_alive
        return slot

    def _expired(self) -> list[protocol.Options]:
        now = self._clock()
        return [
            options
            for options, slot in self._slots.items()
            if (expiry := slot.expires) is not None and expiry <= now
        ]

    def _next_expiry(self) -> float | None:
        expiries = [expiry for slot in self._slots.values() if (expiry := slot.expires) is not None]
        return max(0.0, min(expiries) - self._clock()) if expiries else None

    def _unload(self, expired: list[protocol.Options]) -> None:
        for options in expired:
            # A waiting request would load the model again at once.
            if not any(request.options == options for _, request in self._waiting):
                self._slots.pop(options).model.close()


def _resident() -> int | None:
    """Return the number of bytes of this process in physical memory; None on a system without /proc."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path, a question
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


class _Pipes:
    """Both pipes to the gateway. Both methods end this process when the gateway has closed its pipe. The
    constructor redirects file descriptor 1 to standard error, so that only `send` writes to the gateway.
    """

    def __init__(self) -> None:
        self._orders: BinaryIO = os.fdopen(0, "rb")
        self._answers: BinaryIO = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._writing = threading.Lock()

    def send(self, answer: protocol.Reply) -> None:
        """Write one message, and wait until the pipe has taken it. End this process if the gateway has closed
        the pipe. Raises FrameTooLarge for a message of more than `protocol.MAX_FRAME` bytes.
        """
        with self._writing:
            try:
                self._answers.write(protocol.frame(answer))
                self._answers.flush()
            except OSError:
                os._exit(0)

    def read(self, take: Callable[[protocol.Order], None]) -> None:
        """Call `take` with each message from the gateway. Never return: end this process with status 0 when
        the messages end, with status 1 when a message is invalid or `take` raises an error.
        """
        try:
            while len(head := self._orders.read(4)) == 4:
                take(protocol.order(self._orders.read(protocol.length(head))))
        except Exception:
            log.exception("the gateway's messages cannot be read")
            os._exit(1)
        os._exit(0)


def _engine(name: protocol.EngineName, *, verbose: bool) -> Engine:
    # Imported late: the queue works before the library is loaded, and a missing library becomes an answer.
    match name:
        case "llama":
            from dragoman.upstreams.local.llama import Llama

            return Llama(verbose=verbose)
        case "minilm":
            from dragoman.upstreams.local.minilm import MiniLM

            return MiniLM()
        case "hibari":
            from dragoman.upstreams.local.hibari import Hibari

            return Hibari()
        case "whisper":
            from dragoman.upstreams.local.whisper import Whisper

            return Whisper()


def main(argv: list[str] | None = None) -> None:
    """Run as a model process until the gateway closes the pipe. argv: the arguments, None = the program's own
    arguments.
    """
    import argparse  # only a model process reads arguments

    parser = argparse.ArgumentParser(prog="dragoman.upstreams.local.worker")
    parser.add_argument("--engine", default="llama", choices=get_args(protocol.EngineName))
    parser.add_argument("--queue", type=int, default=protocol.QUEUE)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    # Ctrl-C in a terminal, and a service manager's stop, reach every process of the group. The gateway
    # decides what they mean: it finishes its answers, and its end closes our pipe.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    pipes = _Pipes()
    worker = Worker(
        lambda: _engine(arguments.engine, verbose=arguments.verbose), pipes.send, queue=arguments.queue
    )
    threading.Thread(target=pipes.read, args=(worker.take,), name="orders", daemon=True).start()
    worker.run()


if __name__ == "__main__":
    main()
