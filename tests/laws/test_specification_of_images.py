"""What we write of pictures is what OpenAI's published description says, and what it allows is let in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.image import IMAGE
from dragoman.dialects.operation import OperationReply
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError
from dragoman.wire.multipart import Field
from dragoman.wire.sse import SSESplitter

pytestmark = pytest.mark.spec
REQUESTS = {
    "CreateImageRequest": "/images/generations",
    "CreateImageEditRequest": "/images/edits",
    "EditImageBodyJsonParam": "/images/edits",
    "CreateImageVariationRequest": "/images/variations",
}
EVENTS = {
    "image_generation.completed": "ImageGenCompletedEvent",
    "image_edit.completed": "ImageEditCompletedEvent",
}
USAGES = [None, ir.Usage(3, output=9), ir.Usage(3, output=9, detail={"input_text": 3, "output_image": 9})]
ASKED = ir.ImageRequest("openai_chat", None, "A cat.")
EDIT = ir.ImageRequest("openai_chat", None, "A cat.", "edit", (ir.File(b"1"),))


@pytest.fixture(scope="module")
def components(specifications: Path) -> dict[str, Any]:
    text = (specifications / "openai-2.3.0.openapi.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)["components"]
    return found


def flaws(told: Any, name: str, components: dict[str, Any]) -> list[str]:
    """How a value does not fit a schema."""
    judge = OAS31Validator({"$ref": f"#/components/schemas/{name}", "components": components})
    return [error.message for error in judge.iter_errors(told)]


def values(member: dict[str, Any], components: dict[str, Any]) -> list[Any]:
    """Some of the values that a member of a request may have: every word, both ends of a range."""
    if "$ref" in member:
        return values(components["schemas"][member["$ref"].rpartition("/")[2]], components)
    if "anyOf" in member:
        return [value for one in member["anyOf"] for value in values(one, components)]
    if "enum" in member:
        return list(member["enum"])
    kinds = {
        "integer": [member.get("minimum", 1), member.get("maximum", 10)],
        "boolean": [True, False],
        "null": [None],
        "string": ["x"],
    }
    return kinds.get(member["type"], [])


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_allowed_is_let_in(components: dict[str, Any], name: str) -> None:
    """Each member with each of its values; a form has texts alone."""
    schema, path = components["schemas"][name], REQUESTS[name]
    form = name not in {"CreateImageRequest", "EditImageBodyJsonParam"}
    assert set(schema["properties"]) <= IMAGE.client.members
    fields = (Field("image", b"1", "a.png"),) if form else ()
    named = {"images": [{"image_url": "https://a/1"}]} if name == "EditImageBodyJsonParam" else {}
    tried = 0
    for member, described in schema["properties"].items():
        if member in {"image", "images", "mask"}:
            continue
        for value in values(described, components):
            if form and value is None:
                continue
            written = value if not form or isinstance(value, str) else json.dumps(value)
            body = {"prompt": "x", **named, member: written}
            wire = WireRequest("image", body, path=path, fields=fields)
            IMAGE.client.check(wire)
            report = Report("")
            again = IMAGE.provider.encode(IMAGE.client.decode(wire), Target(report))
            if value is not None and value is not False:
                assert again.body[member] == value
            tried += 1
    assert tried >= 8


@pytest.mark.parametrize("name", ["CreateImageRequest", "EditImageBodyJsonParam"])
def test_what_is_not_allowed_is_refused(components: dict[str, Any], name: str) -> None:
    """Where the description says so; a vendor's words for sizes, qualities and styles pass."""
    free = {"size", "quality", "style"}
    named = {"images": [{"image_url": "https://a/1"}]} if name == "EditImageBodyJsonParam" else {}
    for member in components["schemas"][name]["properties"].keys() - {"images", "mask"}:
        for value in (["x"], {"x": 1}, -7, 4.5, "no such word"):
            body = {"prompt": "x", **named, member: value}
            if flaws(body, name, components) and not (member in free and isinstance(value, str)):
                with pytest.raises(WireError) as caught:
                    IMAGE.client.check(WireRequest("image", body, path=REQUESTS[name]))
                assert caught.value.path == member


@pytest.mark.parametrize("usage", USAGES)
@pytest.mark.parametrize("asked", [ASKED, EDIT])
def test_answers_and_events(
    components: dict[str, Any], asked: ir.ImageRequest, usage: ir.Usage | None
) -> None:
    pictures = (ir.Picture("iVBORw0KGgo=", prompt="better"), ir.Picture("/9j/", kind="image/jpeg"))
    told = {"size": "1024x1024", "quality": "high", "background": "opaque", "output_format": "png"}
    for response in (
        ir.ImageResponse(pictures, usage=usage),
        ir.ImageResponse(pictures, "m", 7, told, usage),
    ):
        reply = OperationReply(asked, Report(""), created=1)
        body = json.loads(IMAGE.client.encode(response, reply).data)
        if asked is ASKED or usage is None or usage.detail:
            assert flaws(body, "ImagesResponse", components) == []
        assert IMAGE.client.encode_stream is not None
        frames = SSESplitter().feed(IMAGE.client.encode_stream(response, reply))
        assert len(frames) == 2
        for event in map(json.loads, frames):
            if asked is ASKED or usage is None or usage.detail:
                assert flaws(event, EVENTS[event["type"]], components) == []
