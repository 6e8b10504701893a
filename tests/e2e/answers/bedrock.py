"""Bedrock's Converse API: one block after another, its signature behind a thought, token counts apart."""

from __future__ import annotations

import json
from typing import Any

from dragoman.testing.provider import Answer, Script, Seen, Whole
from tests.e2e.answers.said import Said
from tests.e2e.strict.bedrock import frames, stream

_END = 3
"""The messages after the last piece of content: the ends of block and message, and the usage."""
STOPS = {"end": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "filter": "content_filtered"}


def bedrock(said: Said) -> Script:
    """The answer as the Converse API gives it, whole or streamed as the path asks."""

    def answer(seen: Seen) -> Answer:
        thinking = seen.body.get("additionalModelRequestFields", {}).get("thinking", {}).get("type")
        blocks = _blocks(said, thinks=thinking in {"enabled", "adaptive"})
        stop = "tool_use" if said.calls else STOPS[said.stop]
        if seen.target.endswith("/converse-stream"):
            pieces = frames(blocks, stop, _usage(said))
            return stream(pieces[:-_END] if said.die else pieces, die=said.die)
        message = {"role": "assistant", "content": blocks}
        told = {"metrics": {"latencyMs": 250}, "output": {"message": message}}
        return Whole({**told, "stopReason": stop, "usage": _usage(said)})

    return answer


def _blocks(said: Said, *, thinks: bool) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought and thinks:
        blocks.append({"reasoningContent": {"reasoningText": {"text": said.thought, "signature": said.seal}}})
    if said.text:
        blocks.append({"text": said.text})
    for id_, name, arguments in said.calls:
        blocks.append({"toolUse": {"toolUseId": id_, "name": name, "input": json.loads(arguments)}})
    return blocks


def _usage(said: Said) -> dict[str, Any]:
    return {
        "inputTokens": said.input_tokens - said.cached_tokens,
        "outputTokens": said.output_tokens,
        "totalTokens": said.input_tokens + said.output_tokens,
        "cacheReadInputTokens": said.cached_tokens,
        "cacheWriteInputTokens": 0,
    }
