"""Providers of speech and transcripts: each speaks its dialect and takes no member that it does not know."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from email import message_from_bytes, policy
from typing import Any

import msgspec

from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from dragoman.wire.wav import Pcm, wav
from tests.e2e.stage import Provider

SAID = "Ruby is a language. It makes people happy."
SPANS = [(0.0, 1.5, "Ruby is a language."), (1.5, 3.25, "It makes people happy.")]
WORDS = [(0.0, 0.5, "Ruby"), (0.5, 3.25, "happy.")]
SAMPLES = bytes(range(256)) * 20
SOUND = wav(SAMPLES, Pcm(24_000))
MP3 = b"\xff\xf3" + bytes(range(255, -1, -1)) * 400
RECORDING = ("speech.wav", SOUND, "audio/wav")
KINDS = {"mp3": "audio/mpeg", "wav": "audio/wav", "pcm": "audio/pcm", "flac": "audio/flac"}
CODED = {"mp3": MP3, "wav": SOUND, "pcm": SAMPLES, "flac": b"fLaC" + MP3}


class Sent(msgspec.Struct):
    """A form as it arrived: texts in their order, and the file if there is one."""

    texts: list[tuple[str, str]]
    name: str
    kind: str
    data: bytes

    def get(self, name: str) -> str | None:
        return dict(self.texts).get(name)


def form(seen: Seen) -> Sent:
    """The form of a request, as the standard library reads it."""
    head = f"content-type: {seen.headers['content-type']}\r\n\r\n".encode()
    parts = message_from_bytes(head + seen.raw, policy=policy.HTTP).iter_parts()
    texts, files = [], []
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(data, bytes)
        if (filename := part.get_filename()) is None:
            texts.append((name, data.decode()))
        else:
            assert name == "file"
            files.append((filename, part.get_content_type(), data))
    (filename, kind, data) = files[0] if files else ("", "", b"")
    assert len(files) <= 1
    return Sent(texts, filename, kind, data)


# --- OpenAI ---------------------------------------------------------------------------------------


def openai(seen: Seen) -> Answer:
    """OpenAI, with whisper's answers and the streams of its successors."""
    if seen.path.endswith("/speech"):
        return _speech(seen.body)
    sent = form(seen)
    output = sent.get("response_format") or "json"
    if sent.get("stream") == "true":
        usage = {"type": "tokens", "input_tokens": 37, "output_tokens": 12, "total_tokens": 49}
        deltas = [{"type": "transcript.text.delta", "delta": word + " "} for word in SAID.split()]
        done = {"type": "transcript.text.done", "text": SAID, "usage": usage}
        return Streamed([*deltas, done, "data: [DONE]\r\n\r\n"], line_end="\r\n")
    if output in {"text", "srt", "vtt"}:
        return Whole(WRITTEN[output], headers={"content-type": "text/plain; charset=utf-8"})
    if output == "json":
        return Whole({"text": SAID, "usage": {"type": "duration", "seconds": 4}})
    task = "translate" if seen.path.endswith("/translations") else "transcribe"
    told: dict[str, Any] = {"task": task, "language": "english", "duration": 3.25, "text": SAID}
    granularities = [value for name, value in sent.texts if name == "timestamp_granularities[]"]
    if "word" in granularities:
        told["words"] = [{"word": word, "start": start, "end": end} for start, end, word in WORDS]
    if "segment" in granularities or not granularities:
        told["segments"] = [_segment(index) for index in range(len(SPANS))]
    return Whole(told)


def _speech(body: dict[str, Any]) -> Answer:
    output = body.get("response_format", "mp3")
    if body.get("stream_format") == "sse":
        usage = {"input_tokens": 5, "output_tokens": 60, "total_tokens": 65}
        half = len(CODED[output]) // 2
        pieces = CODED[output][:half], CODED[output][half:]
        deltas = [{"type": "speech.audio.delta", "audio": b64encode(one).decode()} for one in pieces]
        return Streamed([*deltas, {"type": "speech.audio.done", "usage": usage}])
    return Whole(CODED[output], headers={"content-type": KINDS[output]})


def _segment(index: int) -> dict[str, Any]:
    start, end, text = SPANS[index]
    numbers = {"temperature": 0.0, "avg_logprob": -0.6, "compression_ratio": 0.8, "no_speech_prob": 0.003}
    return {
        "id": index,
        "seek": 0,
        "start": start,
        "end": end,
        "text": " " + text,
        "tokens": [1, 2],
        **numbers,
    }


WRITTEN = {
    "text": SAID + "\n",
    "srt": (
        "1\n00:00:00,000 --> 00:00:01,500\nRuby is a language.\n\n"
        "2\n00:00:01,500 --> 00:00:03,250\nIt makes people happy.\n\n"
    ),
    "vtt": (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nRuby is a language.\n\n"
        "00:00:01.500 --> 00:00:03.250\nIt makes people happy.\n\n"
    ),
}


# --- Mistral, Gemini --------------------------------------------------------------------------------


def mistral(seen: Seen) -> Answer:
    """Mistral: sound inside of JSON, times where they are asked for."""
    if seen.path.endswith("/speech"):
        assert seen.body.keys() <= {"model", "input", "voice_id", "response_format", "stream"}
        data = CODED[seen.body.get("response_format", "mp3")]
        if seen.body.get("stream"):
            return Streamed([*_heard(data), {"type": "speech.audio.done", "usage": COUNTS}])
        return Whole({"audio_data": b64encode(data).decode()})
    assert seen.path.endswith("/audio/transcriptions")
    sent = form(seen)
    known = {"model", "language", "temperature", "diarize", "timestamp_granularities[]", "file_url", "stream"}
    assert {name for name, _ in sent.texts} <= known
    times = sent.get("timestamp_granularities[]")
    assert times is None or sent.get("language") is None
    spans = WORDS if times == "word" else SPANS if times == "segment" else []
    segments = [
        {"type": "transcription_segment", "text": text, "start": start, "end": end, "speaker_id": f"s{index}"}
        for index, (start, end, text) in enumerate(spans)
    ]
    counts = {"prompt_tokens": 3, "completion_tokens": 11, "total_tokens": 389, "prompt_audio_seconds": 4}
    usage = {**counts, "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375}}
    model = sent.get("model")
    if sent.get("stream") == "true":
        deltas = [{"type": "transcription.text.delta", "text": word + " "} for word in SAID.split(" ")]
        told = [{**segment, "type": "transcription.segment"} for segment in segments]
        done = {"type": "transcription.done", "model": model, "text": SAID, "language": "en", "usage": usage}
        language = {"type": "transcription.language", "audio_language": "en"}
        return Streamed([language, *deltas, *told, {**done, "segments": segments}])
    return Whole({"model": model, "text": SAID, "language": None, "segments": segments, "usage": usage})


COUNTS = {"prompt_tokens": 5, "completion_tokens": 60, "total_tokens": 65}


def _heard(data: bytes) -> list[dict[str, str]]:
    """The sound as Mistral's events, in two pieces."""
    pieces = data[: len(data) // 2], data[len(data) // 2 :]
    return [{"type": "speech.audio.delta", "audio_data": b64encode(one).decode()} for one in pieces]


def gemini(seen: Seen) -> Answer:
    """Gemini: raw samples, or the words of the recording that is inside."""
    assert seen.path.endswith(":generateContent")
    (content,), config = seen.body["contents"], seen.body.get("generationConfig", {})
    if config.get("responseModalities") == ["AUDIO"]:
        half = len(SAMPLES) // 2
        kind = "audio/L16;codec=pcm;rate=24000"
        parts: list[Any] = [
            {"inlineData": {"mimeType": kind, "data": b64encode(piece).decode()}}
            for piece in (SAMPLES[:half], SAMPLES[half:])
        ]
    else:
        text, sound = content["parts"]
        assert text["text"]
        assert b64decode(sound["inlineData"]["data"]) == SOUND
        assert sound["inlineData"]["mimeType"] == "audio/wav"
        parts = [{"text": SAID + "\n"}]
    usage = {"promptTokenCount": 40, "candidatesTokenCount": 9, "totalTokenCount": 49}
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    return Whole({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "g"})


def failing(_: Seen) -> Answer:
    """One that is broken."""
    return Whole(json.dumps({"error": {"message": "broken", "type": "server_error"}}), 500)


PROVIDERS: dict[str, Provider] = {
    "openai_chat": openai,
    "mistral": mistral,
    "gemini": gemini,
    "anthropic": failing,
    "bad": failing,
}
