"""Rows 0.13, 2.31: the official Python client speaks and writes down with every kind of provider."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError

from dragoman.testing.provider import Streamed, Whole
from dragoman.wire.subtitles import cues_of
from dragoman.wire.wav import unpacked
from tests.e2e.audio.conftest import Stage
from tests.e2e.audio.providers import (
    MP3,
    RECORDING,
    SAID,
    SAMPLES,
    SOUND,
    SPANS,
    WORDS,
    WRITTEN,
    form,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
TEXT = "Ruby is a language."
SPEAKERS = pytest.mark.parametrize("provider", ["openai_chat", "mistral", "gemini"])
TIMED = pytest.mark.parametrize("provider", ["openai_chat", "mistral"])


# --- Speech -----------------------------------------------------------------------------------------


@SPEAKERS
@pytest.mark.parametrize("output", ["wav", "pcm"])
async def test_sound_without_an_encoder(stage: Stage, provider: str, output: Any) -> None:
    told = await stage.client.audio.speech.create(
        model=f"{provider}/m", input=TEXT, voice="Kore", response_format=output
    )
    assert told.content == (SOUND if output == "wav" else SAMPLES)
    assert told.response.headers["content-type"] == f"audio/{output}"
    assert stage.exchanges[-1].end == "done"


@pytest.mark.parametrize("provider", ["openai_chat", "mistral"])
async def test_mp3_is_what_comes_unasked(stage: Stage, provider: str) -> None:
    told = await stage.client.audio.speech.create(model=f"{provider}/m", input=TEXT, voice="alloy")
    assert told.content == MP3
    assert told.response.headers["content-type"] == "audio/mpeg"
    assert told.response.headers["x-dragoman-losses"] == "0"
    sent = stage.providers[provider].last.body
    assert sent["model"] == "m"
    assert sent["voice" if provider == "openai_chat" else "voice_id"] == "alloy"


async def test_gemini_speaks_raw_and_is_told_how(stage: Stage) -> None:
    told = await stage.client.audio.speech.create(
        model="gemini/tts", input=TEXT, voice="Kore", instructions="Say cheerfully:"
    )
    assert unpacked(told.content)[0] == SAMPLES
    assert told.response.headers["content-type"] == "audio/wav"
    assert told.response.headers["x-dragoman-losses"] == "1"
    body = stage.providers["gemini"].last.body
    assert body["contents"][0]["parts"] == [{"text": f"Say cheerfully: {TEXT}"}]
    voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    assert body["generationConfig"] == {"responseModalities": ["AUDIO"], "speechConfig": voice}
    usage = stage.exchanges[-1].usage
    assert usage is not None
    assert usage.total == 49


async def test_gemini_has_no_mp3(stage: Stage) -> None:
    with pytest.raises(BadRequestError) as refused:
        await stage.client.audio.speech.create(
            model="gemini/tts", input=TEXT, voice="Kore", response_format="mp3"
        )
    assert (refused.value.param, refused.value.code) == ("response_format", "unsupported_value")
    assert stage.providers["gemini"].seen == []


async def test_sound_passes_as_it_comes(stage: Stage) -> None:
    """The first piece is there while the provider has not sent the last."""
    pieces = [MP3[:4096], MP3[4096:]]
    stage.says("openai_chat", Streamed(pieces, headers={"content-type": "audio/mpeg"}, pause=0.4))
    speaking = stage.client.audio.speech.with_streaming_response
    async with speaking.create(model="openai_chat/tts-1", input=TEXT, voice="alloy") as told:
        assert told.headers["content-type"] == "audio/mpeg"
        chunks = told.iter_bytes()
        first = await anext(chunks)
        assert stage.providers["openai_chat"].open == 1
        rest = [chunk async for chunk in chunks]
    assert first + b"".join(rest) == MP3


@pytest.mark.parametrize("provider", ["openai_chat", "mistral", "simulate"])
async def test_sound_as_events(stage: Stage, provider: str) -> None:
    speaking = stage.client.audio.speech.with_streaming_response
    async with speaking.create(
        model=f"{provider}/echo", input=TEXT, voice="alloy", stream_format="sse"
    ) as told:
        assert told.headers["content-type"].startswith("text/event-stream")
        lines = [line async for line in told.iter_lines() if line]
    assert lines[0].startswith(
        'data: {"type": "speech.audio.delta"' if provider == "openai_chat" else "data: {"
    )
    assert "speech.audio.done" in lines[-1]
    assert "total_tokens" in lines[-1]
    usage = stage.exchanges[-1].usage
    assert usage is not None
    assert usage.estimated is (provider == "simulate")
    assert usage.input_total > 0 if provider == "simulate" else usage.input_total == 5


async def test_a_provider_that_knows_no_events(stage: Stage) -> None:
    """Its sound is told as events, because those are what was asked for."""
    stage.says("openai_chat", Whole(MP3, headers={"content-type": "audio/mpeg"}))
    speaking = stage.client.audio.speech.with_streaming_response
    async with speaking.create(
        model="openai_chat/tts-1", input=TEXT, voice="alloy", stream_format="sse"
    ) as told:
        assert told.headers["content-type"].startswith("text/event-stream")
        raw = await told.read()
    assert raw.startswith(b'data: {"type":"speech.audio.delta"')
    assert b"speech.audio.done" in raw


# --- Transcription ------------------------------------------------------------------------------------


@SPEAKERS
async def test_words(stage: Stage, provider: str) -> None:
    told = await stage.client.audio.transcriptions.create(model=f"{provider}/m", file=RECORDING)
    assert told.text == SAID
    text = await stage.client.audio.transcriptions.create(
        model=f"{provider}/m", file=RECORDING, response_format="text"
    )
    assert text == SAID + "\n"


@TIMED
@pytest.mark.parametrize("output", ["srt", "vtt"])
async def test_subtitles(stage: Stage, provider: str, output: Any) -> None:
    """Byte for byte as OpenAI writes them."""
    told = await stage.client.audio.transcriptions.create(
        model=f"{provider}/m", file=RECORDING, response_format=output
    )
    assert told == WRITTEN[output]
    assert [tuple(cue) for cue in cues_of(str(told))] == SPANS


@TIMED
async def test_all_that_is_told(stage: Stage, provider: str) -> None:
    ask = stage.client.audio.transcriptions.create
    told = await ask(model=f"{provider}/m", file=RECORDING, response_format="verbose_json", language="en")
    assert (told.text, told.duration, told.words) == (SAID, 3.25, None)
    assert told.segments is not None
    assert [(one.start, one.end, one.text.strip()) for one in told.segments] == SPANS
    assert [one.id for one in told.segments] == [0, 1]
    assert all(isinstance(one.tokens, list) for one in told.segments)
    told = await ask(
        model=f"{provider}/m",
        file=RECORDING,
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
    assert told.segments is None
    assert [(one.start, one.end, one.word) for one in told.words or ()] == WORDS


async def test_speakers(stage: Stage) -> None:
    told = await stage.client.audio.transcriptions.create(
        model="mistral/voxtral", file=RECORDING, response_format="diarized_json", chunking_strategy="auto"
    )
    assert [(one.speaker, one.text, one.id) for one in told.segments] == [
        ("s0", SPANS[0][2], "seg_0"),
        ("s1", SPANS[1][2], "seg_1"),
    ]
    assert form(stage.providers["mistral"].last).get("diarize") == "true"
    (loss,) = [loss for loss in stage.exchanges[-1].losses if loss.direction == "request"]
    assert (loss.path, loss.severity) == ("$.chunking_strategy", "hint")


@pytest.mark.parametrize("provider", ["openai_chat", "mistral", "simulate"])
async def test_words_as_a_stream(stage: Stage, provider: str) -> None:
    stream = await stage.client.audio.transcriptions.create(
        model=f"{provider}/echo", file=RECORDING, stream=True
    )
    events = [event async for event in stream]
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    done = events[-1]
    assert done.type == "transcript.text.done"
    assert "".join(deltas).strip() == done.text
    assert len(deltas) == (1 if provider == "simulate" else 8)
    if provider != "simulate":
        assert done.text == SAID
        usage = stage.exchanges[-1].usage
        assert done.usage is not None
        assert usage is not None
        assert done.usage.total_tokens == usage.total == (49 if provider == "openai_chat" else 389)


async def test_a_model_that_does_not_stream(stage: Stage) -> None:
    """whisper-1 ignores the wish and answers whole; the client waits for events."""
    stage.says("openai_chat", Whole({"text": SAID, "usage": {"type": "duration", "seconds": 4}}))
    stream = await stage.client.audio.transcriptions.create(
        model="openai_chat/whisper-1", file=RECORDING, stream=True
    )
    events = [event async for event in stream]
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[-1].text == SAID  # type: ignore[union-attr]


@pytest.mark.parametrize("output", ["srt", "vtt", "verbose_json", "diarized_json"])
async def test_gemini_does_not_tell_times(stage: Stage, output: Any) -> None:
    with pytest.raises(BadRequestError) as refused:
        await stage.client.audio.transcriptions.create(
            model="gemini/m", file=RECORDING, response_format=output
        )
    assert refused.value.param == "response_format"
    assert stage.providers["gemini"].seen == []


# --- Translation --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_translations(stage: Stage) -> None:
    ask = stage.client.audio.translations.create  # pyright: ignore[reportDeprecated]
    told = await ask(model="openai_chat/whisper-1", file=RECORDING, response_format="verbose_json")
    assert (told.text, told.language) == (SAID, "english")
    assert stage.providers["openai_chat"].last.path == "/v1/audio/translations"
    assert (await ask(model="gemini/m", file=RECORDING)).text == SAID
    prompt = stage.providers["gemini"].last.body["contents"][0]["parts"][0]["text"]
    assert "into English" in prompt
    assert (await ask(model="simulate/echo", file=RECORDING)).text
    with pytest.raises(BadRequestError) as refused:
        await ask(model="mistral/voxtral", file=RECORDING)
    assert (refused.value.param, refused.value.code) == ("model", "unsupported_value")
    assert stage.providers["mistral"].seen == []
