"""The endpoints of the gateway's own paths `/generate`, `/anonymous-id` and `/admin/requests`."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from operator import attrgetter
from typing import Any

from dragoman.assembly.core import Core
from dragoman.dialects.openai_chat import generate
from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.server.admin.registry import Registry
from dragoman.server.admin.within_tenant import exchanges_within
from dragoman.server.chat import ChatApi
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.wire.json import encode


class NativeApi:
    """The endpoints of `/generate`, `/anonymous-id` and `/admin/requests` at one gateway."""

    def __init__(self, gateway: Core, chat: ChatApi) -> None:
        self._gateway = gateway
        self._inbound = chat.inbound
        self._registry = Registry(gateway)

    def endpoints(self) -> Iterator[Endpoint]:
        yield Endpoint("/generate", DEFAULT, {"POST": Handler(self.generate, takes_body="json")})
        yield Endpoint("/anonymous-id", DEFAULT, {"GET": Handler(self.anonymous_id)}, public=True)
        running = Handler(self.requests, for_tenants=True)
        yield Endpoint("/admin/requests", DEFAULT, {"GET": running}, scope="admin")

    def generate(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> Awaitable[None]:
        return self._gateway.engine.handle(exchange, self._inbound(generate.FACE, request), client)

    async def anonymous_id(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send a new random id of 24 hexadecimal digits. The gateway does not store the id, and does not
        derive it from anything about the client.
        """
        id_ = self._gateway.seams.random_id()[:24]  # hexadecimal digits: 96 random bits
        await client.answer(200, ((b"cache-control", b"no-store"),), encode({"id": id_}))

    async def requests(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the list of the requests that run in this process, the oldest first, without the request for
        this list. The list does not contain prompts or answers. A key that belongs to a tenant gets only the
        requests of its tenant.
        """
        gateway = self._gateway
        now = gateway.seams.monotonic()
        within = exchanges_within(request.caller, self._registry)
        found = [one for one in gateway.exchanges if one is not exchange and within.matches(one)]
        running = sorted(found, key=attrgetter("began"))
        body = {
            "object": "list",
            "worker": gateway.worker,
            "workers": gateway.workers,
            "data": [_shown(one, now) for one in running],
        }
        await client.answer(200, ((b"cache-control", b"no-store"),), encode(body))


def _shown(exchange: Exchange, now: float) -> dict[str, Any]:
    """Return what the list of running requests says about one request. now: monotonic seconds."""
    return {
        "id": exchange.id,
        "object": "request",
        "request_id": exchange.request_id,
        "client": exchange.client,
        "method": exchange.method,
        "path": exchange.path,
        "operation": exchange.operation,
        "model": exchange.asked,
        "deployment": exchange.answered,
        "mode": exchange.mode,
        "stream": exchange.streamed,
        "tags": exchange.tags,
        "phase": exchange.phase,
        "attempts": len(exchange.attempts),
        "created_at": int(exchange.created),
        "seconds": round(now - exchange.began, 3),
    }
