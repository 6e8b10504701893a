"""Chooses the `Turn` of a request (the object that adds earlier messages to it, stores its answer, or both):
for the Responses API, for a session, or for a stored chat completion.
"""

from __future__ import annotations

from typing import Final

from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.dialects.dialect import Dialect
from dragoman.engine.asked import Turn
from dragoman.turns import chats
from dragoman.turns.chats import ChatTurn
from dragoman.turns.sessions import SessionTurn, session_id
from dragoman.turns.turn import Connection, ResponseTurn
from dragoman.wire.headers import HeaderMap

STATEFUL = "openai_responses"
"""The name of the dialect of the Responses API."""
_SESSION: Final = b"x-session-id"
_AFFINITY: Final = b"x-session-affinity"
"""A request with this header has no session: its client (opencode) sends a session's id only to reach the
same instance, and repeats the history itself.
"""
_SEARCHED: Final = 4_000
"""Bytes. A longer body is not searched for the mark of a stored chat completion, because that would take as
long as decoding; the engine looks into the decoded body later (`Turn.concerns`).
"""


def turn_of(
    gateway: Core,
    face: Dialect,
    caller: Caller,
    headers: HeaderMap,
    connection: Connection | None = None,
    *,
    body: bytes = b"",
) -> Turn | None:
    """Return the Turn of a request; None = it needs none.

    A request of the Responses API gets a ResponseTurn. A request of the Chat Completions API gets a ChatTurn
    if its body contains `"store"`, or is too long to be searched (`_SEARCHED`). In every protocol, a request
    with the header X-Session-Id gets a SessionTurn, which contains that other Turn if there is one; so does
    every request if the gateway also finds sessions by the body (`sessions.by`). No request with the header
    X-Session-Affinity gets a SessionTurn.

    connection: the answers that the request's WebSocket remembers, None = the request came over HTTP. body:
    the request's body; it is used only for Chat Completions. Raises RequestFailed (400) if X-Session-Id is
    invalid and no X-Session-Affinity is there.
    """
    turn: ResponseTurn | ChatTurn | None = None
    if face.name == STATEFUL:
        turn = ResponseTurn(gateway.keeping, caller.name, connection)
    elif face.name == chats.NAME and (len(body) > _SEARCHED or chats.MARK in body):
        turn = ChatTurn(gateway.keeping, caller.name)
    stated = headers.raw
    if _AFFINITY in stated or not (_SESSION in stated or gateway.remembering.by):
        return turn
    named = session_id(headers["x-session-id"]) if _SESSION in stated else None
    return SessionTurn(gateway.remembering, caller.name, named, turn)
