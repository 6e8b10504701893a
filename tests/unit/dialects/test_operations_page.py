"""docs/endpoints.md says what the dialects have, and notices where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.dialects import operations_page
from tests.unit.dialects.operations_page import BEGINNING, END, main, table, written


def test_the_page_says_what_the_dialects_have() -> None:
    assert main(["--check"]) == 0


def test_every_dialect_and_operation_is_there() -> None:
    lines = table().splitlines()
    assert lines[0].count("|") == 9
    assert "| Mistral | – | `/embeddings` | – | `/audio/speech` |" in table()
    assert lines[-1] == "| simulator | – | yes | yes | yes | yes | yes | yes |"


def test_a_page_that_says_something_else_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGINNING}old\n{END}after\n", "utf-8")
    monkeypatch.setattr(operations_page, "PAGE", page)
    assert main(["--check"]) == 1
    assert main(["--write"]) == 0
    assert page.read_text("utf-8") == f"before\n{BEGINNING}\n{table()}\n{END}after\n"
    assert main(["--check"]) == 0
    assert main([]) == 2
    with pytest.raises(ValueError, match="no place"):
        written("nothing")
