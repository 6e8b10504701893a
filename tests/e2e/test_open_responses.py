"""Whose names the events of reasoning have: those of the description that the client follows."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.testing.provider import Streamed
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit, up

RESPONSE: dict[str, Any] = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}
OURS, OPEN = "response.reasoning_text", "response.reasoning"


def thinking(name: str) -> Streamed:
    """A provider of the Responses API that calls the events so."""
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    place = {"item_id": "rs_1", "output_index": 0, "content_index": 0}
    part = {"type": "reasoning_text", "text": ""}
    frames: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": f"{name}.delta", **place, "delta": "So it is."},
        {"type": f"{name}.done", **place, "text": "So it is."},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {**item, "content": [{"type": "reasoning_text", "text": "So it is."}]},
        },
        {"type": "response.completed", "response": {**RESPONSE, "status": "completed"}},
    ]
    return Streamed([{**frame, "sequence_number": n} for n, frame in enumerate(frames)], named=True)


CHAT = Streamed(
    [
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        for delta, finish in (
            ({"role": "assistant", "reasoning_content": "So it is."}, None),
            ({"content": "Yes."}, "stop"),
        )
    ]
    + ["data: [DONE]\n\n"]
)


async def heard(site: Site, headers: dict[str, str]) -> str:
    body = {"model": "up/m", "input": "hi", "stream": True}
    async with site.session.post(site.base + "/v1/responses", json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [("openai_chat", CHAT), ("openai_responses", thinking(OURS)), ("openai_responses", thinking(OPEN))],
)
@pytest.mark.parametrize(("headers", "name"), [({}, OURS), ({"OpenResponses-Version": "latest"}, OPEN)])
async def test_reasoning_has_the_name_that_its_client_reads(
    visit: Visit, provide: Provide, dialect: str, answer: Any, headers: dict[str, str], name: str
) -> None:
    """Relayed or translated, whatever the provider calls it; the line that names an event says the same."""
    provider = await provide(answer)
    site = await visit(up(provider.url, dialect))
    text = await heard(site, headers)
    other = OPEN if name == OURS else OURS
    for end in (".delta", ".done"):
        assert f"event: {name}{end}\n" in text
        assert f'"type":"{name}{end}"' in text.replace(" ", "")
        assert f"{other}{end}" not in text
    assert "So it is." in text
