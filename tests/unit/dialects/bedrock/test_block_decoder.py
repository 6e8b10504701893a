"""Blocks, decoded: media, calls, results, reasoning, citations; unknown forms are kept whole."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.block_decoder import decode_block, decode_blocks
from dragoman.dialects.seals import tag_seal
from dragoman.errors import WireError

S3 = {"s3Location": {"uri": "s3://bucket/a.png"}}


@pytest.mark.parametrize(
    ("wire", "block"),
    [
        ({"text": "a"}, ir.Text("a")),
        ({"text": "a", "type": "text"}, ir.Text("a")),
        (
            {"image": {"format": "png", "source": {"bytes": "AA=="}}},
            ir.Media("image", "image/png", "AA=="),
        ),
        (
            {"image": {"format": "png", "source": S3}},
            ir.Media("image", "image/png", file="s3://bucket/a.png", form="s3"),
        ),
        (
            {
                "document": {
                    "format": "md",
                    "name": "n",
                    "source": {"text": "# a"},
                    "citations": {"enabled": True},
                }
            },
            ir.Media("document", "text/markdown", text="# a", name="n", citable=True),
        ),
        (
            {"document": {"name": "n", "source": {"content": [{"text": "a"}]}, "context": "c"}},
            ir.Media("document", blocks=(ir.Text("a"),), name="n", context="c"),
        ),
        (
            {"video": {"format": "three_gp", "source": {"bytes": "AA=="}}},
            ir.Media("video", "video/3gpp", "AA=="),
        ),
        (
            {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}, "type": "tool_use"}},
            ir.ToolCall("1", "f", '{"a":1}', form="tool_use"),
        ),
        (
            {"toolUse": {"toolUseId": "1", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
            ir.ToolCall("1", "nova_grounding", "{}", "builtin", "provider"),
        ),
        (
            {"toolResult": {"toolUseId": "1", "content": [{"json": [1]}, {"text": "a"}], "status": "error"}},
            ir.ToolResult("1", (ir.Json([1]), ir.Text("a")), error=True),
        ),
        (
            {"toolResult": {"toolUseId": "1", "content": [], "status": "success", "type": "nova_x_result"}},
            ir.ToolResult("1", error=False, kind="nova_x_result", by="provider"),
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
            ir.Thinking("Hm", sealed=ir.Sealed("bedrock", "c2ln")),
        ),
        ({"reasoningContent": {"reasoningText": {"text": "Hm"}}}, ir.Thinking("Hm")),
        (
            {"reasoningContent": {"redactedContent": "YWJj"}},
            ir.Thinking(sealed=ir.Sealed("bedrock", "YWJj"), redacted=True),
        ),
        (
            {"guardContent": {"text": {"text": "a", "qualifiers": ["query"]}}},
            ir.Text("a", form="guarded", extra={"bedrock": {"qualifiers": ["query"]}}),
        ),
        (
            {"searchResult": {"source": "https://a.example", "title": "t", "content": [{"text": "a"}]}},
            ir.Media(
                "document",
                blocks=(ir.Text("a"),),
                name="t",
                context="https://a.example",
                form="search_result",
            ),
        ),
    ],
)
def test_each_kind(wire: dict[str, Any], block: ir.Block) -> None:
    assert decode_block(wire) == block


@pytest.mark.parametrize(
    "wire",
    [
        {"unknown": 1},
        {},
        {"image": {"format": "png", "source": {"bytes": "a", "text": "b"}}},
        {"image": {"source": {"s3Location": {"uri": "s3://a", "bucketOwner": "1"}}}},
        {"toolUse": {"name": "f"}},
        {"toolResult": {"toolUseId": "1", "content": [], "status": "odd"}},
        {"reasoningContent": {"other": 1}},
        {"guardContent": {"image": {"format": "png"}}},
        {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": []}},
        {"text": 7},
    ],
)
def test_a_block_of_another_form_is_kept_whole(wire: dict[str, Any]) -> None:
    block = decode_block(wire)
    assert block == ir.Native("bedrock", next(iter(wire), ""), wire)


def test_a_cache_point_marks_the_block_before_it() -> None:
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    marked = ir.Text("a", cache=ir.CacheMark("1h"))
    native = ir.Native("bedrock", "cachePoint", point)
    assert decode_blocks([{"text": "a"}, point], "x") == (marked,)
    assert decode_blocks([point, {"text": "a"}], "x") == (native, ir.Text("a"))
    assert decode_blocks([{"text": "a"}, point, point], "x") == (marked, native)


def test_citations() -> None:
    value = {
        "title": "t",
        "sourceContent": [{"text": "said "}, {"text": "so"}],
        "location": {"web": {"url": "https://a.example", "domain": "a.example"}},
    }
    block = decode_block({"citationsContent": {"content": [{"text": "a"}], "citations": [value]}})
    cited = ir.Citation("url", "https://a.example", "t", "said so", source=value)
    assert block == ir.Text("a", (cited,), form="citations")


def test_withheld_reasoning_of_another_provider_comes_back_to_it() -> None:
    seal = ir.Sealed("gemini", "xyz")
    wire = base64.b64encode(tag_seal(seal).encode()).decode()
    assert decode_block({"reasoningContent": {"redactedContent": wire}}) == ir.Thinking(
        sealed=seal, redacted=True
    )


def test_a_block_must_be_an_object() -> None:
    with pytest.raises(WireError) as caught:
        decode_blocks(["a"], "messages[0].content")
    assert caught.value.path == "messages[0].content[0]"


@pytest.mark.parametrize(
    "value",
    [
        {"toolResult": {"toolUseId": "a", "content": ["text"]}},
        {"toolResult": {"toolUseId": "a", "content": "text"}},
        {"searchResult": {"title": "a", "source": "b", "content": [1]}},
        {"document": {"name": "a", "source": {"content": [None]}}},
    ],
)
def test_an_odd_entry_inside_a_block_does_not_fail_the_answer(value: dict[str, Any]) -> None:
    assert decode_block(value) == ir.Native("bedrock", next(iter(value)), value)
