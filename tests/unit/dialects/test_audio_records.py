"""Recorded speech and transcripts as laws: requests and answers come back as they were, sound to the byte."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.forms import texts
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral import speech as mistral_speech
from dragoman.dialects.mistral import transcription as mistral
from dragoman.dialects.openai.speech import SPEECH
from dragoman.dialects.openai.transcription import TRANSCRIPTION
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.wire.json import encode
from dragoman.wire.multipart import Field, Form
from dragoman.wire.sse import SSESplitter

pytestmark = pytest.mark.wire
Record = dict[str, Any]
DIARIZED = ir.TranscriptionRequest("openai_chat", None, ir.File(b"x"), output="diarized_json")


def records(folder: Path, api: str, kind: str) -> Iterator[Record]:
    """The exchanges of an API that are speech, or that are transcripts."""
    for line in (folder / f"{api}.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if ("speech" if record["request"]["url"].endswith("/speech") else "transcription") == kind:
            yield record


def form(record: Record) -> Form:
    """A recorded form; what was cut out of a recording is made up."""
    return tuple(
        Field(part["name"], b"x" * part["bytes"], part["filename"], part["content_type"])
        if "filename" in part
        else Field(part["name"], part["value"].encode())
        for part in record["request"]["multipart"]
    )


def request(record: Record) -> WireRequest:
    path = "/audio/" + record["request"]["url"].rpartition("/")[2]
    fields = form(record)
    return WireRequest("transcription", texts(fields), path=path, fields=fields)


def answer(record: Record) -> Payload:
    told, kind = record["response"], record["response"]["headers"]["content-type"]
    return Payload(told["body_text"].encode() if "body_text" in told else encode(told["body"]), kind)


@pytest.mark.parametrize(("api", "least"), [("openai.audio", 10), ("openrouter.audio", 2)])
def test_forms_come_back(recorded: Path, api: str, least: int) -> None:
    found = list(records(recorded, api, "transcription"))
    assert len(found) >= least
    for record in found:
        wire = request(record)
        TRANSCRIPTION.client.check(wire)
        asked = TRANSCRIPTION.client.decode(wire)
        report = Report("openai_chat")
        written = TRANSCRIPTION.provider.encode(asked, Target(report))
        assert sorted(written.fields, key=str) == sorted(wire.fields, key=str), record["id"]
        assert (written.path, report.losses) == (wire.path, [])
        assert TRANSCRIPTION.client.streams(wire) is ("stream" in record["features"])


@pytest.mark.parametrize("api", ["openai.audio", "openrouter.audio"])
def test_transcripts_come_back(recorded: Path, api: str) -> None:
    """With their usage, which newer answers of every form tell and older ones do not."""
    for record in records(recorded, api, "transcription"):
        if "sse" in record["response"]:
            continue
        asked, told = TRANSCRIPTION.client.decode(request(record)), answer(record)
        response = TRANSCRIPTION.provider.decode(told, asked)
        report = Report("openai_chat", "response")
        written = TRANSCRIPTION.client.encode(response, OperationReply(asked, report))
        assert report.losses == []
        if "body_text" in record["response"]:
            assert written == told, record["id"]
            continue
        body = json.loads(written.data)
        if "usage" not in (expected := record["response"]["body"]):
            body.pop("usage", None)
        elif "type" not in expected["usage"]:
            del body["usage"]["type"]
        assert body == expected, record["id"]


def test_a_sample_comes_back(recorded: Path) -> None:
    (line,) = (recorded / "openai.audio.samples.jsonl").read_text(encoding="utf-8").splitlines()
    body = json.loads(line)["response"]["body"]
    asked = msgspec.structs.replace(DIARIZED, output="verbose_json", timestamps=("word",))
    response = TRANSCRIPTION.provider.decode(Payload(encode(body)), asked)
    written = TRANSCRIPTION.client.encode(response, OperationReply(asked, Report("")))
    assert json.loads(written.data) == body


def test_streams_are_understood(recorded: Path) -> None:
    """What they cost is seen as they pass; the same answer told whole has the same last event."""
    streams = [one for one in records(recorded, "openai.audio", "transcription") if "sse" in one["response"]]
    assert len(streams) >= 3
    for record in streams:
        frames = SSESplitter().feed(record["response"]["sse"].encode())
        assert TRANSCRIPTION.relay is not None
        assert TRANSCRIPTION.client.encode_stream is not None
        told = [usage for frame in frames[:-1] if (usage := TRANSCRIPTION.relay.seen(frame))]
        last = json.loads(frames[-2])
        assert [usage.total for usage in told] == [last["usage"]["total_tokens"]]
        response = ir.TranscriptionResponse(last["text"], usage=told[0])
        asked = TRANSCRIPTION.client.decode(request(record))
        if asked.output == "diarized_json":
            first = json.loads(frames[0])
            segment = ir.Segment(first["text"], first["start"], first["end"], first["speaker"])
            response = msgspec.structs.replace(response, segments=(segment,))
        written = TRANSCRIPTION.client.encode_stream(response, OperationReply(asked, Report("")))
        again = SSESplitter().feed(written)
        assert again[-1] == frames[-1] == b"[DONE]"
        assert json.loads(again[-2]) == last
        assert asked.output != "diarized_json" or json.loads(again[0]) == json.loads(frames[0])


def test_speech_comes_back(recorded: Path) -> None:
    (record,) = records(recorded, "openai.audio", "speech")
    wire = WireRequest("speech", record["request"]["body"])
    SPEECH.client.check(wire)
    asked = SPEECH.client.decode(wire)
    assert SPEECH.provider.encode(asked, Target(Report(""))).body == wire.body
    told = Payload(b64decode(record["response"]["binary_b64"]), "audio/mpeg")
    response = SPEECH.provider.decode(told, asked)
    assert SPEECH.client.encode(response, OperationReply(asked, Report(""))) == told


def test_mistral_is_asked_as_it_was(recorded: Path) -> None:
    """Its clients have no paths here, so the law is: what OpenAI's mean by it is what was recorded."""
    found = list(records(recorded, "mistral.audio", "transcription"))
    assert len(found) >= 4
    for record in found:
        fields = form(record)
        diarized = texts(fields).get("diarize") == "true"
        (recording,) = [field for field in fields if field.filename is not None]
        asked = msgspec.structs.replace(
            DIARIZED,
            output="diarized_json" if diarized else None,
            audio=ir.File(recording.value, recording.filename, recording.kind),
        )
        report = Report("mistral")
        written = mistral.encode_request(asked, Target(report, "voxtral-mini-latest"))
        assert sorted(written.fields, key=str) == sorted(fields, key=str), record["id"]
        assert report.losses == []
        response = mistral.decode_response(answer(record), asked)
        body = record["response"]["body"]
        assert response.text == body["text"]
        assert response.usage is not None
        assert response.usage.total == body["usage"]["total_tokens"]
        written_answer = TRANSCRIPTION.client.encode(response, OperationReply(asked, report))
        told = json.loads(written_answer.data)
        assert told["text"] == body["text"]
        if diarized:
            assert [(x["text"], x["start"], x["end"], x["speaker"]) for x in told["segments"]] == [
                (x["text"], x["start"], x["end"], x["speaker_id"]) for x in body["segments"]
            ]


def test_mistral_speaks_as_it_did(recorded: Path) -> None:
    """The recording says `voice`, as older clients did; the specification says `voice_id`."""
    (record,) = records(recorded, "mistral.audio", "speech")
    body = record["request"]["body"]
    asked = ir.SpeechRequest("openai_chat", None, body["input"], body["voice"])
    written = mistral_speech.encode_request(asked, Target(Report(""), body["model"]))
    expected = {("voice_id" if key == "voice" else key): value for key, value in body.items()}
    assert written.body == expected
    response = mistral_speech.decode_response(answer(record), asked)
    assert response.data == b64decode(record["response"]["body"]["audio_data"])
    assert (response.output, response.kind) == ("mp3", "audio/mpeg")
    assert response.data.startswith(b"ID3")
