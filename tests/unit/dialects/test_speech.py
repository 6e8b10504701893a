"""Speech in the words of OpenAI, Mistral and Gemini: what is asked, and what of the answers is sound."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.gemini.speech import SPEECH as GEMINI
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.speech import SPEECH as MISTRAL
from dragoman.dialects.openai.heard import seen
from dragoman.dialects.openai.speech import SPEECH
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import encode
from dragoman.wire.sse import SSESplitter
from dragoman.wire.wav import Pcm, unpacked, wav

ASKED = ir.SpeechRequest("openai_chat", "m", "Hello there", "alloy")
SAMPLES = bytes(range(200))
FULL = {
    "model": "m",
    "input": "Hi",
    "voice": {"id": "voice_1"},
    "response_format": "flac",
    "speed": 1.5,
    "instructions": "softly",
    "language": "en",
    "sample_rate": 8000,
}
assert SPEECH.relay is not None
RELAY = SPEECH.relay


def wire(**body: Any) -> WireRequest:
    return WireRequest("speech", {"model": "m", "input": "Hi", "voice": "alloy", **body})


def spoken(data: bytes = SAMPLES, output: str = "pcm", rate: int | None = 24_000) -> ir.SpeechResponse:
    return ir.SpeechResponse(data, output, f"audio/{output}", rate)


def asked(**changes: Any) -> ir.SpeechRequest:
    return msgspec.structs.replace(ASKED, **changes)


# --- OpenAI -----------------------------------------------------------------------------------------


def test_every_member_comes_back() -> None:
    sent = WireRequest("speech", FULL)
    SPEECH.client.check(sent)
    report = Report("")
    assert SPEECH.provider.encode(SPEECH.client.decode(sent), Target(report)).body == FULL
    assert report.losses == []


def test_how_the_sound_is_delivered_is_not_the_providers_matter() -> None:
    sent = wire(stream_format="sse")
    request = SPEECH.client.decode(sent)
    assert (SPEECH.client.streams(sent), request.delivery) == (True, "sse")
    assert "stream_format" not in SPEECH.provider.encode(request, Target(Report(""))).body
    assert not SPEECH.client.streams(wire(stream_format="audio"))
    assert not SPEECH.client.streams(wire())


def test_places() -> None:
    for where, path in (("text", "$.input"), ("output", "$.response_format"), ("voice", "$.voice")):
        assert SPEECH.client.locate(ASKED, where) == path


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (spoken(output="wav"), "the audio format is wav, not pcm"),
        (spoken(rate=16_000), "the audio has 16000 samples per second, not 24000"),
        (spoken(), None),
        (spoken(rate=None), None),
    ],
)
def test_a_format_that_is_another_is_named(answer: ir.SpeechResponse, named: str | None) -> None:
    for write in (SPEECH.client.encode, SPEECH.client.encode_stream):
        assert write is not None
        report = Report("openai_chat", "response")
        write(answer, OperationReply(asked(output="pcm"), report))
        assert [loss.reason for loss in report.losses] == ([] if named is None else [named])


def test_sound_as_events_is_the_same_sound() -> None:
    data = bytes(range(256)) * 500
    assert SPEECH.client.encode_stream is not None
    told = msgspec.structs.replace(spoken(data), usage=ir.Usage(input=3, output=40))
    raw = SPEECH.client.encode_stream(told, OperationReply(ASKED, Report("")))
    *deltas, done = [msgspec.json.decode(frame) for frame in SSESplitter().feed(raw)]
    assert len(deltas) == 3
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert b"".join(b64decode(delta["audio"]) for delta in deltas) == data
    usage = {"input_tokens": 3, "output_tokens": 40, "total_tokens": 43}
    assert done == {"type": "speech.audio.done", "usage": usage}


def test_what_nobody_counts_is_estimated() -> None:
    counted = SPEECH.provider.join([spoken()], ASKED, "gpt-4o-mini-tts")
    assert counted.usage is not None
    assert counted.usage.estimated
    assert (counted.usage.input or 0) > 0
    told = msgspec.structs.replace(spoken(), usage=ir.Usage(input=7))
    assert SPEECH.provider.join([told], ASKED, "m").usage == ir.Usage(input=7)


@pytest.mark.parametrize(
    "answer",
    [
        Payload(b"{}"),
        Payload(b'"sound"', "application/json"),
        Payload(b"<html>", "text/html"),
        Payload(b"", "audio/mpeg"),
        Payload(b"ID3", ""),
    ],
)
def test_what_is_no_sound_is_no_answer(answer: Payload) -> None:
    with pytest.raises(WireError):
        SPEECH.provider.decode(answer, ASKED)
    with pytest.raises(WireError):
        RELAY.response(wire(), answer, None)


def test_a_failure_inside_an_answer_is_one() -> None:
    answer = Payload(encode({"error": {"message": "no voice", "code": "voice_not_found"}}))
    with pytest.raises(RequestFailed, match="no voice"):
        RELAY.response(wire(), answer, None)


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "error", "error": {"message": "worn out"}},
        {"type": "error", "message": "worn out", "code": "server_error"},
        {"error": {"message": "worn out"}},
    ],
)
def test_a_failure_in_a_stream_is_seen(frame: dict[str, Any]) -> None:
    with pytest.raises(RequestFailed, match="worn out"):
        seen(encode(frame))


def test_only_what_tells_usage_is_read() -> None:
    assert seen(b"[DONE]") is None
    assert seen(b'{"type":"speech.audio.delta","audio":"AAAA"}') is None
    assert seen(b'{"type":"transcript.text.done","usage":null}') is None
    assert seen(b'{"usage":{"input_tokens":"many","seconds":true}}') == ir.Usage()


# --- Mistral ----------------------------------------------------------------------------------------


def test_mistral_is_asked_for_a_file_where_samples_are_wished_for() -> None:
    """Its own are floats."""
    report = Report("mistral")
    request = asked(output="pcm", speed=1.0, custom=True)
    body = MISTRAL.encode(request, Target(report, "tts")).body
    assert body == {
        "model": "tts",
        "input": "Hello there",
        "voice_id": "alloy",
        "response_format": "wav",
    }
    assert (report.losses, len(report.changes)) == ([], 1)
    data = b64encode(wav(SAMPLES, Pcm(22_050))).decode()
    response = MISTRAL.decode(Payload(encode({"audio_data": data})), request)
    assert response == ir.SpeechResponse(SAMPLES, "pcm", "audio/pcm", 22_050)


def test_what_mistral_is_not_told_is_named() -> None:
    report = Report("mistral")
    request = asked(speed=2.0, instructions="softly", language="en", extra={"openai_chat": {"x": 1}})
    MISTRAL.encode(request, Target(report))
    assert [loss.path for loss in report.losses] == ["speed", "instructions", "language", "x"]


def test_mistral_has_no_aac() -> None:
    with pytest.raises(WireError) as refused:
        MISTRAL.encode(asked(output="aac"), Target(Report("")))
    assert refused.value.path == "output"


@pytest.mark.parametrize(
    ("output", "body"),
    [
        ("mp3", {}),
        ("mp3", {"audio_data": 5}),
        ("mp3", {"audio_data": ""}),
        ("mp3", {"audio_data": "!!"}),
        ("pcm", {"audio_data": b64encode(b"fLaC").decode()}),
        ("pcm", {"audio_data": b64encode(wav(SAMPLES, Pcm(24_000, 2))).decode()}),
    ],
)
def test_what_is_no_sound_of_mistrals(output: str, body: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        MISTRAL.decode(Payload(encode(body)), asked(output=output))


# --- Gemini -----------------------------------------------------------------------------------------


def said(*parts: Any, reason: str = "STOP") -> Payload:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason}
    return Payload(encode({"candidates": [candidate], "modelVersion": "g-tts"}))


def sound(data: bytes = SAMPLES, kind: str = "audio/L16;codec=pcm;rate=24000") -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": b64encode(data).decode()}}


def test_gemini_is_told_all_that_it_understands() -> None:
    report = Report("gemini")
    request = asked(voice="puck", output="wav", instructions="Say sadly: ", language="de", speed=2.0)
    body = GEMINI.encode(request, Target(report)).body
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Say sadly: Hello there"}]}]
    voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}, "languageCode": "de"}
    assert body["generationConfig"] == {"responseModalities": ["AUDIO"], "speechConfig": voice}
    assert [loss.path for loss in report.losses] == ["speed"]


def test_gemini_has_other_voices() -> None:
    report = Report("gemini")
    body = GEMINI.encode(asked(output="pcm"), Target(report)).body
    config = body["generationConfig"]["speechConfig"]["voiceConfig"]
    assert config == {"prebuiltVoiceConfig": {"voiceName": "Kore"}}
    assert [(loss.path, loss.severity) for loss in report.losses] == [("voice", "quality")]


def test_samples_of_gemini_are_a_file_or_samples() -> None:
    told = said(sound(SAMPLES[:100]), sound(SAMPLES[100:]))
    response = GEMINI.decode(told, asked(output="wav"))
    assert (unpacked(response.data), response.kind) == ((SAMPLES, Pcm()), "audio/wav")
    response = GEMINI.decode(told, asked(output="pcm"))
    assert (response.data, response.kind, response.rate) == (SAMPLES, "audio/pcm", 24_000)
    assert GEMINI.decode(told, asked()).output == "wav"
    stereo = said(sound(kind="audio/L16;rate=24000;channels=2"))
    assert GEMINI.decode(stereo, asked(output="pcm")).output == "wav"
    file = said(sound(b"RIFF", "audio/wav"))
    assert GEMINI.decode(file, asked(output="pcm")).data == b"RIFF"


def test_gemini_without_sound() -> None:
    with pytest.raises(RequestFailed) as refused:
        GEMINI.decode(said(reason="SAFETY"), ASKED)
    assert refused.value.fault.kind == "content_policy"
    with pytest.raises(RequestFailed) as failed:
        GEMINI.decode(said({"text": "Hello there"}), ASKED)
    assert (failed.value.fault.kind, failed.value.fault.blame) == ("upstream", "upstream")
    with pytest.raises(WireError):
        GEMINI.decode(said(sound(kind="audio/midi")), ASKED)
    with pytest.raises(WireError):
        GEMINI.decode(said({"inlineData": {"mimeType": "audio/pcm", "data": "!!!!"}}), ASKED)
    with pytest.raises(RequestFailed):
        GEMINI.decode(Payload(encode({"error": {"code": 500, "message": "no"}})), ASKED)


def test_what_a_custom_voice_states_beside_its_id_is_a_leftover() -> None:
    wire = WireRequest("speech", {"model": "m", "input": "Hi", "voice": {"id": "v", "odd": 1}})
    read = SPEECH.client.decode(wire)
    assert read.extra == {"openai_chat": {"voice.odd": 1}}
    assert SPEECH.provider.encode(read, Target(Report("openai_chat"))).body == wire.body
    report = Report("mistral")
    MISTRAL.encode(read, Target(report))
    assert [loss.path for loss in report.losses] == ["voice.odd"]
