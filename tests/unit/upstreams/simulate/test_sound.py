"""The simulator speaks in real files of the length of the text, and hears the same in the same sound."""

from __future__ import annotations

import io
import wave

import msgspec
import pytest

from dragoman import ir
from dragoman.upstreams.simulate.sound import RATE, length, spoken, written
from dragoman.wire.wav import unpacked

ASKED = ir.SpeechRequest("openai_chat", None, "hello there world", "alloy")


def asked(**changes: object) -> ir.SpeechRequest:
    return msgspec.structs.replace(ASKED, **changes)


def test_a_standard_reader_opens_it() -> None:
    with wave.open(io.BytesIO(spoken(ASKED, "wav", 0))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        assert 0.9 < file.getnframes() / RATE < 1.3


def test_mp3_is_silence_of_the_same_length() -> None:
    av = pytest.importorskip("av", reason="needs the extra `speech`")
    with av.open(io.BytesIO(spoken(ASKED, "mp3", 0))) as file:
        frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
    assert file is not None
    assert 0.9 < sum(frame.size for frame in frames) / RATE < 1.3
    assert not any(frame.any() for frame in frames)
    assert spoken(asked(text=""), "mp3", 0)


def test_what_is_said_and_how_is_heard() -> None:
    sound = spoken(ASKED, "pcm", 0)
    assert sound == spoken(ASKED, "pcm", 0) == unpacked(spoken(ASKED, "wav", 0))[0]
    assert sound not in {spoken(asked(voice="nova"), "pcm", 0), spoken(ASKED, "pcm", 1)}
    half = len(spoken(asked(speed=2.0), "pcm", 0))
    assert half == pytest.approx(len(sound) / 2, rel=0.1)


@pytest.mark.parametrize(
    "file", [ir.File(spoken(ASKED, "wav", 0)), ir.File(b"noise"), ir.File(url="https://x.example/a")]
)
def test_a_transcript(file: ir.File) -> None:
    request = ir.TranscriptionRequest("openai_chat", None, file, output="diarized_json")
    told = written(request, "m", 0)
    assert told == written(request, "m", 0)
    assert told != written(request, "m", 1)
    assert told.segments is not None
    assert told.words is not None
    assert told.text == " ".join(one.text.strip() for one in told.segments)
    assert told.text.split() == [word.text for word in told.words]
    assert told.words[-1].end == told.segments[-1].end == pytest.approx(told.duration, abs=0.01)
    assert {one.speaker for one in told.segments} == {"A", "B"}
    plain = written(msgspec.structs.replace(request, output=None), "m", 0)
    assert plain.segments is not None
    assert {one.speaker for one in plain.segments} == {None}


@pytest.mark.parametrize("output", ["mp3", "wav", "pcm"])
def test_the_length_of_a_sound_is_known_before_it_is_made(output: str) -> None:
    said = asked(text="Some words, " * 100, speed=1.25)
    assert length(said, output) == pytest.approx(len(spoken(said, output, 0)), rel=0.1)
