"""Row 0.13: sound between protocols; `test_media` has what chat clients hear and say."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from contextlib import AsyncExitStack
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from dragoman.exchange import Exchange
from dragoman.testing.provider import FakeProvider
from tests.e2e import stubs
from tests.e2e.conftest import Converse, Provide, Serve
from tests.e2e.media import samples, wav
from tests.e2e.strict import held
from tests.e2e.stubs import Said

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

SOUND = bytes(range(200)) * 3
FILE = wav(SOUND)
PCM = "audio/L16;codec=pcm;rate=24000"
SPEAKER = "openai/gpt-4o-audio-preview"
STREAMS = pytest.mark.parametrize("stream", [False, True])


class Google:
    """Google's own client before one provider of this name, which speaks its row's protocol."""

    def __init__(self, client: genai.Client, provider: FakeProvider, exchanges: list[Exchange]) -> None:
        self._models: Any = client.aio.models
        self.provider = provider
        self.exchanges = exchanges

    async def ask(self, model: str, contents: Any, *, stream: bool = False, **config: Any) -> list[Any]:
        """The parts of the answer."""
        fields = {"model": model, "contents": contents, "config": types.GenerateContentConfig(**config)}
        if stream:
            told = [chunk async for chunk in await self._models.generate_content_stream(**fields)]
        else:
            told = [await self._models.generate_content(**fields)]
        return [part for one in told for part in one.candidates[0].content.parts or ()]


@pytest.fixture
async def google(serve: Serve, provide: Provide, stack: AsyncExitStack) -> Any:
    async def start(vendor: str, dialect: str, said: Said) -> Google:
        provider = await provide(held(dialect, stubs.DIALECTS[dialect](said)))
        row = {"base_url": provider.url, "keys": ["up-key"]}
        exchanges: list[Exchange] = []
        config = {"providers": {vendor: row}, "retries": {"attempts": 1}}
        base = await serve(json.dumps(config), observers=[exchanges.append])
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=base))
        stack.callback(client.close)
        stack.push_async_callback(client.aio.aclose)
        return Google(client, provider, exchanges)

    return start


def spoken(voice: str) -> types.SpeechConfig:
    built = types.PrebuiltVoiceConfig(voice_name=voice)
    return types.SpeechConfig(voice_config=types.VoiceConfig(prebuilt_voice_config=built))


@STREAMS
async def test_openai_speaks_in_the_form_of_google(google: Any, stream: bool) -> None:
    """Samples as Gemini gives them; a strict OpenAI gets modalities, a voice and a format that it takes."""
    gate = await google("openai", "openai_chat", Said("", sound=SOUND, transcript="Good morning."))
    asked = {"response_modalities": ["AUDIO"], "speech_config": spoken("Kore"), "stream": stream}
    parts = await gate.ask(SPEAKER, "Greet me.", **asked)
    blobs = [part.inline_data for part in parts if part.inline_data is not None]
    assert {blob.mime_type for blob in blobs} == {PCM}
    assert b"".join(blob.data for blob in blobs) == SOUND
    body = gate.provider.last.body
    assert sorted(body["modalities"]) == ["audio", "text"]
    assert body["audio"] == {"voice": "alloy", "format": "pcm16"}
    losses = {loss.reason for loss in gate.exchanges[-1].losses if loss.direction == "request"}
    assert losses == {"Chat Completions has no voice Kore: alloy is used"}


async def test_sound_without_a_voice_gets_one(google: Any) -> None:
    gate = await google("openai", "openai_chat", Said("", sound=SOUND))
    await gate.ask(SPEAKER, "Greet me.", response_modalities=["AUDIO"])
    assert gate.provider.last.body["audio"] == {"voice": "alloy", "format": "pcm16"}
    assert [loss for loss in gate.exchanges[-1].losses if loss.direction == "request"] == []


async def test_a_sound_of_googles_client_reaches_openai(google: Any) -> None:
    gate = await google("openai", "openai_chat", Said())
    await gate.ask(SPEAKER, ["What is said?", types.Part.from_bytes(data=FILE, mime_type="audio/wav")])
    content = gate.provider.last.body["messages"][0]["content"]
    sound = {"data": b64encode(FILE).decode(), "format": "wav"}
    assert content[1] == {"type": "input_audio", "input_audio": sound}


async def test_samples_of_googles_client_reach_openai_as_a_file(google: Any) -> None:
    gate = await google("openai", "openai_chat", Said())
    await gate.ask(SPEAKER, ["What is said?", types.Part.from_bytes(data=SOUND, mime_type=PCM)])
    sound = gate.provider.last.body["messages"][0]["content"][1]["input_audio"]
    assert sound["format"] == "wav"
    assert samples(b64decode(sound["data"])) == SOUND


@pytest.mark.parametrize(
    ("vendor", "dialect", "model", "modality"),
    [
        ("anthropic", "anthropic", "anthropic/claude-sonnet-4-5", "AUDIO"),
        ("anthropic", "anthropic", "anthropic/claude-sonnet-4-5", "IMAGE"),
        ("mistral", "mistral", "mistral/mistral-large-latest", "AUDIO"),
        ("mistral", "mistral", "mistral/mistral-large-latest", "IMAGE"),
    ],
)
async def test_a_model_that_neither_speaks_nor_draws_is_not_asked(
    google: Any, vendor: str, dialect: str, model: str, modality: str
) -> None:
    gate = await google(vendor, dialect, Said())
    with pytest.raises(errors.ClientError) as caught:
        await gate.ask(model, "Greet me.", response_modalities=[modality])
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert "responseModalities" in str(caught.value.details)
    assert gate.provider.seen == []


def listening() -> list[Any]:
    part = {"type": "input_audio", "input_audio": {"data": b64encode(FILE).decode(), "format": "wav"}}
    return [{"role": "user", "content": [{"type": "text", "text": "What is said?"}, part]}]


async def test_sound_reaches_mistral_in_its_own_form(converse: Converse) -> None:
    """Its `input_audio` is the base64 itself."""
    talk = await converse("mistral", stubs.mistral(Said()), model="mistral/voxtral-small-latest")
    await talk.ask(messages=listening())
    part = talk.provider.last.body["messages"][0]["content"][1]
    assert part == {"type": "input_audio", "input_audio": b64encode(FILE).decode()}


async def test_sound_passes_to_openai_as_it_is(converse: Converse) -> None:
    talk = await converse("openai_chat", stubs.openai_chat(Said()), model=SPEAKER)
    await talk.ask(messages=listening())
    assert talk.provider.last.body["messages"] == listening()


async def test_a_client_of_responses_reaches_gemini(converse: Converse) -> None:
    talk = await converse("gemini", stubs.gemini(Said()), model="gemini/gemini-2.5-flash")
    responses: Any = talk.client.responses
    parts = [{"type": "input_text", "text": "What is said?"}, listening()[0]["content"][1]]
    await responses.create(model=talk.model, input=[{"role": "user", "content": parts}])
    blob = talk.provider.last.body["contents"][0]["parts"][1]["inlineData"]
    assert blob == {"mimeType": "audio/wav", "data": b64encode(FILE).decode()}
