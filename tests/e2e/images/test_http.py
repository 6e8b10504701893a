"""Pictures over plain HTTP: paths, mistakes, failover, addresses, failures in streams, clients that leave."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from typing import Any

import pytest

from dragoman.testing.provider import Streamed, Whole
from dragoman.wire.sse import SSESplitter
from tests.e2e.calls import Answered
from tests.e2e.images.conftest import Stage
from tests.e2e.images.providers import CODED, IMAGE, MASK, PICTURES, SECOND, form
from tests.e2e.test_server import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROMPT: dict[str, Any] = {"prompt": "A cat."}
DATA_URL = f"data:image/png;base64,{b64encode(IMAGE).decode()}"


def events(told: Answered) -> list[Any]:
    """The events of a stream, which names the type of each and has no mark of its end."""
    return [json.loads(frame) for frame in SSESplitter().feed(told.raw)]


@pytest.mark.parametrize("path", ["/v1/images/generations", "/images/generations"])
async def test_what_passes_passes_as_it_is(stage: Stage, path: str) -> None:
    told = await stage.ask(path, model="openai_chat/dall-e-3", n=2, x=1, **PROMPT)
    assert told.status == 200
    assert [b64decode(one["b64_json"]) for one in told.body["data"]] == PICTURES[:2]
    sent = stage.providers["openai_chat"].last
    assert (sent.path, sent.body) == (
        "/v1/images/generations",
        {"model": "dall-e-3", "n": 2, "x": 1, **PROMPT},
    )
    usage = stage.exchanges[-1].usage
    assert usage is not None
    assert (usage.input, usage.output, usage.detail) == (10, 50, {"input_text": 10, "input_image": 0})


@pytest.mark.parametrize(
    ("path", "body", "param", "code"),
    [
        ("generations", {}, "prompt", "missing_required_parameter"),
        ("generations", {"prompt": None}, "prompt", "missing_required_parameter"),
        ("generations", {"prompt": 1}, "prompt", "invalid_type"),
        ("generations", {**PROMPT, "model": 1}, "model", "invalid_type"),
        ("generations", {**PROMPT, "n": 0}, "n", "integer_below_min_value"),
        ("generations", {**PROMPT, "n": "2"}, "n", "invalid_type"),
        ("generations", {**PROMPT, "response_format": "png"}, "response_format", "invalid_value"),
        ("generations", {**PROMPT, "background": "red"}, "background", "invalid_value"),
        ("generations", {**PROMPT, "moderation": "none"}, "moderation", "invalid_value"),
        ("generations", {**PROMPT, "output_format": "gif"}, "output_format", "invalid_value"),
        ("generations", {**PROMPT, "output_compression": 101}, "output_compression", None),
        ("generations", {**PROMPT, "partial_images": 4}, "partial_images", None),
        ("generations", {**PROMPT, "stream": "yes"}, "stream", "invalid_type"),
        ("generations", {**PROMPT, "size": 256}, "size", "invalid_type"),
        ("edits", PROMPT, "images", "missing_required_parameter"),
        ("edits", {"images": [{"file_id": "f"}]}, "prompt", "missing_required_parameter"),
        ("edits", {**PROMPT, "images": []}, "images", "empty_array"),
        ("edits", {**PROMPT, "images": {}}, "images", "invalid_type"),
        ("edits", {**PROMPT, "images": [{}] * 17}, "images", "array_above_max_length"),
        ("edits", {**PROMPT, "images": [{}]}, "images[0].image_url", "missing_required_parameter"),
        ("edits", {**PROMPT, "images": [1]}, "images[0]", "invalid_type"),
        ("edits", {**PROMPT, "images": [{"image_url": "x"}]}, "images[0].image_url", "invalid_value"),
        ("edits", {**PROMPT, "images": [{"image_url": "data:x"}]}, "images[0].image_url", "invalid_value"),
        ("edits", {**PROMPT, "images": [{"file_id": 1}]}, "images[0].file_id", "invalid_type"),
        ("edits", {**PROMPT, "images": [{"file_id": "f"}], "mask": "x"}, "mask", "invalid_value"),
    ],
)
async def test_mistakes(stage: Stage, path: str, body: dict[str, Any], param: str, code: str | None) -> None:
    told = await stage.ask(path, **body)
    assert told.status == 400
    assert told.error["param"] == param
    assert code is None or told.error["code"] == code
    assert stage.providers["openai_chat"].seen == []


@pytest.mark.parametrize(
    ("path", "files", "fields", "param"),
    [
        ("edits", [("image", IMAGE)], {}, "prompt"),
        ("edits", [("mask", MASK)], PROMPT, "image"),
        ("edits", [("image", b"")], PROMPT, "image"),
        ("edits", [("image[]", IMAGE)] * 17, PROMPT, "image"),
        ("edits", [("image", IMAGE), ("mask", MASK), ("mask", MASK)], PROMPT, "mask"),
        ("edits", [("image", IMAGE)], {**PROMPT, "mask": "x"}, "mask"),
        ("edits", [("image", IMAGE)], {**PROMPT, "n": "many"}, "n"),
        ("edits", [("image", IMAGE)], {**PROMPT, "n": "11"}, "n"),
        ("edits", [("image", IMAGE)], {**PROMPT, "stream": "maybe"}, "stream"),
        ("edits", [("image", IMAGE)], {**PROMPT, "input_fidelity": "medium"}, "input_fidelity"),
        ("edits", [("image", IMAGE), ("prompt", b"A cat.")], PROMPT, "prompt"),
        ("edits", [("image", IMAGE), ("model", b"simulate/echo")], PROMPT, "model"),
        ("edits", [("images", IMAGE)], PROMPT, "images"),
        ("variations", [("image", IMAGE)] * 2, {}, "image"),
        ("variations", [("other", IMAGE)], {}, "image"),
    ],
)
async def test_mistakes_in_forms(
    stage: Stage, path: str, files: list[tuple[str, bytes]], fields: dict[str, str], param: str
) -> None:
    told = await stage.send(path, *files, **fields)
    assert told.status == 400
    assert told.error["param"] == param
    assert stage.providers["openai_chat"].seen == []


async def test_failing_deployments_are_passed_over(stage: Stage) -> None:
    """One has no pictures and is not asked; the next is broken; the third draws."""
    told = await stage.ask("generations", model="painter", response_format="b64_json", **PROMPT)
    assert told.status == 200
    assert told.headers["x-dragoman-deployment"] == "gemini/gemini-image"
    assert told.headers["x-dragoman-attempts"] == "2"
    assert stage.providers["anthropic"].seen == []
    told = await stage.send("edits", ("image", IMAGE), ("mask", MASK), model="painter", **PROMPT)
    assert told.status == 200
    assert told.headers["x-dragoman-deployment"] == "openai_chat/gpt-image-1"
    assert [file[3] for file in form(stage.providers["openai_chat"].last).files] == [IMAGE, MASK]


@pytest.mark.parametrize("model", ["anthropic/claude-x", "mistral/m"])
async def test_a_provider_without_pictures(stage: Stage, model: str) -> None:
    told = await stage.ask("generations", model=model, **PROMPT)
    assert told.status == 400
    assert told.error["param"] == "model"
    assert "images" in told.error["message"]


async def test_a_server_that_has_no_such_path(stage: Stage) -> None:
    stage.says("openai_chat", Whole("not found", 404))
    told = await stage.ask("generations", model="openai_chat/m", **PROMPT)
    assert told.status == 501
    assert told.error["code"] == "not_implemented"


async def test_shapes_instead_of_sizes(stage: Stage) -> None:
    """Row 0.12: the nearest shape is told as a change, what Gemini does not have as losses."""
    told = await stage.ask(
        "generations",
        headers={"x-dragoman-report": "1"},
        model="gemini/gemini-image",
        size="1792x1024",
        style="vivid",
        quality="hd",
        user="me",
        **PROMPT,
    )
    config = stage.providers["gemini"].last.body["generationConfig"]
    assert config["imageConfig"] == {"aspectRatio": "16:9"}
    exchange = stage.exchanges[-1]
    assert {loss.path for loss in exchange.losses} == {"$.style", "$.quality", "$.user"}
    assert [(change.path, change.to) for change in exchange.changes] == [
        ("$.size", "$.generationConfig.imageConfig.aspectRatio")
    ]
    assert told.headers["x-dragoman-losses"] == "3"
    told = await stage.ask("generations", model="gemini/imagen-4", size="huge", **PROMPT)
    assert (told.status, told.error["param"]) == (400, "size")


async def test_more_pictures_than_one_request_makes(stage: Stage) -> None:
    told = await stage.ask("generations", model="gemini/imagen-4", n=6, **PROMPT)
    assert len(told.body["data"]) == 6
    sent = [seen.body["parameters"]["sampleCount"] for seen in stage.providers["gemini"].seen]
    assert sent == [4, 2]
    stage.providers["gemini"].seen.clear()
    told = await stage.ask("generations", model="gemini/gemini-image", n=3, seed=5, **PROMPT)
    assert len(told.body["data"]) == 3
    seeds = [seen.body["generationConfig"]["seed"] for seen in stage.providers["gemini"].seen]
    assert seeds == [5, 6, 7]
    assert told.body["usage"]["total_tokens"] == 3 * 34


async def test_pictures_that_were_filtered_out(stage: Stage) -> None:
    stage.says("gemini", Whole({"predictions": [{"raiFilteredReason": "Not that."}]}))
    told = await stage.ask("generations", model="gemini/imagen-4", **PROMPT)
    assert told.status == 400
    assert told.error["message"].startswith("Not that.")
    drawn = {"bytesBase64Encoded": CODED[0], "mimeType": "image/png"}
    stage.says("gemini", Whole({"predictions": [drawn, {"raiFilteredReason": "Not that."}]}))
    told = await stage.ask("generations", model="gemini/imagen-4", n=2, **PROMPT)
    assert len(told.body["data"]) == 1
    assert [loss.path for loss in stage.exchanges[-1].losses] == ["n"]


async def test_images_that_are_named(stage: Stage) -> None:
    """Of JSON: OpenAI gets it as it is, Gemini the bytes, xAI the address."""
    address = f"{stage.providers['store'].url}/cat.png"
    images = [{"image_url": address}, {"image_url": DATA_URL}]
    told = await stage.ask("edits", model="openai_chat/gpt-image-1", images=images, **PROMPT)
    assert told.status == 200
    assert stage.providers["openai_chat"].last.body["images"] == images
    assert stage.providers["store"].seen == []
    told = await stage.ask("edits", model="xai/g", images=images, **PROMPT)
    assert [one["url"] for one in stage.providers["xai"].last.body["images"]] == [address, DATA_URL]
    told = await stage.ask("edits", model="gemini/gemini-image", images=images, **PROMPT)
    assert told.status == 200
    parts = stage.providers["gemini"].last.body["contents"][0]["parts"]
    assert [b64decode(part["inlineData"]["data"]) for part in parts[1:]] == [IMAGE, IMAGE]
    assert len(stage.providers["store"].seen) == 1
    gone = [{"image_url": f"{stage.providers['store'].url}/gone.png"}]
    told = await stage.ask("edits", model="gemini/gemini-image", images=gone, **PROMPT)
    assert (told.status, told.error["param"]) == (400, "images[0]")
    told = await stage.ask("edits", model="gemini/gemini-image", images=[{"file_id": "f"}], **PROMPT)
    assert (told.status, told.error["param"]) == (400, "images[0]")


@pytest.mark.parametrize("stream", [False, True])
async def test_bytes_where_the_provider_names_an_address(stage: Stage, stream: bool) -> None:
    """They are read where they lie; what cannot be read stays an address, and is told as a loss."""
    store = stage.providers["store"].url
    for name, read in (("cat.png", True), ("gone.png", False)):
        answer = Whole({"created": 7, "data": [{"url": f"{store}/{name}", "revised_prompt": "better"}]})
        for provider, model in (("openai_chat", "dall-e-3"), ("xai", "g")):
            if stream and provider == "openai_chat":
                continue  # it obeys, or sends what is relayed
            stage.says(provider, answer)
            wish = {"stream": True} if stream else {"response_format": "b64_json"}
            told = await stage.ask("generations", model=f"{provider}/{model}", **wish, **PROMPT)
            shown = events(told)[0] if stream else told.body["data"][0]
            if read:
                assert b64decode(shown["b64_json"]) == IMAGE
                assert stream or shown["revised_prompt"] == "better"
            else:
                assert shown["url"] == f"{store}/gone.png"
            losses = [loss.path for loss in stage.exchanges[-1].losses]
            assert losses == ([] if read else ["response_format"])


async def test_a_failure_in_a_stream_is_told_in_band(stage: Stage) -> None:
    partial = {"type": "image_generation.partial_image", "b64_json": CODED[0], "partial_image_index": 0}
    broken = {"type": "error", "error": {"type": "server_error", "message": "No more ink.", "code": None}}
    stage.says("openai_chat", Streamed([partial, broken], named=True, pause=0.05))
    told = await stage.ask("generations", model="openai_chat/m", stream=True, **PROMPT)
    assert told.status == 200
    assert [event["type"] for event in events(told)] == [partial["type"], "error"]
    assert "No more ink." in events(told)[-1]["error"]["message"]
    assert stage.exchanges[-1].fault is not None


async def test_a_stream_without_its_picture_has_broken_off(stage: Stage) -> None:
    partial = {"type": "image_generation.partial_image", "b64_json": CODED[0], "partial_image_index": 0}
    stage.says("openai_chat", Streamed([partial], named=True))
    told = await stage.ask("generations", model="openai_chat/m", stream=True, **PROMPT)
    assert [event["type"] for event in events(told)] == [partial["type"], "error"]
    assert stage.exchanges[-1].end == "upstream/stream/stream_broken"


async def test_an_error_inside_of_an_answer(stage: Stage) -> None:
    stage.says("openai_chat", Whole({"error": {"message": "No.", "type": "invalid_request_error"}}))
    told = await stage.ask("generations", model="openai_chat/m", **PROMPT)
    assert told.status >= 400
    assert "No." in told.error["message"]
    stage.says("xai", Whole({"data": []}))
    told = await stage.ask("generations", model="xai/g", **PROMPT)
    assert told.status == 502


async def test_a_client_that_leaves_stops_its_provider(stage: Stage) -> None:
    stage.says("openai_chat", Whole({}, delay=30))
    left = asyncio.create_task(stage.ask("generations", model="openai_chat/m", **PROMPT))
    await until(lambda: stage.providers["openai_chat"].seen)
    left.cancel()
    await until(lambda: stage.providers["openai_chat"].cut)


async def test_what_the_model_refuses_to_hear_is_done_here(stage: Stage) -> None:
    """GPT image models refuse `response_format`, in forms too, where it is still obeyed."""
    told = await stage.send(
        "edits", ("image", IMAGE), ("image", SECOND), model="openai_chat/gpt-image-1",
        response_format="url", **PROMPT,
    )  # fmt: skip
    assert told.body["data"][0]["url"] == f"data:image/png;base64,{CODED[0]}"
    assert told.body["usage"]["total_tokens"] == 60
    assert told.body["size"] == "1024x1024"
