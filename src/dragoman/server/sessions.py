"""Sessions over HTTP: /admin/sessions, for keys of the scope `admin`, each of which sees its own sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.responses.keeping import reachable
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Call, Handler
from dragoman.state.store import Session
from dragoman.wire.json import encode

if TYPE_CHECKING:
    from dragoman.gateway import Gateway


class SessionsApi:
    """The handlers of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def paths(self) -> Iterator[tuple[str, Mapping[str, Handler]]]:
        """Every path, `{id}` standing for one segment, with its methods."""
        yield "/admin/sessions", {"GET": Handler(self.listed)}
        yield "/admin/sessions/{id}", {"GET": Handler(self.one), "DELETE": Handler(self.delete)}

    async def listed(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """All sessions, the latest used first."""
        found = await self._sessions(call)
        await client.answer(200, (), encode({"object": "list", "data": [_shown(one) for one in found]}))

    async def _sessions(self, call: Call) -> list[Session]:
        sessions = self._gateway.remembering.store.sessions
        return list(await reachable(sessions.listed(call.caller.name)))

    async def one(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """One session with its turns: the messages of each, in the field's common terms."""
        id_ = call.params["id"]
        for session in await self._sessions(call):
            if session.id == id_:
                turns = await self._gateway.remembering.turns(call.caller.name, id_)
                await client.answer(200, (), encode({**_shown(session), "history": turns}))
                return
        raise RequestFailed(_missing(id_))

    async def delete(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """Forget a session."""
        id_ = call.params["id"]
        sessions = self._gateway.remembering.store.sessions
        if not await reachable(sessions.delete(id_, call.caller.name)):
            raise RequestFailed(_missing(id_))
        await client.answer(200, (), encode({"id": id_, "object": "session", "deleted": True}))


def _shown(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "object": "session",
        "turns": session.turns,
        "bytes": session.size,
        "last_used_at": int(session.used),
        "expires_at": int(session.expires),
    }


def _missing(id_: str) -> ir.Fault:
    return ir.Fault("not_found", f"There is no session {id_[:128]!r}.", code="session_not_found")
