"""Anthropic's Messages API."""

from __future__ import annotations

import json
from typing import Any

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole
from tests.e2e.answers.said import Said, pieces

STOPS = {"end": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "filter": "refusal"}


def anthropic(said: Said) -> Script:
    """The answer as Anthropic's Messages API gives it, whole or streamed as the request asks."""

    def answer(seen: Seen) -> Answer:
        speaks = _Speaks(said, seen.body)
        return speaks.stream() if seen.body.get("stream") else speaks.whole()

    return answer


class _Speaks:
    def __init__(self, said: Said, body: dict[str, Any]) -> None:
        self.said = said
        self.thinks = bool(said.thought or said.seal) and "thinking" in body
        self.message: dict[str, Any] = {
            "id": "msg_up",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5-20250929",
            "stop_sequence": None,
        }
        self.stopped = {
            "stop_reason": "tool_use" if said.calls else STOPS[said.stop],
            "stop_sequence": body["stop_sequences"][0] if said.stop == "sequence" else None,
        }
        cached = {"cache_read_input_tokens": said.cached_tokens} if said.cached_tokens else {}
        self.usage: dict[str, Any] = {
            "input_tokens": said.input_tokens - said.cached_tokens,
            "output_tokens": said.output_tokens,
            **cached,
        }
        if said.reasoning_tokens:
            self.usage["output_tokens_details"] = {"thinking_tokens": said.reasoning_tokens}

    def whole(self) -> Whole:
        said = self.said
        content: list[Any] = []
        if self.thinks:
            content.append({"type": "thinking", "thinking": said.thought, "signature": said.seal})
        if said.text:
            content.append({"type": "text", "text": said.text})
        content += [
            {"type": "tool_use", "id": i, "name": n, "input": json.loads(a)} for i, n, a in said.calls
        ]
        return Whole({**self.message, "content": content, **self.stopped, "usage": self.usage})

    def stream(self) -> Streamed:
        said = self.said
        start = {
            **self.message,
            "content": [],
            "stop_reason": None,
            "usage": {**self.usage, "output_tokens": 1},
        }
        frames: list[Any] = [{"type": "message_start", "message": start}, {"type": "ping"}]
        for index, (block, deltas) in enumerate(self._blocks()):
            frames.append({"type": "content_block_start", "index": index, "content_block": block})
            frames += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            frames.append({"type": "content_block_stop", "index": index})
        if said.die:
            return Streamed(frames, named=True, pause=said.pause, die=True)
        # Recordings since Claude 4 state all of it again here; clients count by this statement alone.
        last = {"type": "message_delta", "delta": self.stopped, "usage": self.usage}
        frames += [last, {"type": "message_stop"}]
        return Streamed(frames, named=True, pause=said.pause)

    def _blocks(self) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        said = self.said
        blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        if self.thinks:
            deltas: list[dict[str, Any]] = [
                {"type": "thinking_delta", "thinking": piece} for piece in pieces(said.thought)
            ]
            deltas.append({"type": "signature_delta", "signature": said.seal})
            blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
        if said.text:
            texts = [{"type": "text_delta", "text": piece} for piece in pieces(said.text)]
            blocks.append(({"type": "text", "text": ""}, texts))
        for id_, name, arguments in said.calls:
            written = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(arguments)]
            blocks.append(({"type": "tool_use", "id": id_, "name": name, "input": {}}, written))
        return blocks
