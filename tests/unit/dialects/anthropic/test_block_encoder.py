"""Blocks of other dialects, written for Anthropic and for Anthropic's clients."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.anthropic.block_decoder import decode_block
from dragoman.dialects.anthropic.block_encoder import (
    Scope,
    bare_text,
    encode_block,
    native,
)
from dragoman.dialects.loss import Report
from dragoman.errors import WireError
from tests.unit.dialects.anthropic.saying import FOREIGN, changed, lost

SEAL = ir.Sealed(FOREIGN, "blob")
NOTE = base64.b64encode(b"a note").decode()


def encoded(block: ir.Block, *, answer: bool = False) -> tuple[dict[str, Any] | None, Report]:
    report = Report("anthropic", "response" if answer else "request")
    return encode_block(block, Scope(report, own=False, answer=answer), "here"), report


@pytest.mark.parametrize(
    ("block", "wire", "losses", "changes"),
    [
        (ir.Text("Hi"), {"type": "text", "text": "Hi"}, [], []),
        (ir.Text("Hi", sealed=SEAL), {"type": "text", "text": "Hi"}, [("here.sealed", "quality")], []),
        (
            ir.Text("Hi", item=ir.Item("msg_1", "completed", "final_answer", {FOREIGN: {"x": 1}})),
            {"type": "text", "text": "Hi"},
            [("here.item.phase", "hint"), ("here.item.x", "hint")],
            [],
        ),
        (
            ir.Text("Hi", (ir.Citation("url", "https://x"),)),
            {"type": "text", "text": "Hi"},
            [("here.citations[0]", "hint")],
            [],
        ),
        (ir.Refusal("No."), {"type": "text", "text": "No."}, [], ["here"]),
        (ir.Refusal(" "), None, [], []),
        (ir.Json({"a": [1]}), {"type": "text", "text": '{"a":[1]}'}, [], []),
        (ir.Native(FOREIGN, "thing", {}), None, [("here", "meaning")], []),
        (
            ir.Media("image", "image/png", "AA==", detail="low"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            [("here.detail", "hint")],
            [],
        ),
        (
            ir.Media("image", "image/png", "AA==", detail="auto"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            [],
            [],
        ),
        (
            ir.Media("image", data="/9j/4AAQ"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"}},
            [],
            ["here.mime"],
        ),
        (
            ir.Media("image", data="????"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "????"}},
            [],
            ["here.mime"],
        ),
        (
            ir.Media("image", url="https://x/y.png", name="y.png"),
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            [("here.name", "hint")],
            [],
        ),
        (
            ir.Media("document", "application/pdf", "JVBERi0=", name="a.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                "title": "a.pdf",
            },
            [],
            [],
        ),
        (
            ir.Media("document", data="JVBERi0="),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            },
            [],
            ["here.mime"],
        ),
        (
            ir.Media("document", "text/markdown", NOTE),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a note"}},
            [],
            ["here"],
        ),
        (
            ir.Media("document", blocks=(ir.Text("Hi"),)),
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "Hi"}]}},
            [],
            [],
        ),
        (
            ir.ToolResult("t", (ir.Text("a"), ir.Media("image", url="u")), error=True),
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image", "source": {"type": "url", "url": "u"}},
                ],
                "is_error": True,
            },
            [],
            [],
        ),
        (
            ir.ToolResult("t", (ir.Text("a", cache=ir.CacheMark()),)),
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
            },
            [],
            [],
        ),
        (
            ir.ToolResult("t", (ir.Native(FOREIGN, "shot", {}), ir.Text("a"))),
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a"}]},
            [("here.content[0]", "meaning")],
            [],
        ),
    ],
)
def test_a_block_for_anthropic(
    block: ir.Block,
    wire: dict[str, Any] | None,
    losses: list[tuple[str, str]],
    changes: list[str],
) -> None:
    out, report = encoded(block)
    assert out == wire
    assert lost(report) == losses
    assert changed(report) == changes


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (ir.Media("audio", data="AA=="), "unsupported_modality"),
        (ir.Media("video", url="https://x/y.mp4"), "unsupported_modality"),
        (ir.Media("image", file="file-1"), "unsupported_value"),
        (ir.Media("image"), "invalid_value"),
        (ir.Media("document", "application/msword", "AA=="), "unsupported_value"),
        (ir.Media("document", "text/plain", "!"), "invalid_value"),
        (ir.Media("document", "text/plain", base64.b64encode(b"\xff").decode()), "invalid_value"),
        (ir.ToolCall("c", "f", "x", "custom"), "unsupported_value"),
        (ir.ToolResult("t", (ir.Media("audio", data="AA=="),)), "unsupported_modality"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_place(block: ir.Block, code: str) -> None:
    with pytest.raises(WireError) as caught:
        encoded(block)
    assert caught.value.code == code
    assert caught.value.path.startswith("here")


@pytest.mark.parametrize(
    ("block", "wire", "losses"),
    [
        (ir.Text("\n"), {"type": "text", "text": "\n"}, []),
        (ir.Text(""), None, []),
        (ir.Text("", extra={FOREIGN: {"x": 1}}), None, [("here", "hint")]),
        (
            ir.Text("Hi", logprobs=(ir.Logprob("Hi", -0.1),)),
            {"type": "text", "text": "Hi"},
            [("here.logprobs", "hint")],
        ),
        (
            ir.Text("Hi", (ir.Citation("url", "https://x", "X", start=0, end=2),)),
            {
                "type": "text",
                "text": "Hi",
                "citations": [
                    {
                        "type": "web_search_result_location",
                        "url": "https://x",
                        "title": "X",
                        "cited_text": "",
                        "encrypted_index": "",
                    }
                ],
            },
            [("here.citations[0].start", "hint")],
        ),
        (
            ir.Text("Hi", (ir.Citation("url", "u", extra={FOREIGN: {"score": 1}}),)),
            {
                "type": "text",
                "text": "Hi",
                "citations": [
                    {
                        "type": "web_search_result_location",
                        "url": "u",
                        "title": None,
                        "cited_text": "",
                        "encrypted_index": "",
                    }
                ],
            },
            [("here.citations[0].score", "hint")],
        ),
        (
            ir.Text("Hi", (ir.Citation("document", title="D"),)),
            {"type": "text", "text": "Hi"},
            [("here.citations[0]", "hint")],
        ),
        (ir.Thinking("Hm."), {"type": "thinking", "thinking": "Hm.", "signature": ""}, []),
        (
            ir.Thinking(summary=("A", "B"), sealed=SEAL),
            {"type": "thinking", "thinking": "A\n\nB", "signature": "dgm1.elsewhere.blob"},
            [],
        ),
        (
            ir.Thinking(sealed=SEAL),
            {"type": "thinking", "thinking": "", "signature": "dgm1.elsewhere.blob"},
            [],
        ),
        (ir.Thinking(), None, [("here", "hint")]),
        (
            ir.Thinking(sealed=SEAL, redacted=True),
            {"type": "redacted_thinking", "data": "dgm1.elsewhere.blob"},
            [],
        ),
        (ir.Thinking(redacted=True), None, [("here", "quality")]),
        (
            ir.ToolCall("c", "f", "", sealed=SEAL),
            {"type": "tool_use", "id": "c", "name": "f", "input": {}},
            [("here.sealed", "quality")],
        ),
        (
            ir.ToolCall("c", "f", "ls -l", "custom"),
            {"type": "tool_use", "id": "c", "name": "f", "input": {"_raw": "ls -l"}},
            [],
        ),
        (ir.ToolCall("c", "web_search", "{}", "builtin", "provider"), None, [("here", "quality")]),
        (
            ir.Media("image", "image/png", "AA==", sealed=SEAL),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            [("here.sealed", "quality")],
        ),
        (
            ir.Media("image", url="https://a.example/a.png"),
            {"type": "image", "source": {"type": "url", "url": "https://a.example/a.png"}},
            [],
        ),
        (ir.Media("image", file="file-1"), None, [("here", "meaning")]),
        (
            ir.Media("audio", "audio/wav", "AA==", transcript="Hello."),
            {"type": "text", "text": "Hello."},
            [("here", "meaning")],
        ),
        (ir.Media("audio", "audio/wav", "AA=="), None, [("here", "meaning")]),
        (ir.Media("document", "application/pdf", "AA=="), None, [("here", "meaning")]),
    ],
)
def test_a_block_for_a_client(
    block: ir.Block, wire: dict[str, Any] | None, losses: list[tuple[str, str]]
) -> None:
    out, report = encoded(block, answer=True)
    assert out == wire
    assert lost(report) == losses


def test_a_bare_text_is_nothing_but_words() -> None:
    assert bare_text(ir.Text("Hi")) == {"type": "text", "text": "Hi"}
    for block in (
        ir.Text(""),
        ir.Text(" "),
        ir.Refusal("No."),
        ir.Text("Hi", cache=ir.CacheMark()),
        ir.Text("Hi", extra={FOREIGN: {"x": 1}}),
        ir.Text("Hi", (ir.Citation(),)),
        ir.Text("Hi", sealed=SEAL),
        ir.Text("Hi", item=ir.Item("i")),
        ir.Text("Hi", logprobs=(ir.Logprob("Hi", 0.0),)),
    ):
        assert bare_text(block) is None


def test_a_mark_of_unknown_length_becomes_the_longest() -> None:
    out, report = encoded(ir.Text("Hi", cache=ir.CacheMark("12h", {FOREIGN: {"mode": "explicit"}})))
    assert out == {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert changed(report) == ["here.cache"]
    assert lost(report) == [("here.cache.mode", "hint")]


def test_what_has_no_block_is_refused_where_the_ir_has_it() -> None:
    """The client's dialect makes it a place of its own."""
    scope = Scope(Report("anthropic"), own=False)
    with pytest.raises(WireError) as caught:
        encode_block(ir.Media("audio", "audio/wav", "AAAA"), scope, "messages[0].blocks[1]")
    assert (caught.value.path, caught.value.code) == ("messages[0].blocks[1]", "unsupported_modality")


@pytest.mark.parametrize(
    "wire",
    [
        {"type": "server_tool_use", "id": "a", "name": "web_search", "input": {"query": "x"}},
        {"type": "mcp_tool_use", "id": "a", "name": "f", "server_name": "s", "input": {}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "a",
            "content": [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "E"}],
        },
        {
            "type": "web_search_tool_result",
            "tool_use_id": "a",
            "content": {"type": "web_search_tool_result_error"},
        },
        {"type": "compaction", "content": "so far"},
    ],
)
def test_what_the_providers_tools_did_returns_in_any_history(wire: dict[str, Any]) -> None:
    report = Report("anthropic")
    assert encode_block(native(decode_block(wire)), Scope(report, own=False), "") == wire
    assert not report.losses
