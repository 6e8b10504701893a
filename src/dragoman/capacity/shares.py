"""Limits how many things run at once, in all and for each client.

A request waits if there is no free place, or if its client holds its full share. A place that becomes free
goes to the longest waiting request whose client holds less than its share.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeAlias

_Waiting: TypeAlias = tuple[str, "asyncio.Future[None]"]


class Shares:
    """Places in one event loop. most: how many places there are. share: how many of them one client may
    hold. taken: how many are taken now.
    """

    def __init__(self, most: int, share: int) -> None:
        self.most = most
        self.share = share
        self.taken = 0
        self._held: dict[str, int] = {}
        self._waiting: deque[_Waiting] = deque()

    async def take(self, client: str) -> None:
        """Wait, for any time, until a place is free and the client holds less than its share, and take the
        place. The caller must call `give_back` later. A caller that is cancelled meanwhile has no place.
        """
        if self._may(client):
            self._note(client)
            return
        waiting: _Waiting = (client, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            await waiting[1]
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self.give_back(client)  # the place came in the same moment as the cancellation
            raise

    def give_back(self, client: str) -> None:
        """Free one place that this client holds. It goes to the longest waiting request whose client holds
        less than its share, if there is one.
        """
        self.taken -= 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        for waiting in self._waiting:
            # A cancelled request stays in the queue until its task runs again; its future is done already.
            if not waiting[1].done() and self._may(waiting[0]):
                self._waiting.remove(waiting)
                self._note(waiting[0])
                waiting[1].set_result(None)
                return

    def _may(self, client: str) -> bool:
        return self.taken < self.most and self._held.get(client, 0) < self.share

    def _note(self, client: str) -> None:
        self.taken += 1
        self._held[client] = self._held.get(client, 0) + 1
