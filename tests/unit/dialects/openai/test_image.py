"""Pictures in OpenAI's family: whose words a request has, what passes, what answers and events tell."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai import drawn
from dragoman.dialects.openai.image import IMAGE
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head, encode
from dragoman.wire.multipart import Field
from dragoman.wire.sse import SSESplitter

ASKED = ir.ImageRequest("openai_chat", "m", "A cat.")
FULL = msgspec.structs.replace(
    ASKED,
    count=2,
    size="1024x1792",
    quality="high",
    style="vivid",
    background="transparent",
    moderation="low",
    fidelity="high",
    output="webp",
    compression=50,
    delivery="b64_json",
    partials=2,
    seed=3,
    user="me",
)


def encoded(request: ir.ImageRequest, pictures: Any) -> tuple[WireRequest, Report]:
    report = Report(pictures)
    return IMAGE.provider.encode(request, Target(report, quirks=Quirks(pictures=pictures))), report


def test_each_vendor_hears_what_it_knows() -> None:
    wire, report = encoded(FULL, "xai")
    first = {"model": "m", "prompt": "A cat.", "n": 2}
    assert wire.body == {
        **first,
        "aspect_ratio": "9:16",
        "quality": "high",
        "response_format": "b64_json",
        "user": "me",
    }
    assert [change.path for change in report.changes] == ["size"]
    assert {loss.path for loss in report.losses} == {
        *("style", "background", "moderation", "fidelity", "compression", "partials", "seed"),
    }
    wire, report = encoded(FULL, "openrouter")
    assert wire.body == {
        **first,
        "size": "1024x1792",
        "quality": "high",
        "background": "transparent",
        "output_format": "webp",
        "seed": 3,
    }
    assert {loss.path for loss in report.losses} == {
        *("style", "moderation", "fidelity", "compression", "partials", "user"),
    }
    wire, report = encoded(FULL, "openai")
    assert IMAGE.client.decode(wire) == FULL
    assert report.losses == []


@pytest.mark.parametrize("pictures", ["xai", "openrouter"])
def test_a_vendors_own_words_come_through(pictures: str) -> None:
    body = {"model": "m", "prompt": "x", "aspect_ratio": "7:1", "resolution": "2k"}
    wire = WireRequest("image", body, path="/images/generations")
    IMAGE.client.check(wire)
    written, report = encoded(IMAGE.client.decode(wire), pictures)
    assert (written.body, report.losses, report.changes) == (body, [], [])


def test_a_size_beside_an_aspect_ratio_is_lost_at_xai() -> None:
    wire, report = encoded(msgspec.structs.replace(ASKED, aspect="7:1", size="1024x1024"), "xai")
    assert wire.body["aspect_ratio"] == "7:1"
    assert [(loss.path, loss.severity) for loss in report.losses] == [("size", "quality")]


def test_a_word_for_quality_that_xai_does_not_have_is_lost() -> None:
    wire, report = encoded(msgspec.structs.replace(ASKED, quality="hd"), "xai")
    assert "quality" not in wire.body
    assert [loss.path for loss in report.losses] == ["quality"]


@pytest.mark.parametrize("pictures", ["xai", "openrouter"])
@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"action": "vary"}, "action"),
        ({"action": "edit", "mask": ir.File(b"1")}, "mask"),
        ({"action": "edit", "images": (ir.File(b"1"), ir.File(id="f"))}, "images[1]"),
    ],
)
def test_what_only_openai_does(pictures: str, fields: dict[str, Any], place: str) -> None:
    with pytest.raises(WireError) as caught:
        encoded(msgspec.structs.replace(ASKED, **fields), pictures)
    assert caught.value.path == place


def test_files_and_names_of_files_in_one_edit() -> None:
    images = (ir.File(b"\xff\xd8\xff", kind="image/jpeg"), ir.File(id="f"), ir.File(url="https://a/1"))
    asked = msgspec.structs.replace(ASKED, action="edit", images=images, mask=ir.File(id="g"))
    wire, _ = encoded(asked, "openai")
    assert wire.body["images"] == [
        {"image_url": "data:image/jpeg;base64,/9j/"},
        {"file_id": "f"},
        {"image_url": "https://a/1"},
    ]
    assert wire.body["mask"] == {"file_id": "g"}
    again = IMAGE.client.decode(wire)
    assert (again.images[1:], again.mask) == (images[1:], ir.File(id="g"))


@pytest.mark.parametrize(
    ("body", "place", "expected"),
    [
        ({"images": [{"image_url": "https://a"}]}, "images[0]", "$.images[0]"),
        ({"image": {"url": "https://a"}}, "images[0]", "$.image"),
        ({"image": "https://a"}, "images[0]", "$.image"),
        ({}, "count", "$.n"),
        ({}, "size", "$.size"),
    ],
)
def test_places(body: dict[str, Any], place: str, expected: str) -> None:
    wire = WireRequest("image", {"prompt": "x", **body}, path="/images/edits")
    if body:
        IMAGE.client.check(wire)
    assert IMAGE.client.locate(IMAGE.client.decode(wire), place) == expected


def test_places_in_a_form() -> None:
    fields = tuple(Field("image[]", b"1", f"{n}.png") for n in range(2))
    wire = WireRequest("image", {"prompt": "x"}, path="/images/edits", fields=fields)
    assert IMAGE.client.locate(IMAGE.client.decode(wire), "images[1]") == "$.image"


@pytest.mark.parametrize("model", ["gpt-image-1", "chatgpt-image-latest", "openai/gpt-image-2"])
def test_a_wish_that_a_model_refuses_to_hear_is_kept_from_it(model: str) -> None:
    assert IMAGE.relay is not None
    body = {"prompt": "x", "response_format": "url"}
    wire = WireRequest("image", body, path="/images/generations")
    sent = IMAGE.relay.request(wire, decode_head(encode(body)), {"model": model})
    assert isinstance(sent.body, bytes)
    assert json.loads(sent.body) == {"prompt": "x", "model": model}
    fields = (Field("prompt", b"x"), Field("response_format", b"url"))
    form = IMAGE.relay.request(msgspec.structs.replace(wire, fields=fields), {}, {"model": model})
    assert isinstance(form.body, tuple)
    assert [field.name for field in form.body] == ["model", "prompt"]


@pytest.mark.parametrize(
    ("wish", "told", "passes"),
    [
        (None, {"url": "u"}, True),
        ("url", {"url": "u"}, True),
        ("url", {"b64_json": "QQ=="}, False),
        ("b64_json", {"url": "u"}, False),
        ("b64_json", {"b64_json": "QQ=="}, True),
        ("b64_json", {"b64_json": None, "url": "u"}, False),
        ("url", {"b64_json": "QQ==", "url": None}, False),
    ],
)
def test_an_answer_passes_if_it_is_what_was_asked_for(
    wish: str | None, told: dict[str, str | None], passes: bool
) -> None:
    assert IMAGE.relay is not None
    wire = WireRequest("image", {"prompt": "x", "response_format": wish})
    answer = Payload(encode({"created": 1, "data": [told]}))
    assert IMAGE.relay.response(wire, answer, None) == ((answer, None) if passes else None)


def test_the_name_that_an_answer_shows() -> None:
    assert IMAGE.relay is not None
    wire = WireRequest("image", {"prompt": "x"})
    answer = Payload(encode({"data": [], "model": "theirs"}))
    told = IMAGE.relay.response(wire, answer, "ours")
    assert told is not None
    assert json.loads(told[0].data) == {"data": [], "model": "ours"}


def test_a_usage_that_cannot_be_decoded_is_ignored() -> None:
    assert IMAGE.relay is not None
    answer = Payload(b'{"data": [], "usage": {"input_tokens": 1e999}}')
    assert IMAGE.relay.response(WireRequest("image", {"prompt": "x"}), answer, None) == (answer, None)
    assert IMAGE.relay.seen(b'{"usage": {"input_tokens": 1e999}}') is None


def test_events_tell_costs_and_failures() -> None:
    assert IMAGE.relay is not None
    seen = IMAGE.relay.seen
    assert seen(b'{"type":"image_generation.partial_image","b64_json":"QQ=="}') is None
    usage = {"total_tokens": 5, "input_tokens": 2, "output_tokens": 3}
    assert seen(encode({"type": "image_generation.completed", "usage": usage})) == ir.Usage(2, output=3)
    assert seen(encode({"type": "image_generation.completed", "usage": None})) is None
    assert seen(encode({"type": "image_generation.completed", "usage": usage, "error": None})) is not None
    for broken in ({"type": "error", "message": "No."}, {"type": "error", "error": {"message": "No."}}):
        with pytest.raises(RequestFailed) as caught:
            seen(encode(broken))
        assert caught.value.fault.message == "No."


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": [{}]},
        {"data": {}},
        {"data": [1]},
        {"data": [{"b64_json": 1}]},
        {},
    ],
)
def test_what_is_no_answer(body: Any) -> None:
    with pytest.raises(WireError):
        IMAGE.provider.decode(Payload(encode(body)), ASKED)


def test_an_answer_in_the_words_of_vendors() -> None:
    body = {
        "id": "x",
        "data": [{"url": "data:image/jpg;base64,/9j/"}, {"b64_json": "QQ==", "media_type": "image/webp"}],
    }
    response = IMAGE.provider.decode(Payload(encode(body)), ASKED)
    assert response.pictures == (
        ir.Picture("/9j/", None, "image/jpeg"),
        ir.Picture("QQ==", None, "image/webp"),
    )
    told = IMAGE.client.encode(response, OperationReply(ASKED, Report(""), created=9))
    assert json.loads(told.data) == {
        "created": 9,
        "data": [{"b64_json": "/9j/"}, {"b64_json": "QQ=="}],
        "id": "x",
    }


def test_what_an_answer_lacks() -> None:
    report = Report("openai_chat", "response")
    response = ir.ImageResponse((ir.Picture("/9j/", kind="image/jpeg"),))
    IMAGE.client.encode(response, OperationReply(FULL, report))
    assert [(loss.path, loss.severity) for loss in report.losses] == [
        ("n", "meaning"),
        ("output_format", "quality"),
    ]


TYPES = ("size", "quality", "background", "output_format")


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_says_only_what_its_type_knows(stream: bool) -> None:
    """Clients with closed types (Swift, Rust, Kotlin) cannot decode a size that the API does not have."""
    told = {"size": "256x256", "quality": "hd", "background": "opaque", "output_format": "png", "odd": {}}
    report = Report("openai_chat", "response")
    reply = OperationReply(msgspec.structs.replace(ASKED, size="256x256", stream=stream), report)
    response = ir.ImageResponse((ir.Picture("QQ=="),), told=told)
    if stream:
        assert IMAGE.client.encode_stream is not None
        (frame,) = SSESplitter().feed(IMAGE.client.encode_stream(response, reply))
        said = json.loads(frame)
        assert [said[name] for name in TYPES] == ["auto", "auto", "opaque", "png"]
    else:
        said = json.loads(IMAGE.client.encode(response, reply).data)
        assert {name: said[name] for name in TYPES if name in said} == {
            "background": "opaque",
            "output_format": "png",
        }
    assert {(loss.path, loss.severity) for loss in report.losses} >= {("size", "hint"), ("quality", "hint")}


def test_whole_answers_as_events() -> None:
    """What all of them cost stands once, so that adding it up is right."""
    assert IMAGE.client.encode_stream is not None
    usage = ir.Usage(2, output=30, detail={"output_image": 30})
    response = ir.ImageResponse((ir.Picture("QQ=="), ir.Picture("Qg==")), usage=usage)
    request = msgspec.structs.replace(ASKED, stream=True, count=2, size="64x64")
    reply = OperationReply(request, Report(""), created=9)
    data = IMAGE.client.encode_stream(response, reply)
    assert data.startswith(b"event: image_generation.completed\ndata: ")
    first, last = (json.loads(frame) for frame in SSESplitter().feed(data))
    assert [first["b64_json"], last["b64_json"]] == ["QQ==", "Qg=="]
    assert first["usage"]["total_tokens"] == 0
    assert last["usage"] == {
        "input_tokens": 2,
        "output_tokens": 30,
        "total_tokens": 32,
        "input_tokens_details": {"text_tokens": 2, "image_tokens": 0},
        "output_tokens_details": {"text_tokens": 0, "image_tokens": 30},
    }
    assert {key: last[key] for key in ("created_at", "size", "quality", "background", "output_format")} == {
        "created_at": 9,
        "size": "auto",
        "quality": "auto",
        "background": "auto",
        "output_format": "png",
    }
    edits = msgspec.structs.replace(request, action="edit")
    data = IMAGE.client.encode_stream(response, msgspec.structs.replace(reply, request=edits))
    assert json.loads(SSESplitter().feed(data)[0])["type"] == "image_edit.completed"


@pytest.mark.parametrize(
    "told",
    [
        {"total_tokens": 60, "input_tokens": 10, "output_tokens": 50},
        {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60},
    ],
)
def test_costs_in_both_words(told: dict[str, int]) -> None:
    usage = drawn.decode_usage(told)
    assert usage is not None
    assert (usage.input, usage.output, usage.total) == (10, 50, 60)


@pytest.mark.parametrize("told", [None, 1, [], {}, {"input_tokens": "many"}])
def test_costs_that_cannot_be_read_withhold_nothing(told: Any) -> None:
    usage = drawn.decode_usage(told)
    assert usage is None or usage.total == 0
    assert drawn.encode_usage(usage, ASKED) is None
