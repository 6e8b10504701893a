"""Providers with mixed faults, in a process of their own: `/NAME/…` is the provider NAME.

Each answer consists of pieces that repeat the request's marker and the number of the call, so a reader knows
which request and which call it belongs to. `GET /log` tells all calls. `POST /control` sets the keys that a
provider accepts (`accept`), or closes all idle connections (`close`).
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import struct
import sys
from collections import Counter
from typing import Any

MARKER = re.compile(rb"soak-\d+-[0-9a-f]{8}")
PIECES = 12
GOOD = ("good", "slow")
AFTER_CONTENT = ("breaks", "stalls", "malformed")
"""The faults that end an answer after its third piece. A whole answer is never begun by them."""
FAULTS: dict[str, dict[str, float]] = {
    "steady": {"slow": 2, "500": 0.5},
    "limited": {"429": 8, "503": 3, "400": 0.5, "empty": 1},
    "flaky": {
        "500": 6,
        "529": 3,
        "reset": 4,
        "empty": 3,
        "breaks": 3,
        "malformed": 2,
        "stalls": 1,
        "silent": 1,
    },
    "narrow": {"500": 2, "503": 2},
}
"""By provider: of a hundred requests so many fail in this way."""
_ERRORS = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
_SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Call:
    """One call. done: the whole answer has been handed to the kernel."""

    def __init__(self, number: int, provider: str, body: bytes, fault: str) -> None:
        found = MARKER.search(body)
        asked = json.loads(body)
        self.number = number
        self.provider = provider
        self.marker = found[0].decode() if found else ""
        self.model: str = asked["model"]
        self.streamed = bool(asked.get("stream"))
        self.fault = fault
        self.done = False

    def pieces(self) -> list[str]:
        return [f"{self.marker}/{self.number}:{n} " for n in range(PIECES)]

    def told(self) -> dict[str, Any]:
        return vars(self)


def _there(source: asyncio.StreamReader) -> bool:
    return not source.at_eof() and source.exception() is None


class Stub:
    """All providers. pause: seconds between two pieces of a stream."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.calls: list[Call] = []
        self.accepted: dict[str, list[str]] = {}
        self.open: dict[Call, asyncio.StreamReader] = {}
        """The calls that run, with their connections: one that has ended was that of a killed worker."""
        self.most: Counter[str] = Counter()
        self._random = random.Random(17)
        self._idle: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self._idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                self._idle.discard(writer)
                method, path, _ = head.split(b" ", 2)
                size = re.search(rb"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(size[1]) if size else 0)
                if path in {b"/log", b"/control"}:
                    answer = self._control(json.loads(body)) if method == b"POST" else self._log()
                    writer.write(_whole(answer))
                elif not await self._call(path, head, body, reader, writer):
                    return
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the gateway has hung up
        finally:
            self._idle.discard(writer)
            writer.close()

    def _log(self) -> dict[str, Any]:
        return {"calls": [call.told() for call in self.calls], "most": self.most}

    def _control(self, order: dict[str, Any]) -> dict[str, Any]:
        self.accepted |= order.get("accept", {})
        if order.get("close"):
            for writer in self._idle:
                writer.close()
        return {}

    async def _call(
        self,
        path: bytes,
        head: bytes,
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Answer one call; whether the connection stays."""
        provider = path.split(b"/")[1].decode()
        keys = self.accepted.get(provider)
        if keys is not None and not any(key.encode() in head for key in keys):
            fault = "401"
        else:
            faults = FAULTS[provider]
            rest = 100 - sum(faults.values())
            (fault,) = self._random.choices(["good", *faults], [rest, *faults.values()])
        call = Call(len(self.calls), provider, body, fault)
        self.calls.append(call)
        self.open[call] = reader
        running = [one for one, source in self.open.items() if one.provider == provider and _there(source)]
        self.most[provider] = max(self.most[provider], len(running))
        try:
            return await self._answer(call, reader, writer)
        finally:
            self.open.pop(call, None)

    def _finish(self, call: Call) -> None:
        """The last bytes are about to be written: whoever has read them may send the next request at once."""
        call.done = True
        self.open.pop(call, None)

    async def _answer(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if call.fault.isdigit():
            self._finish(call)
            status = int(call.fault)
            error = {"message": "It said no.", "type": _ERRORS.get(status, "api_error")}
            more = b"retry-after: 1\r\n" if status == 429 else b""
            writer.write(_whole({"type": "error", "error": error}, status, more))
            return True
        if call.fault == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        if call.fault == "silent":
            await reader.read()
            return False
        if call.fault == "slow":
            await asyncio.sleep(0.7)
        return await (self._stream if call.streamed else self._once)(call, reader, writer)

    async def _once(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(self.pause * 4)
        whole = _whole(DIALECT[call.provider].whole(call))
        if call.fault in GOOD:
            self._finish(call)
            writer.write(whole)
            return True
        writer.write(whole[: len(whole) // 2])
        if call.fault == "stalls":
            await reader.read()
        return False

    async def _stream(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        dialect = DIALECT[call.provider]
        writer.write(_SSE + _chunk(dialect.opening(call)))
        if call.fault == "empty":
            return False
        for number, text in enumerate(call.pieces()):
            await asyncio.sleep(self.pause)
            if call.fault in AFTER_CONTENT and number == 3:
                if call.fault == "malformed":
                    writer.write(_chunk(b"data: {nothing of JSON\n\n"))
                if call.fault == "stalls":
                    await reader.read()
                return False
            writer.write(_chunk(dialect.piece(text)))
            await writer.drain()
        self._finish(call)
        writer.write(_chunk(dialect.end()) + b"0\r\n\r\n")
        return True


class Chat:
    """OpenAI's chat API."""

    def whole(self, call: Call) -> Any:
        message = {"role": "assistant", "content": "".join(call.pieces())}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": PIECES, "total_tokens": PIECES + 5}
        return {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }

    def opening(self, call: Call) -> bytes:
        return self._event({"role": "assistant", "content": ""})

    def piece(self, text: str) -> bytes:
        return self._event({"content": text})

    def end(self) -> bytes:
        return self._event({}, "stop") + b"data: [DONE]\n\n"

    def _event(self, delta: Any, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _event(
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        )


class Messages:
    """Anthropic's Messages API."""

    def _head(self) -> dict[str, Any]:
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}

    def whole(self, call: Call) -> Any:
        content = [{"type": "text", "text": "".join(call.pieces())}]
        usage = {"input_tokens": 5, "output_tokens": PIECES}
        return self._head() | {
            "content": content,
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }

    def opening(self, call: Call) -> bytes:
        usage = {"input_tokens": 5, "output_tokens": 1}
        begun = self._head() | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        block = {"type": "text", "text": ""}
        start = {"type": "content_block_start", "index": 0, "content_block": block}
        return self._event({"type": "message_start", "message": begun}) + self._event(start)

    def piece(self, text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return self._event({"type": "content_block_delta", "index": 0, "delta": delta})

    def end(self) -> bytes:
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        told = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": PIECES}}
        stop = self._event({"type": "content_block_stop", "index": 0})
        return stop + self._event(told) + self._event({"type": "message_stop"})

    def _event(self, event: Any) -> bytes:
        return b"event: %b\n" % event["type"].encode() + _event(event)


DIALECT: dict[str, Chat | Messages] = {
    "steady": Chat(),
    "limited": Messages(),
    "flaky": Chat(),
    "narrow": Chat(),
}


def _event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(value: Any, status: int = 200, more: bytes = b"") -> bytes:
    body = json.dumps(value).encode()
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
    return head % (status, more, len(body)) + body


async def main(pause: float) -> None:
    """Serve, after the port was printed, until stdin ends."""
    server = await asyncio.start_server(Stub(pause).serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
