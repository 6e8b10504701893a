"""The connection that a request came in on, as far as a handler must know it.

Our own protocol class (`server.http`) puts a Link into each request's scope: when its first byte was
seen, and a way to be told that the client has gone without a task that waits for it. Under another
server the scope has none, and `watch_for_disconnect` does with a task what the link does for free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from dragoman.seams.tasks import spawn

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

Say: TypeAlias = Callable[[Sequence[bytes]], Awaitable[None]]
"""Writes JSON messages. Waits while the client reads slowly, raises OSError once it has gone."""

EXTENSION = "dragoman.link"


class Link:
    """began: monotonic seconds of the request's first byte. complete: its body has arrived. lost: the
    connection is gone. drain: told that the server stops, where what uses the connection ends it by itself.
    say: writes text messages to a WebSocket, all at once; None = ASGI's way, one after another. idle_since:
    when a WebSocket began to wait for its client's next message; None = it does not. answered: told that a
    message of a WebSocket has been dealt with, oldest first.
    """

    __slots__ = ("answered", "began", "complete", "drain", "idle_since", "lost", "say", "task", "watcher")

    def __init__(self, began: float) -> None:
        self.answered: Callable[[], None] | None = None
        self.began = began
        self.complete = False
        self.drain: Callable[[], None] | None = None
        self.idle_since: float | None = None
        self.lost = False
        self.say: Say | None = None
        self.task: asyncio.Task[Any] | None = None
        self.watcher: asyncio.Task[None] | None = None

    def drop(self) -> None:
        """The client has gone: whoever works for it is cancelled, once."""
        if not self.lost and self.task is not None:
            self.task.cancel()
        self.lost = True

    def watch(self, receive: Receive) -> None:
        """Look out for the client's going away, under a server that put no Link into the scope."""
        self.watcher = spawn(watch_for_disconnect(receive, self), "disconnect")

    def end(self) -> None:
        """The request is over: nobody works for it any more, and nobody looks out."""
        self.task = None
        if self.watcher is not None:
            self.watcher.cancel()


async def watch_for_disconnect(receive: Receive, link: Link) -> None:
    """Wait for the client's going away and drop the link."""
    while (await receive())["type"] != "http.disconnect":
        pass
    link.drop()
