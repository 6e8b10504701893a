"""Words become segments where somebody stops to speak."""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.openai.utterances import PAUSE, Said, segments_of


def test_a_segment_ends_with_a_sentence_a_pause_or_a_speaker() -> None:
    words = [
        Said("Good", 0.0, 0.2, "a"),
        Said("morning.", 0.2, 0.6, "a"),
        Said("How", 0.7, 0.8, "a"),
        Said("are", 0.8 + PAUSE, 1.9, "a"),
        Said("You?", 1.9, 2.1, "b"),
    ]
    assert segments_of(words) == (
        ir.Segment("Good morning.", 0.0, 0.6, "a"),
        ir.Segment("How", 0.7, 0.8, "a"),
        ir.Segment("are", 0.8 + PAUSE, 1.9, "a"),
        ir.Segment("You?", 1.9, 2.1, "b"),
    )


def test_words_that_hold_their_blanks_are_joined_as_they_are() -> None:
    words = [Said("犬", 0.0, 0.2), Said("が", 0.2, 0.3), Said("いる。 ", 0.3, 0.6), Said("猫", 0.6, 0.8)]
    assert [one.text for one in segments_of(words, joined=True)] == ["犬がいる。", "猫"]


def test_nothing_said_is_no_segment() -> None:
    assert segments_of([]) == ()
