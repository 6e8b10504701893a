"""Speech and transcription by vendors with APIs of their own, for the official OpenAI client."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from dragoman.testing.provider import Whole
from tests.e2e.audio.conftest import Stage
from tests.e2e.audio.providers import MP3, RECORDING, SAID, SAMPLES, SOUND, WRITTEN, form
from tests.e2e.audio.vendors import VENDORS
from tests.e2e.stage import Rows, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODELS = {
    "deepgram": ("deepgram/aura-2-thalia-en", "zeus", "deepgram/nova-3"),
    "elevenlabs": ("elevenlabs/eleven_multilingual_v2", "JBFqnCBsd6RMkjVDRZzb", "elevenlabs/scribe_v2"),
    "xai": ("xai/grok-tts", "ara", "xai/grok-voice-transcribe-2.0"),
}
"""The model that speaks, its voice, and the model that listens."""
EACH = pytest.mark.parametrize("vendor", MODELS)


def config(rows: Rows) -> dict[str, Any]:
    """The gateway's configuration: the vendors' own rows at other addresses."""
    rows = {
        name: {**row, "base_url": row["base_url"].removesuffix("/v1") + "/v1"} for name, row in rows.items()
    }
    return {"providers": rows, "retries": {"attempts": 1}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(Stage, tmp_path_factory.mktemp("vendors"), VENDORS, config) as stage:
        yield stage


async def say(stage: Stage, vendor: str, **fields: Any) -> bytes:
    model, voice, _ = MODELS[vendor]
    asked = {"model": model, "voice": voice, "input": "Good morning.", **fields}
    return (await stage.client.audio.speech.create(**asked)).content


async def hear(stage: Stage, vendor: str, **fields: Any) -> Any:
    return await stage.client.audio.transcriptions.create(model=MODELS[vendor][2], file=RECORDING, **fields)


@EACH
async def test_speech(stage: Stage, vendor: str) -> None:
    assert await say(stage, vendor) == MP3
    assert await say(stage, vendor, response_format="wav") == SOUND
    assert await say(stage, vendor, response_format="pcm") == SAMPLES
    exchange = stage.exchanges[0]
    assert exchange.losses == ()
    assert exchange.mode == "translate"
    assert exchange.attempts[0].units == {"characters": 13}


@EACH
async def test_speech_comes_as_events(stage: Stage, vendor: str) -> None:
    told = await stage.speak(
        model=MODELS[vendor][0], voice=MODELS[vendor][1], input="Hi", stream_format="sse"
    )
    assert told.headers["content-type"].startswith("text/event-stream")
    events = told.events
    assert events[-1]["type"] == "speech.audio.done"
    assert b"".join(heard(event) for event in events[:-1]) == MP3


def heard(event: dict[str, Any]) -> bytes:
    assert event["type"] == "speech.audio.delta"
    return b64decode(event["audio"])


async def test_how_each_is_told_the_voice(stage: Stage) -> None:
    await say(stage, "deepgram")
    await say(stage, "deepgram", voice="aura-2-hera-en")
    await say(stage, "deepgram", voice="alloy")
    models = [dict(seen.query)["model"] for seen in stage.providers["deepgram"].seen]
    assert models == ["aura-2-zeus-en", "aura-2-hera-en", "aura-2-thalia-en"]
    assert [loss.path for loss in stage.exchanges[-1].losses] == ["$.voice"]
    await say(stage, "elevenlabs", speed=1.1)
    assert stage.providers["elevenlabs"].last.body == {
        "text": "Good morning.",
        "model_id": "eleven_multilingual_v2",
        "voice_settings": {"speed": 1.1},
    }
    await say(stage, "xai", speed=1.25, response_format="pcm", extra_body={"language": "de"})
    assert stage.providers["xai"].last.body == {
        "text": "Good morning.",
        "language": "de",
        "voice_id": "ara",
        "output_format": {"codec": "pcm", "sample_rate": 24_000},
        "speed": 1.25,
    }
    await say(stage, "xai", voice="alloy")
    assert "voice_id" not in stage.providers["xai"].last.body


@pytest.mark.parametrize(
    ("vendor", "fields", "param"),
    [
        ("elevenlabs", {"response_format": "flac"}, "response_format"),
        ("elevenlabs", {"voice": "alloy"}, "voice"),
        ("xai", {"response_format": "opus"}, "response_format"),
        ("deepgram", {"voice": "no such/voice"}, "voice"),
    ],
)
async def test_what_a_vendor_cannot_do_is_refused(
    stage: Stage, vendor: str, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await say(stage, vendor, **fields)
    assert (refused.value.param, refused.value.code) == (param, "unsupported_value")
    assert stage.providers[vendor].seen == []


@EACH
async def test_transcripts(stage: Stage, vendor: str) -> None:
    told = await hear(stage, vendor, language="en")
    assert told.text == SAID
    assert stage.exchanges[-1].losses == ()
    verbose = await hear(
        stage, vendor, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert [word.word for word in verbose.words] == SAID.split()
    assert [segment.text for segment in verbose.segments] == ["Ruby is a language.", "It makes people happy."]
    assert verbose.duration == 3.25
    for output in ("text", "srt", "vtt"):
        assert await hear(stage, vendor, response_format=output) == WRITTEN[output]


@EACH
async def test_speakers(stage: Stage, vendor: str) -> None:
    told = await hear(stage, vendor, response_format="diarized_json")
    assert [segment.text for segment in told.segments] == ["Ruby is a language.", "It makes people happy."]
    first, second = (segment.speaker for segment in told.segments)
    assert first != second
    assert first.endswith("0")


async def test_the_seconds_of_a_recording_are_billed(stage: Stage) -> None:
    told = await hear(stage, "deepgram")
    assert told.usage.seconds == 4
    assert stage.exchanges[-1].attempts[0].units == {"input_audio_ms": 3250}


async def test_what_each_is_sent_of_a_recording(stage: Stage) -> None:
    await hear(stage, "deepgram", language="de")
    query = dict(stage.providers["deepgram"].last.query)
    assert query == {"model": "nova-3", "smart_format": "true", "language": "de"}
    await hear(stage, "deepgram", prompt="Ruby", temperature=0.2)
    assert dict(stage.providers["deepgram"].last.query)["detect_language"] == "true"
    assert {loss.path for loss in stage.exchanges[-1].losses} == {"$.prompt", "$.temperature"}
    await hear(stage, "elevenlabs", temperature=0.2, language="de")
    texts = dict(form(stage.providers["elevenlabs"].last).texts)
    assert texts == {
        "model_id": "scribe_v2",
        "language_code": "de",
        "temperature": "0.2",
        "tag_audio_events": "false",
    }


@EACH
async def test_a_recording_by_its_address(stage: Stage, vendor: str) -> None:
    told = await stage.write_down(model=MODELS[vendor][2], file=None, url="https://audio.example/a.wav")
    assert told.status == 200
    assert json.loads(told.raw)["text"] == SAID
    assert b"https://audio.example/a.wav" in stage.providers[vendor].last.raw


@EACH
async def test_no_vendor_translates(stage: Stage, vendor: str) -> None:
    told = await stage.write_down("/v1/audio/translations", model=MODELS[vendor][2])
    assert told.status == 400
    assert "does not translate" in told.error["message"]
    assert stage.providers[vendor].seen == []


async def test_errors_in_the_vendors_words(stage: Stage) -> None:
    with pytest.raises(openai.NotFoundError, match="was not found"):
        await say(stage, "elevenlabs", voice="somebodyelse")
    with pytest.raises(openai.RateLimitError, match="exceeds your quota") as spent:
        await say(stage, "elevenlabs", input="too much")
    assert spent.value.code == "quota_exceeded"
    with pytest.raises(openai.BadRequestError, match=r"Failed to deserialize\.: model"):
        await say(stage, "deepgram", model="deepgram/nova-3", voice="zeus")
    stage.says("deepgram", Whole({"err_code": "Bad Request", "err_msg": "corrupt or unsupported data"}, 400))
    with pytest.raises(openai.BadRequestError, match="corrupt or unsupported data"):
        await hear(stage, "deepgram")
    with pytest.raises(openai.BadRequestError, match="Unknown voice"):
        await say(stage, "xai", voice="nobody")


@pytest.mark.parametrize("model", ["deepgram/nova-3", "elevenlabs/scribe_v2"])
async def test_a_vendor_of_sound_does_not_chat(stage: Stage, model: str) -> None:
    with pytest.raises(openai.BadRequestError, match="does not chat"):
        await stage.client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
    assert stage.providers[model.partition("/")[0]].seen == []


async def test_a_form_or_vectors_for_a_vendor_of_sound(stage: Stage) -> None:
    with pytest.raises(openai.BadRequestError, match="does not offer embeddings"):
        await stage.client.embeddings.create(model="deepgram/nova-3", input="Hi")
