"""Lets the steps of medium and large requests take turns, so that the event loop stays free for other
requests: at most one medium step and one large step run at a time.

Decoding and translating a body of 64 MB, or one with 320,000 values, takes a second of CPU time in a few
steps. During such a step nothing else would run on the event loop. So, by the bytes that a step works on
(`MEDIUM`, `LARGE`),

  a small step         runs at once, on the loop,
  a medium one         runs on the loop when its turn comes; after a long turn, the loop is left free for a
                       part of the turn's time, in which small requests are answered,
  a large one          runs in a separate thread when its turn comes there. Python switches from this thread
                       to the loop every few milliseconds.

Clients take turns: a client that sends many large requests does not make another client wait for all of them.
A step is a plain function call. It may change only objects of its own request, and the request waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, Protocol, TypeAlias, TypeVar

import msgspec

MEDIUM: Final = 4_000
"""Bytes. Steps on a body of at least this size take turns. A step on a smaller body runs at once."""
LARGE: Final = 100_000
"""Bytes. Steps on a body of at least this size run in the thread, steps on a smaller body on the event loop.
"""
LONG: Final = 0.01
"""Seconds. A task whose turn on the loop has lasted this long must queue for its next step. After a longer
turn, no other turn on the loop begins for a time (`SHARE`).
"""
SHARE: Final = 0.25
"""How long the loop is left free after a long turn, as a fraction of the turn's time."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Owner: TypeAlias = "asyncio.Task[object] | None"


class Run(Protocol):
    """A function that runs one step of a request: at once if the step works on few bytes, else when its turn
    comes. The client and the size in bytes are fixed in it.
    """

    def __call__(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Call `step` with the other arguments: at once, or when its turn comes, and perhaps in another
        thread. Awaiting the result gives what `step` returns, and raises what it raises; without `await`,
        `step` may not be called at all.
        """
        ...


class HeavySteps:
    """Runs the steps of all requests in one process. Use it in one event loop at a time: a step in another
    loop begins new queues.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._here = _Turns()
        self._aside = _Turns()
        self._thread: ThreadPoolExecutor | None = None

    async def run(
        self, size: int, client: str | None, step: Callable[_P, _T], *args: _P.args, **named: _P.kwargs
    ) -> _T:
        """Call `step` with the other arguments: at once if `size` is below `MEDIUM`, else when its turn
        comes; from `LARGE` on in the thread. Returns what the step returns, and raises what it raises. If the
        caller is cancelled while the thread runs the step, the step runs to its end. size: how many bytes the
        step works on. client: the name of the request's client; all unknown ones (None) count as one client.
        """
        if size < MEDIUM:
            return step(*args, **named)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._here, self._aside = loop, _Turns(), _Turns()
        if size < LARGE:
            await self._here.wait(loop, client)
            return step(*args, **named)
        aside = self._aside
        await aside.take(loop, client)
        try:
            return await loop.run_in_executor(self._executor(), lambda: step(*args, **named))
        finally:
            aside.give()  # after a disconnect the step runs on; the next one queues behind it

    @property
    def waiting(self) -> int:
        """How many steps wait for their turn, on the loop and in the thread. A step whose request was
        cancelled is counted until its turn would have come.
        """
        return self._here.waiting + self._aside.waiting

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "dragoman-heavy")
        return self._thread

    def close(self) -> None:
        """Let the thread end after the steps that it already has, without waiting for them. A later large
        step starts a new thread.
        """
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None


class Steps(msgspec.Struct, frozen=True, eq=False):
    """Runs the steps of one request. The fields are the gateway's HeavySteps and the name of the request's
    client, None = unknown.
    """

    _heavy: HeavySteps
    _client: str | None

    def run(self, size: int, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Call `step` with the other arguments: at once if `size` is below `MEDIUM`, else when its turn
        comes; from `LARGE` on in the thread. Awaiting the result gives what the step returns, and raises what
        it raises; without `await`, the step is not called. size: how many bytes the step works on.
        """
        return self._heavy.run(size, self._client, step, *args, **named)


class _Turns:
    """A queue for one turn at a time. Clients take turns. One object gives the turns on the loop (`wait`, by
    which a turn ends of itself), another one those in the thread (`take` and `give`).
    """

    def __init__(self) -> None:
        self._waiting: dict[str | None, deque[asyncio.Future[None]]] = {}
        self._busy = False
        self._began = 0.0
        self._owner: _Owner = None
        """The task that has the turn on the loop; None = no task has it, or its turn is over."""

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def wait(self, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        """Wait until the calling task has the turn on the loop. A task that has had the turn for less than
        `LONG` seconds keeps it and does not wait. A turn ends as soon as its task waits for something.
        client: the name of the request's client, None = unknown.
        """
        task = asyncio.current_task(loop)
        if not self._busy:
            self._busy = True
            self._start(loop, task)
        elif self._owner is not task or loop.time() - self._began >= LONG:
            await self._queue(loop, client)
            self._start(loop, task)

    async def take(self, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        """Wait for a turn in the thread. The caller must end the turn with `give`. A caller that is cancelled
        while it waits gets no turn. client: the name of the request's client, None = unknown.
        """
        if self._busy:
            await self._queue(loop, client)
        self._busy = True

    async def _queue(self, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        turn = loop.create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the turn came just when the client disconnected
                self.give()
            raise

    def _start(self, loop: asyncio.AbstractEventLoop, owner: _Owner) -> None:
        """Begin a turn on the loop. `_end` is called as soon as the task waits for something; the step itself
        never waits.
        """
        self._began = loop.time()
        self._owner = owner
        loop.call_soon(self._end, loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = None
        took = loop.time() - self._began
        if took > LONG:
            loop.call_later(took * SHARE, self.give)
        else:
            loop.call_soon(self.give)

    def give(self) -> None:
        """End a turn, and give it to the oldest waiting request of the next client, which then goes behind
        the other clients; to nobody if no request waits.
        """
        while self._waiting:
            client = next(iter(self._waiting))
            turns = self._waiting.pop(client)
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns  # at the end of the order
            if not turn.done():  # done = the client has disconnected
                turn.set_result(None)
                return
        self._busy = False
