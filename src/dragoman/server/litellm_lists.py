"""The endpoints of LiteLLM's lists of models: `/model/info`, `/v1/model/info`, `/v2/model/info` (in pages)
and `/model_group/info`.

https://docs.litellm.ai/docs/proxy/model_management
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec

from dragoman.assembly.core import Core
from dragoman.assembly.prices import PricesOf, prices_of
from dragoman.config.litellm_words import SUPPORTS
from dragoman.config.load import Loaded
from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.providers.rates import NANO
from dragoman.routing.route import Entry
from dragoman.server.admin import reading
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


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `/v2/model/info`. Other fields, by which LiteLLM's pages narrow the list, are not read.

    page: the number of the page, 1 = the first one. size: the most entries of a page, at least 1. search:
    only models whose names contain this text, in upper or lower case. model, modelId: only the model with
    exactly this name; if both are stated, both must fit. None = no such condition.
    """

    page: Annotated[int, msgspec.Meta(ge=1)] = 1
    size: Annotated[int, msgspec.Meta(ge=1)] = 50
    search: str | None = None
    model: str | None = None
    modelId: str | None = None  # noqa: N815  LiteLLM's name

    def admits(self, name: str) -> bool:
        if self.search is not None and self.search.lower() not in name.lower():
            return False
        return self.model in (None, name) and self.modelId in (None, name)


class LiteLlmLists:
    """The endpoints of LiteLLM's lists of models at one gateway. The lists contain only models that the
    client may use.
    """

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._prices: tuple[Loaded, PricesOf] | None = None
        """The configuration whose models were listed last, and its prices, which are cached."""

    def endpoints(self) -> Iterator[Endpoint]:
        for path in ("/model/info", "/v1/model/info"):
            yield Endpoint(path, DEFAULT, {"GET": Handler(self.models)})
        yield Endpoint("/v2/model/info", DEFAULT, {"GET": Handler(self.page)})
        yield Endpoint("/model_group/info", DEFAULT, {"GET": Handler(self.groups)})

    async def models(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send all models that the client may use, in the form of LiteLLM's `/model/info`. Models and aliases
        of the configuration have the prices of their first deployment, if these are known. All other models,
        such as those that providers list, have none (null), because there may be thousands.
        """
        data = [
            _informed(entry, await self._prices_of(entry))
            async for entry in in_turns(self._gateway.entries(request.caller))
        ]
        await client.answer(200, (), encode({"data": data}))

    async def page(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send a page of the models that the client may use and that the query admits (`PageQuery`). Each
        entry has the form of LiteLLM's `/model/info`. A page after the last one is empty. Raises
        RequestFailed (400) if `page` or `size` is not a whole number of 1 or more.
        """
        asked: PageQuery = reading.query(request.query, PageQuery)
        kept = [
            entry async for entry in in_turns(self._gateway.entries(request.caller)) if asked.admits(entry.id)
        ]
        start = (asked.page - 1) * asked.size
        data = [_informed(entry, await self._prices_of(entry)) for entry in kept[start : start + asked.size]]
        answer = {
            "data": data,
            "total_count": len(kept),
            "current_page": asked.page,
            "total_pages": -(-len(kept) // asked.size),
            "size": asked.size,
        }
        await client.answer(200, (), encode(answer))

    async def groups(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send all models that the client may use, in the form of LiteLLM's `/model_group/info`, each with
        those providers of its deployments that the client may use. With `model_group` in the query, send only
        the model of this name; an empty list if there is none.
        """
        only = request.query.get("model_group")
        data = []
        async for entry in in_turns(self._gateway.entries(request.caller)):
            if only in (None, entry.id):
                prices = await self._prices_of(entry)
                data.append(_grouped(entry, self._providers(request, entry), prices))
        await client.answer(200, (), encode({"data": data}))

    def _providers(self, request: HttpRequest, entry: Entry) -> list[str]:
        """Return those providers of a model's deployments that the client may use, each once, in the order of
        the deployments; if there are none, the provider of the entry.
        """
        route = self._gateway.engine.table.find(entry.id, request.caller)
        granted = request.caller.may.providers
        found = [] if route is None else [one.provider for one in route.deployments]
        return [one for one in dict.fromkeys(found) if granted is None or one in granted] or [entry.provider]

    async def _prices_of(self, entry: Entry) -> Mapping[str, int]:
        """Return the present prices of a model's first deployment, for the shortest prompts in the usual
        service tier: {unit: nano-USD for a million tokens}; {} = they are not known, or the name is neither a
        model nor an alias of the configuration.
        """
        loaded = self._gateway.loaded
        if entry.id not in loaded.config.models and entry.id not in loaded.config.aliases:
            return _UNPRICED
        await asyncio.sleep(0)  # the first look at a price takes some milliseconds
        if self._prices is None or self._prices[0] is not loaded:
            self._prices = (loaded, prices_of(loaded))
        rates = self._prices[1](entry.deployment)
        return _UNPRICED if rates is None else rates.at(self._gateway.seams.now()).usual[0].prices


def _informed(entry: Entry, prices: Mapping[str, int]) -> dict[str, Any]:
    """Return a model's entry in the form of LiteLLM's `/model/info`. A size or price that is not known is
    None. An ability (`supports_…`) is True if the entry has it, else None. prices: {unit: nano-USD for a
    million tokens}; the result has USD for one token.
    """
    abilities = {name: True if able in entry.capabilities else None for name, able in SUPPORTS.items()}
    return {
        "model_name": entry.id,
        "litellm_params": {"model": entry.deployment or entry.id},
        "model_info": {
            "id": entry.id,
            "db_model": False,
            "litellm_provider": entry.provider,
            "mode": _mode(entry),
            "max_tokens": entry.max_output_tokens,
            "max_input_tokens": entry.context_window,
            "max_output_tokens": entry.max_output_tokens,
            **_costs(prices),
            **abilities,
        },
    }


def _grouped(entry: Entry, providers: list[str], prices: Mapping[str, int]) -> dict[str, Any]:
    """Return a model's entry in the form of LiteLLM's `/model_group/info`, in which an ability that the entry
    does not have is False. prices: {unit: nano-USD for a million tokens}.
    """
    return {
        "model_group": entry.id,
        "providers": providers,
        "mode": _mode(entry),
        "max_input_tokens": entry.context_window,
        "max_output_tokens": entry.max_output_tokens,
        **_costs(prices),
        **{name: able in entry.capabilities for name, able in SUPPORTS.items()},
    }


def _mode(entry: Entry) -> str:
    """Return the kind of a model in LiteLLM's words: "embedding" if the name of its first deployment contains
    `embed`, as the names of most embedding models do; otherwise "chat". LiteLLM, too, takes a model that it
    does not know for a chat model.
    """
    return "embedding" if "embed" in (entry.deployment or entry.id).lower() else "chat"


def _costs(prices: Mapping[str, int]) -> dict[str, float | None]:
    return {
        cost: prices[unit] / (NANO * 1_000_000) if unit in prices else None for cost, unit in _COSTS.items()
    }
