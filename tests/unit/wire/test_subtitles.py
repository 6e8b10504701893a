"""Subtitles are what a player reads, whatever is said; reading them back gives the times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.subtitles import Cue, cues_of, to_srt, to_vtt

CUES = [Cue(0.0, 3.6, " when I've had enough"), Cue(3.6, 3725.0005, "of running.")]


def test_srt() -> None:
    assert to_srt(CUES) == (
        "1\n00:00:00,000 --> 00:00:03,600\nwhen I've had enough\n\n"
        "2\n00:00:03,600 --> 01:02:05,000\nof running.\n\n"
    )


def test_vtt() -> None:
    assert to_vtt(CUES) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:03.600\nwhen I've had enough\n\n"
        "00:00:03.600 --> 01:02:05.000\nof running.\n\n"
    )


def test_silence() -> None:
    assert (to_srt([]), to_vtt([])) == ("", "WEBVTT\n\n")
    assert cues_of("") == cues_of("WEBVTT\n\n") == []


def test_what_would_end_a_cue_is_not_written() -> None:
    written = to_srt([Cue(0, 1, "one\n\ntwo --> three ---> four\r\n")])
    assert written == "1\n00:00:00,000 --> 00:00:01,000\none\ntwo -> three -> four\n\n"


@pytest.mark.parametrize(
    "written",
    [
        "WEBVTT - a title\r\n\r\nNOTE a note\r\n\r\n00:01.500 --> 00:02.000 align:start\r\nHi\r\n",
        "\ufeff7\n0:0:1,5 --> 0:0:2,0\nHi",
        "1\n \n2\n00:00:01,500  -->  00:00:02,000\nHi\n \n",
    ],
)
def test_others_write_them_otherwise(written: str) -> None:
    assert cues_of(written) == [Cue(1.5, 2.0, "Hi")]


LINES = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"), exclude_characters=">"), min_size=1
)
MILLISECONDS = st.integers(0, 10**9)


@given(st.lists(st.tuples(MILLISECONDS, MILLISECONDS, LINES)))
def test_any_cues_come_back(told: list[tuple[int, int, str]]) -> None:
    cues = [Cue(start / 1000, end / 1000, text) for start, end, text in told]
    assert cues_of(to_srt(cues)) == cues
    assert cues_of(to_vtt(cues)) == cues


def test_a_long_number_is_no_time_and_takes_none() -> None:
    """Looking for hours from each of its digits to its end would take hours."""
    number = "1" * 200_000
    assert cues_of(f"{number}:00:00,000 --> {number}\nHi.") == []
