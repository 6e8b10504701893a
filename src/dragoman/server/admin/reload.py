"""POST /admin/reload: loads the configuration again. All workers use the new configuration, or none does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.assembly.reload import Outcome
from dragoman.dialects.table import DEFAULT
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.server.admin import problems
from dragoman.server.admin.problems import unusable
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.wire.json import encode


class ReloadApi:
    """The endpoint that reloads the configuration of one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def endpoints(self) -> Iterator[Endpoint]:
        # A body is not needed, but read as JSON: a page of another origin then has to ask before.
        yield Endpoint("/admin/reload", DEFAULT, {"POST": Handler(self._reload, "json")}, scope="admin")

    async def _reload(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Reload the configuration, and send what has changed, with the new ETag. If it is not used, for
        example because the new configuration is wrong or the workers' parent does not answer, send 400 with
        all problems. Raises RequestFailed (412) if the request has `If-Match` with neither the ETag of the
        configuration in force nor `*`.
        """
        wanted = request.headers.get("if-match")
        if wanted is not None and not _matches(wanted, self._gateway.reloads.hash):
            raise RequestFailed(_CHANGED)
        outcome = await self._gateway.reload()
        if outcome.failed:
            place = outcome.problems[0].path or None
            failed = unusable(outcome.problems, place)
            await problems.answer(failed, exchange, client)
            return
        etag = (b"etag", f'"{outcome.hash}"'.encode())
        await client.answer(200, [(b"cache-control", b"no-store"), etag], encode(_told(outcome)))


def _matches(wanted: str, mark: str) -> bool:
    """Whether a header If-Match is `*`, or contains this hash of a configuration as an ETag. A weak tag
    (`W/"…"`) does not count. wanted: the header's value.
    """
    return wanted.strip() == "*" or f'"{mark}"' in [one.strip() for one in wanted.split(",")]


def _told(outcome: Outcome) -> dict[str, Any]:
    changed = [
        {"setting": one.setting, "change": one.change} | ({"tail": one.tail} if one.tail else {})
        for one in outcome.changed
    ]
    return {
        "object": "reload",
        "hash": outcome.hash,
        "changed": changed,
        "restart": list(outcome.restart),
        "warnings": [problems.shown(warning) for warning in outcome.warnings],
    }


_CHANGED: Final = ir.Fault(
    "conflict",
    "The configuration in force is not the one that If-Match names.",
    "precondition_failed",
    "If-Match",
    status=412,
)
