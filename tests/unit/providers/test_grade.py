"""Grades in words, and the file that holds them."""

from __future__ import annotations

import pytest

from dragoman.providers.catalog import CATALOG
from dragoman.providers.grade import UNTRIED, Grade, grades


@pytest.mark.parametrize(
    ("grade", "words"),
    [
        (UNTRIED, "untried"),
        (Grade(recordings=41, held=40), "40/41 recordings"),
        (Grade(cells=9, passed=0), "0/9 cells"),
        (Grade(5, 5, 95, 90), "5/5 recordings, 90/95 cells"),
    ],
)
def test_a_grade_in_words(grade: Grade, words: str) -> None:
    assert str(grade) == words


def test_the_file_grades_known_vendors_that_were_tried() -> None:
    found = grades()
    assert found.keys() <= CATALOG.keys()
    assert UNTRIED not in found.values()
    for grade in found.values():
        assert 0 <= grade.held <= grade.recordings
        assert 0 <= grade.passed <= grade.cells
    assert found["openai"].recordings > 500
    assert "nebius" not in found
