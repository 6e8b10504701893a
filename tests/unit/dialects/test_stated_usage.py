"""The usage in answers of unknown protocols, by the names of its counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.stated_usage import Answer, Stated


def read(kind: str, data: bytes, cut: int = 7) -> Stated:
    answer = Answer(kind)
    for place in range(0, len(data), cut):
        answer.feed(data[place : place + cut])
    return answer.stated()


def events(*values: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}, (3, None, 4)),
        ({"usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}, (3, None, 4)),
        ({"usage": {"input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 4}}, (3, 5, 4)),
        ({"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}},
         (3, None, 4)),
        ({"usage": {"billed_units": {"input_tokens": 3}, "tokens": {"input_tokens": 9}}}, (9, None, None)),
        ({"meta": {"billed_units": {"input_tokens": 3, "output_tokens": 4}}}, (3, None, 4)),
        ({"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}, (3, None, 4)),
    ],
)  # fmt: skip
def test_by_the_names_of_its_counts(value: dict[str, Any], counts: tuple[int | None, ...]) -> None:
    stated = read("application/json; charset=utf-8", json.dumps({"data": [1], **value}).encode())
    assert stated.usage is not None
    assert (stated.usage.input, stated.usage.cache_read, stated.usage.output) == counts
    assert (stated.model, stated.units) == (None, None)


def test_interactions_of_google() -> None:
    usage = {
        "total_tokens": 336,
        "total_input_tokens": 267,
        "input_tokens_by_modality": [{"modality": "text", "tokens": 9}, {"modality": "image", "tokens": 258}],
        "total_cached_tokens": 20,
        "total_output_tokens": 3,
        "total_tool_use_tokens": 9,
        "total_thought_tokens": 57,
    }
    counts = ir.Usage(
        247,
        20,
        tool_input=9,
        output=3,
        reasoning=57,
        detail={"input_text": 9, "input_image": 258},
    )
    whole = json.dumps({"model": "gemini-2.5-flash", "usage": usage}).encode()
    assert read("application/json", whole) == Stated("gemini-2.5-flash", counts)
    last = {"event_type": "interaction.completed", "interaction": {"model": "gemini", "usage": usage}}
    assert read("text/event-stream", events({"delta": {}}, last)) == Stated("gemini", counts)
    odd = {"total_input_tokens": 5, "input_tokens_by_modality": ["x"], "total_output_tokens": 1}
    assert read("application/json", json.dumps({"usage": odd}).encode()).usage == ir.Usage(5, output=1)


def test_pages_and_searches() -> None:
    told = read("application/json", b'{"model": "mistral-ocr", "usage_info": {"pages_processed": 3}}')
    assert (told.model, told.units) == ("mistral-ocr", {"pages": 3})
    told = read("application/json", b'{"meta": {"billed_units": {"search_units": 2}}}')
    assert told.usage is not None
    assert told.usage.detail == {"search_units": 2}


def test_streams() -> None:
    started = {"message": {"model": "claude", "usage": {"input_tokens": 5, "cache_read_input_tokens": 7}}}
    told = read("text/event-stream", events(started, {"delta": "x"}, {"usage": {"output_tokens": 9}}))
    assert (told.model, told.usage) == ("claude", ir.Usage(5, 7, output=9))
    completed = {"response": {"model": "gpt", "usage": {"input_tokens": 5, "output_tokens": 9}}}
    told = read("text/event-stream", events(completed) + b"data: [DONE]\n\n")
    assert told.usage is not None
    assert (told.model, told.usage.input, told.usage.output) == ("gpt", 5, 9)
    chunks = b'[{"usageMetadata": {"promptTokenCount": 3}},\n{"usageMetadata": {"promptTokenCount": 4}}]'
    told = read("application/json", chunks)
    assert told.usage is not None
    assert told.usage.input == 4


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("application/json", b'{"usage": {"prompt_tokens": 1e300, "completion_tokens": -4}}'),
        ("application/json", b'{"usage": {"prompt_tokens": 999999999999999999}}'),
        ("application/json", b'{"usage": [1], "meta": {"warnings": []}}'),
        ("application/json", b'{"usage": {"tokens": "many"}}'),
        ("application/json", b"\xff\xfe not JSON"),
        ("text/plain", b'{"usage": {"prompt_tokens": 1}}'),
        ("application/octet-stream", b"\x00"),
        ("text/event-stream", b'data: {"usage": broken\n\n'),
        ("application/json", b'{"usage_info": {"pages_processed": -1}}'),
    ],
)
def test_what_states_nothing(kind: str, data: bytes) -> None:
    told = read(kind, data)
    assert told.usage is None or not told.usage.stated
    assert told.units is None


def test_names_that_are_no_models() -> None:
    for model in ("a b", "x" * 200, "<m>", 3):
        assert read("application/json", json.dumps({"model": model}).encode()).model is None
