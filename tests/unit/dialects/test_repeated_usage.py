"""Usage that a stream states several times: the decoder and the relay count it once, and alike."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DIALECTS
from dragoman.testing.case import events_of
from tests.unit.dialects.replies import showing

SAID: dict[str, Any] = {"id": "r", "object": "response", "model": "m", "output": []}
WHOLE = ir.Usage(10, output=5)


def counted(prompt: int, completion: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def chunk(usage: Any = None, finish: str | None = None, *, bare: bool = False) -> dict[str, Any]:
    choice = {"index": 0, "delta": {} if finish else {"content": "a"}, "text": "a", "finish_reason": finish}
    told = {} if usage is None else {"usage": usage}
    return {"id": "c", "choices": [] if bare else [choice], **told}


def google(usage: dict[str, int] | None, finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": [{"text": "a"}]}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **({} if usage is None else {"usageMetadata": usage})}


def gemini(prompt: int, answer: int | None = None) -> dict[str, int]:
    counts = {"promptTokenCount": prompt, "totalTokenCount": prompt + (answer or 0)}
    return counts if answer is None else {**counts, "candidatesTokenCount": answer}


def responses(created: Any, completed: Any) -> list[dict[str, Any]]:
    begun = {**SAID, "status": "in_progress", "usage": created}
    done = {**SAID, "status": "completed", "usage": completed}
    return [
        {"type": "response.created", "response": begun},
        {"type": "response.completed", "response": done},
    ]


def read(prompt: int, answer: int) -> dict[str, int]:
    return {"input_tokens": prompt, "output_tokens": answer, "total_tokens": prompt + answer}


STREAMS: dict[str, tuple[str, list[dict[str, Any]], ir.Usage | None]] = {
    **{
        f"{dialect}, {name}": (dialect, frames, WHOLE)
        for dialect in ("openai_chat", "openai_completions", "mistral")
        for name, frames in {
            "growing": [
                chunk(counted(10, 1)),
                chunk(counted(10, 5), "stop"),
                chunk(counted(10, 5), bare=True),
            ],
            "zeros first": [chunk(counted(0, 0)), chunk(None, "stop"), chunk(counted(10, 5), bare=True)],
            "zeros last": [chunk(), chunk(counted(10, 5), "stop"), chunk(counted(0, 0), bare=True)],
        }.items()
    },
    "gemini, growing": ("gemini", [google(gemini(10, 1)), google(gemini(10, 5), "STOP")], WHOLE),
    "gemini, in the first chunk": ("gemini", [google(gemini(10, 5)), google(None, "STOP")], WHOLE),
    # The last two chunks of a recorded answer have signatures, and no count of the answer.
    "gemini, the answer earlier": ("gemini", [google(gemini(10, 5)), google(gemini(10), "STOP")], WHOLE),
    "gemini, the answer much earlier": (
        "gemini",
        [
            google(gemini(10, 5)),
            google(gemini(10), "STOP"),
            {"usageMetadata": gemini(10)},
        ],
        WHOLE,
    ),
    "responses, twice": ("openai_responses", responses(read(10, 0), read(10, 5)), WHOLE),
    "responses, before the end alone": ("openai_responses", responses(read(0, 0), None), None),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_decoder_and_the_relay_count_the_same(name: str) -> None:
    dialect, stated, usage = STREAMS[name]
    frames = [msgspec.json.encode(frame) for frame in stated]
    folded = ir.fold(events_of(DIALECTS[dialect].stream.decoder(STANDARD), frames))
    assert _tokens(folded.usage) == usage
    if dialect != "mistral":  # it is no face, so its streams are never relayed
        relay = DIALECTS[dialect].relay.stream(showing(None))
        for frame in frames:
            relay.feed(frame)
        relay.close()
        assert _tokens(relay.usage) == usage


def _tokens(usage: ir.Usage | None) -> ir.Usage | None:
    return None if usage is None else ir.Usage(usage.input, output=usage.output)
