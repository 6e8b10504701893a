"""The gateway's side of a model process. The process is started when it is first needed, and again after a
crash.

The models run in this process, so the gateway's event loop never waits for a model. Each request has its own
buffer for its answer. When more than `buffer` bytes of an answer wait for a slow reader, the gateway tells
the process to pause it. Then the model waits for the reader, and so do all other requests to this process.
Cancellations and questions about the loaded models do not wait. When a process dies, its requests fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial

import msgspec

from dragoman.seams.tasks import spawn
from dragoman.upstreams.local import protocol
from dragoman.wire.json import UNDECODABLE

log = logging.getLogger(__name__)

BUFFER = 1 << 20
"""The number of bytes that may wait for one slow reader before its answer is paused. A complete chat answer
without log probabilities is smaller, as a rule.
"""
ROOM = 128 << 20
"""The most bytes of all requests to one process: enough for the largest request and many smaller ones."""
_STOP_TIMEOUT = 5.0


class _Inbox:
    """The messages of one answer that have arrived and were not read yet. limit: if more bytes than this are
    unread, the answer is paused until at most half of this number is unread. pace: called with wait=True to
    pause the answer, with wait=False to resume it.
    """

    __slots__ = ("_arrived", "_limit", "_pace", "_paused", "_size", "_waiting")

    def __init__(self, limit: int, pace: Callable[..., None]) -> None:
        self._limit = limit
        self._pace = pace
        self._paused = False
        self._size = 0
        self._waiting: deque[tuple[int, protocol.Reply]] = deque()
        self._arrived = asyncio.Event()

    def put(self, answer: protocol.Reply, size: int) -> None:
        self._waiting.append((size, answer))
        self._size += size
        self._arrived.set()
        if self._size > self._limit and not self._paused:
            self._paused = True
            self._pace(wait=True)

    async def get(self) -> protocol.Reply:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        size, answer = self._waiting.popleft()
        self._size -= size
        if self._paused and self._size <= self._limit // 2:
            self._paused = False
            self._pace(wait=False)
        return answer


class _Running:
    """One run of the process: its pipes, and an inbox for each request. buffer: the `limit` of each inbox."""

    def __init__(self, process: asyncio.subprocess.Process, buffer: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._orders = process.stdin
        self._answers = process.stdout
        self._buffer = buffer
        self._inboxes: dict[int, _Inbox] = {}
        self._reader = spawn(self._read(), "model process")

    @property
    def alive(self) -> bool:
        return not self._reader.done()

    def open(self, id_: int) -> _Inbox:
        inbox = self._inboxes[id_] = _Inbox(self._buffer, partial(self._pace, id_))
        return inbox

    def _pace(self, id_: int, *, wait: bool) -> None:
        self.post(protocol.Pause(id_) if wait else protocol.Resume(id_))

    def close(self, id_: int) -> None:
        del self._inboxes[id_]

    def post(self, order: protocol.Order) -> None:
        """Send one message. Drop it if the process has ended."""
        self.write(protocol.frame(order))

    def write(self, frame: bytes) -> None:
        """Send one message that is already a frame. Drop it if the process has ended."""
        if not self._orders.is_closing():
            self._orders.write(frame)

    async def drain(self) -> None:
        """Wait until only a few of the bytes written to the process are still unread. Return at once if the
        process has ended.
        """
        with contextlib.suppress(ConnectionError):
            await self._orders.drain()

    async def _read(self) -> None:
        try:
            while True:
                body = await self._answers.readexactly(protocol.length(await self._answers.readexactly(4)))
                answer = protocol.answer(body)
                # The answer to a cancelled request has no inbox any more.
                if (inbox := self._inboxes.get(answer.id)) is not None:
                    inbox.put(answer, len(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (*UNDECODABLE, ValueError):
            log.exception("the model process sent an invalid message; it is stopped")
            self.process.kill()
        finally:
            self._orders.close()
            code = await self.process.wait()
            for id_, inbox in self._inboxes.items():
                inbox.put(protocol.Failed(id_, "crashed", _ended(code)), 0)

    async def stop(self) -> None:
        """Close the process's input, which makes it end, and wait until it has ended. Kill it after
        `_STOP_TIMEOUT` seconds.
        """
        self._orders.close()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
        await self._reader


def _ended(code: int) -> str:
    how = f"was stopped by signal {-code}" if code < 0 else f"ended with status {code}"
    return f"the model process {how} during this response; the next request starts it again"


class ModelProcess:
    """The process of one engine. The first request starts the process; if the process has ended, the next
    request starts it again. It must be used by only one event loop.

    engine: the engine that runs in the process. queue: how many requests may wait while another one runs; for
    each further one, it or a waiting one fails as overloaded. room: the most bytes of all requests together;
    a further request above it fails as overloaded. A request that is alone may be larger. verbose: True =
    llama.cpp may write its log to standard error. buffer: the number of bytes of an answer that may wait for
    a slow reader before the answer is paused.
    """

    def __init__(
        self,
        engine: protocol.EngineName = "llama",
        *,
        queue: int = protocol.QUEUE,
        room: int = ROOM,
        verbose: bool = False,
        buffer: int = BUFFER,
    ) -> None:
        self._arguments = ["--engine", engine, "--queue", str(queue), *(["--verbose"] if verbose else [])]
        self._buffer = buffer
        self._room = room
        self._held = 0
        self._ids = itertools.count(1)
        self._starting = asyncio.Lock()
        self._running: _Running | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process; None if it does not run."""
        return self._running.process.pid if self._running is not None and self._running.alive else None

    async def ask(self, request: protocol.Job) -> AsyncGenerator[protocol.Event, None]:
        """Send a request, and yield the messages of the answer as they come. The process is started if it
        does not run; OSError is raised if it cannot be started. Every other failure is yielded as `Failed`,
        which is the last message.

        To cancel the request, close the generator (`contextlib.aclosing`). If the request is running, the
        model stops soon; if it still waits, it leaves the queue.
        """
        id_ = next(self._ids)
        try:
            frame = protocol.frame(msgspec.structs.replace(request, id=id_))
        except protocol.FrameTooLarge as error:
            yield protocol.Failed(id_, "invalid", f"the embedded models cannot handle {error}")
            return
        del request
        size = len(frame)
        if self._held and self._held + size > self._room:
            before = f"too many requests are waiting for the local models ({-(-self._held >> 20)} MiB)"
            yield protocol.Failed(id_, "overloaded", before)
            return
        self._held += size
        try:
            running = await self._started()
            inbox = running.open(id_)
            over = False
            try:
                running.write(frame)
                del frame  # its bytes wait in the process now
                await running.drain()
                while not over:
                    event = await inbox.get()
                    assert not isinstance(event, protocol.Report)
                    over = isinstance(event, protocol.End)
                    yield event
            finally:
                running.close(id_)
                if not over:
                    running.post(protocol.Cancel(id_))
        finally:
            self._held -= size

    async def inspect(self) -> protocol.Report:
        """Return the loaded models and the queue. The report is empty if the process does not run, or ends
        during this call. This call does not start the process.
        """
        running = self._running
        if running is None or not running.alive:
            return protocol.Report(0)
        id_ = next(self._ids)
        inbox = running.open(id_)
        try:
            running.post(protocol.Inspect(id_))
            answer = await inbox.get()
            return answer if isinstance(answer, protocol.Report) else protocol.Report(0)
        finally:
            running.close(id_)

    def unload(self, path: str) -> None:
        """Free each model that was loaded from this file, as soon as the model is idle. This call does not
        wait for that. Do nothing if the process does not run.
        """
        if self._running is not None and self._running.alive:
            self._running.post(protocol.Unload(path))

    async def close(self) -> None:
        """End the process, and wait until it has ended. Waiting and running requests fail. A later request
        starts the process again.
        """
        async with self._starting:
            if self._running is not None:
                await self._running.stop()
                self._running = None

    async def _started(self) -> _Running:
        async with self._starting:
            if self._running is None or not self._running.alive:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "dragoman.upstreams.local.worker",
                    *self._arguments,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    env=_environment(),
                )
                self._running = _Running(process, self._buffer)
            return self._running


_PASSED = (
    ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV"),
    ("LC_", "PYTHON", "OMP_", "GOMP_", "GGML_", "LLAMA_", "CUDA_", "HIP_", "ROCR_", "VK_"),
)
"""The environment variables that the model process gets: names, and prefixes of names."""


def _environment() -> dict[str, str]:
    """Return the environment variables for the process: those in `_PASSED`, and PYTHONPATH with the folders
    of this process's `sys.path`. All others are left out, because they may hold credentials and the process
    reads files that strangers made.
    """
    names, prefixes = _PASSED
    passed = {key: value for key, value in os.environ.items() if key in names or key.startswith(prefixes)}
    # The same modules as in this process, wherever its interpreter found them.
    return passed | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
