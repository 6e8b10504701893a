"""Puts all operations of the administration together, and has these itself: the index, the OpenAPI
description, the audit and the rotations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from dragoman.assembly.core import Core
from dragoman.routing.policy_rotation import Rotated
from dragoman.server.admin import (
    added,
    configuration,
    described,
    holders,
    keys,
    limits,
    model_lists,
    own_keys,
    prices,
    providers,
    reload,
    sessions,
)
from dragoman.server.admin.audit import Audit, Entry
from dragoman.server.admin.openapi import document
from dragoman.server.admin.operation import Asked, Method, Operation, Told, endpoints
from dragoman.server.admin.orders import Orders
from dragoman.server.admin.pages import Wanted, page
from dragoman.server.admin.registry import Registry
from dragoman.server.endpoint import Endpoint
from dragoman.version import __version__


class Path(msgspec.Struct):
    """One operation in the index."""

    method: Method
    path: str
    summary: str


class Index(msgspec.Struct):
    """The operations: all, or those for the keys of tenants if the client's key belongs to a tenant. version:
    of Dragoman. worker: the number of the worker that answers. workers: how many workers there are.
    """

    version: str
    worker: int
    workers: int
    operations: list[Path]
    object: Literal["admin"] = "admin"


class AuditList(msgspec.Struct):
    """A page of the changes in the audit, the latest first. Each worker has in memory the latest 1,000
    changes that it knows of since it started, also from the other workers. The log has each change, too, as a
    warning.
    """

    data: list[Entry]
    has_more: bool
    object: Literal["list"] = "list"


class RotationList(msgspec.Struct):
    """The models whose deployments rotate, and the state of each rotation. Each worker counts its own
    requests, so this is the view of the worker that answers.
    """

    data: list[Rotated]
    worker: int
    object: Literal["list"] = "list"


_OWN: Final = (
    Operation("GET", "/admin", "index", "What there is.", Index, for_tenants=True),
    Operation("GET", "/admin/openapi.json", "openapi", "This description, OpenAPI 3.1."),
    Operation("GET", "/admin/audit", "list_audit", "The changes, the latest first.", AuditList, query=Wanted),
    Operation(
        "GET", "/admin/rotations", "list_rotations", "Which deployment is first, and next.", RotationList
    ),
)
OPERATIONS: Final = (
    *_OWN,
    *configuration.OPERATIONS,
    *providers.OPERATIONS,
    *added.OPERATIONS,
    *model_lists.OPERATIONS,
    *prices.OPERATIONS,
    *keys.OPERATIONS,
    *holders.OPERATIONS,
    *own_keys.OPERATIONS,
    *limits.OPERATIONS,
    *described.OPERATIONS,
)
"""All operations below /admin, in the order of the index and of the description."""


class AdminApi:
    """The administration of one gateway: its endpoints, and the state that they need (`audit`, `orders`). The
    port for clients, the operators' port and the Unix socket share one object.
    """

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self.audit = Audit(gateway.peers, gateway.seams, gateway.worker)
        self.orders = Orders(gateway)
        self._added = added.AddedApi(gateway)
        self._registry = Registry(gateway)

    def endpoints(self) -> Iterator[Endpoint]:
        gateway, registry = self._gateway, self._registry
        for owner, operations in (
            (self, _OWN),
            (configuration.ConfigurationApi(gateway), configuration.OPERATIONS),
            (providers.ProvidersApi(gateway, self.orders, self._added), providers.OPERATIONS),
            (self._added, added.OPERATIONS),
            (model_lists.ModelListsApi(gateway), model_lists.OPERATIONS),
            (limits.LimitsApi(gateway, self._added), limits.OPERATIONS),
            (prices.PricesApi(gateway, self._added), prices.OPERATIONS),
            (keys.KeysApi(registry), keys.OPERATIONS),
            (own_keys.OwnKeysApi(registry), own_keys.OPERATIONS),
            (holders.HoldersApi(registry), holders.OPERATIONS),
            (reload.ReloadApi(gateway), reload.OPERATIONS),
            (sessions.SessionsApi(gateway), sessions.OPERATIONS),
        ):
            yield from endpoints(owner, operations, self.audit)

    async def index(self, asked: Asked) -> Told:
        tenant = asked.request.caller.tenant
        shown = [one for one in OPERATIONS if tenant is None or one.for_tenants]
        paths = [Path(one.method, one.path, one.summary) for one in shown]
        return Told(Index(__version__, self._gateway.worker, self._gateway.workers, paths))

    async def openapi(self, asked: Asked) -> Told:
        found: dict[str, Any] = document(OPERATIONS)
        return Told(found)

    async def list_audit(self, asked: Asked) -> Told:
        entries, more = page(await self.audit.entries(), asked.query, lambda entry: entry.id)
        return Told(AuditList(entries, more))

    async def list_rotations(self, asked: Asked) -> Told:
        return Told(RotationList(self._gateway.rotations(), self._gateway.worker))
