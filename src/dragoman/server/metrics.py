"""The endpoint `/metrics`, from which Prometheus reads the gateway's metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dragoman.assembly.core import Core
from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.observe.exposition import CONTENT_TYPE
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest

_HEADERS: Final = ((b"content-type", CONTENT_TYPE.encode()), (b"cache-control", b"no-store"))


class MetricsApi:
    """The endpoint `/metrics` of one gateway; there is none if `metrics.enabled` is false. Its caller needs
    the scope `admin`, unless `metrics.public` is true.
    """

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def endpoints(self) -> Iterator[Endpoint]:
        settings = self._gateway.config.metrics
        if settings.enabled:
            handlers = {"GET": Handler(self.metrics)}
            yield Endpoint("/metrics", DEFAULT, handlers, public=settings.public, scope="admin")

    async def metrics(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the metrics of all workers in Prometheus' text format."""
        page = await self._gateway.telling.metrics_page(exchange)
        await client.answer(200, _HEADERS, page)
