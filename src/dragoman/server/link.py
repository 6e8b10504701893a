"""The Link between a request's handler and the connection on which the request came in.

Our own connections (`server.cycle`, `server.websocket_protocol`, `server.inprocess`) make a Link for each
request. It holds the time of the first byte, and it cancels the request when the client disconnects. Another
ASGI server gives no Link; then a task waits for the disconnect (`Link.watch`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from dragoman.seams.tasks import spawn

AsgiScope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

Say: TypeAlias = Callable[[Sequence[bytes]], Awaitable[None]]
"""Writes JSON messages to a WebSocket. Waits while the client reads slowly; raises OSError if it has gone."""

EXTENSION = "dragoman.link"


class Link:
    """The connection of one request.

    began: when the request's first byte came, in monotonic seconds. body: the request's whole body, if it has
    come in and was not taken; None = it has to be received. lost: whether the client has disconnected. task:
    the handler, which a disconnect cancels once it is `running`; before, it looks at `lost` itself.
    """

    __slots__ = ("began", "body", "lost", "running", "task", "watcher")

    def __init__(self, began: float) -> None:
        self.began = began
        self.body: bytes | None = None
        self.lost = self.running = False
        self.task: asyncio.Task[Any] | None = None
        self.watcher: asyncio.Task[None] | None = None

    def drop(self) -> None:
        """Note that the client has disconnected, and cancel the handler (only once)."""
        if not self.lost and self.running and self.task is not None:
            self.task.cancel()
        self.lost = True

    def watch(self, receive: Receive) -> None:
        """Start a task that calls `drop` when the client disconnects. Call it after the body's end."""
        self.watcher = spawn(self._wait_for_disconnect(receive), "disconnect")

    async def _wait_for_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.drop()

    def close(self) -> None:
        """The handler has ended: forget its task, and stop the one that `watch` started."""
        self.task = None
        if self.watcher is not None:
            self.watcher.cancel()


class SocketLink(Link):
    """The connection of one WebSocket.

    drain: called when the server stops; None = the server closes the socket itself. say: writes several text
    messages at once; None = ASGI writes one after another. idle_since: when the socket began to wait for the
    client's next message (monotonic seconds); None = it does not wait. answered: called when the oldest
    unanswered message has been answered; None = nobody wants to know.
    """

    __slots__ = ("answered", "drain", "idle_since", "say")

    def __init__(self, began: float) -> None:
        super().__init__(began)
        self.answered: Callable[[], None] | None = None
        self.drain: Callable[[], None] | None = None
        self.idle_since: float | None = None
        self.say: Say | None = None
