"""Vectors, speech and transcription with the real models in their real processes, no network needed."""

from __future__ import annotations

import asyncio
import math
import re
import struct
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed
from dragoman.upstreams.local.upstream import LocalUpstream, embedded
from dragoman.upstreams.upstream import Call, Stopwatch

pytestmark = [pytest.mark.media_model, pytest.mark.asyncio(loop_scope="module")]

MINILM, HIBARI, WHISPER = "all-minilm:l6-v2", "hibari-heart", "whisper-tiny.en"
SENTENCE = "Good morning. The quick brown fox jumps over the lazy dog."


def call(model: str) -> Call:
    return Call("attempt", model, Report("local"), Stopwatch(time.monotonic))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local() -> AsyncIterator[LocalUpstream]:
    upstream = LocalUpstream(embedded())
    yield upstream
    await upstream.close()


def floats(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


def near(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


async def test_vectors_are_those_that_the_models_authors_publish(local: LocalUpstream) -> None:
    texts = (
        "This is an example sentence",
        "How do I reset my password?",
        "I forgot my credentials and cannot log in.",
        "The cake needs two eggs and some flour.",
        "",
    )
    calling = call(MINILM)
    response = await local.embed(ir.EmbedRequest("d", "m", texts), calling)
    vectors = [floats(vector) for vector in response.vectors]
    # https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, "This is an example sentence"
    assert vectors[0][:4] == pytest.approx([0.0677, 0.0635, 0.0487, 0.0793], abs=1e-4)
    assert [len(vector) for vector in vectors] == [384] * 5
    assert [near(vector, vector) for vector in vectors] == pytest.approx([1.0] * 5, abs=1e-5)
    assert near(vectors[1], vectors[2]) > 0.5
    assert near(vectors[1], vectors[3]) < 0.2
    # [CLS] this is an example sentence [SEP], and so on; 7 + 9 + 11 + 11 + 2
    assert (response.model, response.usage) == (MINILM, ir.Usage(input=40))
    assert calling.report.losses == []
    alone = await local.embed(ir.EmbedRequest("d", "m", texts[3:4]), call(MINILM))
    assert floats(alone.vectors[0]) == pytest.approx(vectors[3], abs=1e-5), "company changes nothing"

    short = await local.embed(ir.EmbedRequest("d", "m", texts[:1], dimensions=64), call(MINILM))
    cut = vectors[0][:64]
    assert floats(short.vectors[0]) == pytest.approx([x / math.sqrt(near(cut, cut)) for x in cut], abs=1e-6)


async def test_a_text_that_is_too_long_is_cut_and_that_is_a_loss(local: LocalUpstream) -> None:
    calling = call(MINILM)
    long = "cat " * 254
    response = await local.embed(ir.EmbedRequest("d", "m", ("a", long + "dog", long)), calling)
    assert floats(response.vectors[1]) == pytest.approx(floats(response.vectors[2]), abs=1e-5)
    assert response.usage == ir.Usage(input=3 + 256 + 256)
    assert [(loss.path, loss.severity) for loss in calling.report.losses] == [("inputs[1]", "meaning")]


async def test_what_is_spoken_is_heard_word_for_word(local: LocalUpstream) -> None:
    spoken = await local.speak(ir.SpeechRequest("d", "m", SENTENCE, voice="nova"), call(HIBARI))
    assert (spoken.output, spoken.kind, spoken.rate) == ("mp3", "audio/mpeg", 24_000)
    file = ir.File(spoken.data, name="speech.mp3")
    request = ir.TranscriptionRequest("d", "m", file, language="en", timestamps=("word", "segment"))
    heard = await local.transcribe(request, call(WHISPER))
    assert words(heard.text) == words(SENTENCE)
    assert heard.language == "english"
    assert heard.duration is not None
    assert 3 < heard.duration < 6
    assert heard.segments is not None
    assert heard.words is not None
    assert words(" ".join(segment.text for segment in heard.segments)) == words(SENTENCE)
    assert words(" ".join(word.text for word in heard.words)) == words(SENTENCE)
    starts = [word.start for word in heard.words]
    assert starts == sorted(starts)
    assert heard.words[-1].end <= heard.duration + 0.1
    detail = heard.segments[0].detail
    assert detail is not None
    assert detail.keys() == {
        "seek", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob",
    }  # fmt: skip
    assert {model.options.engine for model in (await local.loaded()).models} >= {"hibari", "whisper"}


@pytest.mark.parametrize(
    ("output", "begins"),
    [
        ("wav", rb"RIFF....WAVE"),
        ("mp3", rb"ID3|\xff[\xe2-\xff]"),
        ("opus", rb"OggS"),
        ("aac", rb"\xff[\xf0-\xff]"),
        ("flac", rb"fLaC"),
    ],
)
async def test_sound_comes_in_every_format(local: LocalUpstream, output: str, begins: bytes) -> None:
    request = ir.SpeechRequest("d", "m", "Good morning.", output=output)
    spoken = await local.speak(request, call(HIBARI))
    assert re.match(begins, spoken.data, re.DOTALL)
    assert (spoken.output, spoken.kind.partition("/")[0]) == (output, "audio")


async def test_speed_changes_the_length_and_the_same_text_is_the_same_sound(local: LocalUpstream) -> None:
    async def samples(**fields: Any) -> int:
        request = ir.SpeechRequest("d", "m", "Good morning to you.", output="pcm", **fields)
        return len((await local.speak(request, call(HIBARI))).data) // 2

    usual = await samples()
    assert 24_000 < usual < 3 * 24_000
    assert await samples(speed=2.0) < 0.7 * usual
    assert await samples(speed=0.5) > 1.5 * usual
    assert await samples(voice="onyx") == usual


async def fault(asked: Any) -> ir.Fault:
    with pytest.raises(RequestFailed) as caught:
        await asked
    return caught.value.fault


async def test_what_no_model_can_do_is_refused_with_its_place(local: LocalUpstream) -> None:
    unspeakable = await fault(local.speak(ir.SpeechRequest("d", "m", " \n"), call(HIBARI)))
    assert (unspeakable.http_status, unspeakable.param) == (400, "text")
    unreadable = await fault(local.speak(ir.SpeechRequest("d", "m", "1" * 400), call(HIBARI)))
    assert (unreadable.http_status, unreadable.param) == (400, "text")
    for data in (b"", b"no sound at all", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"):
        noise = ir.TranscriptionRequest("d", "m", ir.File(data))
        undecodable = await fault(local.transcribe(noise, call(WHISPER)))
        assert (undecodable.http_status, undecodable.param) == (400, "audio")


async def test_leaving_ends_the_work_and_the_next_is_served(local: LocalUpstream) -> None:
    many = ir.EmbedRequest("d", "m", ("some words of a text " * 40,) * 10_000)
    task = asyncio.ensure_future(local.embed(many, call(MINILM)))
    async with asyncio.timeout(60):  # all of them would take many minutes
        while (await local.loaded()).running is None:  # noqa: ASYNC110 - another process: it can only be asked
            await asyncio.sleep(0.01)
        task.cancel()
        assert len((await local.embed(ir.EmbedRequest("d", "m", ("a",)), call(MINILM))).vectors) == 1
