"""What a request continues: chosen by its protocol, its body and its headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.accounts.caller import ANYONE
from dragoman.config.load import load
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed
from dragoman.gateway import Gateway
from dragoman.server.turns import turn_of
from dragoman.turns.chats import ChatTurn
from dragoman.turns.sessions import SessionTurn
from dragoman.turns.turn import ResponseTurn
from dragoman.wire.headers import HeaderMap

SESSION = {"x-session-id": "s-1"}
STORED = b'{"store": true}'


def mapped(headers: dict[str, str]) -> HeaderMap:
    return HeaderMap([(name.encode(), value.encode()) for name, value in headers.items()])


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    gateway = Gateway(load(None, {"DRAGOMAN_HOME": str(tmp_path)}, {"stores.sql": "memory"}, cwd=tmp_path))
    await gateway.start()
    yield gateway
    await gateway.close()


@pytest.mark.parametrize(
    ("face", "headers", "body", "kind"),
    [
        ("openai_chat", {}, b"{}", type(None)),
        ("openai_chat", {}, STORED, ChatTurn),
        ("anthropic", {}, STORED, type(None)),
        ("openai_responses", {}, b"{}", ResponseTurn),
        ("anthropic", SESSION, b"{}", SessionTurn),
        ("openai_responses", SESSION, b"{}", SessionTurn),
        ("anthropic", {**SESSION, "x-session-affinity": "s-1"}, b"{}", type(None)),
    ],
)
async def test_a_request_continues_what_it_names(
    gateway: Gateway, face: str, headers: dict[str, str], body: bytes, kind: type
) -> None:
    assert type(turn_of(gateway, DIALECTS[face], ANYONE, mapped(headers), body=body)) is kind


async def test_an_id_that_no_session_can_have_is_refused(gateway: Gateway) -> None:
    with pytest.raises(RequestFailed):
        turn_of(gateway, DIALECTS["anthropic"], ANYONE, mapped({"x-session-id": "a" * 10_000}))
