"""A store that its first use opens, and that notes how each use ended.

A first use that fails raises StoreFailed, and the next one tries again. Whoever gives up waiting does not
stop the opening: others wait for it too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

from dragoman.seams.tasks import spawn
from dragoman.state.seals import Vault
from dragoman.state.store import (
    Chats,
    Conversations,
    HistoryTooLarge,
    Responses,
    Sessions,
    Store,
    StoreFailed,
    StoreFull,
)


class LazyStore:
    """Opens a store when it is needed.

    kind: what it is called in /health. open_: opens it; what it raises besides StoreFailed is a bug. seals:
    whether it keeps any.
    """

    shared = True

    def __init__(self, kind: str, open_: Callable[[], Awaitable[Store]], *, seals: bool) -> None:
        self.kind = kind
        self.healthy: bool | None = None
        self.last_error: str | None = None
        self.responses = cast("Responses", _Part(self, "responses"))
        self.conversations = cast("Conversations", _Part(self, "conversations"))
        self.sessions = cast("Sessions", _Part(self, "sessions"))
        self.chats = cast("Chats", _Part(self, "chats"))
        self.seals: Vault | None = LazyVault(self) if seals else None
        self._open = open_
        self._opening: asyncio.Task[Store | StoreFailed] | None = None
        self._store: Store | None = None
        self._closed = False

    @property
    def store(self) -> Store | None:
        """The store itself, once it is open."""
        return self._store

    async def opened(self) -> Store:
        """The store itself. Raises StoreFailed."""
        if self._closed:
            raise StoreFailed("the store is closed")
        if self._store is not None:
            return self._store
        if self._opening is None:
            self._opening = spawn(self._try_to_open(), "opening the store")
        outcome = await asyncio.shield(self._opening)
        if isinstance(outcome, StoreFailed):
            raise StoreFailed(str(outcome)) from outcome
        return outcome

    async def _try_to_open(self) -> Store | StoreFailed:
        try:
            self._store = await self._open()
        except StoreFailed as failed:
            return failed
        else:
            return self._store
        finally:
            self._opening = None

    async def use(self, what: Callable[[Store], Awaitable[Any]]) -> Any:
        """What a use of the open store gives; how it ended is noted."""
        try:
            result = await what(await self.opened())
        except (StoreFull, HistoryTooLarge):
            raise  # the store is well: it says no
        except StoreFailed as failed:
            self.healthy, self.last_error = False, str(failed)
            raise
        self.healthy, self.last_error = True, None
        return result

    async def sweep(self, now: float) -> None:
        """Forget what has expired. What nobody has used yet stays closed."""
        if self._store is not None:
            await self.use(lambda store: store.sweep(now))

    async def close(self) -> None:
        """Let go of files and connections. It is not opened again."""
        self._closed = True
        if self._opening is not None:
            await asyncio.wait([self._opening])
        store, self._store = self._store, None
        if store is not None:
            await store.close()


class _Part:
    """One of the store's kinds: every method does what the open store's own does."""

    def __init__(self, store: LazyStore, name: str) -> None:
        self._store = store
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def use(*values: Any, **named: Any) -> Any:
            return await self._store.use(
                lambda store: getattr(getattr(store, self._name), method)(*values, **named)
            )

        self.__dict__[method] = use
        return use


class LazyVault:
    """The seals of a lazy store. While it is closed nobody knows whether it holds anything."""

    holds = True

    def __init__(self, store: LazyStore) -> None:
        self._store = store

    @property
    def secret(self) -> bytes:
        """What keys are made with. Raises StoreFailed before `open`."""
        return _vault(self._store.store).secret

    async def open(self) -> None:
        """Learn the secret. Raises StoreFailed."""
        if self._store.store is None:
            await self._store.use(_nothing)

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        """Keep an entry. Raises StoreFailed."""
        await self._store.use(lambda store: _vault(store).keep(keys, entry, owner=owner))

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The entries of these keys. Raises StoreFailed."""
        found: Mapping[bytes, bytes] = await self._store.use(lambda store: _vault(store).find(keys))
        return found


async def _nothing(_: Store) -> None:
    """Opening it was the use."""


def _vault(store: Store | None) -> Vault:
    if store is None or store.seals is None:
        raise StoreFailed("the store is not open")
    return store.seals
