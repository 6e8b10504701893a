"""Parts become blocks; those of an unknown shape are kept whole."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.gemini.draft import Draft
from dragoman.dialects.gemini.part_decoder import decode_part
from dragoman.dialects.gemini.part_encoder import encode_part
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from tests.unit.dialects.stated import WITH_TOOLS

SEAL = ir.Sealed("gemini", "c2VhbA==")


def draft(*, own: bool = False, **more: Any) -> Draft:
    return Draft(Report("gemini"), own, **more)


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"inline_data": {"mime_type": "image/png", "data": "aGk=", "display_name": "a"}},
            ir.Media("image", "image/png", "aGk=", name="a"),
        ),
        (
            {"file_data": {"file_uri": "gs://a", "mime_type": "audio/mpeg"}},
            ir.Media("audio", "audio/mpeg", file="gs://a"),
        ),
        (
            {"function_call": {"name": "f", "args": {"a_b": 1}}, "thought_signature": "c2VhbA=="},
            ir.ToolCall(None, "f", '{"a_b":1}', sealed=SEAL),
        ),
        (
            {"function_response": {"name": "f", "response": {"a_b": 1}}},
            ir.ToolResult(None, (ir.Json({"a_b": 1}),), "f"),
        ),
        (
            {"toolCall": {"id": "t", "tool_type": "URL_CONTEXT", "args": {"a_b": 1}}},
            ir.ToolCall("t", "url_context", '{"a_b":1}', "builtin", "provider"),
        ),
    ],
)
def test_snake_case_is_read_but_not_inside_of_what_is_the_clients(
    part: dict[str, Any], block: ir.Block
) -> None:
    assert decode_part(part) == block


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"text": 5},
        {"inlineData": {"mimeType": "image/png"}},
        {"inlineData": "aGk="},
        {"functionCall": {"args": {}}},
        {"functionResponse": {"name": "f", "response": 5}},
        {"toolCall": {"toolType": "Mixed"}},
        {"text": "a", "inlineData": {"mimeType": "image/png", "data": "aGk="}},
    ],
)
def test_an_unknown_shape_is_kept_whole(part: dict[str, Any]) -> None:
    block = decode_part(part)
    assert isinstance(block, ir.Native)
    assert encode_part(block, draft(own=True), "x") == part


def test_base64_is_padded() -> None:
    block = decode_part({"inlineData": {"mimeType": "image/png", "data": "aGk"}})
    assert isinstance(block, ir.Media)
    assert base64.b64decode(block.data or "", validate=True) == b"hi"


@pytest.mark.parametrize(
    "placeholder",
    [
        "skip_thought_signature_validator",
        "context_engineering_is_the_way_to_go",
        "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
    ],
)
def test_a_placeholder_is_no_seal(placeholder: str) -> None:
    """It returns to Gemini, and nobody else is said to miss it."""
    part = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": placeholder}
    call = decode_part(part)
    assert call == ir.ToolCall(None, "f", "{}", form=placeholder)
    assert encode_part(call, draft(own=True), "b") == part
    for name in WITH_TOOLS:
        if name != "gemini":
            report = Report(name)
            history = (ir.Message("user", (ir.Text("Hi"),)), ir.Message("assistant", (call,)))
            DIALECTS[name].request.encode(ir.Request("gemini", "m", history), Target(report, "m"))
            assert [loss.path for loss in report.losses if loss.path.startswith("messages[1].")] == []


def test_data_that_are_no_text_are_kept_whole() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": [1]}}
    assert decode_part(part) == ir.Native("gemini", "inlineData", part)
