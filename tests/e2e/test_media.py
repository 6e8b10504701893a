"""Rows 0.11, 0.12, 0.13: pictures and sounds through the gateway, byte for byte, with strict providers."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import openai
import pytest

from dragoman.testing.provider import Whole
from tests.e2e import stubs
from tests.e2e.conftest import Converse, Provide
from tests.e2e.media import RATE, pixels, png, samples, wav
from tests.e2e.stubs import Said
from tests.matrix.faces.openai_chat import chat, chat_chunks

STREAMS = pytest.mark.parametrize("stream", [False, True])
PNG = png((255, 0, 0), (0, 255, 0), (0, 0, 255))
PNG_64 = b64encode(PNG).decode()
DRAWN = png((9, 9, 9))
SOUND = bytes(range(200)) * 3
MODELS = {
    "openai_chat": "openai/gpt-4o",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "mistral": "mistral/mistral-large-latest",
}
EVERY = pytest.mark.parametrize("dialect", list(MODELS))

_HELD: dict[str, Callable[[Any], Any]] = {
    "openai_chat": lambda body: body["messages"][0]["content"][1]["image_url"]["url"],
    "anthropic": lambda body: body["messages"][0]["content"][1]["source"],
    "gemini": lambda body: body["contents"][0]["parts"][1]["inlineData"],
    "mistral": lambda body: body["messages"][0]["content"][1]["image_url"]["url"],
}
_AS_DATA: dict[str, Any] = {
    "openai_chat": f"data:image/png;base64,{PNG_64}",
    "anthropic": {"type": "base64", "media_type": "image/png", "data": PNG_64},
    "gemini": {"mimeType": "image/png", "data": PNG_64},
    "mistral": f"data:image/png;base64,{PNG_64}",
}


def looking(url: str) -> list[Any]:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


@EVERY
@STREAMS
async def test_a_picture_arrives_byte_for_byte(converse: Converse, dialect: str, stream: bool) -> None:
    """0.11: by data URL, in each provider's own form."""
    talk = await converse(dialect, stubs.DIALECTS[dialect](Said()), model=MODELS[dialect])
    told = await talk.ask(messages=looking(f"data:image/png;base64,{PNG_64}"), stream=stream)
    if stream:
        assert chat_chunks([chunk async for chunk in told]).first.text == "Hello there!"
    assert _HELD[dialect](talk.provider.last.body) == _AS_DATA[dialect]
    assert talk.losses == {}


@EVERY
async def test_a_picture_by_address_is_fetched_where_the_provider_wants_bytes(
    converse: Converse, provide: Provide, dialect: str
) -> None:
    """0.11: Gemini gets the bytes, the others the address; only what egress allows is fetched."""
    server = await provide(Whole(PNG, headers={"content-type": "image/png"}))
    url = f"{server.url}/a.png"
    answer = stubs.DIALECTS[dialect](Said())
    talk = await converse(dialect, answer, model=MODELS[dialect], egress={"allow": ["127.0.0.1"]})
    await talk.ask(messages=looking(url))
    held = _HELD[dialect](talk.provider.last.body)
    if dialect == "gemini":
        assert held == _AS_DATA[dialect]
        assert [seen.path for seen in server.seen] == ["/a.png"]
    else:
        assert held == ({"type": "url", "url": url} if dialect == "anthropic" else url)
        assert server.seen == []


async def test_an_address_that_egress_forbids_is_the_clients_mistake(
    converse: Converse, provide: Provide
) -> None:
    """0.11, 5.24: a 400 that names the part; nothing is fetched and nothing sent."""
    server = await provide(Whole(PNG, headers={"content-type": "image/png"}))
    talk = await converse("gemini", stubs.gemini(Said()), model=MODELS["gemini"])
    with pytest.raises(openai.BadRequestError) as caught:
        await talk.ask(messages=looking(f"{server.url}/a.png"))
    assert str(caught.value.param).startswith("messages[0].content[1]")
    assert server.seen == talk.provider.seen == []


async def test_a_file_of_googles_own_is_named_not_fetched(converse: Converse) -> None:
    """0.11: addresses that its servers read themselves."""
    talk = await converse("gemini", stubs.gemini(Said()), model=MODELS["gemini"])
    url = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    await talk.ask(messages=looking(url))
    assert talk.provider.last.body["contents"][0]["parts"][1]["fileData"]["fileUri"] == url


# Pictures that models draw ------------------------------------------------------------------------

PAINTER = "gemini/gemini-2.5-flash-image"


@STREAMS
async def test_a_picture_is_drawn_and_edited_in_the_next_turn(converse: Converse, stream: bool) -> None:
    """0.12: it decodes, whole and streamed; sent back it is the model's own part again, signature and all."""
    seal = "U2lnbmVk"
    talk = await converse(
        "gemini",
        stubs.gemini(Said("Red, green, blue.", images=(PNG,), seal=seal)),
        stubs.gemini(Said("Darker.", images=(DRAWN,))),
        model=PAINTER,
    )
    messages: list[Any] = [{"role": "user", "content": "Draw three pixels."}]
    fields = {"modalities": ["text", "image"], "stream": stream}
    first = await _drawn(talk, messages, fields)
    assert pixels(first) == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert first == PNG
    messages.append({"role": "user", "content": "Darker, please."})
    assert pixels(await _drawn(talk, messages, fields)) == [(9, 9, 9)]
    turn = talk.provider.last.body["contents"][1]
    assert turn["role"] == "model"
    data = [part["inlineData"] for part in turn["parts"] if "inlineData" in part]
    assert data == [{"mimeType": "image/png", "data": PNG_64}]
    assert "".join(part.get("text", "") for part in turn["parts"]) == "Red, green, blue."


async def _drawn(talk: Any, messages: list[Any], fields: dict[str, Any]) -> bytes:
    """Ask, keep the answer as clients of OpenRouter do, and give its picture."""
    told = await talk.ask(messages=messages, **fields)
    first = (chat_chunks([chunk async for chunk in told]) if fields["stream"] else chat(told)).first
    (url,) = first.images
    images = [{"type": "image_url", "image_url": {"url": url}}]
    messages.append({"role": "assistant", "content": first.text, "images": images})
    return b64decode(url.partition(";base64,")[2])


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "mistral"])
async def test_a_picture_that_another_model_drew_is_shown_by_the_user(
    converse: Converse, dialect: str
) -> None:
    """0.12: where an assistant's turn holds no pictures it goes into the next turn of the user."""
    talk = await converse(dialect, stubs.DIALECTS[dialect](Said()), model=MODELS[dialect])
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_64}"}}
    messages = [
        {"role": "user", "content": "Draw."},
        {"role": "assistant", "content": "Here.", "images": [image]},
        {"role": "user", "content": "What is it?"},
    ]
    told = await talk.ask(messages=messages)
    assert told.choices[0].message.content == "Hello there!"
    roles = [message["role"] for message in talk.provider.last.body["messages"] if PNG_64 in str(message)]
    assert roles == ["user"]


# Sound --------------------------------------------------------------------------------------------

SPEAKER = "gemini/gemini-2.5-flash-preview-tts"


def listening() -> list[Any]:
    data = b64encode(wav(SOUND)).decode()
    part = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    return [{"role": "user", "content": [{"type": "text", "text": "What is said?"}, part]}]


async def test_sound_reaches_gemini_as_a_wav_file(converse: Converse) -> None:
    """0.13: input_audio is inlineData of audio/wav."""
    talk = await converse("gemini", stubs.gemini(Said()), model=MODELS["gemini"])
    await talk.ask(messages=listening())
    blob = talk.provider.last.body["contents"][0]["parts"][1]["inlineData"]
    assert blob["mimeType"] == "audio/wav"
    assert samples(b64decode(blob["data"])) == SOUND


@pytest.mark.parametrize(
    ("dialect", "model", "more"),
    [
        ("anthropic", MODELS["anthropic"], {}),
        ("mistral", "mistral/codestral-latest", {}),
        ("openai_chat", "deaf", {"models": {"deaf": {"use": "openai/gpt-4o", "supports": {"audio": False}}}}),
        ("gemini", "deaf", {"models": {"deaf": {"use": MODELS["gemini"], "supports": {"audio": False}}}}),
    ],
)
@STREAMS
async def test_sound_for_a_model_that_does_not_hear_is_refused(
    converse: Converse, dialect: str, model: str, more: dict[str, Any], stream: bool
) -> None:
    """0.13: 400 unsupported_modality, with the part's place, before anything is sent."""
    talk = await converse(dialect, stubs.DIALECTS[dialect](Said()), model=MODELS[dialect], **more)
    with pytest.raises(openai.BadRequestError) as caught:
        await talk.ask(model=model, messages=listening(), stream=stream)
    assert caught.value.code == "unsupported_modality"
    assert str(caught.value.param).startswith("messages[0].content[1]")
    assert talk.provider.seen == []


@pytest.mark.parametrize("dialect", ["anthropic", "mistral"])
@STREAMS
async def test_sound_from_a_model_that_does_not_speak_is_refused(
    converse: Converse, dialect: str, stream: bool
) -> None:
    """0.13: a clean 400, not a crash and not silence."""
    talk = await converse(dialect, stubs.DIALECTS[dialect](Said()), model=MODELS[dialect])
    asked = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
    with pytest.raises(openai.BadRequestError) as caught:
        await talk.ask(stream=stream, **asked)
    assert (caught.value.code, caught.value.param) == ("unsupported_modality", "modalities")
    assert talk.provider.seen == []


async def test_gemini_speaks_in_the_form_of_openai(converse: Converse) -> None:
    """0.13: `message.audio` as the official client's types have it; PCM becomes the WAV file asked for."""
    talk = await converse("gemini", stubs.gemini(Said("", sound=SOUND)), model=SPEAKER)
    asked = {"modalities": ["text", "audio"], "audio": {"voice": "Puck", "format": "wav"}}
    audio = (await talk.ask(**asked)).choices[0].message.audio
    assert audio.id
    assert isinstance(audio.expires_at, int)
    assert audio.transcript == ""
    assert samples(b64decode(audio.data)) == SOUND
    config = talk.provider.last.body["generationConfig"]
    assert config["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == "Puck"
    assert talk.losses == {}


async def test_gemini_speaks_as_it_comes(converse: Converse) -> None:
    """0.13: a stream brings samples in pieces; the first of them has the id."""
    talk = await converse("gemini", stubs.gemini(Said("", sound=SOUND)), model=SPEAKER)
    asked = {"modalities": ["text", "audio"], "audio": {"voice": "Puck", "format": "pcm16"}}
    chunks = [chunk async for chunk in await talk.ask(stream=True, **asked)]
    deltas = [chunk.model_dump()["choices"][0]["delta"] for chunk in chunks]
    told = [delta["audio"] for delta in deltas if delta.get("audio")]
    spoken = [b64decode(audio["data"]) for audio in told if audio.get("data")]
    assert len(spoken) > 1
    assert b"".join(spoken) == SOUND
    assert told[0]["id"]
    assert {audio["id"] for audio in told} <= {told[0]["id"], None}


async def test_a_form_of_sound_that_cannot_be_made_is_named(converse: Converse) -> None:
    """0.13: MP3 cannot be made of samples here; a WAV file comes, and the loss says so."""
    talk = await converse("gemini", stubs.gemini(Said("", sound=SOUND)), model=SPEAKER)
    asked = {"modalities": ["text", "audio"], "audio": {"voice": "Puck", "format": "mp3"}}
    audio = (await talk.ask(**asked)).choices[0].message.audio
    file = b64decode(audio.data)
    assert samples(file) == SOUND
    assert int.from_bytes(file[24:28], "little") == RATE
    assert any(loss.direction == "response" for loss in talk.exchanges[-1].losses)


@STREAMS
async def test_openai_speaks_for_itself(converse: Converse, stream: bool) -> None:
    """0.13: pass-through, with its transcript."""
    said = Said("", sound=SOUND, transcript="Good morning.")
    talk = await converse("openai_chat", stubs.openai_chat(said), model="openai/gpt-4o-audio-preview")
    form = "pcm16" if stream else "wav"
    asked = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": form}}
    told = await talk.ask(stream=stream, **asked)
    first = (chat_chunks([chunk async for chunk in told]) if stream else chat(told)).first
    assert first.transcript == "Good morning."
    assert (first.sound if stream else samples(first.sound)) == SOUND
