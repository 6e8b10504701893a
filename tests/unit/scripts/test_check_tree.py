"""Names that say nothing, files that are too long and unfinished marks are found where they count."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_tree import LONGEST, problems


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("src/dragoman/utils.py", "", "the name 'utils.py' says nothing about what is in it"),
        ("src/dragoman/helpers/text.py", "", "the name 'helpers' says nothing about what is in it"),
        ("tests/unit/test_manager.py", "", "the name 'test_manager.py' says nothing about what is in it"),
        ("bench/load.py", "x = 1\n" * (LONGEST + 1), f"{LONGEST + 1} lines, more than {LONGEST}"),
    ],
)
def test_a_problem_is_named_with_its_file(tmp_path: Path, path: str, text: str, expected: str) -> None:
    write(tmp_path / path, text)
    assert list(problems(tmp_path)) == [f"{path}: {expected}"]


def test_an_unfinished_mark_is_found_with_its_line(tmp_path: Path) -> None:
    write(tmp_path / "src/dragoman/engine.py", "x = 1\n# " + "TO" + "DO: more\n")
    assert list(problems(tmp_path)) == ["src/dragoman/engine.py:2: TO" + "DO"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/dragoman/base_url.py", "x = 1\n" * LONGEST),
        ("tests/e2e/node/node_modules/openai/utils.js", ""),
        ("tests/unit/test_engine.py", "# TO" + "DO lists are what this tests\n"),
        ("docs/common.md", ""),
    ],
)
def test_what_is_fine_stays_unnamed(tmp_path: Path, path: str, text: str) -> None:
    write(tmp_path / path, text)
    assert list(problems(tmp_path)) == []


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
