"""Chooses the Turn of a request, which adds earlier messages and stores the answer: a response of the
Responses API, a session, or a stored chat completion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from dragoman.accounts.keys import Caller
from dragoman.dialects.dialect import Dialect
from dragoman.engine.asked import Turn
from dragoman.turns import chats
from dragoman.turns.chats import ChatTurn
from dragoman.turns.sessions import SessionTurn, session_id
from dragoman.turns.turn import Connection, ResponseTurn

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

STATEFUL = "openai_responses"
"""The name of the protocol whose answers are stored by default (Responses)."""
_AFFINITY: Final = "x-session-affinity"
"""A client that sends this header beside the session's id only wants its requests to reach the same instance
(opencode does). It keeps its own history, so a stored session would send the history twice.
"""


def turn_of(
    gateway: Core,
    face: Dialect,
    caller: Caller,
    headers: Mapping[str, str],
    connection: Connection | None = None,
    *,
    body: bytes = b"",
) -> Turn | None:
    """The object that adds earlier turns to this request and stores its answer; None = neither is done.

    connection: the answers that the request's WebSocket remembers, None = over HTTP. body: the request's
    body, needed only for chat. Raises RequestFailed for an invalid header.
    """
    turn: ResponseTurn | ChatTurn | None = None
    if face.name == STATEFUL:
        turn = ResponseTurn(gateway.keeping, caller.name, connection)
    elif face.name == chats.NAME and chats.MARK in body:
        turn = ChatTurn(gateway.keeping, caller.name)
    id_ = headers.get("x-session-id") if _AFFINITY not in headers else None
    if id_ is None and not (gateway.remembering.by and _AFFINITY not in headers):
        return turn
    named = None if id_ is None else session_id(id_)
    return SessionTurn(gateway.remembering, caller.name, named, turn)
