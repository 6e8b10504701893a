"""Places for what clients cause to be done, bounded for all of them and for each.

Whoever finds no place waits, and the first that waits has the next one. But a client that holds its full
share is passed over until it gives a place back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeAlias

_Waiting: TypeAlias = tuple[str, "asyncio.Future[None]"]


class Shares:
    """Places of one event loop. most: in all. share: for one client."""

    def __init__(self, most: int, share: int) -> None:
        self.most = most
        self.share = share
        self.taken = 0
        self._held: dict[str, int] = {}
        self._waiting: deque[_Waiting] = deque()

    async def take(self, client: str) -> None:
        """Wait for a place. Whoever gets one gives it back."""
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
                self.give_back(client)  # it was given a place in the same moment
            raise

    def give_back(self, client: str) -> None:
        """Free a place for the first that waits and may have it."""
        self.taken -= 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        for waiting in self._waiting:
            if self._may(waiting[0]):
                self._waiting.remove(waiting)
                self._note(waiting[0])
                waiting[1].set_result(None)
                return

    def _may(self, client: str) -> bool:
        return self.taken < self.most and self._held.get(client, 0) < self.share

    def _note(self, client: str) -> None:
        self.taken += 1
        self._held[client] = self._held.get(client, 0) + 1
