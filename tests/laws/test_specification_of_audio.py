"""What we write of sound is what OpenAI's published description says: each form of an answer, each event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_schema_validator import OAS31Validator

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.speech import SPEECH
from dragoman.dialects.openai.transcription import TRANSCRIPTION
from dragoman.dialects.operation import OperationReply
from dragoman.upstreams.simulate.sound import written
from dragoman.wire.sse import SSESplitter

pytestmark = pytest.mark.spec
FORMS = {
    "json": "CreateTranscriptionResponseJson",
    "verbose_json": "CreateTranscriptionResponseVerboseJson",
    "diarized_json": "CreateTranscriptionResponseDiarizedJson",
}
TRANSLATED = {
    "json": "CreateTranslationResponseJson",
    "verbose_json": "CreateTranslationResponseVerboseJson",
}
EVENTS = {
    "transcript.text.delta": "TranscriptTextDeltaEvent",
    "transcript.text.segment": "TranscriptTextSegmentEvent",
    "transcript.text.done": "TranscriptTextDoneEvent",
    "speech.audio.delta": "SpeechAudioDeltaEvent",
    "speech.audio.done": "SpeechAudioDoneEvent",
}
TOKENS = ir.Usage(30, output=4, detail={"input_audio": 20, "input_text": 10})
ASKED = ir.TranscriptionRequest("openai_chat", None, ir.File(b"noise"), timestamps=("word", "segment"))


@pytest.fixture(scope="module")
def components(specifications: Path) -> dict[str, Any]:
    text = (specifications / "openai-2.3.0.openapi.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)["components"]
    return found


def hold(told: Any, name: str, components: dict[str, Any]) -> None:
    """Insist that a value fits a schema."""
    judge = OAS31Validator({"$ref": f"#/components/schemas/{name}", "components": components})
    assert [error.message for error in judge.iter_errors(told)] == []


def transcripts(output: str) -> Iterator[tuple[ir.TranscriptionRequest, ir.TranscriptionResponse]]:
    """Requests for a form with answers as rich and as poor as they may be."""
    asked = msgspec.structs.replace(ASKED, output=output)
    rich = written(asked, "m", 0)
    yield asked, rich
    yield asked, msgspec.structs.replace(rich, usage=TOKENS)
    yield msgspec.structs.replace(asked, timestamps=()), msgspec.structs.replace(rich, language=None)
    yield asked, ir.TranscriptionResponse("")


@pytest.mark.parametrize("output", FORMS)
def test_transcripts(components: dict[str, Any], output: str) -> None:
    for asked, response in transcripts(output):
        told = TRANSCRIPTION.client.encode(response, OperationReply(asked, Report("")))
        hold(json.loads(told.data), FORMS[output], components)
        if output in TRANSLATED:
            translated = msgspec.structs.replace(asked, translate=True)
            told = TRANSCRIPTION.client.encode(response, OperationReply(translated, Report("")))
            hold(json.loads(told.data), TRANSLATED[output], components)


@pytest.mark.parametrize("output", FORMS)
def test_events_of_transcripts(components: dict[str, Any], output: str) -> None:
    assert TRANSCRIPTION.client.encode_stream is not None
    for asked, response in transcripts(output):
        raw = TRANSCRIPTION.client.encode_stream(response, OperationReply(asked, Report("")))
        *frames, end = SSESplitter().feed(raw)
        assert end == b"[DONE]"
        for told in map(json.loads, frames):
            hold(told, EVENTS[told["type"]], components)


@pytest.mark.parametrize("usage", [None, TOKENS])
def test_events_of_speech(components: dict[str, Any], usage: ir.Usage | None) -> None:
    assert SPEECH.client.encode_stream is not None
    asked = ir.SpeechRequest("openai_chat", None, "Hi", "alloy")
    response = ir.SpeechResponse(b"ID3abc", "mp3", "audio/mpeg", usage=usage)
    frames = SSESplitter().feed(SPEECH.client.encode_stream(response, OperationReply(asked, Report(""))))
    assert len(frames) == 2
    for told in map(json.loads, frames):
        hold(told, EVENTS[told["type"]], components)
