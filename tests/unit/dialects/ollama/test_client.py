"""The official client as judge: what it asks is understood, and it reads what others' answers become here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ollama._types import ChatRequest, ChatResponse, GenerateResponse

from dragoman.dialects.loss import Report
from dragoman.dialects.ollama import DIALECT
from dragoman.dialects.ollama.generate import generated, generated_lines
from dragoman.dialects.table import DIALECTS
from dragoman.testing import corpus
from dragoman.testing.case import Case, dialect_of
from tests.unit.dialects.ollama.speaking import wire, written

CASES = Path(__file__).parents[3] / "cases"


def cases(subject: str) -> list[Any]:
    found = []
    for exchange in corpus.read(CASES):
        name = dialect_of(exchange.api)
        if name is not None and subject in (case := Case(exchange, DIALECTS[name], [])).subjects:
            found.append(pytest.param(case, id=exchange.id))
    return found


def strict(model: Any, value: Any) -> Any:
    """The value as the client reads it, with no type made to fit and no member unknown to it."""
    read = model.model_validate(value, strict=True)
    assert value.keys() <= model.model_fields.keys() | {"remote_model", "remote_host"}
    return read


@pytest.mark.parametrize("case", cases("response"))
def test_the_client_reads_whole_answers(case: Case) -> None:
    if case.response.error is not None:
        return
    body = json.loads(
        json.dumps(DIALECT.response.encode(case.response, case.reply(DIALECT, Report("ollama"))))
    )
    read = strict(ChatResponse, body) if case.dialect is not DIALECT else ChatResponse.model_validate(body)
    assert read.message.role == "assistant"
    assert read.done is True
    if case.dialect is not DIALECT:
        assert GenerateResponse.model_validate(generated(body), strict=True).response == read.message.content


@pytest.mark.parametrize("case", cases("stream"))
def test_the_client_reads_every_line(case: Case) -> None:
    encoder = DIALECT.stream.encoder(case.reply(DIALECT, Report("ollama")))
    data = b"".join(map(encoder.feed, case.events))
    read = [json.loads(line) for line in data.splitlines()]
    answers = [ChatResponse.model_validate(line, strict=True) for line in read if "error" not in line]
    assert all(answer.done is False for answer in answers[:-1])
    assert "error" in read[-1] or answers[-1].done is True
    texts = [
        GenerateResponse.model_validate_json(line, strict=True).response
        for line in generated_lines(data).splitlines()
        if b'"error"' not in line[:9]
    ]
    assert texts == [answer.message.content for answer in answers]


@pytest.mark.parametrize(
    "stated",
    [
        {"messages": [{"role": "user", "content": "Hi"}]},
        {
            "messages": [{"role": "user", "content": "Hi"}],
            "think": "high",
            "format": "json",
            "keep_alive": 5.5,
        },
        {
            "messages": [{"role": "user", "content": "Hi"}],
            "tools": [{"function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
            "options": {"temperature": 0.5, "num_ctx": 4096, "stop": ["a"]},
        },
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
                {"role": "tool", "tool_name": "f", "content": "1"},
            ]
        },
    ],
)
def test_what_the_client_asks_passes_and_comes_back(stated: dict[str, Any]) -> None:
    asked = ChatRequest(model="m", stream=True, **stated).model_dump(exclude_none=True, mode="json")
    DIALECT.request.check(wire(asked))
    again = written(DIALECT.request.decode(wire(asked)))
    assert ChatRequest(**again).model_dump(exclude_none=True, mode="json").keys() == asked.keys()
    assert [one["role"] for one in again["messages"]] == [one["role"] for one in asked["messages"]]
