"""0.2: a relayed request for a response is its client's own, but for what keeps the answer here alone, and
that is named.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.answers.said import Said
from tests.e2e.conftest import Provide, Visit

SEALED = "reasoning.encrypted_content"
STORED: tuple[str | None, str] = ("$.store", "$.store")
UNSAID: tuple[str | None, str] = (None, "$.store")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "asked", "sent", "named"),
    [
        ("gpt-4o", {"store": False}, {"store": False}, []),
        ("gpt-4o", {"store": True}, {"store": False}, [STORED]),
        ("gpt-4o", {}, {"store": False}, [UNSAID]),
        ("gpt-4o", {"store": False, "include": [SEALED]}, {"store": False}, [("$.include", "")]),
        ("gpt-5", {"store": False, "include": [SEALED]}, {"store": False, "include": [SEALED]}, []),
        ("gpt-5", {"store": False}, {"store": False, "include": [SEALED]}, [(None, "$.include")]),
        (
            "gpt-4o",
            {"store": False, "include": ["message.output_text.logprobs", SEALED]},
            {"store": False, "include": ["message.output_text.logprobs"]},
            [("$.include", "$.include")],
        ),
    ],
)
async def test_what_is_sent_otherwise_is_named(
    visit: Visit,
    provide: Provide,
    stream: bool,
    model: str,
    asked: dict[str, Any],
    sent: dict[str, Any],
    named: list[tuple[str | None, str]],
) -> None:
    provider = await provide(openai_responses(Said()))
    site = await visit({"providers": {"openai": {"base_url": provider.url, "keys": ["up-key"]}}})
    body = {"model": f"openai/{model}", "input": "Hello!", "stream": stream, **asked}
    headers = {"x-dragoman-report": "1"}
    async with site.session.post(f"{site.base}/v1/responses", json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        report = json.loads(answer.headers["x-dragoman-report"])
    assert provider.last.body == {"model": model, "input": "Hello!", "stream": stream, **sent}
    assert report["losses"] == []
    changes = [(change["path"], change["to"]) for change in report["changes"]]
    assert [change for change in changes if change[0] != "id"] == named
