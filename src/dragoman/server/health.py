"""The health paths for probes, and the path `/`, which some clients call first to find out whether a server
runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dragoman.accounts.caller import EVERYBODY, Caller, Scope
from dragoman.accounts.keys import UNREAD
from dragoman.assembly.core import Core
from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Door, Endpoint, Handler, HttpRequest
from dragoman.server.ollama.listing import expects_text, running
from dragoman.version import __version__
from dragoman.wire.json import encode

_LOOKING: Final[frozenset[Scope]] = frozenset({"read", "admin"})
"""A key of the database with one of these scopes gets the details, if it belongs to no tenant."""


class HealthApi:
    """The health endpoints of one gateway at one door (public port, admin port or Unix socket)."""

    def __init__(self, gateway: Core, door: Door = "public") -> None:
        self._gateway = gateway
        self._door = door

    def endpoints(self) -> Iterator[Endpoint]:
        for path, answer in (
            ("/", self._root),  # agents call it to see whether there is a server at all
            ("/health", self._health),
            ("/health/live", self._live),
            ("/health/liveness", self._live),
            ("/health/liveliness", self._live),  # LiteLLM's spelling
            ("/ping", self._live),
            ("/health/ready", self._ready),
            ("/health/readiness", self._ready),
        ):
            yield Endpoint(path, DEFAULT, {"GET": Handler(answer)}, public=True)

    async def _health(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        health = await self._gateway.health(details=self._tells(request), asking=exchange)
        # Only shutdown is a reason to send requests elsewhere: a provider shows its recovery in requests.
        await client.answer(503 if health["status"] == "draining" else 200, (), encode(health))

    def _tells(self, request: HttpRequest) -> bool:
        """Whether this client gets the details of the gateway's health. They are about all tenants: the names
        of all providers, what they refused and why, and how much is counted and stored.

        At the Unix socket: True. At the public door, if `server.admin_port` is set: False. Otherwise the
        client must send a key in a header (a key in the path does not count), and the key must belong to no
        tenant: any such key of the configuration, or one of the database with the scope `read` or `admin`.
        Without a key it is True only if the gateway has no keys and only this machine can connect (`ANYONE`).
        """
        if self._door == "public" and self._gateway.config.server.admin_port is not None:
            return False
        if self._door == "socket":
            return True
        caller = self._gateway.client_keys.authenticate(request.headers)
        if not isinstance(caller, Caller) or caller is EVERYBODY:
            return False
        declared = caller.key is None and caller.tenant is None
        return declared or not caller.scopes.isdisjoint(_LOOKING)

    async def _live(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        await client.answer(200, (), encode({"status": "live", "version": __version__}))

    async def _root(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        if expects_text(request.headers):
            await running(client)
        else:
            await self._live(request, exchange, client)

    async def _ready(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Answer 503 if requests should go to another replica: while this one stops, and from its start
        until it can know any client. A database that is lost later changes nothing, because the known
        keys stay valid; and all replicas would be taken away at once.

        The check is recorded: if `server.drain_delay` is not set, the port stays open for some seconds
        after a SIGTERM only if a check was made in the minute before it (`Draining.delay`).
        """
        self._gateway.draining.probed()
        status = "ready"
        if self._gateway.draining.begun:
            status = "draining"
        elif self._gateway.client_keys.knows_nobody:
            status = UNREAD.code or ""
        await client.answer(200 if status == "ready" else 503, (), encode({"status": status}))
