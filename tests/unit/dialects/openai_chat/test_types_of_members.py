"""Every member that the specification types is refused, with its path, when it has another type."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError
from tests.unit.dialects.openai_chat.speaking import HELLO, wire

STRINGS = (
    *("model", "user", "safety_identifier", "reasoning_effort", "service_tier"),
    *("prompt_cache_key", "prompt_cache_retention"),
)
NUMBERS = (
    *("temperature", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty"),
    *("top_k", "seed", "n", "top_logprobs", "max_tokens", "max_completion_tokens", "thinking_budget"),
)
BOOLEANS = ("logprobs", "stream", "parallel_tool_calls", "enable_thinking", "include_reasoning", "store")
OBJECTS = (
    *("audio", "reasoning", "thinking", "metadata", "logit_bias", "response_format"),
    *("web_search_options", "prompt_cache_options"),
)
ARRAYS = ("tools", "functions", "modalities")
WRONG: dict[str, Any] = {
    **dict.fromkeys(STRINGS, 5),
    **dict.fromkeys((*NUMBERS, *BOOLEANS, *OBJECTS, *ARRAYS), "x"),
}


@pytest.mark.parametrize(("member", "value"), WRONG.items(), ids=list(WRONG))
def test_a_member_of_the_request(member: str, value: object) -> None:
    assert refused(wire(**{member: value})) == (member, "invalid_type")


INNER: list[tuple[str, dict[str, Any]]] = [
    ("reasoning", {"effort": []}),
    ("reasoning", {"max_tokens": "many"}),
    ("reasoning", {"enabled": "yes"}),
    ("reasoning", {"exclude": 1}),
    ("reasoning", {"summary": 5}),
    ("thinking", {"type": []}),
    ("thinking", {"budget_tokens": "many"}),
]


@pytest.mark.parametrize(("member", "value"), INNER)
def test_a_member_of_a_wish(member: str, value: dict[str, Any]) -> None:
    assert refused(wire(**{member: value})) == (f"{member}.{next(iter(value))}", "invalid_type")


BESIDE: list[tuple[str, Any, str]] = [
    ("audio", {"id": 5}, "audio.id"),
    ("images", ["x"], "images[0]"),
    ("reasoning_details", [{"text": 5}], "reasoning_details[0].text"),
    ("reasoning_details", [{"summary": 5}], "reasoning_details[0].summary"),
    ("reasoning_details", [{"signature": 5}], "reasoning_details[0].signature"),
    ("reasoning_details", [{"data": 5}], "reasoning_details[0].data"),
    ("annotations", ["x"], "annotations[0]"),
    ("annotations", [{"url_citation": "x"}], "annotations[0].url_citation"),
    ("annotations", [{"url_citation": {"start_index": "0"}}], "annotations[0].url_citation.start_index"),
    ("annotations", [{"url_citation": {"end_index": "0"}}], "annotations[0].url_citation.end_index"),
    ("annotations", [{"url_citation": {"url": 5}}], "annotations[0].url_citation.url"),
    ("annotations", [{"url_citation": {"title": 5}}], "annotations[0].url_citation.title"),
    ("annotations", [{"url_citation": {"content": 5}}], "annotations[0].url_citation.content"),
]


@pytest.mark.parametrize(("member", "value", "path"), BESIDE)
def test_what_stands_beside_the_models_words(member: str, value: Any, path: str) -> None:
    message = {"role": "assistant", "content": "Hi.", member: value}
    assert refused(wire(HELLO, message, HELLO)) == (f"messages[1].{path}", "invalid_type")


ASSISTANT: dict[str, Any] = {
    **dict.fromkeys(("name", "refusal", "reasoning", "reasoning_content"), 5),
    **dict.fromkeys(("tool_calls", "function_call", "audio"), "x"),
    **dict.fromkeys(("annotations", "images", "reasoning_details"), "x"),
}


@pytest.mark.parametrize(("member", "value"), ASSISTANT.items(), ids=list(ASSISTANT))
def test_a_member_of_the_models_message(member: str, value: object) -> None:
    message = {"role": "assistant", "content": "Hi.", member: value}
    assert refused(wire(HELLO, message, HELLO)) == (f"messages[1].{member}", "invalid_type")


PARTS: list[tuple[dict[str, Any], str]] = [
    ({"type": "text", "text": 5}, "text"),
    ({"type": "refusal", "refusal": 5}, "refusal"),
    ({"type": "image_url", "image_url": "x"}, "image_url"),
    ({"type": "image_url", "image_url": {"url": 5}}, "image_url.url"),
    ({"type": "input_audio", "input_audio": "x"}, "input_audio"),
    ({"type": "input_audio", "input_audio": {"data": 5, "format": "wav"}}, "input_audio.data"),
    ({"type": "input_audio", "input_audio": {"data": "", "format": 5}}, "input_audio.format"),
    ({"type": "file", "file": "x"}, "file"),
    ({"type": "file", "file": {"file_id": 5}}, "file.file_id"),
    ({"type": "file", "file": {"file_data": 5}}, "file.file_data"),
    ({"type": "file", "file": {"file_id": "f", "filename": 5}}, "file.filename"),
]


@pytest.mark.parametrize(("part", "path"), PARTS)
def test_a_member_of_a_part(part: dict[str, Any], path: str) -> None:
    message = {"role": "user", "content": [part]}
    assert refused(wire(message)) == (f"messages[0].content[0].{path}", "invalid_type")


def refused(request: WireRequest) -> tuple[str | None, str | None]:
    with pytest.raises(WireError) as caught:
        DIALECT.request.check(request)
    return caught.value.path, caught.value.code
