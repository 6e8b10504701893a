"""Recorded pictures: requests and answers come back as they were, and vendors are asked as they were."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.forms import texts
from dragoman.dialects.gemini import image as gemini
from dragoman.dialects.loss import Report
from dragoman.dialects.openai import pictures
from dragoman.dialects.openai.image import IMAGE
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed
from dragoman.wire.json import decode_head, encode
from dragoman.wire.multipart import Field

pytestmark = pytest.mark.wire
Record = dict[str, Any]


def records(folder: Path, api: str) -> Iterator[Record]:
    for line in (folder / f"{api}.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def request(record: Record) -> WireRequest:
    asked = record["request"]
    path = "/images/" + asked["url"].rpartition("/")[2]
    if "multipart" not in asked:
        return WireRequest("image", asked["body"], path=path)
    fields = tuple(
        Field(part["name"], b64decode(part["b64"]), part["filename"], part["content_type"])
        if "filename" in part
        else Field(part["name"], part["value"].encode())
        for part in asked["multipart"]
    )
    return WireRequest("image", texts(fields), path=path, fields=fields)


def test_requests_come_back(recorded: Path) -> None:
    found = list(records(recorded, "openai.images"))
    assert len(found) >= 15
    for record in found:
        wire = request(record)
        IMAGE.client.check(wire)
        asked, report = IMAGE.client.decode(wire), Report("openai_chat")
        written = IMAGE.provider.encode(asked, Target(report))
        assert written.path == wire.path
        if wire.fields:
            assert sorted(written.fields, key=str) == sorted(wire.fields, key=str), record["id"]
        else:
            assert (written.body, written.fields) == (wire.body, ()), record["id"]
        assert asked.extra is None
        assert (report.losses, report.changes) == ([], [])


def test_answers_come_back(recorded: Path) -> None:
    """Through the IR and relayed, pictures and addresses."""
    assert IMAGE.relay is not None
    found = [one for one in records(recorded, "openai.images") if one["response"]["status"] == 200]
    (sample,) = [
        one for one in records(recorded, "openai.images.samples") if one["response"]["status"] == 200
    ]
    for record in [*found, sample]:
        wire = request(record) if record["request"] else WireRequest("image", {"prompt": "x"})
        told = Payload(encode(record["response"]["body"]))
        asked = IMAGE.client.decode(wire)
        report = Report("openai_chat", "response")
        written = IMAGE.client.encode(IMAGE.provider.decode(told, asked), OperationReply(asked, report))
        assert json.loads(written.data) == record["response"]["body"], record["id"]
        assert (report.losses, report.changes) == ([], [])
        assert IMAGE.relay.response(wire, told, None) == (told, None)


def test_xai_is_asked_as_it_was_and_answers(recorded: Path) -> None:
    """Its own words for images that are named are understood, too."""
    found = list(records(recorded, "xai.images"))
    assert len(found) == 2
    quirks = Quirks(pictures="xai")
    for record in found:
        wire = request(record)
        IMAGE.client.check(wire)
        assert not IMAGE.relays(wire, quirks, "m")
        asked, report = IMAGE.client.decode(wire), Report("xai")
        written = IMAGE.provider.encode(asked, Target(report, quirks=quirks))
        assert (written.path, written.body, report.losses) == (wire.path, wire.body, [])
        body = record["response"]["body"]
        response = IMAGE.provider.decode(Payload(encode(body)), asked)
        assert [(one.url, one.kind) for one in response.pictures] == [
            (one["url"], "image/jpeg") for one in body["data"]
        ]
        told = json.loads(IMAGE.client.encode(response, OperationReply(asked, report, created=7)).data)
        assert told == {"created": 7, "data": [{"url": body["data"][0]["url"]}], "usage": body["usage"]}


def test_openrouter_is_asked_as_it_was_and_answers(recorded: Path) -> None:
    """What an edit of OpenAI's clients means is what was recorded."""
    found = list(records(recorded, "openrouter.images"))
    assert len(found) == 2
    for record in found:
        body = record["request"]["body"]
        images = [{"image_url": one["image_url"]["url"]} for one in body["input_references"]]
        wire = WireRequest(
            "image",
            {"model": body["model"], "prompt": body["prompt"], "images": images},
            path=pictures.EDITS,
        )
        IMAGE.client.check(wire)
        asked, report = IMAGE.client.decode(wire), Report("openrouter")
        written = IMAGE.provider.encode(asked, Target(report, quirks=Quirks(pictures="openrouter")))
        assert (written.path, written.body, report.losses) == (pictures.OPENROUTER, body, [])
        told = record["response"]["body"]
        response = IMAGE.provider.decode(Payload(encode(told)), asked)
        (picture,) = response.pictures
        assert (picture.data, picture.kind) == (told["data"][0]["b64_json"], "image/jpeg")
        assert response.usage is not None
        assert (response.usage.input, response.usage.output) == (1125, 1120)
        assert (response.usage.detail, response.created) == ({"output_image": 1120}, None)
        shown = json.loads(IMAGE.client.encode(response, OperationReply(asked, report)).data)
        assert shown["usage"]["total_tokens"] == told["usage"]["total_tokens"]
        assert shown["usage"]["cost"] == told["usage"]["cost"]


def test_imagen_is_asked_as_it_was_and_answers(recorded: Path) -> None:
    found = list(records(recorded, "gemini.predict"))
    assert len(found) == 5
    for record in found:
        body, told = record["request"]["body"], record["response"]["body"]
        prompt = body["instances"][0]["prompt"]
        asked, report = ir.ImageRequest("openai_chat", None, prompt), Report("gemini")
        written = gemini.encode_request(asked, Target(report, record["model"]))
        assert (written.path, written.body, report.losses) == (gemini.PREDICT, body, [])
        response = gemini.decode_response(Payload(encode(told)), asked)
        assert [(one.data, one.kind) for one in response.pictures] == [
            (one["bytesBase64Encoded"], one["mimeType"]) for one in told["predictions"]
        ]


def test_what_was_filtered_out_at_vertex(recorded: Path) -> None:
    asked = ir.ImageRequest("openai_chat", None, "x", count=4)
    drawn = refused = 0
    for record in records(recorded, "vertex.predict.samples"):
        predictions = record["response"]["body"].get("predictions")
        if predictions is None or "gcsUri" in predictions[0]:
            continue
        told = Payload(encode({"predictions": predictions}))
        count = sum("bytesBase64Encoded" in one for one in predictions)
        if count:
            response = gemini.decode_response(told, asked)
            report = Report("openai_chat", "response")
            IMAGE.client.encode(response, OperationReply(asked, report))
            assert len(response.pictures) == count
            assert [loss.path for loss in report.losses] == ([] if count == 4 else ["n"])
            drawn += 1
        else:
            with pytest.raises(RequestFailed) as caught:
                gemini.decode_response(told, asked)
            assert caught.value.fault.kind == "content_policy"
            assert caught.value.fault.message in predictions[0]["raiFilteredReason"]
            refused += 1
    assert (drawn, refused) == (2, 1)


def test_what_openai_is_sent_is_what_came(recorded: Path) -> None:
    """A relayed request differs in the model's name alone."""
    assert IMAGE.relay is not None
    for record in records(recorded, "openai.images"):
        wire = request(record)
        assert IMAGE.relays(wire, STANDARD, "m")
        head = {} if wire.fields else decode_head(encode(wire.body))
        sent = IMAGE.relay.request(wire, head, {"model": "dall-e-2"})
        assert sent.path == wire.path
        if isinstance(sent.body, bytes):
            assert json.loads(sent.body) == {**wire.body, "model": "dall-e-2"}
        else:
            assert isinstance(sent.body, tuple)
            assert [one for one in sent.body if one.name != "model"] == [
                one for one in wire.fields if one.name != "model"
            ]
