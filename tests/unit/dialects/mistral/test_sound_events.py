"""Mistral's streams of sound: events, errors inside them, and streams that end too early."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from mistralai.client import models

from dragoman import ir
from dragoman.dialects.mistral.sound_events import Events, converted
from dragoman.dialects.mistral.speech import SPEECH
from dragoman.dialects.mistral.transcription import TRANSCRIPTION, Segment
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import encode

MOST = 1 << 20
SPEAK = ir.SpeechRequest("openai_chat", "m", "Hi", delivery="sse")
HEAR = ir.TranscriptionRequest("openai_chat", "m", ir.File(b"x"), output="diarized_json", stream=True)
COUNTS = {"prompt_tokens": 3, "completion_tokens": 11, "total_tokens": 14}


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (one["type"].encode(), encode(one)) for one in events)


def decoded(side: Any, request: Any, data: bytes, size: int) -> tuple[list[Any], Any]:
    """The pieces and the whole of a stream that comes `size` bytes at a time."""
    decoder = side.decoder(request, "text/event-stream", MOST)
    pieces = [
        piece for start in range(0, len(data), size) for piece in decoder.feed(data[start : start + size])
    ]
    return pieces, decoder.close()


@pytest.mark.parametrize("size", [1, 7, MOST])
def test_speech(size: int) -> None:
    told = [models.SpeechStreamAudioDelta(audio_data=b64encode(data).decode()) for data in (b"ab", b"c")]
    done = {"type": "speech.audio.done", "usage": COUNTS}
    data = stream(*(one.model_dump() for one in told), {"type": "speech.new"}, done)
    pieces, whole = decoded(SPEECH, SPEAK, data, size)
    assert b"".join(piece.data for piece in pieces) == b"abc"
    assert (whole.usage.input, whole.usage.output) == (3, 11)
    assert (whole.data, whole.output, whole.kind) == (b"", "mp3", "audio/mpeg")


@pytest.mark.parametrize("size", [1, 7, MOST])
def test_transcript(size: int) -> None:
    segment = {
        "type": "transcription.segment",
        "text": "Good day.",
        "start": 0.1,
        "end": 1.5,
        "speaker_id": "s",
    }
    data = stream(
        {"type": "transcription.language", "audio_language": "en"},
        {"type": "transcription.text.delta", "text": "Good "},
        {"type": "transcription.text.delta", "text": "day."},
        segment,
        {
            "type": "transcription.done",
            "model": "m",
            "text": "Good day.",
            "usage": COUNTS,
            "language": None,
            "segments": [segment],
        },
    )
    pieces, whole = decoded(TRANSCRIPTION, HEAR, data, size)
    said = ir.Segment("Good day.", 0.1, 1.5, "s")
    assert pieces == [ir.TranscriptDelta("Good "), ir.TranscriptDelta("day."), said]
    assert (whole.text, whole.language, whole.segments) == ("Good day.", "en", (said,))


def test_an_error_event_and_a_cut_stream() -> None:
    with pytest.raises(RequestFailed, match="overloaded"):
        Events(MOST).feed(
            b'data: {"object": "error", "error": {"message": "overloaded", "code": "3505"}}\n\n'
        )
    with pytest.raises(RequestFailed, match="ended before"):
        decoded(TRANSCRIPTION, HEAR, stream({"type": "transcription.text.delta", "text": "Good"}), MOST)
    with pytest.raises(RequestFailed, match="ended before"):
        decoded(SPEECH, SPEAK, stream({"type": "speech.audio.delta", "audio_data": "YQ=="}), MOST)


def test_an_event_of_another_form() -> None:
    with pytest.raises(WireError, match="text"):
        converted({"start": 1}, Segment)
    with pytest.raises(WireError, match="base64"):
        decoded(SPEECH, SPEAK, stream({"type": "speech.audio.delta", "audio_data": "!"}), MOST)


def test_what_is_read_as_a_whole() -> None:
    wave = ir.SpeechRequest("openai_chat", "m", "Hi", output="wav", delivery="sse")
    assert SPEECH.decoder is not None
    assert SPEECH.decoder(wave, "text/event-stream", MOST) is None
    assert SPEECH.decoder(SPEAK, "application/json", MOST) is None
    assert TRANSCRIPTION.decoder is not None
    assert TRANSCRIPTION.decoder(HEAR, "application/json", MOST) is None


def test_an_error_that_is_null_is_none() -> None:
    told = {"type": "speech.audio.delta", "audio_data": b64encode(b"ab").decode(), "error": None}
    done = {"type": "speech.audio.done", "usage": COUNTS, "error": None}
    pieces, _ = decoded(SPEECH, SPEAK, stream(told, done), MOST)
    assert pieces
