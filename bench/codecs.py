"""Rows of codecs alone: what a chat client's words cost on their way to a dialect and back, without IO.

CPU microseconds in this process, on the core under test. There is no floor and no budget: a row is there to
be held against itself, and against its siblings.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from bench.answers import WORDS, Dialect, frames
from bench.figures import Figure
from bench.processes import bound
from bench.requests import chat_request
from bench.stage import Stage
from bench.windows import Effort
from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import translated
from dragoman.wire.sse import SSESplitter

CODECS: tuple[Dialect, ...] = ("anthropic", "gemini", "mistral", "openai_responses")
EVENTS = 500
REQUESTS = 200
_CHAT = DIALECTS["openai_chat"]


async def codecs(stage: Stage, effort: Effort) -> list[Figure]:
    """For each dialect, µs an event of its streams written for a chat client, and µs a request to it."""
    figures: list[Figure] = []
    with bound(stage.cores.subject):
        for name in CODECS:
            title = DIALECTS[name].title
            for key, what, unit, work, count in (
                ("stream", f"codec, {title} stream to chat", "event", _stream(name), EVENTS),
                ("request", f"codec, chat request to {title}", "request", _request(name), REQUESTS),
            ):
                rounds = tuple(_timed(work) / count for _ in range(effort.rounds))
                figures.append(
                    Figure(f"codec-{key}-{name}", what, f"µs a{'n' * (unit == 'event')} {unit}", (), rounds)
                )
    return figures


def _timed(work: Callable[[], None]) -> float:
    """CPU microseconds of doing it, once it is warm."""
    work()
    before = time.process_time()
    work()
    return (time.process_time() - before) * 1e6


def _stream(name: Dialect) -> Callable[[], None]:
    """Decode a stream of EVENTS texts and write it for a chat client."""
    dialect = DIALECTS[name]
    said = frames(name, "m", tuple(WORDS[i % len(WORDS)] for i in range(EVENTS)))
    sent = SSESplitter().feed(b"".join((*said.before, *said.texts, *said.after)))
    request = ir.Request(_CHAT.name, "m", stream=True)

    def work() -> None:
        decoder = dialect.stream.decoder(STANDARD)
        encoder = _CHAT.stream.encoder(Reply(request, Report(_CHAT.name, "response"), "chatcmpl-1", 0, "m"))
        for frame in sent:
            for event in decoder.feed(frame):
                encoder.feed(event)

    return work


def _request(name: Dialect) -> Callable[[], None]:
    """Check, decode, emulate and encode a small chat request."""
    dialect = DIALECTS[name]
    body = msgspec.json.encode(chat_request("m"))

    def work() -> None:
        for _ in range(REQUESTS):
            translated(msgspec.json.decode(body), _CHAT, dialect)

    return work
