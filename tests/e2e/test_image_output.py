"""Row 0.12: pictures that models draw, for the official client of every face; edited in the next turn.

One gateway per upstream and face answers four times: whole, edited, streamed, edited. A picture is compared
byte by byte; what the client sends back must arrive as the model's own part, with the signature that it had.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import ollama
import pytest
from anthropic import AsyncAnthropic
from google import genai
from google.genai import types
from openai import AsyncOpenAI

from dragoman.testing.provider import Script, Seen, Streamed, Whole
from tests.e2e import stubs
from tests.e2e.conftest import Provide, Serve
from tests.e2e.media import pixels, png
from tests.e2e.strict import held
from tests.e2e.stubs import Said

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

FIRST, SECOND = png((255, 0, 0), (0, 255, 0)), png((9, 9, 9))
SEAL = b64encode(b"signed by the model").decode()
WORDS = "Red and green."


def drawing(picture: bytes) -> Script:
    """Gemini's answer: words, and a picture that carries the signature."""
    inline = {"mimeType": "image/png", "data": b64encode(picture).decode()}
    parts: list[dict[str, Any]] = [{"text": WORDS}, {"inlineData": inline, "thoughtSignature": SEAL}]
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 1290, "totalTokenCount": 1294}
    about = {"usageMetadata": usage, "modelVersion": "m", "responseId": "r"}

    def chunk(parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0, **more}], **about}

    def answer(seen: Seen) -> Whole | Streamed:
        if "stream" in seen.path:
            end = chunk([{"text": ""}], finishReason="STOP")
            return Streamed([*(chunk([part]) for part in parts), end], line_end="\r\n")
        return Whole(chunk(parts, finishReason="STOP"))

    return held("gemini", answer)


class Drawn(NamedTuple):
    """What a client got: the words, the picture, and the turn that it sends back."""

    words: str
    picture: bytes
    turn: Any


def _asked(text: str) -> types.UserContent:
    return types.UserContent(parts=[types.Part(text=text)])


Ask = Callable[[list[Any], bool], Awaitable[Drawn]]
"""Asks with a history in the face's own words, whole or streamed."""


class Face(NamedTuple):
    """A client. opened: gives what asks; user: a user's turn of these words."""

    opened: Callable[[str, str, AsyncExitStack], Awaitable[Ask]]
    user: Callable[[str], Any]


def _said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def _chat(base: str, model: str, stack: AsyncExitStack) -> Ask:
    client: Any = await stack.enter_async_context(
        AsyncOpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0)
    )

    async def ask(history: list[Any], stream: bool) -> Drawn:
        fields = {"model": model, "messages": history, "modalities": ["image", "text"]}
        if stream:
            deltas = [
                one.choices[0].delta
                async for one in await client.chat.completions.create(**fields, stream=True)
            ]
            words = "".join(delta.content or "" for delta in deltas)
            images = [image for delta in deltas for image in delta.model_extra.get("images", ())]
        else:
            message = (await client.chat.completions.create(**fields)).choices[0].message
            words, images = message.content, message.images
        turn = {"role": "assistant", "content": words, "images": images}
        return Drawn(words, b64decode(images[0]["image_url"]["url"].partition(";base64,")[2]), turn)

    return ask


async def _anthropic(base: str, model: str, stack: AsyncExitStack) -> Ask:
    client: Any = await stack.enter_async_context(AsyncAnthropic(base_url=base, api_key="k", max_retries=0))

    async def ask(history: list[Any], stream: bool) -> Drawn:
        fields = {"model": model, "messages": history, "max_tokens": 2000}
        if stream:
            async with client.messages.stream(**fields) as told:
                message = await told.get_final_message()
        else:
            message = await client.messages.create(**fields)
        words = "".join(block.text for block in message.content if block.type == "text")
        (image,) = [block for block in message.content if block.type == "image"]
        assert image.source["media_type"] == "image/png"
        return Drawn(
            words, b64decode(image.source["data"]), {"role": "assistant", "content": message.content}
        )

    return ask


async def _responses(base: str, model: str, stack: AsyncExitStack) -> Ask:
    client: Any = await stack.enter_async_context(
        AsyncOpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0)
    )

    async def ask(history: list[Any], stream: bool) -> Drawn:
        items = [item for turn in history for item in (turn if isinstance(turn, list) else [turn])]
        fields = {"model": model, "input": items, "store": False}
        if stream:
            async with client.responses.stream(**fields) as told:
                answer = await told.get_final_response()
        else:
            answer = await client.responses.create(**fields)
        (image,) = [item for item in answer.output if item.type == "image_generation_call"]
        assert image.status == "completed"
        return Drawn(answer.output_text, b64decode(image.result), answer.output)

    return ask


async def _gemini(base: str, model: str, stack: AsyncExitStack) -> Ask:
    client: Any = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=base))
    stack.callback(client.close)
    stack.push_async_callback(client.aio.aclose)

    async def ask(history: list[Any], stream: bool) -> Drawn:
        config = types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"])
        fields = {"model": model, "contents": history, "config": config}
        models = client.aio.models
        if stream:
            told = [chunk async for chunk in await models.generate_content_stream(**fields)]
        else:
            told = [await models.generate_content(**fields)]
        parts = [part for one in told for part in one.candidates[0].content.parts]
        words = "".join(part.text or "" for part in parts)
        (image,) = [part.inline_data for part in parts if part.inline_data is not None]
        return Drawn(words, image.data, types.ModelContent(parts=parts))

    return ask


async def _ollama(base: str, model: str, stack: AsyncExitStack) -> Ask:
    client: Any = ollama.AsyncClient(host=base, headers={"authorization": "Bearer k"})
    stack.push_async_callback(client.close)

    async def ask(history: list[Any], stream: bool) -> Drawn:
        fields: dict[str, Any] = {"model": model, "messages": history}
        if stream:
            told = [line async for line in await client.chat(**fields, stream=True)]
        else:
            told = [await client.chat(**fields)]
        content = "".join(line.message.content or "" for line in told)
        words, _, rest = content.partition("![image](data:image/png;base64,")
        return Drawn(words, b64decode(rest.partition(")")[0]), {"role": "assistant", "content": content})

    return ask


FACES: Mapping[str, Face] = {
    "openai_chat": Face(_chat, _said),
    "anthropic": Face(_anthropic, _said),
    "openai_responses": Face(_responses, _said),
    "gemini": Face(_gemini, _asked),
    "ollama": Face(_ollama, _said),
}


def _bytes(text: str) -> bytes:
    """What base64 holds; Google's own client writes the alphabet of URLs, and is relayed."""
    return urlsafe_b64decode(text.replace("+", "-").replace("/", "_"))


async def _drawn_and_edited(ask: Ask, face: Face, stream: bool) -> None:
    history: list[Any] = [face.user("Draw red and green.")]
    first = await ask(history, stream)
    assert (first.words.strip(), first.picture) == (WORDS, FIRST)
    assert pixels(first.picture) == [(255, 0, 0), (0, 255, 0)]
    second = await ask([*history, first.turn, face.user("Darker, please.")], stream)
    assert second.picture == SECOND


@pytest.mark.parametrize("name", FACES)
async def test_gemini_draws_and_edits(
    name: str, serve: Serve, provide: Provide, stack: AsyncExitStack
) -> None:
    """What is sent back is the model's own part again, signature and all."""
    face = FACES[name]
    provider = await provide(*(drawing(picture) for picture in (FIRST, SECOND) * 2))
    row = {"base_url": provider.url, "keys": ["up-key"]}
    base = await serve(json.dumps({"providers": {"gemini": row}, "retries": {"attempts": 1}}))
    ask = await face.opened(base, "gemini/gemini-2.5-flash-image", stack)
    for stream in (False, True):
        await _drawn_and_edited(ask, face, stream)
        turn = provider.last.body["contents"][1]
        assert turn["role"] == "model"
        (part,) = [part for part in turn["parts"] if "inlineData" in part]
        assert _bytes(part["inlineData"]["data"]) == FIRST
        assert _bytes(part["thoughtSignature"]) == b64decode(SEAL)
        assert "".join(part.get("text", "") for part in turn["parts"]).strip() == WORDS


@pytest.mark.parametrize("name", FACES)
async def test_openrouter_draws_and_edits(
    name: str, serve: Serve, provide: Provide, stack: AsyncExitStack
) -> None:
    """Its chat protocol has `images` in answers, and takes them back in an assistant's message."""
    face = FACES[name]
    provider = await provide(*(stubs.openai_chat(Said(WORDS, images=(one,))) for one in (FIRST, SECOND) * 2))
    row = {"base_url": f"{provider.url}/api/v1", "keys": ["up-key"], "apis": []}
    base = await serve(json.dumps({"providers": {"openrouter": row}, "retries": {"attempts": 1}}))
    ask = await face.opened(base, "openrouter/google/gemini-2.5-flash-image", stack)
    for stream in (False, True):
        await _drawn_and_edited(ask, face, stream)
        turn = provider.last.body["messages"][1]
        assert turn["role"] == "assistant"
        assert [image["image_url"] for image in turn["images"]] == [
            {"url": f"data:image/png;base64,{b64encode(FIRST).decode()}"}
        ]
