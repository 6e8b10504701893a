"""Answers as ASGI messages."""

from __future__ import annotations

from dragoman.server.channel import AsgiChannel
from dragoman.server.link import Message


async def test_an_answer_is_two_messages_and_a_stream_is_more() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    whole, stream = AsgiChannel(send), AsgiChannel(send)
    await whole.whole(200, [(b"content-length", b"2")], b"ok")
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    assert sent == [start, {"type": "http.response.body", "body": b"ok"}]
    sent.clear()
    before = stream.begun
    await stream.begin(200, ())
    assert (before, stream.begun) == (False, True)
    await stream.write(b"a")
    await stream.end(b"b")
    assert [(one.get("body"), one.get("more_body")) for one in sent] == [
        (None, None),
        (b"a", True),
        (b"b", None),
    ]
