"""A signature that Gemini put on words comes back through the Responses API (5.6).

Its items hold a thought, the words and what a tool did each for itself, and no signature of words.
"""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from dragoman.testing.provider import Answer, Streamed, Whole
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
SIGNATURE = "Q2lvQnNpZ25hdHVyZQ=="
MODEL = "gemini-3-pro"
CODE = [
    {"executableCode": {"language": "PYTHON", "code": "1"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
]
ANSWERS: dict[str, list[Wire]] = {
    "words": [{"text": "Hello", "thoughtSignature": SIGNATURE}],
    "after a thought": [{"text": "hm", "thought": True}, {"text": "Hello", "thoughtSignature": SIGNATURE}],
    "behind the words": [
        {"text": "hm", "thought": True},
        {"text": "Hello"},
        {"text": "", "thoughtSignature": SIGNATURE},
    ],
    "after the provider's tool": [
        {"text": "First."},
        *CODE,
        {"text": "Then.", "thoughtSignature": SIGNATURE},
    ],
}


def answer(parts: list[Wire], *, stream: bool) -> Answer:
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}

    def chunk(parts: list[Wire], **beside: Any) -> Wire:
        candidate = {"content": {"parts": parts, "role": "model"}, "index": 0, **beside}
        return {"candidates": [candidate], "modelVersion": MODEL}

    if not stream:
        return Whole({**chunk(parts, finishReason="STOP"), "usageMetadata": usage})
    last = {**chunk([{"text": ""}], finishReason="STOP"), "usageMetadata": usage}
    return Streamed([*(chunk([part]) for part in parts), last], line_end="\r\n")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("stored", [False, True], ids=["items", "previous"])
@pytest.mark.parametrize("parts", ANSWERS.values(), ids=ANSWERS)
async def test_it_comes_back(
    visit: Visit, provide: Provide, parts: list[Wire], stored: bool, stream: bool
) -> None:
    provider = await provide(answer(parts, stream=stream))
    up = {"dialect": "gemini", "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"up": up}, "retries": {"attempts": 1}})
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key="x", max_retries=0) as client:

        async def ask(**fields: Any) -> Any:
            asked = {"model": f"up/{MODEL}", **fields}
            if not stream:
                return await client.responses.create(**asked)
            events = await client.responses.create(**asked, stream=True)
            (last,) = [event async for event in events if event.type == "response.completed"]
            return last.response

        if stored:
            first = await ask(input="q")
            await ask(input="And?", previous_response_id=first.id)
        else:
            first = await ask(input="q", store=False)
            output = [item.model_dump(exclude_none=True) for item in first.output]
            history = [{"role": "user", "content": "q"}, *output, {"role": "user", "content": "And?"}]
            await ask(input=history, store=False)
    returned = [part for part in provider.last.body["contents"][1]["parts"] if not part.get("thought")]
    assert returned == [part for part in parts if not part.get("thought")]
