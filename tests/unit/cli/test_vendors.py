"""`dragoman providers list --known`: every vendor, what it speaks, its grade, whether it is configured."""

from __future__ import annotations

import json

import pytest

from dragoman.cli.vendors import operations
from dragoman.providers.catalog import CATALOG
from dragoman.providers.grade import grades
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("anthropic", ["chat", "token counting"]),
        ("cohere", ["chat", "embeddings", "reranking"]),
        ("mistral", ["chat", "token counting", "embeddings", "speech", "transcription", "moderation"]),
        ("groq", ["chat", "embeddings", "speech", "transcription"]),
        ("deepgram", ["speech", "transcription"]),
        ("voyage", ["embeddings", "reranking"]),
        ("xai", ["chat", "images", "speech", "transcription", "realtime sessions"]),
    ],
)
def test_operations_are_those_that_the_vendor_serves(name: str, words: list[str]) -> None:
    assert operations(CATALOG[name]) == words


def test_prompts_are_counted_only_where_the_vendor_counts() -> None:
    assert "token counting" in operations(CATALOG["openai"])
    assert "token counting" not in operations(CATALOG["moonshot"])


def test_the_table_has_every_vendor(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk-of-a-good-length")
    done = run("providers", "list", "--known")
    assert done.code == 0
    lines = {line.split("\t")[0]: line.split("\t") for line in done.out.splitlines()}
    assert list(lines)[1:] == list(CATALOG)
    assert lines["groq"][1:4] == [str(grades()["groq"]), "groq", "GROQ_API_KEY"]
    assert lines["nebius"][1:4] == ["untried", "", "NEBIUS_API_KEY"]


def test_json_has_the_page_and_its_month(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk-of-a-good-length")
    rows = {row["name"]: row for row in json.loads(run("providers", "list", "--known", "--json").out)}
    assert list(rows) == list(CATALOG)
    groq, nebius = rows["groq"], rows["nebius"]
    assert (groq["configured"], groq["untried"], groq["keys"]) == (["groq"], False, ["GROQ_API_KEY"])
    assert groq["grade"]["recordings"] == grades()["groq"].recordings
    assert (nebius["configured"], nebius["untried"], nebius["read"]) == ([], True, "2026-11")
    assert nebius["page"] == "https://docs.tokenfactory.nebius.com/api-reference/introduction"
    assert rows["snowflake"]["dialects"] == ["openai_chat", "anthropic"]
