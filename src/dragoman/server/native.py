"""The endpoints of the gateway's own paths `/generate`, `/anonymous-id` and `/admin/requests`, and of
LiteLLM's model list (`/model/info`, `/v1/model/info`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, Final

from dragoman.assembly.core import Core
from dragoman.assembly.prices import PricesOf, prices_of
from dragoman.config.litellm_words import SUPPORTS
from dragoman.config.load import Loaded
from dragoman.dialects.openai_chat import generate
from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.providers.rates import NANO
from dragoman.routing.route import Entry
from dragoman.server.chat import ChatApi
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.server.listed import in_turns
from dragoman.wire.json import encode

_COSTS: Final[Mapping[str, str]] = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
}
"""By LiteLLM's field: the unit whose price it states, in USD for one token."""
_UNPRICED: Final[Mapping[str, int]] = {}


class NativeApi:
    """The endpoints of `/generate`, `/anonymous-id`, `/admin/requests`, `/model/info` and `/v1/model/info` at
    one gateway.
    """

    def __init__(self, gateway: Core, chat: ChatApi) -> None:
        self._gateway = gateway
        self._inbound = chat.inbound
        self._prices: tuple[Loaded, PricesOf] | None = None
        """The configuration whose models were listed last, and its prices, which are cached."""

    def endpoints(self) -> Iterator[Endpoint]:
        yield Endpoint("/generate", DEFAULT, {"POST": Handler(self.generate, takes_body="json")})
        yield Endpoint("/anonymous-id", DEFAULT, {"GET": Handler(self.anonymous_id)}, public=True)
        for path in ("/model/info", "/v1/model/info"):
            yield Endpoint(path, DEFAULT, {"GET": Handler(self.model_info)})
        yield Endpoint("/admin/requests", DEFAULT, {"GET": Handler(self.requests)}, scope="admin")

    async def generate(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        await self._gateway.engine.handle(exchange, self._inbound(generate.FACE, request), client)

    async def anonymous_id(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send a new random id of 24 hexadecimal digits. The gateway does not store the id, and does not
        derive it from anything about the client.
        """
        id_ = self._gateway.seams.random_id()[:24]  # hexadecimal digits: 96 random bits
        await client.answer(200, ((b"cache-control", b"no-store"),), encode({"id": id_}))

    async def model_info(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the list of models that the client may use, in the form of LiteLLM's `/model/info`. Models and
        aliases of the configuration have the prices of their first deployment. The further models that
        providers list have none, because there may be thousands.
        """
        config = self._gateway.loaded.config
        data = []
        async for entry in in_turns(self._gateway.entries(request.caller)):
            prices = _UNPRICED
            if entry.id in config.models or entry.id in config.aliases:
                prices = self._priced(entry.deployment)
                await asyncio.sleep(0)  # the first look at a price takes some milliseconds
            data.append(_informed(entry, prices))
        await client.answer(200, (), encode({"data": data}))

    def _priced(self, deployment: str) -> Mapping[str, int]:
        """Return the prices of a deployment now, for the shortest prompts in the usual service tier: {unit:
        nano-USD}; {} = they are not known.
        """
        loaded = self._gateway.loaded
        if self._prices is None or self._prices[0] is not loaded:
            self._prices = (loaded, prices_of(loaded))
        rates = self._prices[1](deployment)
        return _UNPRICED if rates is None else rates.at(self._gateway.seams.now()).usual[0].prices

    async def requests(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the list of the requests that run in this process, the oldest first, without the request for
        this list. The list does not contain prompts or answers.
        """
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


def _informed(entry: Entry, prices: Mapping[str, int]) -> dict[str, Any]:
    """Return a model's entry in the form of LiteLLM's `/model/info`. A size or price that is not known is
    None. An ability is True if the entry has it, else None. prices: {unit: nano-USD for a million tokens}.

    https://docs.litellm.ai/docs/proxy/model_management
    """
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
            **{
                cost: prices[unit] / (NANO * 1_000_000) if unit in prices else None
                for cost, unit in _COSTS.items()
            },
            **abilities,
        },
    }


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
