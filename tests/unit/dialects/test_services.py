"""The vendors of sound: recorded requests come out as they were, and errors keep their words."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dragoman import ir
from dragoman.dialects.deepgram import SERVICE as DEEPGRAM
from dragoman.dialects.elevenlabs import SERVICE as ELEVENLABS
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import SERVICES
from dragoman.dialects.xai import SERVICE as XAI
from dragoman.errors import WireError
from dragoman.providers.catalog import CATALOG
from dragoman.wire.json import encode
from tests.unit.dialects.test_audio_records import answer, form

Record = dict[str, Any]
HEAR = ir.TranscriptionRequest("openai_chat", None, ir.File(b"x", "ruby.wav", "audio/wav"))


def records(folder: Path, api: str) -> list[Record]:
    lines = (folder / f"{api}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def written(
    service: Any, operation: str, request: Any, model: str | None = None
) -> tuple[WireRequest, Report]:
    report = Report(service.name)
    return service.sides[operation].encode(request, Target(report, model)), report


def query_of(record: Record) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(record["request"]["url"]).query))


def test_every_vendor_with_a_service_has_one() -> None:
    named = {row.service for row in CATALOG.values() if row.service}
    assert named == set(SERVICES)
    assert {name for name, service in SERVICES.items() if not service.chats} == {"deepgram", "elevenlabs"}


@pytest.mark.parametrize("service", [DEEPGRAM, ELEVENLABS, XAI])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_words_in_place_of_sound_do_not_flow_to_the_client(service: Any, kind: str) -> None:
    request = ir.SpeechRequest("openai_chat", None, "Hi.", "voice")
    decoder = service.sides["speech"].decoder
    assert decoder(request, kind, 1000) is None
    assert decoder(request, "audio/mpeg", 1000) is not None


@pytest.mark.wire
def test_deepgram_is_asked_as_it_was(recorded: Path) -> None:
    """The recordings of transcripts want utterances, which need times here, and detect no language."""
    spoken, heard = 0, 0
    for record in records(recorded, "deepgram.audio"):
        query, told = query_of(record), answer_of(record)
        if "/speak" in record["request"]["url"]:
            spoken += 1
            text = record["request"]["body"]["text"]
            asked = ir.SpeechRequest("openai_chat", None, text, "zeus", output="wav")
            wire, report = written(DEEPGRAM, "speech", asked, "aura-2-thalia-en")
            assert (wire.query, wire.body, report.losses) == (query, record["request"]["body"], [])
            response = DEEPGRAM.sides["speech"].decode(told, asked)
            assert (response.data, response.kind) == (told.data, "audio/wav")
            continue
        heard += 1
        body = record["request"].get("body")
        file = ir.File(url=body["url"]) if body else HEAR.audio
        hear = ir.TranscriptionRequest(
            "openai_chat", None, file, language=query.get("language"), output="verbose_json"
        )
        wire, report = written(DEEPGRAM, "transcription", hear, query["model"])
        detected = {} if "language" in query else {"detect_language": "true"}
        assert wire.query == {**query, **detected}
        assert (wire.body, wire.file) == (body or {}, None if body else file)
        assert report.losses == []
        transcript = DEEPGRAM.sides["transcription"].decode(told, hear)
        results = record["response"]["body"]["results"]
        assert transcript.text == results["channels"][0]["alternatives"][0]["transcript"]
        assert [one.text for one in transcript.segments] == [
            one["transcript"] for one in results["utterances"]
        ]
        assert transcript.duration == record["response"]["body"]["metadata"]["duration"]
    assert (spoken, heard) == (1, 2)


def answer_of(record: Record) -> Payload:
    told = record["response"]
    if "binary_b64" in told:
        return Payload(b64decode(told["binary_b64"]), told["headers"]["content-type"])
    return answer(record)


@pytest.mark.wire
def test_deepgram_tells_speakers_and_the_language(recorded: Path) -> None:
    (record,) = records(recorded, "deepgram.audio.samples")
    told = DEEPGRAM.sides["transcription"].decode(Payload(encode(record["response"]["body"])), HEAR)
    assert told.language == "en"
    assert {one.speaker for one in told.segments} == {"0"}
    assert len(told.words) == len(told.text.split())


@pytest.mark.wire
def test_xai_is_asked_as_it_was(recorded: Path) -> None:
    found = records(recorded, "xai.audio")
    assert len(found) == 3
    for record in found:
        told = answer_of(record)
        if record["request"]["url"].endswith("/tts"):
            body = record["request"]["body"]
            asked = ir.SpeechRequest("openai_chat", None, body["text"])
            wire, report = written(XAI, "speech", asked, "grok-tts")
            assert (wire.path, wire.body, report.losses) == ("/tts", body, [])
            assert XAI.sides["speech"].decode(told, asked).kind == "audio/mpeg"
            continue
        fields = form(record)
        texts = {field.name: str(field.value, "utf-8") for field in fields if field.filename is None}
        file = next(ir.File(one.value, one.filename, one.kind) for one in fields if one.filename is not None)
        output = "diarized_json" if "diarize" in texts else None
        hear = ir.TranscriptionRequest(
            "openai_chat", None, file, language=texts.get("language"), output=output
        )
        wire, report = written(XAI, "transcription", hear, "grok-stt")
        assert (wire.path, wire.fields, report.losses) == ("/stt", fields, [])
        transcript = XAI.sides["transcription"].decode(told, hear)
        stated = record["response"]["body"]
        assert (transcript.text, transcript.duration) == (stated["text"], 3.7)
        (segment,) = transcript.segments
        assert (segment.text, segment.start, segment.end) == (stated["text"], 0.121, 3.539)
        assert segment.speaker == ("0" if output else None)


def test_elevenlabs_makes_a_wav_file_of_samples() -> None:
    asked = ir.SpeechRequest("openai_chat", None, "Hi", "JBFqnCBsd6RMkjVDRZzb", output="wav")
    wire, report = written(ELEVENLABS, "speech", asked, "eleven_v3")
    assert wire.params == {"voice_id": "JBFqnCBsd6RMkjVDRZzb"}
    assert wire.query == {"output_format": "pcm_24000"}
    assert [change.path for change in report.changes] == ["output"]
    side = ELEVENLABS.sides["speech"]
    assert side.decoder is not None
    assert side.decoder(asked, "audio/pcm", 1) is None
    told = side.decode(Payload(b"\0\1", "audio/pcm"), asked)
    assert (told.data[:4], told.data[-2:], told.kind) == (b"RIFF", b"\0\1", "audio/wav")


def test_elevenlabs_keeps_blanks_and_leaves_out_what_has_no_time() -> None:
    words = [
        {"text": "Good", "start": 0.1, "end": 0.3, "type": "word", "speaker_id": "a"},
        {"text": " ", "start": 0.3, "end": 0.4, "type": "spacing", "speaker_id": "a"},
        {"text": "day.", "start": 0.4, "end": 0.6, "type": "word", "speaker_id": "a"},
        {"text": "(laughs)", "type": "audio_event", "speaker_id": "a"},
    ]
    body = {"language_code": "eng", "language_probability": 1, "text": "Good day.", "words": words}
    told = ELEVENLABS.sides["transcription"].decode(Payload(encode(body)), HEAR)
    assert told.words == (ir.Word("Good", 0.1, 0.3), ir.Word("day.", 0.4, 0.6))
    assert told.segments == (ir.Segment("Good day.", 0.1, 0.6, "a"),)


@pytest.mark.parametrize(
    ("model", "voice", "language", "named", "lost"),
    [
        ("aura-2-thalia-en", "zeus", None, "aura-2-zeus-en", []),
        ("aura-2", "celeste", "es", "aura-2-celeste-es", []),
        ("aura-2-thalia-en", "aura-asteria-en", None, "aura-asteria-en", []),
        ("aura-2-thalia-en", "alloy", None, "aura-2-thalia-en", ["voice"]),
        ("aura-2-thalia-en", None, "es", "aura-2-thalia-en", ["language"]),
        ("my-own-voice", "zeus", None, "my-own-voice", ["voice"]),
        ("my-own-voice", None, "es", "my-own-voice", ["language"]),
        ("my-own-voice", "aura-2-zeus-en", None, "aura-2-zeus-en", []),
        ("aura-2-thalia-en", "aura-2-zeus-en", "en", "aura-2-zeus-en", []),
        ("aura-2-thalia-en", "aura-2-zeus-en", "es", "aura-2-zeus-en", ["language"]),
    ],
)
def test_a_model_of_deepgram_is_a_voice(
    model: str, voice: str | None, language: str | None, named: str, lost: list[str]
) -> None:
    asked = ir.SpeechRequest("openai_chat", None, "Hi", voice, language=language)
    wire, report = written(DEEPGRAM, "speech", asked, model)
    assert wire.query == {"model": named, "encoding": "mp3"}
    assert [loss.path for loss in report.losses] == lost


def test_a_family_of_deepgram_needs_a_voice() -> None:
    with pytest.raises(WireError, match="needs one of Deepgram's voices") as refused:
        written(DEEPGRAM, "speech", ir.SpeechRequest("openai_chat", None, "Hi", "alloy"), "aura-2")
    assert refused.value.path == "voice"
    with pytest.raises(WireError, match="has no voice 'aura-2'"):
        written(DEEPGRAM, "speech", ir.SpeechRequest("openai_chat", None, "Hi", "aura-2"), "aura-2")


@pytest.mark.parametrize(
    ("service", "status", "body", "kind", "message"),
    [
        (DEEPGRAM, 401, {"err_code": "INVALID_AUTH", "err_msg": "No."}, "authentication", "No."),
        (
            DEEPGRAM,
            400,
            {"category": "INVALID_JSON", "message": "Invalid JSON submitted.", "details": "line 7"},
            "invalid_request",
            "Invalid JSON submitted.: line 7",
        ),
        (DEEPGRAM, 502, b"bad gateway", "upstream", "bad gateway"),
        (ELEVENLABS, 401, {"detail": {"status": "quota_exceeded", "message": "Spent."}}, "quota", "Spent."),
        (
            ELEVENLABS,
            401,
            {"detail": {"status": "invalid_api_key", "message": "Wrong."}},
            "authentication",
            "Wrong.",
        ),
        (
            ELEVENLABS,
            401,
            {"detail": {"type": "authentication_error", "code": "quota_exceeded", "message": "Spent."}},
            "quota",
            "Spent.",
        ),
        (
            ELEVENLABS,
            401,
            {"detail": {"status": "missing_permissions", "message": "The key lacks text_to_speech."}},
            "permission",
            "The key lacks text_to_speech.",
        ),
        (
            ELEVENLABS,
            403,
            {"detail": {"status": "output_format_not_allowed", "message": "Only for Pro."}},
            "invalid_request",
            "Only for Pro.",
        ),
        (
            ELEVENLABS,
            422,
            {"detail": [{"loc": ["body", "text"], "msg": "field required", "type": "missing"}]},
            "invalid_request",
            "body.text: field required",
        ),
        (XAI, 400, {"code": "invalid", "error": "Unknown voice"}, "invalid_request", "Unknown voice"),
    ],
)
def test_errors_keep_their_words(service: Any, status: int, body: Any, kind: str, message: str) -> None:
    raw = body if isinstance(body, bytes) else encode(body)
    fault = service.decode_error(status, {"retry-after": "3"}, raw)
    assert (fault.kind, fault.message, fault.status) == (kind, message, status)
    assert fault.retry_after == 3
