"""The laws of answers, streams and errors over recorded traffic, for the record itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.table import DIALECTS
from dragoman.testing import corpus
from dragoman.testing.case import Case
from dragoman.testing.laws import LAWS, hold

ANSWERS = [law for law in LAWS if law.partition(".")[0] in {"response", "stream", "error"}]
OTHERS = [dialect for dialect in DIALECTS.values() if dialect.name != DIALECT.name]
EXCEPTIONS: Final[dict[str, str]] = {
    "pydantic-ai-212023a3e672": "a queued answer, which as a stream is one that broke off",
    "pydantic-ai-906aee4c14c3": "a queued answer, which as a stream is one that broke off",
    "pydantic-ai-f67c0530bf87": "a queued answer, which as a stream is one that broke off",
    "ai-3df6a059daf4": "a sample that joins two answers: nothing is relayed after the first one's end",
    "ai-3689e5ba7e2a": "a sample that joins two answers: nothing is relayed after the first one's end",
    "ai-57adf0da2ad7": "a sample whose deltas were shortened: they do not add up to the text that is stated",
    "ai-cdff2633dd96": "a sample whose deltas were shortened: they do not add up to the text that is stated",
    "ai-21ff22e2e456": "a sample whose picture was cut: no base64",
    "ai-fe7c84f67575": "a sample whose ids were replaced: an item ends with another one than it began with",
    "ai-62be56342712": "an error before any content: other protocols do not tell the id of such an answer",
    "vertexai-sdk-test-data-9d954072282f": "made for a test: the answer is a schema, not an answer",
    "ai-b0db932db8a0": "one source named twice, which Gemini lists once",
}
"""Recordings that break a law, by their id."""


@pytest.mark.wire
@pytest.mark.parametrize(
    "api",
    [
        "openai.responses",
        "azure.responses",
        "bedrock_mantle.responses",
        "deepseek.responses",
        "openrouter.responses",
        "lmstudio.responses",
        "xai.responses",
    ],
)
def test_recorded_answers_keep_the_laws(recorded: Path, api: str) -> None:
    cases = [Case(exchange, DIALECT, OTHERS) for exchange in corpus.read(recorded, api)]
    assert cases
    broken = [
        f"{one.law} {one.id}: {one.how[0]}"
        for case in cases
        if case.exchange.id not in EXCEPTIONS
        for one in hold(case, ANSWERS)
    ]
    assert broken == []


@pytest.mark.wire
@pytest.mark.parametrize(
    ("api", "dialect"),
    [
        ("openai.chat", "openai_chat"),
        ("anthropic.messages", "anthropic"),
        ("gemini.generateContent", "gemini"),
        ("gemini.streamGenerateContent", "gemini"),
        ("mistral.chat", "mistral"),
    ],
)
def test_other_dialects_answers_lose_nothing_in_silence(recorded: Path, api: str, dialect: str) -> None:
    cases = [Case(exchange, DIALECTS[dialect], [DIALECT]) for exchange in corpus.read(recorded, api)]
    assert len(cases) > 50
    laws = ("response.cross", "stream.cross", "error.faces")
    broken = [
        f"{one.law} {one.id}: {one.how[0]}"
        for case in cases
        if case.exchange.id not in EXCEPTIONS
        for one in hold(case, laws)
    ]
    assert broken == []
