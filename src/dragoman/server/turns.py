"""Chooses the Turn of a request: a response of the Responses API, a session, or a stored chat completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman.accounts.keys import Caller
from dragoman.assembly.core import Core
from dragoman.dialects.dialect import Dialect
from dragoman.engine.asked import Turn
from dragoman.turns import chats
from dragoman.turns.chats import ChatTurn
from dragoman.turns.sessions import SessionTurn, session_id
from dragoman.turns.turn import Connection, ResponseTurn

STATEFUL = "openai_responses"
"""The dialect of the Responses API, whose answers are stored unless the request says otherwise."""
_AFFINITY: Final = "x-session-affinity"
"""A request with this header has no session: its client (opencode) sends a session's id only to reach the
same instance, and repeats the history itself.
"""
_SEARCHED: Final = 4_000
"""Bytes. In a longer body the mark is not searched for, which takes as long as decoding: the engine looks
into the decoded body (`Turn.concerns`).
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
    elif face.name == chats.NAME and (len(body) > _SEARCHED or chats.MARK in body):
        turn = ChatTurn(gateway.keeping, caller.name)
    if _AFFINITY in headers:
        return turn
    id_ = headers.get("x-session-id")
    if id_ is None and not gateway.remembering.by:
        return turn
    named = None if id_ is None else session_id(id_)
    return SessionTurn(gateway.remembering, caller.name, named, turn)
