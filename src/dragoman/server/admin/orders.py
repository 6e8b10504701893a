"""Orders of operators for providers and their keys: disable, enable, revive (forget past failures). An order
is carried out in all workers. A disabled provider or key is also disabled in workers that start later. It
stays disabled until an order enables it, or until the gateway restarts with all its workers; a key, also
until the configuration no longer has it.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from dragoman.assembly.core import Core
from dragoman.server.admin.states import Look, look

SUBJECT: Final = "admin.providers"
"""The subject of the messages between workers: a message is an order, or one of the questions "look" and
"orders".
"""

Deed: TypeAlias = Literal["enable", "disable", "revive"]


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """One order: `do` says what to do with the provider, or with one of its keys. provider: its name. key:
    the id of that key; None = the order is for the provider itself ("revive": also for all its keys).
    """

    do: Deed
    provider: str
    key: str | None = None


class Orders:
    """Carries out orders in this process, and sends them to the other workers."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        gateway.peers.receive(SUBJECT, self._receive)

    def give(self, order: Order) -> None:
        """Carry out an order in this process, and send it to the other workers."""
        self._obey(order)
        self._gateway.peers.tell(SUBJECT, msgspec.to_builtins(order))

    async def join(self) -> None:
        """Ask the other workers which orders are in force, and carry these out here. A worker does this at
        its start.
        """
        for answer in await self._gateway.peers.ask(SUBJECT, "orders"):
            for order in msgspec.convert(answer, list[Order]):
                self._obey(order)

    async def looks(self) -> list[Look]:
        """Return all providers as each worker sees them: one `Look` for each worker, that of this worker
        first. The `Look` of another worker that has not started yet is empty. A worker that does not answer
        in time is missing.
        """
        answers = await self._gateway.peers.ask(SUBJECT, "look")
        return [self._look(), *(msgspec.convert(answer, Look) for answer in answers)]

    def standing(self) -> list[Order]:
        """Return the orders that are in force in this process: a "disable" for each disabled provider and
        key.
        """
        health = self._gateway.providers_health
        keys = [
            Order("disable", name, key.id)
            for name, pool in health.pools.items()
            for key in pool.keys
            if key.disabled
        ]
        return [*(Order("disable", name) for name in sorted(health.disabled)), *keys]

    def _look(self) -> Look:
        gateway = self._gateway
        now = gateway.seams.monotonic()
        return look(gateway.running.upstreams, gateway.providers_health, gateway.exchanges, now)

    def _obey(self, order: Order) -> None:
        health = self._gateway.providers_health
        if order.do == "revive":
            health.revive(order.provider, order.key)
            if order.key is None:
                self._gateway.telling.forget(order.provider)
        else:
            health.enable(order.provider, order.key, enabled=order.do == "enable")

    def _receive(self, value: Any) -> Any:
        if value == "look":
            return msgspec.to_builtins(self._look()) if self._gateway.started else {}
        if value == "orders":
            return msgspec.to_builtins(self.standing())
        self._obey(msgspec.convert(value, Order))
        return None
