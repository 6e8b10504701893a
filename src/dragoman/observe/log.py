"""The access log: one line for each exchange, when it is over.

To a terminal a line for people, elsewhere one JSON object a line. Lines are collected and written
together a few times a second, so that a request never waits for a terminal or a pipe. Bodies, keys and
texts of clients or upstreams are never logged; control characters cannot occur in what is.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, BinaryIO

import msgspec

from dragoman.exchange import Exchange

_FLUSH_SECONDS = 0.2
_encode = msgspec.json.Encoder().encode


class AccessLog:
    """Writes exchanges to a binary stream. people: lines for a terminal instead of JSON."""

    def __init__(self, stream: BinaryIO, *, people: bool) -> None:
        self._stream = stream
        self._line = _for_people if people else _for_machines
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, exchange: Exchange) -> None:
        """Note one finished exchange."""
        self._lines.append(self._line(exchange))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what has been collected."""
        self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            try:
                self._stream.write(b"".join(lines))
                self._stream.flush()
            except (OSError, ValueError):
                return  # the reader of our log has gone; the requests have not


def _for_machines(exchange: Exchange) -> bytes:
    began = exchange.began
    record: dict[str, Any] = {
        "at": exchange.created,
        "event": "exchange",
        "id": exchange.id,
        "request_id": exchange.request_id,
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
        "end": exchange.end,
        "client": exchange.client,
        "total_us": _us((exchange.ended or began) - began),
    }
    if exchange.asked is not None:
        record["model"] = exchange.asked
        record["deployment"] = exchange.answered
        record["mode"] = exchange.mode
        record["stream"] = exchange.streamed
        record["attempts"] = len(exchange.attempts)
        record["losses"] = len(exchange.losses)
        record["upstream_us"] = _us(exchange.waited)
    if exchange.first is not None:
        record["first_us"] = _us(exchange.first - began)
    if (usage := exchange.usage) is not None:
        record["tokens"] = {
            "in": usage.input_total,
            "cached": usage.cache_read,
            "cache_write": usage.cache_write,
            "out": usage.output_total,
            "reasoning": usage.reasoning,
            "estimated": usage.estimated,
        }
    if exchange.fault is not None:
        record["error"] = exchange.fault.code or exchange.fault.kind
    return bytes(_encode(record)) + b"\n"


def _for_people(exchange: Exchange) -> bytes:
    clock = time.strftime("%H:%M:%S", time.localtime(exchange.created))
    total = ((exchange.ended or exchange.began) - exchange.began) * 1000
    parts = [clock, str(exchange.status or "---"), exchange.method, exchange.path]
    if exchange.asked:
        parts.append(
            exchange.asked if exchange.answered is None else f"{exchange.asked} → {exchange.answered}"
        )
    if exchange.mode:
        parts.append(exchange.mode)
    parts.append(f"{total:.3g} ms")
    if (usage := exchange.usage) is not None:
        parts.append(f"{usage.input_total} in {usage.output_total} out")
    if exchange.losses:
        parts.append(f"{len(exchange.losses)} lost")
    if exchange.end != "done":
        parts.append(str(exchange.end))
    line = " ".join(parts)
    return "".join(c if c.isprintable() else "?" for c in line).encode() + b"\n"


def _us(seconds: float) -> int:
    return int(seconds * 1e6)
