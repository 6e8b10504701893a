"""The laws of requests over recorded traffic, for the record itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.table import DIALECTS
from dragoman.testing import corpus
from dragoman.testing.case import Case
from dragoman.testing.laws import hold

LAWS = ("request.check", "request.identity", "request.ir", "request.maps", "request.brief", "request.relay")
STORED_PROMPTS = {"dd-trace-py-da6818d7cbeb", "dd-trace-py-f68386908cd8"}
"""Their input is a prompt that OpenAI keeps, which nobody else can read."""
OTHERS = [dialect for dialect in DIALECTS.values() if dialect.name != DIALECT.name]


@pytest.mark.wire
@pytest.mark.parametrize(
    "api", ["openai.responses", "azure.responses", "xai.responses", "deepseek.responses"]
)
def test_recorded_requests_keep_the_laws(recorded: Path, api: str) -> None:
    cases = [Case(exchange, DIALECT, OTHERS) for exchange in corpus.read(recorded, api)]
    asked = [case for case in cases if "request" in case.subjects]
    assert len(asked) > 9
    broken = [
        f"{one.law} {one.id}: {one.how[0]}"
        for case in asked
        for one in hold(case, LAWS if case.exchange.id in STORED_PROMPTS else (*LAWS, "request.cross"))
    ]
    assert broken == []


@pytest.mark.wire
@pytest.mark.parametrize(
    ("api", "dialect"),
    [
        ("openai.chat", "openai_chat"),
        ("anthropic.messages", "anthropic"),
        ("gemini.generateContent", "gemini"),
        ("mistral.chat", "mistral"),
    ],
)
def test_other_dialects_lose_nothing_in_silence(recorded: Path, api: str, dialect: str) -> None:
    cases = [Case(exchange, DIALECTS[dialect], [DIALECT]) for exchange in corpus.read(recorded, api)]
    broken = [f"{one.id}: {one.how[0]}" for case in cases for one in hold(case, ("request.cross",))]
    assert len(cases) > 50
    assert broken == []
