"""What the fake provider says: whole HTTP answers as bytes, made once per model name.

The model's name is the order: `answer` is one small answer, `answer-4000` one of 4,000 words, `stream-500-3`
a stream of 500 text events 3 ms apart (0: all at once), `flood-100` a stream of 100 MB as fast as the reader
takes it. Shapes, header lists and sizes are those of the real services. Nothing here may depend on anything
but the name.

https://platform.openai.com/docs/api-reference/chat · https://docs.anthropic.com/en/api/messages-streaming ·
https://platform.openai.com/docs/api-reference/responses · https://ai.google.dev/api/generate-content ·
https://docs.mistral.ai/api
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

WORDS = (" some", " word", " flow", " past", " here", " then", " also", " last")
"""Five characters each, said in turn: the text of every answer can be told from its number of events."""

ANSWER_WORDS = 40
FLOOD_TEXT = "x" * 4_000
FLOOD_EVENT = 240
"""Bytes of a Responses event of one word, about. Such a stream says its text four times again at its end, so
a large one is made of many small events, as real ones are."""
BLOCK = 64 * 1024
"""Bytes that an unpaced stream writes at a time, so that a slow reader is noticed between two of them."""

Dialect = Literal["openai_chat", "openai_responses", "anthropic", "gemini", "mistral"]
Json = dict[str, Any]

_ORDER = re.compile(r"answer(?:-(\d+))?|stream-(\d+)-(\d+)|flood-(\d+)")

_OPENAI_HEADERS = (
    "date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    "connection: keep-alive\r\n"
    "access-control-expose-headers: X-Request-ID\r\n"
    "openai-organization: bench\r\n"
    "openai-processing-ms: 584\r\n"
    "openai-version: 2020-10-01\r\n"
    "x-ratelimit-limit-requests: 10000\r\n"
    "x-ratelimit-limit-tokens: 2000000\r\n"
    "x-ratelimit-remaining-requests: 9999\r\n"
    "x-ratelimit-remaining-tokens: 1999976\r\n"
    "x-ratelimit-reset-requests: 6ms\r\n"
    "x-ratelimit-reset-tokens: 0s\r\n"
    "x-request-id: req_5d7c3f6ae2f14f0cbe3b1f1a4c2d9e80\r\n"
    "strict-transport-security: max-age=31536000; includeSubDomains; preload\r\n"
    "x-content-type-options: nosniff\r\n"
    "server: cloudflare\r\n"
)
_ANTHROPIC_HEADERS = (
    "date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    "connection: keep-alive\r\n"
    "anthropic-ratelimit-input-tokens-limit: 10000000\r\n"
    "anthropic-ratelimit-input-tokens-remaining: 9999000\r\n"
    "anthropic-ratelimit-input-tokens-reset: 2026-11-21T12:00:00Z\r\n"
    "anthropic-ratelimit-output-tokens-limit: 2000000\r\n"
    "anthropic-ratelimit-output-tokens-remaining: 1999000\r\n"
    "anthropic-ratelimit-output-tokens-reset: 2026-11-21T12:00:00Z\r\n"
    "anthropic-ratelimit-requests-limit: 10000\r\n"
    "anthropic-ratelimit-requests-remaining: 9999\r\n"
    "anthropic-ratelimit-requests-reset: 2026-11-21T12:00:00Z\r\n"
    "anthropic-organization-id: 00000000-0000-4000-8000-000000000000\r\n"
    "request-id: req_011CeCGmGRc8bSVtYuB5b7yR\r\n"
    "strict-transport-security: max-age=31536000; includeSubDomains; preload\r\n"
    "server: cloudflare\r\n"
)
_GEMINI_HEADERS = (
    "vary: Origin\r\n"
    "vary: X-Origin\r\n"
    "vary: Referer\r\n"
    "date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    "server: scaffolding on HTTPServer2\r\n"
    "x-xss-protection: 0\r\n"
    "x-frame-options: SAMEORIGIN\r\n"
    "x-content-type-options: nosniff\r\n"
    "server-timing: gfet4t7; dur=584\r\n"
    'alt-svc: h3=":443"; ma=2592000,h3-29=":443"; ma=2592000\r\n'
)
_MISTRAL_HEADERS = (
    "date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    "connection: keep-alive\r\n"
    "mistral-correlation-id: 01938b3c-5d7c-7f6a-8e2f-14f0cbe3b1f1\r\n"
    "x-ratelimit-limit-req-minute: 360\r\n"
    "x-ratelimit-remaining-req-minute: 359\r\n"
    "x-envoy-upstream-service-time: 584\r\n"
    "server: cloudflare\r\n"
)
_HEADERS: dict[Dialect, str] = {
    "openai_chat": _OPENAI_HEADERS,
    "openai_responses": _OPENAI_HEADERS,
    "anthropic": _ANTHROPIC_HEADERS,
    "gemini": _GEMINI_HEADERS,
    "mistral": _MISTRAL_HEADERS,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, ready to be written.

    opening: the status line, the headers and what comes at once. pieces: what follows, each written on its
    own. pause: seconds before each piece; 0 writes them as fast as the reader takes them.
    """

    opening: bytes
    pieces: tuple[bytes, ...] = ()
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Frames:
    """The server-sent events of one stream: before the text, one for each text, after it."""

    before: tuple[bytes, ...]
    texts: tuple[bytes, ...]
    after: tuple[bytes, ...]


@functools.cache
def answer(dialect: Dialect, model: str, *, stream: bool, usage: bool) -> Answer:
    """The bytes for one order; `usage` asks for the chat dialect's usage chunk.

    Raises ValueError for a model name that is no order, or a stream that was not asked for as one.
    """
    order = _ORDER.fullmatch(model)
    if order is None or stream is model.startswith("answer"):
        raise ValueError(f"no answer for model {model!r} with stream={stream}")
    if not stream:
        return _whole(dialect, _BODIES[dialect](model, words_of(model)))
    _, events, milliseconds, megabytes = order.groups()
    if megabytes is None:
        texts = _words(int(events))
    elif dialect == "openai_responses":
        texts = _words(int(megabytes) * 1_000_000 // FLOOD_EVENT)
    else:
        texts = (FLOOD_TEXT,) * (int(megabytes) * 1_000_000 // len(FLOOD_TEXT))
    return _streamed(dialect, frames(dialect, model, texts, usage=usage), int(milliseconds or 0) / 1000)


def frames(dialect: Dialect, model: str, texts: tuple[str, ...], *, usage: bool = False) -> Frames:
    """The events of a stream with these texts; only the chat dialect tells its usage when asked alone."""
    if dialect == "openai_chat":
        return _chat_frames(model, texts, usage=usage)
    return _FRAMES[dialect](model, texts)


def text_of(words: int) -> str:
    """The text of an answer of so many words, or of a stream of so many events."""
    return "".join(_words(words))


def words_of(model: str) -> int:
    """How many words the whole answer of an order `answer` or `answer-N` has; of no other order."""
    return int(model.partition("-")[2] or ANSWER_WORDS)


def _words(events: int) -> tuple[str, ...]:
    return tuple(WORDS[i % len(WORDS)] for i in range(events))


def _whole(dialect: Dialect, body: Json) -> Answer:
    encoded = _json(body)
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        f"{_HEADERS[dialect]}content-length: {len(encoded)}\r\n\r\n"
    )
    return Answer(head.encode() + encoded)


def _streamed(dialect: Dialect, frames: Frames, pause: float) -> Answer:
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        f"{_HEADERS[dialect]}cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    before = head.encode() + b"".join(map(_chunk, frames.before))
    after = b"".join(map(_chunk, frames.after)) + b"0\r\n\r\n"
    made = {frame: _chunk(frame) for frame in set(frames.texts)}
    pieces = [made[frame] for frame in frames.texts]
    if pause:
        return Answer(before, (*pieces, after), pause)
    return Answer(before, _blocks([*pieces, after]))


def _blocks(pieces: list[bytes]) -> tuple[bytes, ...]:
    """Join neighbours up to BLOCK bytes; equal blocks are one object, so that a long stream is small here."""
    blocks: dict[bytes, bytes] = {}
    out: list[bytes] = []
    pending: list[bytes] = []
    size = 0
    for i, piece in enumerate(pieces):
        pending.append(piece)
        size += len(piece)
        if size >= BLOCK or i == len(pieces) - 1:
            block = b"".join(pending)
            out.append(blocks.setdefault(block, block))
            pending, size = [], 0
    return tuple(out)


def _chunk(frame: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def _json(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _chat_body(model: str, words: int) -> Json:
    return {
        "id": "chatcmpl-E4Rjs6IxaJVge9Ntk5keJsaeDy6vS",
        "object": "chat.completion",
        "created": 1784728648,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": text_of(words),
                    "refusal": None,
                    "annotations": [],
                },
                "finish_reason": "stop",
            }
        ],
        "usage": _chat_usage(words),
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _chat_usage(completion: int) -> Json:
    return {
        "prompt_tokens": 13,
        "completion_tokens": completion,
        "total_tokens": 13 + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _chat_frames(model: str, texts: tuple[str, ...], *, usage: bool) -> Frames:
    def frame(choices: list[Json], rest: Json) -> bytes:
        chunk = {
            "id": "chatcmpl-E4Rjs6IxaJVge9Ntk5keJsaeDy6vS",
            "object": "chat.completion.chunk",
            "created": 1784728648,
            "model": model,
            "service_tier": "default",
            "system_fingerprint": None,
            "choices": choices,
            **rest,
            "obfuscation": "CVQ55DocFW",
        }
        return b"data: " + _json(chunk) + b"\n\n"

    nothing_yet: Json = {"usage": None} if usage else {}

    def delta(said: Json, finish: str | None = None) -> bytes:
        return frame([{"index": 0, "delta": said, "finish_reason": finish}], nothing_yet)

    made = {text: delta({"content": text}) for text in set(texts)}
    last = [delta({}, "stop")]
    if usage:
        last.append(frame([], {"usage": _chat_usage(len(texts))}))
    return Frames(
        before=(delta({"role": "assistant", "content": "", "refusal": None}),),
        texts=tuple(made[text] for text in texts),
        after=(*last, b"data: [DONE]\n\n"),
    )


def _response_object(model: str, output: list[Json], usage: Json | None) -> Json:
    return {
        "id": "resp_033a256de3f2aada0068fe69c8e41c8198b0c3093f4a7c7fea",
        "object": "response",
        "created_at": 1784728648,
        "status": "in_progress" if usage is None else "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": "You are a helpful assistant.",
        "max_output_tokens": 512,
        "max_tool_calls": None,
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "auto" if usage is None else "default",
        "store": False,
        "temperature": 0.7,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        "metadata": {},
    }


_RESPONSE_ITEM = "msg_033a256de3f2aada0068fe69c9778081989f4bc6a8ec444b97"


def _response_part(text: str) -> Json:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _response_item(status: str, content: list[Json]) -> Json:
    return {
        "id": _RESPONSE_ITEM,
        "type": "message",
        "status": status,
        "content": content,
        "role": "assistant",
    }


def _response_usage(output: int) -> Json:
    return {
        "input_tokens": 13,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 13 + output,
    }


def _response_body(model: str, words: int) -> Json:
    item = _response_item("completed", [_response_part(text_of(words))])
    return _response_object(model, [item], _response_usage(words))


def _response_frames(model: str, texts: tuple[str, ...]) -> Frames:
    """Every event has a number, and what the deltas said is said again as text, part, item and answer."""
    place = {"item_id": _RESPONSE_ITEM, "output_index": 0, "content_index": 0}
    running = _response_object(model, [], None)
    text = "".join(texts)
    part = _response_part(text)
    item = _response_item("completed", [part])

    def frame(kind: str, number: int, members: Json) -> bytes:
        kind = f"response.{kind}"
        event = {"type": kind, "sequence_number": number, **members}
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _json(event))

    def delta(number: int, said: str) -> bytes:
        members = {**place, "delta": said, "logprobs": [], "obfuscation": "CVQ55DocFW"}
        return frame("output_text.delta", number, members)

    end = 4 + len(texts)
    return Frames(
        before=(
            frame("created", 0, {"response": running}),
            frame("in_progress", 1, {"response": running}),
            frame("output_item.added", 2, {"output_index": 0, "item": _response_item("in_progress", [])}),
            frame("content_part.added", 3, {**place, "part": _response_part("")}),
        ),
        texts=tuple(delta(4 + i, said) for i, said in enumerate(texts)),
        after=(
            frame("output_text.done", end, {**place, "text": text, "logprobs": []}),
            frame("content_part.done", end + 1, {**place, "part": part}),
            frame("output_item.done", end + 2, {"output_index": 0, "item": item}),
            frame(
                "completed",
                end + 3,
                {"response": _response_object(model, [item], _response_usage(len(texts)))},
            ),
        ),
    )


def _message_body(model: str, words: int) -> Json:
    return {
        "model": model,
        "id": "msg_011CeCGmGRc8bSVtYuB5b7yR",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text_of(words)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": _message_usage(words),
    }


def _message_usage(output: int) -> Json:
    return {
        "input_tokens": 13,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    }


def _message_frames(model: str, texts: tuple[str, ...]) -> Frames:
    def frame(event: Json) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), _json(event))

    def delta(text: str) -> bytes:
        return frame(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        )

    message = {**_message_body(model, 0), "content": [], "stop_reason": None, "usage": _message_usage(1)}
    made = {text: delta(text) for text in set(texts)}
    return Frames(
        before=(
            frame({"type": "message_start", "message": message}),
            frame({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            frame({"type": "ping"}),
        ),
        texts=tuple(made[text] for text in texts),
        after=(
            frame({"type": "content_block_stop", "index": 0}),
            frame(
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": len(texts)},
                }
            ),
            frame({"type": "message_stop"}),
        ),
    )


def _generated(model: str, text: str, tokens: int, finish: str | None = None) -> Json:
    candidate: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    return {
        "candidates": [candidate | ({"finishReason": finish} if finish else {})],
        "usageMetadata": {
            "promptTokenCount": 13,
            "candidatesTokenCount": tokens,
            "totalTokenCount": 13 + tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 13}],
        },
        "modelVersion": model,
        "responseId": "dX6LadKVC7SZ28oPr9yJoQs",
    }


def _generated_body(model: str, words: int) -> Json:
    return _generated(model, text_of(words), words, "STOP")


def _generated_frames(model: str, texts: tuple[str, ...]) -> Frames:
    """Google ends lines with CR LF, and states the usage so far in every event."""

    def frame(event: Json) -> bytes:
        return b"data: " + _json(event) + b"\r\n\r\n"

    made = {text: frame(_generated(model, text, len(texts))) for text in set(texts)}
    return Frames(
        before=(),
        texts=tuple(made[text] for text in texts),
        after=(frame(_generated(model, "", len(texts), "STOP")),),
    )


def _mistral_usage(completion: int) -> Json:
    return {"prompt_tokens": 13, "total_tokens": 13 + completion, "completion_tokens": completion}


def _mistral_body(model: str, words: int) -> Json:
    return {
        "id": "cmpl-e5cc70bb28c444948073e77776eb30ef",
        "object": "chat.completion",
        "created": 1784728648,
        "model": model,
        "usage": _mistral_usage(words),
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "tool_calls": None, "content": text_of(words)},
            }
        ],
    }


def _mistral_frames(model: str, texts: tuple[str, ...]) -> Frames:
    def frame(delta: Json, finish: str | None = None, **more: Any) -> bytes:
        chunk = {
            "id": "cmpl-e5cc70bb28c444948073e77776eb30ef",
            "object": "chat.completion.chunk",
            "created": 1784728648,
            "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            **more,
        }
        return b"data: " + _json(chunk) + b"\n\n"

    made = {text: frame({"content": text}) for text in set(texts)}
    return Frames(
        before=(frame({"role": "assistant", "content": ""}),),
        texts=tuple(made[text] for text in texts),
        after=(frame({"content": ""}, "stop", usage=_mistral_usage(len(texts))), b"data: [DONE]\n\n"),
    )


_BODIES: dict[Dialect, Callable[[str, int], Json]] = {
    "openai_chat": _chat_body,
    "openai_responses": _response_body,
    "anthropic": _message_body,
    "gemini": _generated_body,
    "mistral": _mistral_body,
}
_FRAMES: dict[Dialect, Callable[[str, tuple[str, ...]], Frames]] = {
    "openai_responses": _response_frames,
    "anthropic": _message_frames,
    "gemini": _generated_frames,
    "mistral": _mistral_frames,
}
