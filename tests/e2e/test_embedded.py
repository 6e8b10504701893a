"""The embedded models of vectors and sound through OpenAI's official client, with no provider and no key."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, BadRequestError

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving

pytestmark = [pytest.mark.media_model, pytest.mark.asyncio(loop_scope="module")]

TEXTS = [
    "How do I reset my password?",
    "I forgot my credentials and cannot log in.",
    "The cake needs two eggs and some flour.",
]
SENTENCE = "The weather is nice today."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AsyncOpenAI]:
    file = tmp_path_factory.mktemp("embedded") / "dragoman.yaml"
    file.write_text("aliases: {text-embedding-3-small: local/all-minilm}\n", encoding="utf-8")
    async with (
        serving(Gateway(load(file, {}))) as base,
        AsyncOpenAI(base_url=f"{base}/v1", api_key="any", max_retries=0) as client,
    ):
        yield client


def near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


async def test_the_list_names_each_installed_model(client: AsyncOpenAI) -> None:
    ids = {model.id async for model in await client.models.list()}
    assert {"local/all-minilm:l6-v2", "local/hibari-heart", "local/whisper-tiny.en"} <= ids


@pytest.mark.local_model
async def test_a_prompt_is_counted_by_the_model_itself(client: AsyncOpenAI) -> None:
    model, text = "local/smollm2:135m", "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich."
    answer = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], max_completion_tokens=1
    )
    assert answer.usage is not None
    counted = await client.responses.input_tokens.with_raw_response.count(model=model, input=text)
    assert "x-dragoman-estimated" not in counted.headers
    assert counted.parse().input_tokens == answer.usage.prompt_tokens


async def test_vectors_are_the_same_in_both_encodings_and_alone(client: AsyncOpenAI) -> None:
    packed = await client.embeddings.create(model="all-minilm:l6-v2", input=TEXTS)
    listed = await client.embeddings.create(model="all-minilm", input=TEXTS, encoding_format="float")
    alone = await client.embeddings.create(model="text-embedding-3-small", input=TEXTS[2])
    assert [one.index for one in packed.data] == [0, 1, 2]
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == 9 + 11 + 11
    for one, other in zip(packed.data, listed.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert alone.data[0].embedding == pytest.approx(packed.data[2].embedding, abs=1e-5)


async def test_shorter_vectors_have_length_1_and_keep_the_order_of_what_is_near(client: AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model="all-minilm", input=TEXTS, dimensions=64)
    vectors = [one.embedding for one in answer.data]
    assert [len(vector) for vector in vectors] == [64] * 3
    assert [math.sqrt(near(vector, vector)) for vector in vectors] == pytest.approx([1.0] * 3, abs=1e-5)
    assert near(vectors[0], vectors[1]) > near(vectors[0], vectors[2]) + 0.2


async def test_text_is_spoken_and_written_down_again(client: AsyncOpenAI) -> None:
    spoken = await client.audio.speech.create(model="hibari-heart", voice="nova", input=SENTENCE)
    assert spoken.response.headers["content-type"] == "audio/mpeg"
    heard = await client.audio.transcriptions.create(
        model="whisper-tiny.en",
        file=("speech.mp3", spoken.content),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert words(heard.text) == words(SENTENCE)
    assert heard.language == "english"
    assert heard.words is not None
    assert [word.word.lower().strip(".") for word in heard.words] == words(SENTENCE)
    assert heard.segments
    assert 0 < heard.segments[0].end <= float(heard.duration) + 0.1


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "smollm2:135m"}, "model"),
        ({"model": "hibari-heart"}, "model"),
        ({"model": "all-minilm", "dimensions": 400}, "dimensions"),
    ],
)
async def test_vectors_that_cannot_be_had_are_refused(
    client: AsyncOpenAI, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.embeddings.create(input="a", **fields)
    assert caught.value.param == param


async def test_a_voice_does_not_chat(client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError, match="hibari-heart speaks") as caught:
        await client.chat.completions.create(
            model="hibari-heart", messages=[{"role": "user", "content": "Hi"}]
        )
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("fields", "param"), [({"voice": "emma"}, "voice"), ({"voice": "alloy", "speed": 4.0}, "speed")]
)
async def test_speech_that_cannot_be_had_is_refused(
    client: AsyncOpenAI, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.audio.speech.create(model="hibari-heart", input="Hi.", **fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "data", "param"),
    [({"language": "de"}, b"RIFF", "language"), ({}, b"no sound at all", "file")],
)
async def test_a_recording_that_cannot_be_written_down_is_refused(
    client: AsyncOpenAI, fields: dict[str, Any], data: bytes, param: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.audio.transcriptions.create(model="whisper-tiny.en", file=("a.wav", data), **fields)
    assert caught.value.param == param


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_nothing_is_translated(client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.audio.translations.create(model="whisper-tiny.en", file=("a.wav", b"RIFF"))
    assert caught.value.param == "model"
