"""Every kind of content block: what it is in the IR, and that it comes back as it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.anthropic.block_decoder import (
    decode_block,
    decode_blocks,
    decode_citation,
    decode_content,
)
from dragoman.dialects.anthropic.block_encoder import Scope, encode_block
from dragoman.dialects.loss import Report
from dragoman.errors import WireError

MARK = {"type": "ephemeral", "ttl": "5m"}
TEXT = {"type": "text", "text": "Hi"}
DIRECT = {"caller": {"type": "direct"}}

BLOCKS: list[tuple[dict[str, Any], ir.Block]] = [
    (TEXT, ir.Text("Hi")),
    ({**TEXT, "cache_control": MARK}, ir.Text("Hi", cache=ir.CacheMark("5m"))),
    ({**TEXT, "cache_control": {"type": "ephemeral"}}, ir.Text("Hi", cache=ir.CacheMark())),
    (
        {**TEXT, "cache_control": {"type": "ephemeral", "scope": "org"}},
        ir.Text("Hi", cache=ir.CacheMark(extra={"anthropic": {"type": "ephemeral", "scope": "org"}})),
    ),
    ({**TEXT, "tone": "warm"}, ir.Text("Hi", extra={"anthropic": {"tone": "warm"}})),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
        ir.Media("image", "image/png", "AA=="),
    ),
    (
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}, "cache_control": MARK},
        ir.Media("image", url="https://x/y.png", cache=ir.CacheMark("5m")),
    ),
    (
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}, "transformations": {"a": 1}},
        ir.Media("image", file="file_1", extra={"anthropic": {"transformations": {"a": 1}}}),
    ),
    (
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png", "etag": "e"}},
        ir.Media("image", url="https://x/y.png", extra={"anthropic": {"source.etag": "e"}}),
    ),
    (
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "T",
            "context": "C",
            "citations": {"enabled": True},
        },
        ir.Media("document", "application/pdf", "JVBERi0=", name="T", context="C", citable=True),
    ),
    (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        ir.Media("document", "text/plain", text="words"),
    ),
    (
        {
            "type": "document",
            "source": {"type": "content", "content": [TEXT]},
            "citations": {"enabled": False},
        },
        ir.Media("document", blocks=(ir.Text("Hi"),), citable=False),
    ),
    (
        {"type": "document", "source": {"type": "url", "url": "u"}, "citations": {"enabled": True, "x": 1}},
        ir.Media(
            "document", url="u", citable=True, extra={"anthropic": {"citations": {"enabled": True, "x": 1}}}
        ),
    ),
    (
        {
            "type": "search_result",
            "source": "https://x",
            "title": "T",
            "content": [TEXT],
            "citations": {"enabled": True},
        },
        ir.Media(
            "document",
            name="T",
            blocks=(ir.Text("Hi"),),
            context="https://x",
            citable=True,
            form="search_result",
        ),
    ),
    (
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "sig")),
    ),
    (
        {"type": "thinking", "thinking": "", "signature": "sig"},
        ir.Thinking("", sealed=ir.Sealed("anthropic", "sig")),
    ),
    (
        {"type": "redacted_thinking", "data": "blob"},
        ir.Thinking(sealed=ir.Sealed("anthropic", "blob"), redacted=True),
    ),
    (
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}},
        ir.ToolCall("toolu_1", "f", '{"x":1}'),
    ),
    ({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}, ir.ToolCall("toolu_1", "f", "{}")),
    (
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, **DIRECT},
        ir.ToolCall("toolu_1", "f", "{}", extra={"anthropic": DIRECT}),
    ),
    (
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "cache_control": MARK},
        ir.ToolCall("toolu_1", "f", "{}", cache=ir.CacheMark("5m")),
    ),
    (
        {"type": "tool_result", "tool_use_id": "t", "content": "seen", "toolset_name": "x"},
        ir.ToolResult("t", (ir.Text("seen"),), extra={"anthropic": {"toolset_name": "x"}}, form="text"),
    ),
    (
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        ir.ToolCall("srvtoolu_1", "web_search", '{"query":"q"}', "builtin", "provider"),
    ),
    (
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "ask", "input": {}, "server_name": "docs"},
        ir.ToolCall("mcptoolu_1", "ask", "{}", "builtin", "provider", namespace="docs"),
    ),
    (
        {"type": "tool_result", "tool_use_id": "t", "content": "seen"},
        ir.ToolResult("t", (ir.Text("seen"),), form="text"),
    ),
    ({"type": "tool_result", "tool_use_id": "t", "content": [TEXT]}, ir.ToolResult("t", (ir.Text("Hi"),))),
    ({"type": "tool_result", "tool_use_id": "t"}, ir.ToolResult("t")),
    (
        {"type": "tool_result", "tool_use_id": "t", "content": ""},
        ir.ToolResult("t", (ir.Text(""),), form="text"),
    ),
    (
        {"type": "tool_result", "tool_use_id": "t", "is_error": True, "cache_control": MARK},
        ir.ToolResult("t", error=True, cache=ir.CacheMark("5m")),
    ),
    ({"type": "tool_result", "tool_use_id": "t", "is_error": False}, ir.ToolResult("t", error=False)),
    (
        {
            "type": "tool_result",
            "tool_use_id": "t",
            "content": [TEXT, {"type": "tool_reference", "tool_name": "g"}],
        },
        ir.ToolResult(
            "t",
            (
                ir.Text("Hi"),
                ir.Native(
                    "anthropic",
                    "tool_reference",
                    {"type": "tool_reference", "tool_name": "g"},
                    stands_for=ir.Text("The tool g can be called now."),
                ),
            ),
        ),
    ),
    (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s",
            "content": [
                {
                    "type": "web_search_result",
                    "url": "https://x",
                    "title": "X",
                    "encrypted_content": "enc",
                    "page_age": "1 day",
                }
            ],
        },
        ir.ToolResult(
            "s",
            (
                ir.Media(
                    "document",
                    url="https://x",
                    name="X",
                    sealed=ir.Sealed("anthropic", "enc"),
                    extra={"anthropic": {"page_age": "1 day"}},
                    form="web_search_result",
                ),
            ),
            kind="web_search_tool_result",
            by="provider",
        ),
    ),
    (
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        ir.ToolResult("s", kind="web_search_tool_result", by="provider"),
    ),
    (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s",
            "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
        },
        ir.ToolResult(
            "s",
            (ir.Json({"type": "web_search_tool_result_error", "error_code": "unavailable"}),),
            error=True,
            kind="web_search_tool_result",
            by="provider",
        ),
    ),
    (
        {
            "type": "bash_code_execution_tool_result",
            "tool_use_id": "s",
            "content": {"type": "bash_code_execution_result", "stdout": "1", "content": []},
        },
        ir.ToolResult(
            "s",
            (ir.Json({"type": "bash_code_execution_result", "stdout": "1", "content": []}),),
            kind="bash_code_execution_tool_result",
            by="provider",
        ),
    ),
    (
        {"type": "mcp_tool_result", "tool_use_id": "m", "content": [TEXT], "is_error": False},
        ir.ToolResult("m", (ir.Text("Hi"),), error=False, kind="mcp_tool_result", by="provider"),
    ),
    (
        {"type": "compaction", "content": "So far …"},
        ir.Native("anthropic", "compaction", {"type": "compaction", "content": "So far …"}),
    ),
    (
        {"type": "container_upload", "file_id": "file_1"},
        ir.Native("anthropic", "container_upload", {"type": "container_upload", "file_id": "file_1"}),
    ),
    (
        {"type": "image", "source": {"type": "new"}},
        ir.Native("anthropic", "image", {"type": "image", "source": {"type": "new"}}),
    ),
    ({"type": "tool_use", "id": "x"}, ir.Native("anthropic", "tool_use", {"type": "tool_use", "id": "x"})),
]


@pytest.mark.parametrize(
    ("wire", "block"), BLOCKS, ids=[f"{w['type']}-{i}" for i, (w, _) in enumerate(BLOCKS)]
)
def test_a_block_both_ways(wire: dict[str, Any], block: ir.Block) -> None:
    before = {**wire}
    assert decode_block(wire) == block
    report = Report("anthropic")
    assert encode_block(block, Scope(report, own=True), "x") == before
    assert wire == before
    assert not report.losses


CITATIONS: list[tuple[dict[str, Any], ir.Citation]] = [
    (
        {
            "type": "char_location",
            "cited_text": "q",
            "document_index": 0,
            "document_title": "D",
            "start_char_index": 1,
            "end_char_index": 2,
        },
        ir.Citation(
            "document",
            None,
            "D",
            "q",
            source={"type": "char_location", "document_index": 0, "start_char_index": 1, "end_char_index": 2},
        ),
    ),
    (
        {"type": "page_location", "cited_text": "q", "document_index": 0, "start_page_number": 1},
        ir.Citation(
            "page",
            quote="q",
            source={"type": "page_location", "document_index": 0, "start_page_number": 1},
        ),
    ),
    (
        {"type": "content_block_location", "cited_text": "q", "document_title": "", "start_block_index": 0},
        ir.Citation(
            "block", title="", quote="q", source={"type": "content_block_location", "start_block_index": 0}
        ),
    ),
    (
        {"type": "search_result_location", "cited_text": "q", "title": "T", "source": "s"},
        ir.Citation(
            "search_result", title="T", quote="q", source={"type": "search_result_location", "source": "s"}
        ),
    ),
    (
        {
            "type": "web_search_result_location",
            "cited_text": "q",
            "url": "https://x",
            "title": "X",
            "encrypted_index": "e",
        },
        ir.Citation(
            "url",
            "https://x",
            "X",
            "q",
            source={"type": "web_search_result_location", "encrypted_index": "e"},
        ),
    ),
    ({"type": "new_location", "x": 1}, ir.Citation("new_location", source={"type": "new_location", "x": 1})),
]


@pytest.mark.parametrize(("wire", "citation"), CITATIONS, ids=[w["type"] for w, _ in CITATIONS])
def test_a_citation_both_ways(wire: dict[str, Any], citation: ir.Citation) -> None:
    block = {"type": "text", "text": "Yes.", "citations": [wire]}
    assert decode_block(block) == ir.Text("Yes.", (citation,))
    assert encode_block(ir.Text("Yes.", (citation,)), Scope(Report("anthropic"), own=True), "x") == block


def test_null_and_empty_members_say_nothing() -> None:
    assert decode_block({**TEXT, "citations": None, "cache_control": None}) == ir.Text("Hi")
    assert decode_block({**TEXT, "citations": []}) == ir.Text("Hi")
    assert decode_block({"type": "text", "text": None}) == ir.Text("")
    assert decode_block({"type": "thinking", "thinking": "a", "signature": ""}) == ir.Thinking("a")


@pytest.mark.parametrize(
    "block",
    [
        TEXT,
        {"type": "image", "source": {"type": "url", "url": "https://x"}},
        {"type": "document", "source": {"type": "url", "url": "https://x"}},
        {"type": "search_result", "source": "s", "title": "t", "content": []},
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "tool_use", "id": "1", "name": "f", "input": {}},
        {"type": "server_tool_use", "id": "1", "name": "f", "input": {}},
        {"type": "tool_result", "tool_use_id": "1", "content": "x"},
        {"type": "web_search_tool_result", "tool_use_id": "1", "content": []},
    ],
    ids=lambda block: block["type"],
)
def test_a_mark_of_another_form_is_a_leftover(block: dict[str, Any]) -> None:
    odd = {**block, "cache_control": "ephemeral"}
    read = decode_block(odd)
    assert read == msgspec.structs.replace(
        decode_block(block), extra={"anthropic": {"cache_control": "ephemeral"}}
    )
    report = Report("anthropic")
    assert encode_block(read, Scope(report, own=True), "x") == odd
    assert report.losses == []


def test_a_string_stands_for_one_text() -> None:
    assert decode_content("Hi") == (ir.Text("Hi"),)
    source = {"type": "document", "source": {"type": "content", "content": "Hi"}}
    assert decode_block(source) == ir.Media("document", blocks=(ir.Text("Hi"),))


@pytest.mark.parametrize(
    ("content", "path"), [(5, "content"), (["x"], "content[0]"), ([TEXT, None], "content[1]")]
)
def test_what_is_no_content_is_refused(content: Any, path: str) -> None:
    with pytest.raises(WireError) as caught:
        decode_content(content)
    assert caught.value.path == path


def test_text_must_be_text() -> None:
    with pytest.raises(WireError, match="must be a string"):
        decode_blocks([{"type": "text", "text": 5}])


def test_the_words_for_a_reference_keep_its_other_members() -> None:
    block = decode_block({"type": "tool_reference", "tool_name": "f", "odd": 1, "cache_control": MARK})
    assert isinstance(block, ir.Native)
    words = "The tool f can be called now."
    assert block.stands_for == ir.Text(words, cache=ir.CacheMark("5m"), extra={"anthropic": {"odd": 1}})


def test_a_reference_to_no_tool_stays_as_it_came() -> None:
    for odd in ({"type": "tool_reference"}, {"type": "tool_reference", "tool_name": None}):
        assert decode_block(odd) == ir.Native("anthropic", "tool_reference", odd)


@pytest.mark.parametrize("kind", ["char_location", "web_search_result_location"])
def test_a_citation_with_two_titles_keeps_both(kind: str) -> None:
    wire = {"type": kind, "cited_text": "q", "title": "A", "document_title": "B"}
    citation = decode_citation(wire)
    title, beside = ("B", "A") if kind == "char_location" else ("A", "B")
    assert citation.title == title
    assert citation.source is not None
    assert beside in citation.source.values()
