"""Row 0.6: every number of every face has its bounds, told in the face's own words before anything is sent.

The providers speak each another protocol than the face; of those that speak its own, the author's are asked.
"""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.testing.provider import FakeProvider
from tests.e2e.answers.anthropic import anthropic
from tests.e2e.answers.gemini import gemini
from tests.e2e.answers.openai_chat import openai_chat
from tests.e2e.answers.said import Said
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit

USER = [{"role": "user", "content": "Hi"}]
CHAT: list[tuple[dict[str, Any], str, str]] = [
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"max_tokens": -5}, "max_tokens", "integer_below_min_value"),
    ({"max_completion_tokens": 0}, "max_completion_tokens", "integer_below_min_value"),
    ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
    ({"temperature": 9}, "temperature", "decimal_above_max_value"),
    ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
    ({"top_p": 1.1}, "top_p", "decimal_above_max_value"),
    ({"frequency_penalty": -2.1}, "frequency_penalty", "decimal_below_min_value"),
    ({"presence_penalty": 2.1}, "presence_penalty", "decimal_above_max_value"),
    ({"n": 0}, "n", "integer_below_min_value"),
    ({"n": 129}, "n", "integer_above_max_value"),
    ({"seed": 2**63}, "seed", "integer_above_max_value"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"logit_bias": {"50256": 101}}, "logit_bias.50256", "decimal_above_max_value"),
    ({"min_p": 2}, "min_p", "decimal_above_max_value"),
    ({"top_k": -2}, "top_k", "integer_below_min_value"),
    ({"repetition_penalty": -1}, "repetition_penalty", "decimal_below_min_value"),
    ({"thinking": {"budget_tokens": -2}}, "thinking.budget_tokens", "integer_below_min_value"),
    ({"reasoning": {"max_tokens": -1}}, "reasoning.max_tokens", "integer_below_min_value"),
]
COMPLETIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
    ({"best_of": 21}, "best_of", "integer_above_max_value"),
    ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
    ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
    ({"seed": -(2**63) - 1}, "seed", "integer_below_min_value"),
]
SEARCH: dict[str, Any] = {"type": "file_search", "vector_store_ids": ["v"]}
RESPONSES: list[tuple[dict[str, Any], str, str]] = [
    ({"max_output_tokens": 0}, "max_output_tokens", "integer_below_min_value"),
    ({"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value"),
    ({"max_tool_calls": 0}, "max_tool_calls", "integer_below_min_value"),
    ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
    ({"top_logprobs": -1}, "top_logprobs", "integer_below_min_value"),
    (
        {"context_management": [{"type": "compaction", "compact_threshold": 1}]},
        "context_management[0].compact_threshold",
        "integer_below_min_value",
    ),
    (
        {"tools": [{**SEARCH, "max_num_results": 51}]},
        "tools[0].max_num_results",
        "integer_above_max_value",
    ),
    (
        {"tools": [{**SEARCH, "ranking_options": {"score_threshold": 1.5}}]},
        "tools[0].ranking_options.score_threshold",
        "decimal_above_max_value",
    ),
    (
        {"tools": [{"type": "image_generation", "partial_images": 4}]},
        "tools[0].partial_images",
        "integer_above_max_value",
    ),
    (
        {"tools": [{"type": "image_generation", "output_compression": 101}]},
        "tools[0].output_compression",
        "integer_above_max_value",
    ),
]
LEAST, MOST = "Input should be greater than or equal to", "Input should be less than or equal to"
MESSAGES: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": -1}, f"max_tokens: {LEAST} 0"),
    ({"temperature": 1.1}, f"temperature: {MOST} 1"),
    ({"temperature": -1}, f"temperature: {LEAST} 0"),
    ({"top_p": 2}, f"top_p: {MOST} 1"),
    ({"top_k": -1}, f"top_k: {LEAST} 0"),
    ({"thinking": {"type": "enabled", "budget_tokens": 5}}, f"thinking.budget_tokens: {LEAST} 1024"),
    (
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 0}]},
        f"tools[0].max_uses: {LEAST} 1",
    ),
    (
        {"tools": [{"type": "computer_20250124", "name": "computer", "display_width_px": 0}]},
        f"tools[0].display_width_px: {LEAST} 1",
    ),
]
VIDEO = {"fileData": {"fileUri": "https://a.example/b.mp4"}, "videoMetadata": {"fps": 30}}
SEARCHED = {"googleSearchRetrieval": {"dynamicRetrievalConfig": {"dynamicThreshold": 2}}}
GEMINI: list[tuple[dict[str, Any], str]] = [
    *(
        ({"generationConfig": {member: value}}, f"generationConfig.{member}: must be at {limit}")
        for member, value, limit in (
            ("maxOutputTokens", 0, "least 1"),
            ("maxOutputTokens", 2**31, "most 2147483647"),
            ("temperature", 2.1, "most 2"),
            ("topP", -1, "least 0"),
            ("topK", -1, "least 0"),
            ("candidateCount", 0, "least 1"),
            ("candidateCount", 9, "most 8"),
            ("seed", 2**31, "most 2147483647"),
            ("logprobs", 21, "most 20"),
            ("presencePenalty", 3, "most 2"),
            ("frequencyPenalty", -3, "least -2"),
        )
    ),
    (
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}},
        "generationConfig.thinkingConfig.thinkingBudget: must be at least -1",
    ),
    (
        {"generationConfig": {"stopSequences": list("abcdef")}},
        "generationConfig.stopSequences: must have at most 5 entries",
    ),
    (
        {"contents": [{"parts": [VIDEO]}]},
        "contents[0].parts[0].videoMetadata.fps: must be in the range [0, 24]",
    ),
    (
        {"tools": [SEARCHED]},
        "tools[0].googleSearchRetrieval.dynamicRetrievalConfig.dynamicThreshold: must be in the range [0, 1]",
    ),
    (
        {"toolConfig": {"retrievalConfig": {"latLng": {"latitude": 91, "longitude": 0}}}},
        "toolConfig.retrievalConfig.latLng.latitude: must be in the range [-90, 90]",
    ),
]
OLLAMA: list[tuple[dict[str, Any], str]] = [
    ({"options": {"temperature": -1}}, 'option "temperature" must be at least 0'),
    ({"options": {"top_p": 2}}, 'option "top_p" must be between 0 and 1'),
    ({"options": {"num_predict": -5}}, 'option "num_predict" must be at least -2'),
    ({"options": {"presence_penalty": 3}}, 'option "presence_penalty" must be between -2 and 2'),
]


class Place:
    """A gateway before a provider of each of these protocols."""

    def __init__(self, site: Site, fakes: list[FakeProvider]) -> None:
        self.site = site
        self.fakes = fakes

    async def refused(self, path: str, body: dict[str, Any]) -> Any:
        """The error for a body, of which no provider has heard."""
        async with self.site.session.post(self.site.base + path, json=body) as response:
            told = await response.json()
        assert response.status == 400, told
        assert [fake.seen for fake in self.fakes] == [[], [], []]
        return told["error"]


@pytest.fixture
async def place(visit: Visit, provide: Provide) -> Place:
    answers = {"openai": openai_chat, "anthropic": anthropic, "gemini": gemini}
    fakes = {name: await provide(answer(Said())) for name, answer in answers.items()}
    rows = {name: {"base_url": fake.url, "keys": ["k"], "apis": []} for name, fake in fakes.items()}
    return Place(await visit({"providers": rows}), list(fakes.values()))


MODELS = ("openai/gpt-4o", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash")


@pytest.mark.parametrize(
    ("path", "body", "members", "param", "code"),
    [
        *(("/v1/chat/completions", {"messages": USER}, *case) for case in CHAT),
        *(("/v1/completions", {"prompt": "Hi"}, *case) for case in COMPLETIONS),
        *(("/v1/responses", {"input": "Hi", "store": False}, *case) for case in RESPONSES),
    ],
)
async def test_in_openais_words(
    place: Place, path: str, body: dict[str, Any], members: dict[str, Any], param: str, code: str
) -> None:
    for model in MODELS:
        error = await place.refused(path, {"model": model, **body, **members})
        assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
        assert f"'{param}'" in error["message"]


@pytest.mark.parametrize(("members", "message"), MESSAGES)
async def test_in_anthropics_words(place: Place, members: dict[str, Any], message: str) -> None:
    for model in MODELS:
        body = {"model": model, "max_tokens": 9, "messages": USER, **members}
        error = await place.refused("/v1/messages", body)
        assert (error["type"], error["message"]) == ("invalid_request_error", message)


@pytest.mark.parametrize(("members", "message"), GEMINI)
async def test_in_googles_words(place: Place, members: dict[str, Any], message: str) -> None:
    for model in MODELS:
        body = {"contents": [{"parts": [{"text": "Hi"}]}], **members}
        error = await place.refused(f"/v1beta/models/{model}:generateContent", body)
        where = message.partition(": ")[0]
        assert (error["status"], error["message"]) == ("INVALID_ARGUMENT", message)
        violations = [one for detail in error["details"] for one in detail.get("fieldViolations", ())]
        assert [one["field"] for one in violations] == [where]


@pytest.mark.parametrize(("members", "message"), OLLAMA)
async def test_in_ollamas_words(place: Place, members: dict[str, Any], message: str) -> None:
    for model in MODELS:
        body = {"model": model, "messages": USER, **members}
        assert await place.refused("/api/chat", body) == message
