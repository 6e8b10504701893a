"""A handshake is refused as its server can: by an HTTP answer, or by closing the WebSocket."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.server.refused_socket import answers_handshakes, refuse_handshake


@pytest.mark.parametrize(
    ("scope", "answers"),
    [
        ({}, False),
        ({"extensions": None}, False),
        ({"extensions": {"http.response.push": {}}}, False),
        ({"extensions": {"websocket.http.response": {}}}, True),
    ],
)
def test_a_server_states_whether_it_can_answer(scope: dict[str, Any], answers: bool) -> None:
    assert answers_handshakes(scope) is answers


@pytest.mark.parametrize("answers", [True, False])
async def test_a_handshake_is_refused_once(answers: bool) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await refuse_handshake(send, 404, [(b"X-Id", b"Req")], b"{}", answers=answers)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2"), (b"x-id", b"Req")]
    answer = [
        {"type": "websocket.http.response.start", "status": 404, "headers": headers},
        {"type": "websocket.http.response.body", "body": b"{}"},
    ]
    assert sent == (answer if answers else [{"type": "websocket.close", "code": 1008}])
