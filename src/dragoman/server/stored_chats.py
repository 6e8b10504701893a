"""The endpoints of stored chat completions: `GET /v1/chat/completions`, and the paths below it.

https://platform.openai.com/docs/api-reference/chat/list. A client sees only the completions that were stored
under the name of its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.table import DEFAULT
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest, below
from dragoman.server.stored_objects import (
    NOT_LISTED,
    answer_stored,
    invalid,
    metadata_of,
    missing,
    object_of,
    page_of,
)
from dragoman.state.store import PAGE_SIZE, ChatQuery, StoredChat
from dragoman.turns.chats import written
from dragoman.turns.keeping import reachable
from dragoman.wire.json import encode

_FILTER: Final = re.compile(r"metadata\[(.{1,64})\]")
_MOST_FILTERS: Final = 16
_decode: Final = msgspec.json.Decoder().decode


class StoredChatsApi:
    """The endpoints of stored chat completions at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def endpoints(self) -> Iterator[Endpoint]:
        one = {
            "GET": Handler(self.retrieve),
            "POST": Handler(self.update, takes_body="json"),
            "DELETE": Handler(self.delete),
        }
        paths = {
            "/chat/completions": {"GET": Handler(self.listed)},
            "/chat/completions/{id}": one,
            "/chat/completions/{id}/messages": {"GET": Handler(self.messages)},
        }
        return below(DEFAULT, paths.items())

    async def listed(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one page of the client's stored completions, by default the oldest first. The query may choose
        those of one `model`, and those with certain metadata (`_filters`). Raises RequestFailed: 400 for a
        wrong query or an `after` that names no stored completion, 503 if the store fails or there is no
        memory for the answer.
        """
        limit, newest, after = page_of(request.query, "asc")
        query = ChatQuery(
            limit=limit,
            model=request.query.get("model"),
            metadata=_filters(request.query),
            after=after,
            newest=newest,
        )
        try:
            found = await reachable(self._gateway.keeping.store.chats.page(request.caller.name, query))
        except KeyError:
            raise RequestFailed(NOT_LISTED) from None
        chats = found.chats
        await answer_stored(
            request, client, _list([(one.id, written(one)) for one in chats], more=found.more)
        )

    async def retrieve(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        await answer_stored(request, client, written(await self._chat(request)))

    async def update(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Replace the metadata of a stored completion, and send the completion. Raises RequestFailed: 404 for
        an unknown completion, 400 or 413 for an invalid body, 400 if `metadata` is missing or invalid, 503 if
        the store fails or is full, or there is no memory for the answer.
        """
        body = await object_of(self._gateway, request)
        if "metadata" not in body:
            raise RequestFailed(missing("metadata"))
        metadata = metadata_of(body)
        chat = await self._chat(request)
        if not await reachable(self._gateway.keeping.store.chats.update(chat.tenant, chat.id, metadata)):
            raise RequestFailed(_not_found(chat.id))
        await answer_stored(request, client, written(msgspec.structs.replace(chat, metadata=metadata)))

    async def delete(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        id_ = request.params["id"]
        if not await reachable(self._gateway.keeping.store.chats.delete(request.caller.name, id_)):
            raise RequestFailed(_not_found(id_))
        told = {"object": "chat.completion.deleted", "id": id_, "deleted": True}
        await client.answer(200, (), encode(told))

    async def messages(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one page of the messages in the request of a stored completion, by default the oldest first.
        Raises RequestFailed: 400 for a wrong query or an `after` that names no message, 404 for an unknown
        completion, 503 if the store fails or there is no memory for the answer.
        """
        wanted = page_of(request.query, "asc")
        chat = await self._chat(request)
        size = len(chat.messages)
        request.room.take(size)
        told = await self._gateway.heavy.run(size, chat.tenant, _messages, chat, wanted)
        await answer_stored(request, client, told)

    async def _chat(self, request: HttpRequest) -> StoredChat:
        id_ = request.params["id"]
        found = await reachable(self._gateway.keeping.store.chats.get(request.caller.name, id_))
        if found is None:
            raise RequestFailed(_not_found(id_))
        return found


def _filters(query: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata that listed completions must have, by key, from the query (`metadata[KEY]=VALUE`, a
    KEY of 1 to 64 characters). Other fields of the query are ignored. Raises RequestFailed (400) for more
    than 16 keys.
    """
    pairs = {found[1]: value for name, value in query.items() if (found := _FILTER.fullmatch(name))}
    if len(pairs) > _MOST_FILTERS:
        raise RequestFailed(invalid("metadata", f"at most {_MOST_FILTERS} pairs"))
    return pairs


def _messages(chat: StoredChat, wanted: tuple[int, bool, str | None]) -> bytes:
    """Return one page of the messages of a completion, as JSON. wanted: the page, from `page_of`. The
    messages of a page have at most `PAGE_SIZE` bytes together; a message that is larger is alone on its page.
    Raises RequestFailed (400) if `after` names no message of the completion.
    """
    limit, newest, after = wanted
    shown = [(f"{chat.id}-{place}", one) for place, one in enumerate(_decode(chat.messages))]
    if newest:
        shown.reverse()
    if after is not None:
        names = [id_ for id_, _ in shown]
        if after not in names:
            raise RequestFailed(NOT_LISTED)
        shown = shown[names.index(after) + 1 :]
    page: list[tuple[str, bytes]] = []
    size = 0
    for id_, message in shown[:limit]:
        told = encode({**_parts(message), "id": id_})
        size += len(told)
        if page and size > PAGE_SIZE:
            break
        page.append((id_, told))
    return _list(page, more=len(page) < len(shown))


def _parts(message: dict[str, Any]) -> dict[str, Any]:
    """Return a stored message in the form for clients. If its content is a list of parts, `content_parts` is
    this list, and `content` is the text of the parts (None if they have no text). Otherwise `content` is the
    stored content, and `content_parts` is None. `name` is None if it is missing.
    """
    content = message.get("content")
    if not isinstance(content, list):
        return {"name": None, **message, "content": content, "content_parts": None}
    texts = [part.get("text") or "" for part in content if part.get("type") == "text"]
    return {"name": None, **message, "content": "".join(texts) or None, "content_parts": content}


def _list(page: list[tuple[str, bytes]], *, more: bool) -> bytes:
    first, last = (page[0][0], page[-1][0]) if page else (None, None)
    ends = encode({"first_id": first, "last_id": last, "has_more": more})
    return b'{"object":"list","data":[%b],%b' % (b",".join([told for _, told in page]), ends[1:])


def _not_found(id_: str) -> ir.Fault:
    return ir.Fault("not_found", f"Chat completion not found: {id_[:128]}", "not_found")
