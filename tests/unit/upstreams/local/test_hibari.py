"""Texts in breaths: what has no end is cut, what has one is left alone."""

from __future__ import annotations

from dragoman.upstreams.local.hibari import breaths


def test_a_sentence_of_usual_length_is_left_alone() -> None:
    sentences = ["Good morning.", "a" * 400]
    assert list(breaths(sentences)) == sentences


def test_a_sentence_without_end_is_cut_between_its_words() -> None:
    cut = list(breaths(["word " * 1000]))
    assert " ".join(cut).split() == ["word"] * 1000
    assert max(map(len, cut)) <= 400
    assert len(cut) < 15


def test_a_word_without_end_is_cut_too() -> None:
    assert [len(text) for text in breaths(["a" * 1000])] == [400, 400, 200]
