"""Why a member is lost is true: of what the target has, and of how it could be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.counterparts import why_lost
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.severity import MEMBERS
from dragoman.dialects.table import DIALECTS

SPECIFICATION = Path(__file__).resolve().parents[4] / "shared" / "specs" / "openai-2.3.0.openapi.json"
HELLO: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
GEMINI: Any = {"model": "m", "contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
SAFETY = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]


def reasons(dialect: str, body: dict[str, Any], target: str) -> dict[str, tuple[str, str]]:
    """Why each lost member of a request is lost, and how much it matters."""
    report = Report(target)
    request = DIALECTS[dialect].request.decode(WireRequest("chat", body))
    DIALECTS[target].request.encode(request, Target(report, "m"))
    return {loss.path: (loss.severity, loss.reason) for loss in report.losses}


@pytest.mark.parametrize(
    ("dialect", "body", "target", "reason"),
    [
        (
            "openai_chat",
            {**HELLO, "safe_prompt": True},
            "mistral",
            "mistral has a parameter `safe_prompt`: to set it, send `mistral.safe_prompt`",
        ),
        (
            "openai_chat",
            {**HELLO, "safetySettings": SAFETY},
            "gemini",
            "gemini has a parameter `safetySettings`: to set it, send `gemini.safetySettings`",
        ),
        (
            "anthropic",
            {**HELLO, "max_tokens": 9, "container": "c"},
            "openai_responses",
            "openai_responses has no such parameter",
        ),
        (
            "gemini",
            {**GEMINI, "safetySettings": SAFETY},
            "mistral",
            "mistral has the similar parameter `guardrails`: to set it, send `mistral.guardrails`",
        ),
        (
            "openai_responses",
            {"model": "m", "input": "hi", "stream_options": {"include_obfuscation": False}},
            "openai_chat",
            (
                "openai_chat has the similar parameter `stream_options`: to set it, send "
                "`openai_chat.stream_options`"
            ),
        ),
        (
            "mistral",
            {**HELLO, "min_tokens": 3},
            "openai_chat",
            (
                "some servers of openai_chat support a parameter `min_tokens`: to set it, send "
                "`openai_chat.min_tokens`"
            ),
        ),
        (
            "gemini",
            {**GEMINI, "cachedContent": "cachedContents/1"},
            "openai_chat",
            "openai_chat has no such parameter",
        ),
        (
            "anthropic",
            {**HELLO, "max_tokens": 9, "seed": 1},
            "openai_chat",
            "it is not a known parameter of anthropic, so it is not translated",
        ),
    ],
)
def test_what_is_true_of_the_target(dialect: str, body: dict[str, Any], target: str, reason: str) -> None:
    [place] = body.keys() - {"model", "messages", "contents", "input", "max_tokens"}
    assert reasons(dialect, body, target)[place][1] == reason


def test_what_stands_deeper_cannot_be_sent_by_name() -> None:
    body = {**HELLO, "messages": [{"role": "user", "content": "hi", "safe_prompt": True}]}
    told = reasons("openai_chat", body, "mistral")
    assert told["messages[0].safe_prompt"][1] == "this field of openai_chat requests is not translated"


def test_members_of_an_answer_are_hints() -> None:
    report = Report("openai_chat", "response")
    body: dict[str, Any] = {
        "model": "m",
        "id": "1",
        "type": "message",
        "role": "assistant",
        "stop_reason": "end_turn",
    }
    body |= {"content": [{"type": "text", "text": "hi"}], "container": {"id": "c"}}
    answer = DIALECTS["anthropic"].response.decode(body, STANDARD)
    DIALECTS["openai_chat"].response.encode(answer, Reply(ir.Request("openai_chat", "m"), report, "1", 1))
    assert [(loss.path, loss.severity, loss.reason) for loss in report.losses] == [
        ("container", "hint", "this field of anthropic responses is not translated")
    ]


@pytest.mark.parametrize("name", sorted(MEMBERS.keys() & DIALECTS.keys()))
def test_what_a_field_carries_is_not_listed(name: str) -> None:
    generate = {"system", "prompt", "images", "suffix", "template", "raw", "context"}
    older = {"functions", "function_call"}  # leftovers if the request has the newer members, too
    others = {"ollama": generate, "openai_chat": older}
    listed = MEMBERS[name].keys() - others.get(name, set())
    assert not listed & DIALECTS[name].request.members


@pytest.mark.spec
@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("openai_chat", "CreateChatCompletionRequest"),
        ("openai_responses", "CreateResponse"),
        ("openai_completions", "CreateCompletionRequest"),
    ],
)
def test_every_member_of_the_specification_is_known(name: str, schema: str) -> None:
    schemas = json.loads(SPECIFICATION.read_text())["components"]["schemas"]

    def members(wire: dict[str, Any]) -> set[str]:
        if "$ref" in wire:
            wire = schemas[wire["$ref"].rpartition("/")[2]]
        inner = [members(part) for part in wire.get("allOf", ())]
        return set(wire.get("properties", ())).union(*inner)

    assert not members(schemas[schema]) - DIALECTS[name].request.members - MEMBERS[name].keys()


def test_a_target_with_no_protocol_of_its_own() -> None:
    reason = why_lost("gemini", "safetySettings", "local", top=True)
    assert reason == "this field of gemini requests is not translated"
