"""Answers of fake upstreams in each dialect, for one conversation: the same facts, two ways to say them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole

Call = tuple[str, str, str]
"""id, name, arguments as JSON text."""


class Said(msgspec.Struct, frozen=True):
    """What the fake model answers. pause: seconds between the frames of a stream."""

    text: str = "Hello there!"
    calls: tuple[Call, ...] = ()
    input_tokens: int = 12
    output_tokens: int = 7
    pause: float = 0.0
    die: bool = False


def openai_chat(said: Said) -> Script:
    """The answer as OpenAI's chat API gives it, whole or streamed as the request asks."""

    def answer(seen: Seen) -> Answer:
        head = {"id": "chatcmpl-up", "created": 1_700_000_000, "model": "gpt-4o-2024-08-06"}
        stop = "tool_calls" if said.calls else "stop"
        total = said.input_tokens + said.output_tokens
        usage = {
            "prompt_tokens": said.input_tokens,
            "completion_tokens": said.output_tokens,
            "total_tokens": total,
        }
        if not seen.body.get("stream"):
            message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": None}
            if said.calls:
                message["tool_calls"] = [
                    {"id": i, "type": "function", "function": {"name": n, "arguments": a}}
                    for i, n, a in said.calls
                ]
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": stop}
            return Whole({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        chunk = {**head, "object": "chat.completion.chunk"}

        def delta(content: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
            return {
                **chunk,
                "choices": [{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish}],
            }

        frames: list[Any] = [delta({"role": "assistant", "content": "", "refusal": None})]
        frames += [delta({"content": piece}) for piece in _pieces(said.text)]
        for place, (id_, name, arguments) in enumerate(said.calls):
            function = {"name": name, "arguments": ""}
            frames.append(
                delta({"tool_calls": [{"index": place, "id": id_, "type": "function", "function": function}]})
            )
            frames += [
                delta({"tool_calls": [{"index": place, "function": {"arguments": piece}}]})
                for piece in _pieces(arguments)
            ]
        if said.die:
            return Streamed(frames, pause=said.pause, die=True)
        frames.append(delta({}, stop))
        if (seen.body.get("stream_options") or {}).get("include_usage"):
            frames.append({**chunk, "choices": [], "usage": usage})
        return Streamed([*frames, b"data: [DONE]\n\n"], pause=said.pause)

    return answer


def anthropic(said: Said) -> Script:
    """The answer as Anthropic's Messages API gives it, whole or streamed as the request asks."""

    def answer(seen: Seen) -> Answer:
        stop = "tool_use" if said.calls else "end_turn"
        message: dict[str, Any] = {
            "id": "msg_up",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5-20250929",
            "stop_sequence": None,
        }
        usage = {"input_tokens": said.input_tokens, "output_tokens": said.output_tokens}
        if not seen.body.get("stream"):
            content: list[Any] = [{"type": "text", "text": said.text}] if said.text else []
            content += [
                {"type": "tool_use", "id": i, "name": n, "input": json.loads(a)} for i, n, a in said.calls
            ]
            return Whole({**message, "content": content, "stop_reason": stop, "usage": usage})
        start = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        frames: list[Any] = [{"type": "message_start", "message": start}, {"type": "ping"}]
        index = 0
        if said.text:
            frames.append(
                {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}
            )
            frames += [
                {
                    "type": "content_block_delta",
                    "index": index,
                    "delta": {"type": "text_delta", "text": piece},
                }
                for piece in _pieces(said.text)
            ]
            frames.append({"type": "content_block_stop", "index": index})
            index += 1
        for id_, name, arguments in said.calls:
            block = {"type": "tool_use", "id": id_, "name": name, "input": {}}
            frames.append({"type": "content_block_start", "index": index, "content_block": block})
            frames += [
                {
                    "type": "content_block_delta",
                    "index": index,
                    "delta": {"type": "input_json_delta", "partial_json": piece},
                }
                for piece in _pieces(arguments)
            ]
            frames.append({"type": "content_block_stop", "index": index})
            index += 1
        if said.die:
            return Streamed(frames, named=True, pause=said.pause, die=True)
        frames.append(
            {
                "type": "message_delta",
                "delta": {"stop_reason": stop, "stop_sequence": None},
                "usage": {"output_tokens": said.output_tokens},
            }
        )
        frames.append({"type": "message_stop"})
        return Streamed(frames, named=True, pause=said.pause)

    return answer


DIALECTS: dict[str, Callable[[Said], Script]] = {"openai_chat": openai_chat, "anthropic": anthropic}


OPENING = {"openai_chat": 1, "anthropic": 3}
"""How many frames of a stream come before its first content."""


def frames(dialect: str, text: str, *, usage: bool = False) -> list[Any]:
    """The frames of a good answer. usage: as if it had been asked for."""
    asked = {"stream": True, "stream_options": {"include_usage": usage}}
    answer = DIALECTS[dialect](Said(text))
    assert callable(answer)
    made = answer(Seen("POST", "/", {}, {}, json.dumps(asked).encode()))
    assert isinstance(made, Streamed)
    return list(made.frames)


def streamed(dialect: str, sent: list[Any], **options: Any) -> Streamed:
    """These frames as this dialect's provider frames them."""
    return Streamed(sent, named=dialect == "anthropic", **options)


def joined(dialect: str, sent: list[Any]) -> bytes:
    """These frames in one piece."""
    texts = [
        f"data: {json.dumps(frame)}\n\n" if isinstance(frame, dict) else frame.decode() for frame in sent
    ]
    if dialect == "anthropic":
        texts = [f"event: {frame['type']}\n{text}" for frame, text in zip(sent, texts, strict=True)]
    return "".join(texts).encode()


def refusal(dialect: str, status: int, code: str, message: str, param: str | None = None) -> Whole:
    """An error as this dialect's provider words it. code: OpenAI's, or Anthropic's error type."""
    if dialect == "anthropic":
        return Whole(
            {"type": "error", "error": {"type": code, "message": message}, "request_id": "req_up"}, status
        )
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Whole({"error": error}, status)


def _pieces(text: str) -> list[str]:
    return [text[i : i + 5] for i in range(0, len(text), 5)]
