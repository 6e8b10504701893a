"""Paths that are no vendor's: one question at /generate, an id that belongs to nobody, what runs now, and the
list of models as LiteLLM tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from dragoman.config.litellm_words import SUPPORTS
from dragoman.dialects.openai_chat import generate
from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.routing.route import Entry
from dragoman.server.chat import ChatApi
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Call, Endpoint, Handler
from dragoman.wire.json import encode

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

_DIGITS: Final = 24
"""Of an anonymous id, hexadecimal: 96 random bits."""


class NativeApi:
    """The handlers of one gateway. chat: what reads a call for the engine."""

    def __init__(self, gateway: Core, chat: ChatApi) -> None:
        self._gateway = gateway
        self._inbound = chat.inbound

    def endpoints(self) -> Iterator[Endpoint]:
        """Every path. An id is given to everybody: whoever needs one is not to be known."""
        yield Endpoint("/generate", DEFAULT, {"POST": Handler(self.generate, takes_body="json")})
        yield Endpoint("/anonymous-id", DEFAULT, {"GET": Handler(self.anonymous_id)}, public=True)
        for path in ("/model/info", "/v1/model/info"):
            yield Endpoint(path, DEFAULT, {"GET": Handler(self.model_info)})
        yield Endpoint("/admin/requests", DEFAULT, {"GET": Handler(self.requests)}, scope="admin")

    async def generate(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """Answer one question with a text."""
        await self._gateway.engine.handle(exchange, self._inbound(generate.FACE, call), client)

    async def anonymous_id(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """A new random id. It is kept nowhere and made of nothing."""
        id_ = self._gateway.seams.random_id()[:_DIGITS]
        await client.answer(200, ((b"cache-control", b"no-store"),), encode({"id": id_}))

    async def model_info(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """The models in LiteLLM's words, which editors and chat pages read; null = not known."""
        entries = self._gateway.entries(call.caller.models)
        await client.answer(200, (), encode({"data": [_informed(entry) for entry in entries]}))

    async def requests(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """What runs in this process, the oldest first: who asked whom for what, never what was said."""
        gateway = self._gateway
        now = gateway.seams.monotonic()
        running = sorted(gateway.exchanges - {exchange}, key=attrgetter("began"))
        body = {
            "object": "list",
            "worker": gateway.worker,
            "workers": gateway.workers,
            "data": [_shown(one, now) for one in running],
        }
        await client.answer(200, ((b"cache-control", b"no-store"),), encode(body))


def _informed(entry: Entry) -> dict[str, Any]:
    """https://docs.litellm.ai/docs/proxy/model_management; who asks may not learn addresses or keys."""
    abilities = {name: True if able in entry.capabilities else None for name, able in SUPPORTS.items()}
    return {
        "model_name": entry.id,
        "litellm_params": {"model": entry.deployment or entry.id},
        "model_info": {
            "id": entry.id,
            "db_model": False,
            "litellm_provider": entry.provider,
            "max_tokens": entry.max_output_tokens,
            "max_input_tokens": entry.context_window,
            "max_output_tokens": entry.max_output_tokens,
            **abilities,
        },
    }


def _shown(exchange: Exchange, now: float) -> dict[str, Any]:
    """One that runs, in the words of the access log."""
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
