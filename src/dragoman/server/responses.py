"""The endpoints of the Responses API and of its conversations, over HTTP.

https://platform.openai.com/docs/api-reference/responses, …/conversations. A client sees only what was stored
under the name of its key. The id of another client's object is answered like an unknown id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.openai_responses.errors import error_event
from dragoman.dialects.request import WireRequest
from dragoman.engine.asked import Inbound
from dragoman.engine.client import Headers
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.server.chat import ChatApi
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest, below
from dragoman.server.stored_objects import (
    NOT_LISTED,
    answer_stored,
    invalid,
    metadata_of,
    missing,
    number,
    object_of,
    page_of,
)
from dragoman.state.pages import read_page, whole
from dragoman.state.store import Conversation, Item, Page
from dragoman.turns.background import Refused
from dragoman.turns.compaction import asking, compacted, remembered
from dragoman.turns.items import Wire, decode, displayed, kept, kind, wanted
from dragoman.turns.keeping import conversation_missing, reachable, written
from dragoman.turns.turn import ResponseTurn
from dragoman.wire.json import decode_head, encode, encode_head

_MOST_ITEMS: Final = 20
"""The most items that one request may put into a conversation, as in OpenAI's API."""


class ResponsesApi:
    """The endpoints of the Responses API and its conversations at one gateway."""

    def __init__(self, gateway: Core, chat: ChatApi) -> None:
        self._gateway = gateway
        self._chat = chat

    def endpoints(self) -> Iterator[Endpoint]:
        return below(DIALECT, self._paths())

    def _paths(self) -> Iterator[tuple[str, Mapping[str, Handler]]]:
        def post(run: Any) -> Handler:
            return Handler(run, takes_body="json")

        yield "/responses", {"POST": post(self.respond)}
        yield "/responses/input_tokens", {"POST": post(self.input_tokens)}
        yield "/responses/compact", {"POST": post(self.compact)}
        yield "/responses/{id}", {"GET": Handler(self.retrieve), "DELETE": Handler(self.delete)}
        yield "/responses/{id}/cancel", {"POST": Handler(self.cancel)}
        yield "/responses/{id}/input_items", {"GET": Handler(self.input_items)}
        yield "/conversations", {"POST": post(self.create_conversation)}
        yield (
            "/conversations/{id}",
            {
                "GET": Handler(self.conversation),
                "POST": post(self.update_conversation),
                "DELETE": Handler(self.delete_conversation),
            },
        )
        yield (
            "/conversations/{id}/items",
            {"GET": Handler(self.conversation_items), "POST": post(self.add_items)},
        )
        yield (
            "/conversations/{id}/items/{item}",
            {"GET": Handler(self.conversation_item), "DELETE": Handler(self.remove_item)},
        )

    def respond(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> Awaitable[None]:
        """Return an awaitable that answers `POST /responses`. Without `background: true` in the body, the
        engine answers. Raises RequestFailed, for example 400 for an invalid X-Session-Id that counts (see
        `ChatApi.inbound`).
        """
        head = _background(request.body)
        if head is None:
            return self._chat.ask(DIALECT, request, exchange, client)
        return self._respond_later(head, request, exchange, client)

    async def _respond_later(
        self, head: dict[str, msgspec.Raw], request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> None:
        """Start a background response and send it as it is now; or, if the body has `stream: true`, send its
        events. If the background response is refused at its start, send that error. head: the fields of the
        body. Raises RequestFailed, for example 400 for a request with the header X-Session-Id; 429 if too
        many background responses run already.
        """
        if "x-session-id" in request.headers:
            raise RequestFailed(_NO_SESSION)
        stream = bytes(head.get("stream", b"null"))
        if stream in {b"null", b"false"}:  # any other value is checked with the rest of the body
            head["stream"] = msgspec.Raw(b"true")
        inbound = self._chat.inbound(DIALECT, request)
        inbound = msgspec.structs.replace(inbound, body=encode_head(head), framing="ndjson")
        begun = await self._gateway.background.start(exchange, inbound, request.caller.name)
        if isinstance(begun, Refused):
            exchange.fault = begun.fault
            await client.answer(begun.status, begun.headers, begun.body)
        elif stream == b"true":
            await self._follow(request, begun.id, -1, exchange, client)
        else:
            await client.answer(200, (), written(begun))

    async def retrieve(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send a stored response as it is now. With `stream=true` (or `1`) in the query, send
        instead the events of the background response, from the first with a number above
        `starting_after` (default: all events; the first one has the number 0) to its last one;
        events that do not exist yet are waited for. A failure after the beginning of the stream is
        sent as an event `error`.

        Raises RequestFailed: 404 for an unknown response; 400 for a stream of a response that was
        not made in the background, or with an invalid `starting_after`; 503 if, before the answer
        begins, the store fails or there is no memory for the response.
        """
        id_ = request.params["id"]
        record = await self._gateway.keeping.get(request.caller.name, id_)
        if request.query.get("stream") not in {"true", "1"}:
            size = len(record.body) + sum([len(one.body) for one in record.output])
            shown = await self._gateway.heavy.run(size, request.caller.name, written, record)
            await answer_stored(request, client, shown)
            return
        if not record.background:
            raise RequestFailed(_NOT_STREAMED)
        after = number(request.query, "starting_after", -1, at_least=-1)
        await self._follow(request, id_, after, exchange, client)

    async def _follow(
        self, request: HttpRequest, id_: str, after: int, exchange: Exchange, client: HttpClient
    ) -> None:
        """Stream the events of a background response to the client: from the first event with a number above
        `after` (-1 = all) to the last event of the response. Events that do not exist yet are waited for. If
        the events can no longer be read, the last event has the type `error`. `[DONE]` is sent at the end in
        both cases.
        """
        tenant = request.caller.name
        self._chat.streams(DIALECT, client)
        client.expect_stream()
        await client.begin(200, ())
        try:
            async for place, word, event in self._gateway.background.follow(tenant, id_, after):
                after, size = place, len(event)
                request.room.take(size)
                framed = await self._gateway.heavy.run(size, tenant, _framed, word, event)
                await client.write(framed)
                request.room.give(size)
        except RequestFailed as failed:  # the response was deleted meanwhile, or the store has failed
            exchange.fault = failed.fault
            error = {"type": "error", "sequence_number": after + 1, **error_event(failed.fault)}
            await client.write(_framed("error", encode(error)))
        await client.end(b"data: [DONE]\n\n")

    async def delete(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Delete a stored response. If it still runs in the background, it is stopped: at once if this
        process runs it, within a few seconds if another process runs it. Raises RequestFailed: 404 for an
        unknown response, 503 if the store fails.
        """
        id_ = request.params["id"]
        await self._gateway.background.delete(request.caller.name, id_)
        await client.answer(200, (), encode({"id": id_, "object": "response", "deleted": True}))

    async def cancel(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Cancel a background response if it has not ended, and send the response as it is stored then.
        Raises RequestFailed: 404 for an unknown response, 400 for one that was not made in the background,
        503 if the store fails.
        """
        record = await self._gateway.background.cancel(request.caller.name, request.params["id"])
        await client.answer(200, (), written(record))

    async def input_items(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one page of the complete input of a stored response: the items of the responses that it
        continues (inputs and answers), and the items of its own request. The newest items come first, unless
        the query has `order=asc`. Raises RequestFailed: 404 for an unknown response, or if one that it
        continues does not exist any more; 400 for a wrong query; 413 if the earlier items are too large to be
        read; 503 if the store fails or there is no memory for the answer.
        """
        keeping, tenant, id_ = self._gateway.keeping, request.caller.name, request.params["id"]
        record = await keeping.get(tenant, id_)
        earlier: list[Item] = []
        if record.previous is not None:
            for piece in await keeping.history(tenant, record.previous):
                earlier += piece.items
        await answer_stored(request, client, _page([*earlier, *record.input], request.query))

    async def input_tokens(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        inbound = self._asking(request, await object_of(self._gateway, request))
        counting = msgspec.structs.replace(inbound, operation="count")
        await self._gateway.engine.handle(exchange, counting, client)

    def _asking(self, request: HttpRequest, body: Mapping[str, Any]) -> Inbound:
        """Return the input for the engine from a request. body: the decoded body of the request; in the
        input, `store` and `stream` are false, and `background` is removed.
        """
        own = {**body, "store": False, "stream": False}
        own.pop("background", None)
        return msgspec.structs.replace(self._chat.inbound(DIALECT, request), body=encode(own))

    async def compact(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send a shortened conversation: the user's latest messages (`remembered`), and the model's summary
        of the complete conversation, as an item of the type `compaction`. If the model's answer is an error,
        send this error. Raises RequestFailed if the request is refused, for example 400 if it has the header
        X-Session-Id.
        """
        gateway, body = self._gateway, await object_of(self._gateway, request)
        if not isinstance(body.get("model"), str):
            raise RequestFailed(missing("model"))
        if "x-session-id" in request.headers:
            raise RequestFailed(_NO_SESSION)
        turn = ResponseTurn(gateway.keeping, request.caller.name)
        turn.asks = asking
        answered = _Answered()
        inbound = msgspec.structs.replace(self._asking(request, body), turn=turn)
        await gateway.engine.handle(exchange, inbound, answered)
        if answered.status >= 400:
            await client.answer(answered.status, answered.headers, answered.body)
            return
        response = decode(answered.body)
        mint = gateway.seams.random_id
        stayed = [displayed(item) for item in kept(remembered(turn.everything), mint)]
        told = {
            "id": exchange.id.replace("ex_", "resp_", 1),
            "object": "response.compaction",
            "created_at": int(exchange.created),
            "output": [*stayed, compacted(_text(response), f"cmp_{mint()}")],
            "usage": response.get("usage"),
        }
        await client.answer(200, answered.headers, encode(told))

    async def create_conversation(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Store a new conversation with the items in the body, and send the conversation without its items.
        Raises RequestFailed: 400 for a wrong body or if this gateway is configured to store no conversations,
        404 for a reference to an unknown item, 413 if the body or the items are too large, 503 if the store
        fails or is full.
        """
        keeping, body = self._gateway.keeping, await object_of(self._gateway, request)
        if not keeping.retains:
            raise RequestFailed(_NOTHING_RETAINED)
        made = Conversation(
            id=f"conv_{self._gateway.seams.random_id()}",
            tenant=request.caller.name,
            created=exchange.created,
            metadata=encode(metadata_of(body)),
            expires=keeping.expires(),
        )
        items = await self._items(request, body)
        await reachable(keeping.store.conversations.create(made, items))
        await client.answer(200, (), _conversation(made))

    async def conversation(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        await client.answer(200, (), _conversation(await self._conversation(request)))

    async def _conversation(self, request: HttpRequest) -> Conversation:
        conversations, id_ = self._gateway.keeping.store.conversations, request.params["id"]
        found = await reachable(conversations.get(request.caller.name, id_))
        if found is None:
            raise RequestFailed(conversation_missing(id_, None))
        return found

    async def update_conversation(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Replace a conversation's metadata, and send the conversation without its items. Raises
        RequestFailed: 404 for an unknown conversation, 400 or 413 for an invalid body, 400 if `metadata` is
        missing or invalid, 503 if the store fails or is full.
        """
        body, found = await object_of(self._gateway, request), await self._conversation(request)
        if "metadata" not in body:
            raise RequestFailed(missing("metadata"))
        metadata = encode(metadata_of(body))
        conversations = self._gateway.keeping.store.conversations
        await reachable(conversations.update(found.tenant, found.id, metadata))
        await client.answer(200, (), _conversation(msgspec.structs.replace(found, metadata=metadata)))

    async def delete_conversation(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        found = await self._conversation(request)
        await reachable(self._gateway.keeping.store.conversations.delete(found.tenant, found.id))
        await client.answer(
            200, (), encode({"id": found.id, "object": "conversation.deleted", "deleted": True})
        )

    async def conversation_items(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        limit, newest, after = page_of(request.query)
        conversations, id_ = self._gateway.keeping.store.conversations, request.params["id"]
        asked = conversations.page(request.caller.name, id_, after=after, limit=limit, newest=newest)
        try:
            found = await reachable(asked)
        except KeyError:
            raise RequestFailed(NOT_LISTED) from None
        if found is None:
            raise RequestFailed(conversation_missing(id_))
        await answer_stored(request, client, _listed(found))

    async def add_items(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        keeping, found = self._gateway.keeping, await self._conversation(request)
        items = await self._items(request, await object_of(self._gateway, request))
        if not items:
            raise RequestFailed(missing("items"))
        append = keeping.store.conversations.append
        if not await reachable(append(found.tenant, found.id, items, expires=keeping.expires())):
            raise RequestFailed(conversation_missing(found.id, None))
        await client.answer(200, (), _listed(whole(items)))

    async def conversation_item(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        conversations, id_ = self._gateway.keeping.store.conversations, request.params["id"]
        found = await reachable(conversations.item(request.caller.name, id_, request.params["item"]))
        if found is None:
            await self._conversation(request)  # raises if the conversation itself is missing
            raise RequestFailed(_no_item(request.params["item"]))
        await answer_stored(request, client, encode(displayed(found)))

    async def remove_item(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Remove an item from a conversation, and send the conversation without its items. Raises
        RequestFailed: 404 for an unknown conversation or item, 503 if the store fails.
        """
        found, item = await self._conversation(request), request.params["item"]
        remove = self._gateway.keeping.store.conversations.remove
        if not await reachable(remove(found.tenant, found.id, item)):
            raise RequestFailed(_no_item(item))
        await client.answer(200, (), _conversation(found))

    async def _items(self, request: HttpRequest, body: Mapping[str, Any]) -> tuple[Item, ...]:
        """Return the items in the body's `items`, in the form in which they are stored; () = the body has no
        `items`, or null. A reference to a stored item is replaced by that item. Raises RequestFailed: 400 for
        an invalid item or more than 20 items, 404 for an unknown reference, 413 if the items that references
        name are too large together, 503 if the store fails.
        """
        given = body.get("items")
        if given is None:
            return ()
        if not isinstance(given, list) or len(given) > _MOST_ITEMS:
            raise RequestFailed(invalid("items", f"a list of at most {_MOST_ITEMS} items"))
        try:
            DIALECT.request.check(WireRequest("chat", {"model": "", "input": given}))
        except WireError as error:
            param = "items" + error.path.removeprefix("input")
            message = error.message.replace("'input", "'items")
            raise RequestFailed(ir.Fault("invalid_request", message, error.code, param)) from error
        known = await self._gateway.keeping.items(request.caller.name, wanted(given))
        items: list[Wire] = []
        for item in given:
            if kind(item) != "item_reference":
                items.append(item)
            elif (found := known.get(item["id"])) is not None:
                items.append(found)
            else:
                raise RequestFailed(_no_item(item["id"]))
        return kept(items, self._gateway.seams.random_id)


class _Answered:
    """Receives one complete answer of the engine, from which the gateway makes the answer for the real
    client. Implements `engine.client.Client`.
    """

    begun = False
    gone = True

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = ()
        self.body = b""

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def expect_stream(self) -> None:
        """Not used: the request does not stream."""

    async def begin(self, status: int, headers: Headers) -> None:
        """Not used: the request does not stream."""

    async def write(self, data: bytes) -> None:
        """Not used: the request does not stream."""

    async def end(self, data: bytes = b"") -> None:
        """Not used: the request does not stream."""


def _background(body: bytes) -> dict[str, msgspec.Raw] | None:
    """Return the fields of `body`, as undecoded JSON, if it has `background: true`; else None. Also None for
    a body that is not a JSON object.
    """
    if b'"background"' not in body:
        return None
    try:
        head = decode_head(body)
    except WireError:
        return None  # the engine raises the error
    return head if bytes(head.get("background", b"")).strip() == b"true" else None


def _page(items: Sequence[Item], query: Mapping[str, str]) -> bytes:
    """Return one page of `items`, as JSON. items: all items, oldest first. query: asks for the page, by
    `limit`, `order` and `after`. Raises RequestFailed (400) for an invalid value.
    """
    limit, newest, after = page_of(query)
    try:
        return _listed(read_page(dict(enumerate(items)), after=after, limit=limit, newest=newest))
    except KeyError:
        raise RequestFailed(NOT_LISTED) from None


def _listed(found: Page) -> bytes:
    items = found.items
    return encode(
        {
            "object": "list",
            "data": [displayed(item) for item in items],
            "first_id": items[0].id if items else None,
            "last_id": found.last,
            "has_more": found.more,
        }
    )


def _conversation(conversation: Conversation) -> bytes:
    return encode(
        {
            "id": conversation.id,
            "object": "conversation",
            "created_at": int(conversation.created),
            "metadata": msgspec.Raw(conversation.metadata),
        }
    )


def _text(response: Mapping[str, Any]) -> str:
    return "".join(
        part.get("text", "")
        for item in response["output"]
        if item.get("type") == "message"
        for part in item["content"]
    )


def _framed(kind: str, event: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), event)


def _no_item(id_: str) -> ir.Fault:
    return ir.Fault("not_found", f"Item with id {id_[:128]!r} not found.", "item_not_found")


_NOT_STREAMED: Final = ir.Fault(
    "invalid_request",
    "Only responses that were requested with 'background': true can be streamed again.",
    "invalid_value",
    "stream",
)
_NO_SESSION: Final = ir.Fault(
    "unsupported",
    "A background response or a compaction cannot be part of a session: remove the header 'X-Session-Id'.",
    "unsupported_value",
    "X-Session-Id",
)
_NOTHING_RETAINED: Final = ir.Fault(
    "unsupported", "This gateway does not store conversations.", "unsupported_value"
)
