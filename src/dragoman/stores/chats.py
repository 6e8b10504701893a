"""Stored chat completions in memory; implements `state.store.Chats`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from dragoman.state.store import ChatPage, ChatQuery, StoredChat, first_of
from dragoman.stores.limits import is_over
from dragoman.stores.room import Place, Room

_OBJECT = 1000
"""The approximate memory of a completion, without its content, in bytes."""


class _KeptChat(msgspec.Struct, eq=False):
    chat: StoredChat
    place: Place


class MemoryChats:
    """Stores chat completions in memory. room: counts the memory of all responses, conversations, sessions
    and chat completions; a write may remove entries of any of these four kinds. now: returns Unix seconds.
    """

    def __init__(self, room: Room, now: Callable[[], float]) -> None:
        self._room = room
        self._now = now
        self._kept: dict[str, dict[str, _KeptChat]] = {}
        """The stored completions by client and by id, in the order in which they were stored."""

    async def save(self, chat: StoredChat) -> None:
        tenant, id_ = chat.tenant, chat.id
        size = _weight(chat)
        self._room.check(size)
        self._room.make(tenant, size)
        if id_ in self._kept.get(tenant, ()):
            self._drop(tenant, id_)
        place = Place(tenant, size, lambda: self._drop(tenant, id_))
        self._kept.setdefault(tenant, {})[id_] = _KeptChat(chat, place)
        self._room.take(place)

    async def get(self, tenant: str, id_: str) -> StoredChat | None:
        kept = self._live(tenant, id_)
        if kept is None:
            return None
        self._room.touch(kept.place)
        return kept.chat

    async def page(self, tenant: str, query: ChatQuery) -> ChatPage:
        now = self._now()
        every = (kept.chat for kept in self._kept.get(tenant, {}).values())
        all_ = [chat for chat in every if not is_over(chat.expires, now)]
        ordered, after = reversed(all_) if query.newest else iter(all_), query.after
        # `any` reads up to the completion `after`, so the page begins behind it.
        if after is not None and not any(chat.id == after for chat in ordered):
            raise KeyError(after)
        held, more = first_of((chat for chat in ordered if _fits(chat, query)), query.limit)
        return ChatPage([msgspec.structs.replace(chat, messages=b"[]") for chat in held], more)

    async def update(self, tenant: str, id_: str, metadata: Mapping[str, str]) -> bool:
        kept = self._live(tenant, id_)
        if kept is None:
            return False
        changed = msgspec.structs.replace(kept.chat, metadata=dict(metadata))
        size = _weight(changed)
        self._room.make(tenant, max(0, size - kept.place.size), kept.place)
        kept.chat = changed
        self._room.resize(kept.place, size)
        return True

    async def delete(self, tenant: str, id_: str) -> bool:
        there = self._live(tenant, id_) is not None
        if there:
            self._drop(tenant, id_)
        return there

    def sweep(self, now: float) -> None:
        over = [
            (tenant, id_)
            for tenant, kept in self._kept.items()
            for id_, one in kept.items()
            if is_over(one.chat.expires, now)
        ]
        for tenant, id_ in over:
            self._drop(tenant, id_)

    def _live(self, tenant: str, id_: str) -> _KeptChat | None:
        kept = self._kept.get(tenant, {}).get(id_)
        return None if kept is None or is_over(kept.chat.expires, self._now()) else kept

    def _drop(self, tenant: str, id_: str) -> None:
        kept = self._kept[tenant]
        self._room.free(kept.pop(id_).place)
        if not kept:
            del self._kept[tenant]


def _fits(chat: StoredChat, query: ChatQuery) -> bool:
    return query.model in {None, chat.model} and query.metadata.items() <= chat.metadata.items()


def _weight(chat: StoredChat) -> int:
    pairs = sum([len(key) + len(value) for key, value in chat.metadata.items()])
    return _OBJECT + len(chat.id) + len(chat.body) + len(chat.messages) + 2 * pairs
