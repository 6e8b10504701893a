"""Rows 0.12, 2.31, 4.12: the official Python client has every provider make, edit and vary pictures."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from openai import BadRequestError

from dragoman.wire.sniff import media_type
from tests.e2e.images.conftest import Stage
from tests.e2e.images.providers import CODED, IMAGE, MASK, PICTURES, SECOND, form

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAINTERS = pytest.mark.parametrize(
    "model",
    ["openai_chat/gpt-image-1", "xai/grok-imagine", "openrouter/g", "gemini/gemini-image", "gemini/imagen-4"],
)
EDITORS = pytest.mark.parametrize(
    "model", ["openai_chat/gpt-image-1", "xai/grok-imagine", "openrouter/g", "gemini/gemini-image"]
)
FILE = ("cat.png", IMAGE, "image/png")
PROMPT = "A cat."


@PAINTERS
async def test_two_pictures(stage: Stage, model: str) -> None:
    told = await stage.client.images.generate(
        model=model, prompt=PROMPT, n=2, size="1024x1536", response_format="b64_json"
    )
    assert told.data is not None
    pictures = [b64decode(one.b64_json or "") for one in told.data]
    assert len(pictures) == 2
    assert all(picture in PICTURES for picture in pictures)
    assert told.created > 0
    assert stage.exchanges[-1].end == "done"


@PAINTERS
async def test_an_address_is_one_in_any_case(stage: Stage, model: str) -> None:
    """A provider that sends bytes is read at a data URL, which is told as a change."""
    ask = stage.client.images.with_raw_response.generate
    raw = await ask(model=model, prompt=PROMPT, response_format="url")
    told = raw.parse()
    assert told.data is not None
    url = told.data[0].url or ""
    if model.startswith("xai"):
        assert url == "https://x.test/0"
    else:
        assert url == f"data:image/png;base64,{CODED[0]}"
        (change,) = [one for one in stage.exchanges[-1].changes if one.path == "response_format"]
        assert "data URL" in change.reason
    assert raw.headers["x-dragoman-losses"] == "0"


@EDITORS
async def test_edits_of_a_file_and_of_several(stage: Stage, model: str) -> None:
    edit = stage.client.images.edit
    told = await edit(model=model, prompt=PROMPT, image=FILE, response_format="b64_json")
    assert told.data is not None
    assert [b64decode(one.b64_json or "") for one in told.data] == PICTURES[:1]
    several: Any = [FILE, ("dog.png", SECOND, "image/png")]
    told = await edit(model=model, prompt=PROMPT, image=several, n=2, response_format="b64_json")
    assert told.data is not None
    assert len(told.data) == 2
    provider = stage.providers[model.partition("/")[0]]
    if model.startswith("openai_chat"):
        sent = form(provider.last)
        assert [(name, data) for name, _, _, data in sent.files] == [("image[]", IMAGE), ("image[]", SECOND)]
        assert sent.texts == {"model": "gpt-image-1", "prompt": PROMPT, "n": "2"}
    elif model.startswith("gemini"):
        assert len(provider.seen) == 3
        assert len(provider.last.body["contents"][0]["parts"]) == 3


async def test_a_mask_where_it_is_known_and_where_it_is_not(stage: Stage) -> None:
    mask = ("mask.png", MASK, "image/png")
    await stage.client.images.edit(model="openai_chat/dall-e-2", prompt=PROMPT, image=FILE, mask=mask)
    assert [file[0] for file in form(stage.providers["openai_chat"].last).files] == ["image", "mask"]
    for model in ("xai/g", "openrouter/g", "gemini/gemini-image"):
        with pytest.raises(BadRequestError) as caught:
            await stage.client.images.edit(model=model, prompt=PROMPT, image=FILE, mask=mask)
        assert caught.value.param == "mask"
        assert stage.providers[model.partition("/")[0]].seen == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_variations(stage: Stage) -> None:
    images: Any = stage.client.images  # OpenAI's own models no longer do it
    vary = images.create_variation
    told = await vary(model="openai_chat/dall-e-2", image=FILE, n=2, size="256x256")
    assert told.data is not None
    assert len(told.data) == 2
    sent = form(stage.providers["openai_chat"].last)
    assert sent.texts == {"model": "dall-e-2", "n": "2", "size": "256x256"}
    told = await vary(model="gemini/gemini-image", image=FILE)
    assert told.data is not None
    assert b64decode(told.data[0].b64_json or "") == PICTURES[0]
    for model in ("xai/g", "openrouter/g", "gemini/imagen-4"):
        with pytest.raises(BadRequestError) as caught:
            await vary(model=model, image=FILE)
        assert caught.value.param == "model"


@pytest.mark.parametrize("edits", [False, True])
@pytest.mark.parametrize("model", ["openai_chat/gpt-image-1", "openrouter/g", "gemini/gemini-image", "xai/g"])
async def test_streams(stage: Stage, model: str, edits: bool) -> None:
    """Relayed with what comes on the way; else each picture is an event when it is complete."""
    if edits:
        edited = await stage.client.images.edit(
            model=model, prompt=PROMPT, image=FILE, stream=True, partial_images=1
        )
        events: list[Any] = [event async for event in edited]
    else:
        stream = await stage.client.images.generate(model=model, prompt=PROMPT, stream=True, partial_images=1)
        events = [event async for event in stream]
    kind = "image_edit" if edits else "image_generation"
    expected = [f"{kind}.partial_image"] if model.startswith("openai_chat") else []
    assert [event.type for event in events] == [*expected, f"{kind}.completed"]
    last = events[-1]
    assert b64decode(last.b64_json) == PICTURES[0]
    assert last.output_format == "png"
    assert last.created_at > 0
    assert last.size
    usage = stage.exchanges[-1].usage
    totals = {"openai_chat": 60, "openrouter": 25, "gemini": 34, "xai": 0}
    if not model.startswith("xai"):
        assert last.usage.total_tokens == totals[model.partition("/")[0]]
    assert usage is not None
    assert usage.total == totals[model.partition("/")[0]]


async def test_the_simulator_draws(stage: Stage) -> None:
    ask = stage.client.images.generate
    told = await ask(model="simulate/echo", prompt=PROMPT, n=2, size="40x30")
    assert told.data is not None
    pictures = [b64decode(one.b64_json or "") for one in told.data]
    assert len(set(pictures)) == 2
    assert all(media_type(picture) == "image/png" for picture in pictures)
    again = await ask(model="simulate/echo", prompt=PROMPT, n=2, size="40x30")
    assert again.data == told.data
    edited = await stage.client.images.edit(model="simulate/echo", prompt=PROMPT, image=FILE, size="40x30")
    assert edited.data is not None
    assert edited.data[0].b64_json != told.data[0].b64_json
    with pytest.raises(BadRequestError) as caught:
        await ask(model="simulate/echo", prompt=PROMPT, size="4000x4000")
    assert caught.value.param == "size"


async def test_the_model_of_the_configuration(stage: Stage) -> None:
    """Row 4.12: a request that names no model gets the one for pictures."""
    told = await stage.client.images.generate(prompt=PROMPT, n=2, quality="hd", style="vivid")
    assert told.data is not None
    assert len(told.data) == 2
    assert stage.providers["openai_chat"].last.body["model"] == "dall-e-3"
