"""Texts in breaths: what has no end is cut, what has one is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.upstreams.local import hibari
from dragoman.upstreams.local.engine import EngineRefused
from dragoman.upstreams.local.hibari import HibariModel, breaths
from dragoman.upstreams.local.protocol import Options, Speak

numpy = pytest.importorskip("numpy", reason="needs the extra `embeddings`")


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


def test_letters_that_are_spelled_are_cut_sooner() -> None:
    assert [len(text) for text in breaths(["W" * 250])] == [100, 100, 50]


class Voice:
    """A voice that takes ten seconds to say anything."""

    sample_rate = 100

    def split_sentences(self, text: str) -> list[str]:
        return text.split()

    def __call__(self, text: str, speed: float, *, seed: int) -> Any:
        return numpy.zeros(1000)


def test_what_takes_longer_to_say_than_sound_may_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hibari, "LONGEST", 20)
    voice = HibariModel(numpy, Voice())
    spoken = voice.answer(Speak(1, Options("v"), "9 9", "pcm"), lambda: False)
    assert spoken is not None
    assert len(spoken.data) == 4000
    with pytest.raises(EngineRefused, match="longer than"):
        voice.answer(Speak(1, Options("v"), "9 9 9", "pcm"), lambda: False)
