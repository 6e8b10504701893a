"""Stores in a database that are opened at their first use, and that record whether their latest use
succeeded: the store of data between requests, with its vault, and the store of finished exchanges.

If opening fails, all callers that wait for the opening get StoreFailed, and the next use tries again. A
caller that is cancelled while it waits does not cancel the opening, because other callers may wait for the
opening too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from dragoman.seams.tasks import spawn
from dragoman.state.added import Additions
from dragoman.state.directory import DirectoryStore
from dragoman.state.exchanges import ALL, Exchanges, Search, StoredExchange
from dragoman.state.owned import OwnedObjects
from dragoman.state.seals import Vault
from dragoman.state.store import (
    Chats,
    Conversations,
    DataRefused,
    HistoryTooLarge,
    Responses,
    Sessions,
    Store,
    StoreFailed,
    StoreFull,
)
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import UsageArchive

if TYPE_CHECKING:
    from dragoman.stores.usage_file import UsageFile

T = TypeVar("T")


class _Closable(Protocol):
    async def sweep(self, now: float) -> None: ...
    async def close(self) -> None: ...


S = TypeVar("S", bound=_Closable)


class Lazy(Generic[S]):
    """A store in a database that is opened at its first use.

    kind: `sqlite` or `postgresql`, as `/health` shows it. open_: opens the store; it may raise only
    StoreFailed. healthy: whether the latest use succeeded; None = not used yet. last_error: the error of the
    latest use; None = the latest use succeeded, or there was none. A use that raises StoreFull,
    HistoryTooLarge or DataRefused changes neither, because the database itself works; nor does one that
    raises anything else than StoreFailed. A `LazyStore` that has failed is healthy again only when its
    `probe` has succeeded.
    """

    def __init__(self, kind: str, open_: Callable[[], Awaitable[S]]) -> None:
        self.kind = kind
        self.healthy: bool | None = None
        self.last_error: str | None = None
        self.store: S | None = None
        """The opened store; None = it is not open."""
        self._open = open_
        self._opening: asyncio.Task[S | StoreFailed] | None = None
        self._closed = False

    async def opened(self) -> S:
        """Return the store; open it first if necessary. Raises StoreFailed if that fails, or after
        `close`.
        """
        if self._closed:
            raise StoreFailed("the store is closed")
        if self.store is not None:
            return self.store
        if self._opening is None:
            self._opening = spawn(self._try_to_open(), "opening the store")
        outcome = await asyncio.shield(self._opening)
        if isinstance(outcome, StoreFailed):
            raise StoreFailed(str(outcome)) from outcome
        return outcome

    async def _try_to_open(self) -> S | StoreFailed:
        try:
            self.store = await self._open()
        except StoreFailed as failed:
            return failed
        else:
            return self.store
        finally:
            self._opening = None

    async def use(self, what: Callable[[S], Awaitable[T]]) -> T:
        """Open the store if necessary, call `what` with the store, and return the result of `what`. Set
        `healthy` and `last_error` as `noted` does. Raises StoreFailed if the store cannot be opened, and
        every exception of `what`.
        """

        async def used() -> T:
            return await what(await self.opened())

        return await self.noted(used())

    async def noted(self, work: Awaitable[T]) -> T:
        """Wait for `work` on the database, and return its result. On success, call `_worked`; on StoreFailed,
        set `healthy` to False and `last_error` to its text. All other exceptions, and StoreFull,
        HistoryTooLarge and DataRefused, change neither. Raises every exception of `work`.
        """
        try:
            result = await work
        except (StoreFull, HistoryTooLarge, DataRefused):
            raise  # the database itself works
        except StoreFailed as failed:
            self.healthy, self.last_error = False, str(failed)
            raise
        self._worked()
        return result

    def _worked(self) -> None:
        """Note that a use has succeeded: set `healthy` to True and `last_error` to None."""
        self.healthy, self.last_error = True, None

    async def sweep(self, now: float) -> None:
        """Delete expired entries if the store is open, else do nothing. now: Unix seconds. Raises
        StoreFailed.
        """
        if self.store is not None:
            await self.use(lambda store: store.sweep(now))

    async def close(self) -> None:
        """Close the store if it is open. If it is being opened now, wait until the opening has ended, then
        close the store. Afterwards `opened` raises StoreFailed.
        """
        self._closed = True
        if self._opening is not None:
            await asyncio.wait([self._opening])
        store, self.store = self.store, None
        if store is not None:
            await store.close()


class LazyStore(Lazy[Store]):
    """A store that opens another store at its first use, and passes the calls of its parts on to that store,
    except for the usage records that `usage` writes.

    kind: `sqlite` or `postgresql`. open_: opens the other store; it may raise only StoreFailed. seals: True =
    the other store has a vault of seals. usage: makes the object that writes usage records into the SQLite
    file while the other store is not open; None = no such object, so the first record opens the store.
    """

    shared = True

    def __init__(
        self,
        kind: str,
        open_: Callable[[], Awaitable[Store]],
        *,
        seals: bool,
        usage: Callable[[], UsageFile] | None = None,
    ) -> None:
        super().__init__(kind, open_)
        self._file: UsageFile | None = None
        self._make_file = usage
        self.responses = cast("Responses", _Part(self, "responses"))
        self.conversations = cast("Conversations", _Part(self, "conversations"))
        self.sessions = cast("Sessions", _Part(self, "sessions"))
        self.chats = cast("Chats", _Part(self, "chats"))
        self.added: Additions | None = cast("Additions", _Part(self, "added"))
        self.directory: DirectoryStore | None = cast("DirectoryStore", _Part(self, "directory"))
        self.usage: UsageArchive | None = cast(
            "UsageArchive", _Part(self, "usage") if usage is None else _LazyUsage(self, self._usage_file)
        )
        self.owned = cast("OwnedObjects", _Part(self, "owned"))
        self.seals: Vault | None = LazyVault(self) if seals else None

    @property
    def is_open(self) -> bool:
        return self.store is not None

    @property
    def version(self) -> str | None:
        return None if self.store is None else self.store.version

    def _usage_file(self) -> UsageFile:
        """Return the object that writes usage records until the other store is open. Raises StoreFailed after
        `close`.
        """
        if self._closed:
            raise StoreFailed("the store is closed")
        if self._file is None:
            assert self._make_file is not None
            self._file = self._make_file()
        return self._file

    def _worked(self) -> None:
        """Note that a use has succeeded. This does not end a failure: with a full disk, reading succeeds, and
        so does a step that finds nothing to write.
        """
        if self.healthy is None:
            self.healthy = True

    async def probe(self) -> None:
        """Open the store if necessary, and write to it. Sets `healthy` and `last_error`. Raises
        StoreFailed.
        """
        await self.use(lambda store: store.probe())
        self.healthy, self.last_error = True, None

    async def sweep(self, now: float) -> None:
        """Delete expired entries if the store is open. If the store is not open, first open it, but only if
        this object has made the writer of usage records (`usage`) and the file contains something to delete
        or to add up; otherwise do nothing. now: Unix seconds. Raises StoreFailed.
        """
        if self.store is None and self._file is not None and await self._file.is_due(now):
            await self.opened()
        await super().sweep(now)

    async def close(self) -> None:
        await super().close()
        if self._file is not None:
            await self._file.close()


class LazyExchanges(Lazy[Exchanges]):
    """The store of finished exchanges. It opens a database at its first use. Implements `Exchanges`."""

    async def keep(self, exchanges: Sequence[StoredExchange]) -> int:
        return await self.use(lambda store: store.keep(exchanges))

    async def find(self, id_: str, within: Search = ALL) -> bytes | None:
        return await self.use(lambda store: store.find(id_, within))

    async def listed(self, search: Search, limit: int) -> list[bytes]:
        return await self.use(lambda store: store.listed(search, limit))


class _Part:
    """One part of a lazy store. A call of any method opens the other store if necessary, calls the method of
    the same name of that store's part `name`, and records whether this succeeded (`Lazy.use`).
    """

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


class _LazyUsage(_Part):
    """The usage part of a lazy store in a SQLite file. While the store is not open, records are written
    without opening the store if the file has the schema of this version; if not, the store is opened. All
    other methods open the store. file: returns the object that writes these records.
    """

    def __init__(self, store: LazyStore, file: Callable[[], UsageFile]) -> None:
        super().__init__(store, "usage")
        self._file = file

    async def keep(self, records: Sequence[UsageRecord]) -> int:
        if self._store.store is None:
            kept = await self._store.noted(self._file().keep(records))
            if kept is not None:
                return kept
        return await self._store.use(lambda store: _usage(store).keep(records))


def _usage(store: Store) -> UsageArchive:
    assert store.usage is not None
    return store.usage


class LazyVault:
    """The vault of a lazy store. `holds` is always True, because a store that is not open yet may contain
    seals.
    """

    holds = True

    def __init__(self, store: LazyStore) -> None:
        self._store = store

    @property
    def secret(self) -> bytes:
        """The secret from which the keys of entries are made. Raises StoreFailed if the store is not open."""
        return _vault(self._store.store).secret

    async def open(self) -> None:
        if self._store.store is None:
            await self._store.use(lambda store: _vault(store).open())

    async def has(self, owner: bytes) -> bool:
        found: bool = await self._store.use(lambda store: _vault(store).has(owner))
        return found

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        await self._store.use(lambda store: _vault(store).keep(keys, entry, owner=owner))

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        found: Mapping[bytes, bytes] = await self._store.use(lambda store: _vault(store).find(keys))
        return found


def _vault(store: Store | None) -> Vault:
    if store is None or store.seals is None:
        raise StoreFailed("the store is not open")
    return store.seals
