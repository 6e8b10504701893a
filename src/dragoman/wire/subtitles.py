"""Writes and reads subtitles in the formats SubRip (SRT) and WebVTT.

In a cue's text, `-->` would be read as times, so `->` is written instead. A blank line would end the cue, so
blank lines are not written. Specification: https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_TIMES: Final = re.compile(
    r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})[ \t]+-->[ \t]+"
    r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})[^\n]*"
)


class Cue(NamedTuple):
    """A spoken text and its time span. start, end: seconds from the beginning of the sound."""

    start: float
    end: float
    text: str


def to_srt(cues: Iterable[Cue]) -> str:
    """Return the text of an SRT file with these cues, numbered from 1. Times are rounded to milliseconds; a
    negative time becomes 0.
    """
    return "".join(f"{number}\n{_cue(cue, ',')}" for number, cue in enumerate(cues, 1))


def to_vtt(cues: Iterable[Cue]) -> str:
    """Return the text of a WebVTT file with these cues, without numbers. Times are rounded to milliseconds; a
    negative time becomes 0.
    """
    return "WEBVTT\n\n" + "".join(_cue(cue, ".") for cue in cues)


def _cue(cue: Cue, mark: str) -> str:
    lines = [line for line in re.sub("--+>", "->", cue.text).splitlines() if line.strip()]
    return f"{_time(cue.start, mark)} --> {_time(cue.end, mark)}\n" + "\n".join(lines).strip() + "\n\n"


def _time(seconds: float, mark: str) -> str:
    thousandths = max(round(seconds * 1000), 0)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def cues_of(text: str) -> list[Cue]:
    """Return the cues of an SRT or WebVTT file, in order. Everything else is skipped: the numbers and names
    of cues, their settings, comments and styles. Markup in a cue's text (`<b>`) stays. [] = there are no
    cues.
    """
    cues: list[Cue] = []
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        if (found := _TIMES.search(block)) is not None:
            times = found.groups()
            cues.append(Cue(_seconds(times[:4]), _seconds(times[4:]), block[found.end() :].strip()))
    return cues


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    assert minutes is not None
    assert seconds is not None
    assert fraction is not None
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return (whole * 1000 + int(fraction.ljust(3, "0"))) / 1000
