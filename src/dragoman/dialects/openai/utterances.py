"""Groups the words of a transcript into segments, for providers that return words but no segments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dragoman import ir
from dragoman.ir.blocks import Value

PAUSE: Final = 0.8
"""Seconds of silence after which a new segment begins, as at Deepgram:
https://developers.deepgram.com/docs/utterance-split, read 2026-11
"""
_ENDS: Final = (".", "?", "!", "…", "。", "\uff1f", "\uff01", "।", "؟")
"""The characters that end a sentence."""


class Said(Value, frozen=True):
    """One word of a transcript, as a provider returned it. text: with the punctuation and, if `segments_of`
    is called with `joined`, with the blanks around the word. start, end: seconds. speaker: None = not stated.
    """

    text: str
    start: float
    end: float
    speaker: str | None = None


def segments_of(words: Iterable[Said], *, joined: bool = False) -> tuple[ir.Segment, ...]:
    """Return the words as segments; () = there are no words. A segment ends at the end of a sentence, before
    a pause of at least `PAUSE` seconds, and before another speaker. Its times are those of its first and last
    word.

    joined: True = the texts of the words contain the blanks; False = a blank is put between two words.
    """
    segments: list[ir.Segment] = []
    held: list[Said] = []
    for word in words:
        if held and _parts(held[-1], word):
            segments.append(_segment(held, joined=joined))
            held = []
        held.append(word)
    if held:
        segments.append(_segment(held, joined=joined))
    return tuple(segments)


def _parts(before: Said, word: Said) -> bool:
    """Whether a segment ends after the word `before`, which stands directly before `word`."""
    return (
        before.speaker != word.speaker
        or word.start - before.end >= PAUSE
        or before.text.rstrip().endswith(_ENDS)
    )


def _segment(words: list[Said], *, joined: bool) -> ir.Segment:
    text = ("" if joined else " ").join(word.text for word in words).strip()
    return ir.Segment(text, words[0].start, words[-1].end, words[0].speaker)
