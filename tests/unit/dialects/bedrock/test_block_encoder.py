"""Blocks, encoded: formats, names, seals; what the API cannot hold is refused or reported."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.block_encoder import Scope, encode_block, encode_blocks
from dragoman.dialects.loss import Report
from dragoman.errors import WireError


def written(block: ir.Block, **scope: Any) -> tuple[Any, Report]:
    report = Report("bedrock")
    return encode_block(block, Scope(report, own=False, **scope), "messages[0].blocks[0]"), report


@pytest.mark.parametrize(
    ("media", "wire"),
    [
        (
            ir.Media("image", "image/jpg", "AA=="),
            {"image": {"source": {"bytes": "AA=="}, "format": "jpeg"}},
        ),
        (
            ir.Media("video", "video/mp4", url="s3://bucket/a.mp4"),
            {"video": {"source": {"s3Location": {"uri": "s3://bucket/a.mp4"}}, "format": "mp4"}},
        ),
        (
            ir.Media("audio", "audio/wav", "AA=="),
            {"audio": {"source": {"bytes": "AA=="}, "format": "wav"}},
        ),
        (
            ir.Media("audio", "audio/m4a", "AA=="),
            {"audio": {"source": {"bytes": "AA=="}, "format": "m4a"}},
        ),
        (
            ir.Media("document", "text/x-python; charset=utf-8", text="a=1", name="a"),
            {"document": {"source": {"text": "a=1"}, "format": "txt", "name": "a"}},
        ),
    ],
)
def test_media(media: ir.Media, wire: dict[str, Any]) -> None:
    assert written(media)[0] == wire


@pytest.mark.parametrize(
    ("media", "words"),
    [
        (ir.Media("image", "image/tiff", "AA=="), "images of type image/tiff are not supported"),
        (ir.Media("image", "image/png", file="file-1"), "valid only with its own provider"),
        (ir.Media("image", "image/png", url="https://a.example/b.png"), "does not read URLs"),
        (ir.Media("video", "video/mp4"), "the video has no content"),
        (ir.Media("audio", data="AA=="), "has no media type"),
    ],
)
def test_media_that_the_api_refuses(media: ir.Media, words: str) -> None:
    with pytest.raises(WireError, match=words) as caught:
        written(media)
    assert caught.value.path == "messages[0].blocks[0]"


def test_blank_texts_are_left_out() -> None:
    assert written(ir.Text(""))[0] is None
    wire, report = written(ir.Text(" \n"))
    assert wire is None
    assert [loss.severity for loss in report.losses] == ["hint"]
    assert written(ir.Text(" "), answer=True)[0] == {"text": " "}


def test_arguments_that_are_no_object_are_wrapped() -> None:
    wire, report = written(ir.ToolCall("1", "f", "[1"))
    assert wire == {"toolUse": {"toolUseId": "1", "name": "f", "input": {"_raw": "[1"}}}
    assert len(report.changes) == 1


def test_seals_of_others_reach_the_client_with_a_tag() -> None:
    sealed = ir.Sealed("anthropic", "YWJj")
    assert written(ir.Thinking("Hm", sealed=sealed), answer=True)[0] == {
        "reasoningContent": {"reasoningText": {"text": "Hm", "signature": "dgm1.anthropic.YWJj"}}
    }
    wire, _ = written(ir.Thinking(sealed=sealed, redacted=True), answer=True)
    tag = wire["reasoningContent"]["redactedContent"]
    assert base64.b64decode(tag) == b"dgm1.anthropic.YWJj"


def test_a_citation_with_an_address_is_shown_to_the_client() -> None:
    cited = ir.Text("a", (ir.Citation(url="https://a.example", title="t", quote="q"),))
    citation = {
        "title": "t",
        "sourceContent": [{"text": "q"}],
        "location": {"web": {"url": "https://a.example"}},
    }
    wire = {"citationsContent": {"content": [{"text": "a"}], "citations": [citation]}}
    assert written(cited, answer=True)[0] == wire
    wire, report = written(cited)
    assert wire == {"text": "a"}
    assert [loss.path for loss in report.losses] == ["messages[0].blocks[0].citations[0]"]


MARKED = ir.Text("a", cache=ir.CacheMark("1h"))
POINT = {"cachePoint": {"type": "default", "ttl": "1h"}}


@pytest.mark.parametrize(
    "block",
    [
        ir.ToolResult("1", (MARKED, ir.Text("b"))),
        ir.Media("document", blocks=(MARKED, ir.Text("b")), name="n"),
        ir.Media("document", blocks=(MARKED, ir.Text("b")), form="search_result"),
    ],
    ids=["result", "document", "search result"],
)
def test_a_cache_mark_inside_of_a_block_becomes_a_point_behind_it(block: ir.Block) -> None:
    report = Report("bedrock")
    whole, point = encode_blocks([(block, "here")], Scope(report, own=False, family="claude"))
    assert point == POINT
    assert "cachePoint" not in str(whole)
    assert [change.path for change in report.changes if change.path and "cache" in change.path] == [
        f"here.{'content' if isinstance(block, ir.ToolResult) else 'blocks'}[0].cache"
    ]
    report = Report("bedrock")
    assert len(encode_blocks([(block, "here")], Scope(report, own=False))) == 1
    assert [loss.path for loss in report.losses][-1].endswith("[0].cache")


def test_a_document_holds_only_texts() -> None:
    picture = ir.Media("image", "image/png", "AA==")
    wire, report = written(ir.Media("document", "text/plain", blocks=(ir.Text("a"), picture), name="n"))
    assert wire["document"]["source"] == {"content": [{"text": "a"}]}
    assert [(loss.path, loss.severity) for loss in report.losses] == [
        ("messages[0].blocks[0].blocks[1]", "meaning")
    ]


def test_json_is_an_object_only_in_a_result() -> None:
    assert written(ir.Json({"a": 1}))[0] == {"text": '{"a":1}'}
    wire, _ = written(ir.ToolResult("1", (ir.Json({"a": 1}), ir.Json([1]))))
    assert wire["toolResult"]["content"] == [{"json": {"a": 1}}, {"text": "[1]"}]


def test_an_empty_result_says_so() -> None:
    assert written(ir.ToolResult("1"))[0] == {
        "toolResult": {"toolUseId": "1", "content": [{"text": "(no result)"}]}
    }
