"""The endpoints /admin/sessions, by which operators see and delete the sessions of all clients. A key that
belongs to a tenant sees and deletes the sessions of its tenant's keys alone.

Clients choose the ids of their sessions, so sessions of two clients may have the same id; then `?client=NAME`
chooses the client.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.table import DEFAULT
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.server.admin.within_tenant import tenant_of_client
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.state.store import Session
from dragoman.turns.keeping import reachable
from dragoman.turns.sessions import read
from dragoman.wire.json import encode


class SessionsApi:
    """The operators' endpoints for sessions at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def endpoints(self) -> Iterator[Endpoint]:
        listed = Handler(self.listed, for_tenants=True)
        yield Endpoint("/admin/sessions", DEFAULT, {"GET": listed}, scope="admin")
        one = {"GET": Handler(self.one, for_tenants=True), "DELETE": Handler(self.delete, for_tenants=True)}
        yield Endpoint("/admin/sessions/{id}", DEFAULT, one, scope="admin", slashes=True)

    async def listed(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the list of all clients' sessions (for a key that belongs to a tenant: of this tenant's
        clients), or with `?client=NAME` of one client's. The latest used session comes first. At most
        `sessions.max_count` sessions are listed. Raises RequestFailed (503) if the store fails.
        """
        found = await self._sessions(request)
        await client.answer(200, (), encode({"object": "list", "data": [_shown(one) for one in found]}))

    async def _sessions(self, request: HttpRequest) -> list[Session]:
        sessions, most = self._gateway.remembering.store.sessions, self._gateway.config.sessions.max_count
        found = await reachable(sessions.listed(request.query.get("client"), limit=most))
        if (tenant := request.caller.tenant) is None:
            return list(found)
        owners = {one.tenant for one in found}  # the names of keys
        own = {name for name in owners if tenant_of_client(self._gateway, name) == tenant}
        return [one for one in found if one.tenant in own]

    async def _named(self, request: HttpRequest) -> Session:
        """Return the session that the path and `?client=` name. Raises RequestFailed: 404 if there is none,
        400 if several clients have a session with this id and the query names no client; 503 if the store
        fails. Sessions that the key may not see count as missing.
        """
        id_ = request.params["id"]
        found = [session for session in await self._sessions(request) if session.id == id_]
        if not found:
            raise RequestFailed(_missing(id_))
        if len(found) > 1:
            named = ", ".join([repr(session.tenant) for session in found[:8]])
            text = f"Several clients have a session with this id: choose one with '?client=' ({named})."
            raise RequestFailed(ir.Fault("invalid_request", text, "missing_required_parameter", "client"))
        return found[0]

    async def one(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one session with the messages of its turns, in the gateway's own form. Raises RequestFailed:
        404 if there is no such session, 400 if several clients have one with this id, 503 if the store fails.
        """
        session = await self._named(request)
        turns = read(await self._gateway.remembering.turns(session.tenant, session.id))
        await client.answer(200, (), encode({**_shown(session), "history": turns}))

    async def delete(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        session = await self._named(request)
        sessions = self._gateway.remembering.store.sessions
        if not await reachable(sessions.delete(session.id, session.tenant)):
            raise RequestFailed(_missing(session.id))
        await client.answer(200, (), encode({"id": session.id, "object": "session", "deleted": True}))


def _shown(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "object": "session",
        "client": session.tenant,
        "turns": session.turns,
        "bytes": session.size,
        "last_used_at": int(session.used),
        "expires_at": int(session.expires),
    }


def _missing(id_: str) -> ir.Fault:
    return ir.Fault("not_found", f"There is no session {id_[:128]!r}.", "session_not_found")
