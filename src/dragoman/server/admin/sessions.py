"""The endpoints /admin/sessions, by which operators see and delete the sessions of all clients. A key that
belongs to a tenant sees and deletes the sessions of its tenant's keys alone.

Clients choose the ids of their sessions, so sessions of two clients may have the same id; then `?client=NAME`
chooses the client.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.errors import RequestFailed
from dragoman.server.admin.operation import Asked, Operation, Told
from dragoman.server.admin.within_tenant import tenant_of_client
from dragoman.state.store import Session
from dragoman.turns.keeping import reachable
from dragoman.turns.sessions import read


class OfClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose sessions are meant. client: the name of a client; null = those of all clients."""

    client: str | None = None


_ONE: Final = "/admin/sessions/{id}"
OPERATIONS: Final = (
    Operation(
        *("GET", "/admin/sessions", "list_sessions", "The sessions of all clients, the latest used first."),
        query=OfClient,
        for_tenants=True,
    ),
    Operation(
        *("GET", _ONE, "show_session", "One session with its messages."),
        query=OfClient,
        slashes=True,
        for_tenants=True,
    ),
    Operation(
        *("DELETE", _ONE, "delete_session", "Forget one session."),
        query=OfClient,
        slashes=True,
        for_tenants=True,
    ),
)


class SessionsApi:
    """The operations on the sessions of one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    async def list_sessions(self, asked: Asked) -> Told:
        """Return the list of all clients' sessions (for a key that belongs to a tenant: of this tenant's
        clients), or with `?client=NAME` of one client's. The latest used session comes first. At most
        `sessions.max_count` sessions are listed. Raises RequestFailed (503) if the store fails.
        """
        found = await self._sessions(asked)
        return Told({"object": "list", "data": [_shown(one) for one in found]})

    async def _sessions(self, asked: Asked) -> list[Session]:
        sessions, most = self._gateway.remembering.store.sessions, self._gateway.config.sessions.max_count
        found = await reachable(sessions.listed(asked.query.client, limit=most))
        if (tenant := asked.request.caller.tenant) is None:
            return list(found)
        owners = {one.tenant for one in found}  # the names of keys
        own = {name for name in owners if tenant_of_client(self._gateway, name) == tenant}
        return [one for one in found if one.tenant in own]

    async def _named(self, asked: Asked) -> Session:
        """Return the session that the path and `?client=` name. Raises RequestFailed: 404 if there is none,
        400 if several clients have a session with this id and the query names no client; 503 if the store
        fails. Sessions that the key may not see count as missing.
        """
        id_ = asked.params["id"]
        found = [session for session in await self._sessions(asked) if session.id == id_]
        if not found:
            raise RequestFailed(_missing(id_))
        if len(found) > 1:
            named = ", ".join([repr(session.tenant) for session in found[:8]])
            text = f"Several clients have a session with this id: choose one with '?client=' ({named})."
            raise RequestFailed(ir.Fault("invalid_request", text, "missing_required_parameter", "client"))
        return found[0]

    async def show_session(self, asked: Asked) -> Told:
        """Return one session with the messages of its turns, in the gateway's own form. Raises RequestFailed:
        404 if there is no such session, 400 if several clients have one with this id, 503 if the store fails.
        """
        session = await self._named(asked)
        turns = read(await self._gateway.remembering.turns(session.tenant, session.id))
        return Told({**_shown(session), "history": turns})

    async def delete_session(self, asked: Asked) -> Told:
        """Remove one session with its messages. The audit gets whose it was and its size, but no message.
        Raises the errors of `show_session`.
        """
        session = await self._named(asked)
        sessions = self._gateway.remembering.store.sessions
        if not await reachable(sessions.delete(session.id, session.tenant)):
            raise RequestFailed(_missing(session.id))
        asked.notes.add("delete", f"sessions/{session.id}", before=_shown(session), after=None)
        return Told({"id": session.id, "object": "session", "deleted": True})


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
