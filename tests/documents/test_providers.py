"""docs/providers.md and the grades are what the catalogue, the recordings and the matrix say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.providers.catalog import CATALOG
from dragoman.providers.grade import FILE, Grade, grades
from tests.documents import providers_page


def test_every_vendor_has_a_row() -> None:
    rows = [line for line in providers_page.PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    names = [row.split("`")[1] for row in rows]
    assert names[: len(CATALOG)] == list(CATALOG)
    assert sum("| untried |" in row for row in rows) == len(CATALOG) - len(grades())


def test_the_page_and_the_grades_are_current() -> None:
    assert providers_page.main(["--check"]) == 0


def test_without_recordings_their_numbers_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(providers_page, "RECORDED", tmp_path / "none")
    present = {"openai": Grade(7, 6, 1, 1), "nebius": Grade(2, 2)}
    found = providers_page.counted(present)
    assert (found["openai"].recordings, found["openai"].held, found["nebius"]) == (7, 6, Grade(2, 2))
    assert found["openai"].cells == grades()["openai"].cells


@pytest.mark.wire
def test_recordings_are_counted_by_the_vendor(recorded: Path) -> None:
    with (recorded / "snowflake.chat.jsonl").open(encoding="utf-8") as lines:
        assert providers_page.counted({})["snowflake"] == Grade(
            *[len([json.loads(line) for line in lines])] * 2
        )


def test_an_exception_of_a_law_counts_against_the_grade(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wire = tmp_path / "wire"
    wire.mkdir()
    lines: list[dict[str, Any]] = [
        {
            "id": f"e-{number}",
            "api": "groq.chat",
            "source": {},
            "provider": "groq",
            "model": None,
            "features": [],
        }
        | {"request": None, "response": None}
        for number in range(3)
    ]
    (wire / "groq.chat.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    exceptions = tmp_path / "exceptions.toml"
    exceptions.write_text('[[exception]]\nlaw = "stream.grammar"\nid = "e-1"\nreason = "edited"\n')
    monkeypatch.setattr(providers_page, "RECORDED", wire)
    monkeypatch.setattr(providers_page, "EXCEPTIONS", exceptions)
    assert providers_page.counted({})["groq"] == Grade(3, 2)


def test_the_file_has_a_line_for_each_vendor() -> None:
    text = providers_page.in_json({"a": Grade(1, 1), "b": Grade(cells=2, passed=1)})
    assert text.count("\n") == 4
    assert msgspec.json.decode(text, type=dict[str, Grade]) == {"a": Grade(1, 1), "b": Grade(0, 0, 2, 1)}
    assert FILE.read_text("utf-8") == providers_page.in_json(grades())
