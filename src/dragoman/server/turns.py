"""Which requests continue something or have their answer kept: answers of the Responses API, sessions, chat
completions that are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from dragoman.accounts.keys import Caller
from dragoman.dialects.dialect import Dialect
from dragoman.engine.work import Turn
from dragoman.turns import chats
from dragoman.turns.chats import ChatTurn
from dragoman.turns.sessions import SessionTurn, session_id
from dragoman.turns.turn import Connection, ResponseTurn

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

STATEFUL = "openai_responses"
"""The face whose protocol has state of its own."""
_AFFINITY: Final = "x-session-affinity"
"""A client that sends this beside the session's id wants them to reach the same place (opencode does). It
keeps its own history, and would get everything twice.
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
    """What keeps this request's answer; None = it stands for itself. Raises RequestFailed for a bad header.

    connection: the memory of the WebSocket that it came over. body: the request's.
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
