"""Runs the steps of large requests one at a time, so that the event loop stays free for other requests.

Decoding and translating a body of 64 MB, or one with 320,000 values, takes a second of CPU time in a few
steps. On the event loop, nothing else would run during a step. Many such requests would run their steps one
after another, and every small request would wait for all of them. So

    a small request      runs its steps at once,
    a medium one         waits for its turn on the loop; after a long step, the loop is left free for a part
    of the step's time, in which small requests are answered,
    a large one          waits for its turn in a separate thread. Python switches from this thread to the
    loop every few milliseconds.

Clients take turns: one that sends many large requests does not delay those of another client.

A step is a plain function call. It may change only objects of its own request, which waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, Protocol, TypeAlias, TypeVar

MEDIUM: Final = 4_000
"""Bytes of a body from which on its steps take turns. A smaller one takes as little time as no body."""
LARGE: Final = 100_000
"""Bytes of a body from which on its steps run in the thread. A smaller one takes 0.1 s at most, whatever it
holds. The switch to another thread and back takes a hundredth of the time for a body of this size.
"""
LONG: Final = 0.01
"""Seconds. After a longer step, other requests get time."""
SHARE: Final = 0.25
"""The part of a long step's time that is left free after it. Large requests take so much longer."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Owner: TypeAlias = "asyncio.Task[object] | None"


class Run(Protocol):
    """Runs a step of one request when its turn comes."""

    def __call__(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Return what the step returns, or raise what it raises."""
        ...


class HeavySteps:
    """The turns of one gateway, in one event loop at a time."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._here = _Turns()
        self._aside = _Turns()
        self._thread: ThreadPoolExecutor | None = None

    async def run(
        self, size: int, client: str | None, step: Callable[_P, _T], *args: _P.args, **named: _P.kwargs
    ) -> _T:
        """Run a step when its turn comes. Return what it returns, or raise what it raises.

        size: bytes that the step works on. client: the name of the client whose request it is.
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

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "dragoman-heavy")
        return self._thread

    def close(self) -> None:
        """Stop the thread after its running step."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None


class Steps:
    """The steps of one request. client: the name of its client; None = unknown."""

    __slots__ = ("_client", "_heavy")

    def __init__(self, heavy: HeavySteps, client: str | None) -> None:
        self._heavy = heavy
        self._client = client

    def run(self, size: int, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Run a step when its turn comes, and return its result. size: bytes that the step works on."""
        return self._heavy.run(size, self._client, step, *args, **named)


class _Turns:
    """One sequence of turns: the running step, and the requests that wait."""

    def __init__(self) -> None:
        self._waiting: dict[str | None, deque[asyncio.Future[None]]] = {}
        self._busy = False
        self._began = 0.0
        self._owner: _Owner = None
        """The task whose step runs now; None = the event loop has run since."""

    async def wait(self, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        """Wait for a turn on the loop. The turn ends at the next `await` that really waits."""
        task = asyncio.current_task(loop)
        if not self._busy:
            self._busy = True
            self._start(loop, task)
        elif self._owner is not task or loop.time() - self._began >= LONG:
            await self._queue(loop, client)
            self._start(loop, task)
        # else: the same task still has its turn, which has not lasted long yet.

    async def take(self, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        """Wait for a turn in the thread. It lasts until `give`."""
        if self._busy:
            await self._queue(loop, client)
        self._busy = True

    def give(self) -> None:
        """End the turn in the thread."""
        self._next()

    async def _queue(self, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        turn = loop.create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the turn came just when the client disconnected
                self._next()
            raise

    def _start(self, loop: asyncio.AbstractEventLoop, owner: _Owner) -> None:
        """Begin a turn. The callback runs after the step, because the step does not wait."""
        self._began = loop.time()
        self._owner = owner
        loop.call_soon(self._end, loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = None
        took = loop.time() - self._began
        if took > LONG:
            loop.call_later(took * SHARE, self._next)
        else:
            loop.call_soon(self._next)

    def _next(self) -> None:
        """Give the turn to the client that has waited longest."""
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
