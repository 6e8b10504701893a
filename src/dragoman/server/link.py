"""The Link between a request's handler and the connection on which the request came in.

`server.cycle`, `server.websocket_protocol` and `server.inprocess` create a Link for each request or
WebSocket, and call `Link.drop` when the client disconnects or they end the connection. Under another ASGI
server the application creates the Link; for an HTTP request, a task waits for the disconnect after the body
has been read (`Link.watch`).
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
"""A function that writes JSON messages to a WebSocket. It waits while the client reads slowly, and raises
OSError if the client has disconnected.
"""

EXTENSION = "dragoman.link"
OVERDUE = "Task cancelled, timeout graceful shutdown exceeded"
"""uvicorn's message of a cancellation, when a handler still runs after the time that a stop may take. Our
server cancels with the same message."""


def is_overdue(error: asyncio.CancelledError) -> bool:
    """Whether the server has cancelled a handler that still runs after the time that a stop of the server may
    take. Such a handler tells its client that the server stops, and does not raise `error` again, because
    uvicorn would log it with a stack trace.
    """
    return error.args == (OVERDUE,)


class Link:
    """The connection of one request, as the application sees it.

    began: when the first byte of the request came in, in monotonic seconds; for a WebSocket, when its
    handshake was read; under another ASGI server, when the application got the request. body: the complete
    body of the request, when it has come in and until it is taken; otherwise None: the body must be read with
    ASGI's `receive`. lost: whether the client has disconnected. task: the task of the handler, None = there
    is none. running: True = `drop` cancels `task`; False = `drop` only sets `lost`. watcher: the task that
    `watch` has started, None = there is none.
    """

    __slots__ = ("began", "body", "lost", "running", "task", "watcher")

    def __init__(self, began: float) -> None:
        self.began = began
        self.body: bytes | None = None
        self.lost = self.running = False
        self.task: asyncio.Task[Any] | None = None
        self.watcher: asyncio.Task[None] | None = None

    def drop(self) -> None:
        """Record that the client has disconnected, or that its connection is ended: set `lost`, and cancel
        the handler's task if `running` is True. If `lost` is set already, do nothing.
        """
        if not self.lost and self.running and self.task is not None:
            self.task.cancel()
        self.lost = True

    def watch(self, receive: Receive) -> None:
        """Start a task that waits for the client's disconnect and then calls `drop`. receive: ASGI's; the
        body must have been read from it completely, because the task throws all other messages away.
        """
        self.watcher = spawn(self._wait_for_disconnect(receive), "disconnect")

    async def _wait_for_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.drop()

    def close(self) -> None:
        """Record that the handler has ended: forget its task, and cancel the task that `watch` started."""
        self.task = None
        if self.watcher is not None:
            self.watcher.cancel()


class SocketLink(Link):
    """The connection of one WebSocket, as the application sees it. The application sets `drain`, `idle_since`
    and `fresh`. Our own server sets `say` and `answered`; under another ASGI server both stay None.

    drain: a function that the server calls when it stops: the application then ends the WebSocket after the
    running request (in a realtime session: the running reply). None = the server closes the WebSocket itself.
    say: writes several text messages at once; None = use ASGI's `send` for each message. idle_since: since
    when the application has waited for the client's next message, in monotonic seconds; None = it does not
    wait. fresh: True = this next message is the first of a session, and no session begins without it.
    answered: a function that the application calls each time when it has answered the client's oldest
    unanswered message, so that the server frees the memory of this message; None = there is nothing to call.
    """

    __slots__ = ("answered", "drain", "fresh", "idle_since", "say")

    def __init__(self, began: float) -> None:
        super().__init__(began)
        self.answered: Callable[[], None] | None = None
        self.drain: Callable[[], None] | None = None
        self.fresh = False
        self.idle_since: float | None = None
        self.say: Say | None = None
