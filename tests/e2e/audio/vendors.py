"""Strict stubs of the vendors of sound, made from their clients and from recorded requests.

Deepgram: `speak/v1/audio/raw_client.py` of deepgram-python-sdk, recorded requests. ElevenLabs:
`text_to_speech/raw_client.py`, `speech_to_text/raw_client.py` of elevenlabs-python. xAI: recorded requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.testing.provider import Answer, Seen, Whole
from tests.e2e.audio.providers import MP3, SAID, SAMPLES, SOUND, SPANS, form
from tests.e2e.stage import Provider

SPOKEN = [
    ("Ruby", 0.0, 0.4, 0),
    ("is", 0.5, 0.6, 0),
    ("a", 0.6, 0.7, 0),
    ("language.", 0.7, 1.5, 0),
    ("It", 1.5, 1.7, 1),
    ("makes", 1.7, 2.0, 1),
    ("people", 2.0, 2.5, 1),
    ("happy.", 2.5, 3.25, 1),
]
"""Word, start, end, speaker."""
_SPEAK = {"model", "encoding", "container", "sample_rate", "bit_rate"}
_LISTEN = {"model", "language", "detect_language", "smart_format", "utterances", "diarize"}
_CONTAINERS: Mapping[str, set[str | None]] = {
    "mp3": {None},
    "opus": {None, "ogg"},
    "aac": {None},
    "flac": {None},
    "linear16": {None, "wav", "none"},
    "mulaw": {None, "wav", "none"},
    "alaw": {None, "wav", "none"},
}
"""The containers for each encoding: https://developers.deepgram.com/docs/tts-media-output-settings."""


def _sound(data: bytes, kind: str) -> Answer:
    return Whole(data, headers={"content-type": kind})


def deepgram(seen: Seen) -> Answer:
    """Deepgram: every option in the query, JSON or the recording as the body."""
    query = dict(seen.query)
    if seen.headers.get("authorization") != "Token up-key":
        return Whole({"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials.", "request_id": "r"}, 401)
    if seen.path == "/v1/speak":
        return _speak(seen, query)
    assert seen.path == "/v1/listen"
    unknown = query.keys() - _LISTEN
    if unknown:
        message = f"Unknown query parameter: {', '.join(sorted(unknown))}"
        return Whole({"err_code": "Bad Request", "err_msg": message, "request_id": "r"}, 400)
    if seen.headers["content-type"] == "application/json":
        assert seen.body.keys() == {"url"}
    else:
        assert seen.headers["content-type"] == "audio/wav"
        assert seen.raw == SOUND
    return Whole(_listened(query))


def _speak(seen: Seen, query: dict[str, str]) -> Answer:
    assert query.keys() <= _SPEAK
    assert seen.headers["content-type"] == "application/json"
    assert seen.body.keys() == {"text"}
    assert query.get("container") in _CONTAINERS[query["encoding"]]
    assert query["encoding"] not in {"mp3", "opus", "aac"} or "sample_rate" not in query
    if not query["model"].startswith("aura-"):
        told = {
            "category": "INVALID_QUERY_PARAMETER",
            "message": "Failed to deserialize.",
            "details": "model",
        }
        return Whole({**told, "request_id": "r"}, 400)
    if query["encoding"] == "linear16":
        return (
            _sound(SOUND, "audio/wav")
            if query["container"] == "wav"
            else _sound(SAMPLES, "audio/l16;rate=24000")
        )
    return _sound(MP3, "audio/mpeg" if query["encoding"] == "mp3" else f"audio/{query['encoding']}")


def _listened(query: dict[str, str]) -> dict[str, Any]:
    speaks = query.get("diarize") == "true"
    words = [
        {
            "word": word.strip(".").lower(),
            "start": start,
            "end": end,
            "confidence": 0.9,
            **({"punctuated_word": word} if query.get("smart_format") else {}),
            **({"speaker": speaker, "speaker_confidence": 1} if speaks else {}),
        }
        for word, start, end, speaker in SPOKEN
    ]
    channel: dict[str, Any] = {"alternatives": [{"transcript": SAID, "confidence": 0.9, "words": words}]}
    if query.get("detect_language"):
        channel["detected_language"] = "en"
    results: dict[str, Any] = {"channels": [channel]}
    if query.get("utterances"):
        results["utterances"] = [
            {"start": start, "end": end, "transcript": text, **({"speaker": index} if speaks else {})}
            for index, (start, end, text) in enumerate(SPANS)
        ]
    return {"metadata": {"request_id": "r", "duration": 3.25, "channels": 1}, "results": results}


def elevenlabs(seen: Seen) -> Answer:
    """ElevenLabs: the voice in the path, the format in the query; a form for recordings."""
    if seen.headers.get("xi-api-key") != "up-key":
        told = {"status": "invalid_api_key", "message": "Invalid API key"}
        return Whole({"detail": told}, 401)
    if seen.path.startswith("/v1/text-to-speech/"):
        voice, stream = seen.path.removeprefix("/v1/text-to-speech/").split("/")
        assert stream == "stream"
        if voice != "JBFqnCBsd6RMkjVDRZzb":
            told = {
                "status": "voice_not_found",
                "message": f"A voice with the voice_id {voice} was not found.",
            }
            return Whole({"detail": told}, 404)
        assert seen.query.keys() == {"output_format"}
        assert seen.body.keys() <= {"text", "model_id", "language_code", "voice_settings"}
        if seen.body["text"] == "too much":
            told = {"status": "quota_exceeded", "message": "This request exceeds your quota."}
            return Whole({"detail": told}, 401)
        wished = seen.query["output_format"]
        data, kind = (SAMPLES, "audio/pcm") if wished == "pcm_24000" else (MP3, "audio/mpeg")
        return _sound(data, kind)
    assert seen.path == "/v1/speech-to-text"
    sent = form(seen)
    known = {"model_id", "language_code", "temperature", "diarize", "timestamps_granularity"}
    assert {name for name, _ in sent.texts} <= known | {"tag_audio_events", "cloud_storage_url"}
    assert (sent.data == SOUND) == (sent.get("cloud_storage_url") is None)
    words: list[dict[str, Any]] = []
    for word, start, end, speaker in SPOKEN:
        words += [{"text": " ", "start": start, "end": start, "type": "spacing"}] if words else []
        who = {"speaker_id": f"speaker_{speaker}"} if sent.get("diarize") == "true" else {}
        words.append({"text": word, "start": start, "end": end, "type": "word", "logprob": 0.0, **who})
    return Whole({"language_code": "eng", "language_probability": 1.0, "text": SAID, "words": words})


def xai(seen: Seen) -> Answer:
    """xAI: JSON for speech, a form whose file comes last for recordings."""
    assert seen.headers["authorization"] == "Bearer up-key"
    if seen.path == "/v1/tts":
        body = seen.body
        assert body.keys() <= {"text", "voice_id", "language", "output_format", "speed"}
        assert body["language"]
        assert body.get("output_format", {}).keys() <= {"codec", "sample_rate", "bit_rate"}
        if body.get("voice_id") == "nobody":
            return Whole({"code": "Client specified an invalid argument", "error": "Unknown voice"}, 400)
        codec = body.get("output_format", {}).get("codec", "mp3")
        data = {"mp3": MP3, "wav": SOUND, "pcm": SAMPLES}[codec]
        return _sound(data, {"mp3": "audio/mpeg", "wav": "audio/wav", "pcm": "audio/pcm"}[codec])
    assert seen.path == "/v1/stt"
    sent = form(seen)
    assert {name for name, _ in sent.texts} <= {"model", "language", "diarize", "url"}
    assert sent.get("url") is not None or seen.raw.rindex(b'name="file"') > seen.raw.rindex(b'name="model"')
    words = [
        {"text": word, "start": start, "end": end, **({"speaker": who} if sent.get("diarize") else {})}
        for word, start, end, who in SPOKEN
    ]
    return Whole({"text": SAID, "language": "en", "duration": 3.25, "words": words})


VENDORS: dict[str, Provider] = {"deepgram": deepgram, "elevenlabs": elevenlabs, "xai": xai}
