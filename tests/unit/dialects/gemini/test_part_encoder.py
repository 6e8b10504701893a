"""Blocks become parts, and come back as what they were."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from dragoman import ir
from dragoman.dialects.gemini.draft import Draft
from dragoman.dialects.gemini.part_decoder import decode_part
from dragoman.dialects.gemini.part_encoder import encode_part, native
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.errors import WireError
from tests.unit.dialects.gemini.asking import changed, lost

SEAL = ir.Sealed("gemini", "c2VhbA==")
CALL: dict[str, Any] = {"functionCall": {"id": "c1", "name": "look", "args": {"x": 1.0, "y": [None]}}}


def draft(*, own: bool = False, **more: Any) -> Draft:
    return Draft(Report("gemini"), own, **more)


def wrote(block: ir.Block, **more: Any) -> tuple[Any, Report]:
    to = draft(**more)
    part = encode_part(block, to, "messages[0].blocks[0]")
    if part is not None:
        types.Part.model_validate(part)
    return part, to.report


BOTH = [
    ({"text": "Hi"}, ir.Text("Hi")),
    ({"text": ""}, ir.Text("")),
    ({"text": "", "thoughtSignature": "c2VhbA=="}, ir.Text("", sealed=SEAL)),
    ({"thoughtSignature": "c2VhbA=="}, ir.Text("", sealed=SEAL, form="bare")),
    ({"text": "Hm.", "thought": True}, ir.Thinking("Hm.")),
    ({"thought": True, "thoughtSignature": "c2VhbA=="}, ir.Thinking(sealed=SEAL, form="bare")),
    ({"text": "a", "thought": False}, ir.Text("a", extra={"gemini": {"thought": False}})),
    (
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "c2VhbA=="},
        ir.Media("image", "image/png", "aGk=", sealed=SEAL),
    ),
    (
        {"inlineData": {"mimeType": "audio/wav", "data": "_-8="}},
        ir.Media("audio", "audio/wav", "/+8=", form="urlsafe"),
    ),
    (
        {"inlineData": {"mimeType": "text/plain", "data": "aGk=", "displayName": "a.txt"}},
        ir.Media("document", "text/plain", "aGk=", name="a.txt"),
    ),
    (
        {
            "inlineData": {"mimeType": "image/png", "data": "aGk="},
            "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"},
        },
        ir.Media("image", "image/png", "aGk=", detail="high"),
    ),
    (
        {
            "inlineData": {"mimeType": "image/png", "data": "aGk="},
            "mediaResolution": {"level": "MEDIA_RESOLUTION_MEDIUM"},
        },
        ir.Media(
            "image",
            "image/png",
            "aGk=",
            extra={"gemini": {"mediaResolution": {"level": "MEDIA_RESOLUTION_MEDIUM"}}},
        ),
    ),
    (
        {"fileData": {"fileUri": "gs://b/a.mp4", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 0.5}},
        ir.Media(
            "video", "video/mp4", file="gs://b/a.mp4", extra={"gemini": {"videoMetadata": {"fps": 0.5}}}
        ),
    ),
    (
        {"fileData": {"fileUri": "https://youtu.be/x"}},
        ir.Media("video", url="https://youtu.be/x"),
    ),
    (
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a"}},
        ir.Media("document", file="https://generativelanguage.googleapis.com/v1beta/files/a"),
    ),
    (CALL, ir.ToolCall("c1", "look", '{"x":1.0,"y":[null]}')),
    ({"functionCall": {"name": "look"}}, ir.ToolCall(None, "look", "")),
    ({"functionCall": {"name": "look", "args": {}}}, ir.ToolCall(None, "look", "{}")),
    (
        {"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "c2VhbA=="},
        ir.ToolCall(None, "look", "{}", sealed=SEAL),
    ),
    (
        {"functionResponse": {"id": "c1", "name": "look", "response": {"output": "seen"}}},
        ir.ToolResult("c1", (ir.Text("seen"),), "look"),
    ),
    (
        {"functionResponse": {"name": "look", "response": {"error": "blind"}}},
        ir.ToolResult(None, (ir.Text("blind"),), "look", error=True),
    ),
    (
        {"functionResponse": {"name": "look", "response": {"error": {"code": 1}}}},
        ir.ToolResult(None, (ir.Json({"code": 1}),), "look", error=True),
    ),
    (
        {"functionResponse": {"name": "look", "response": {"output": [1]}}},
        ir.ToolResult(None, (ir.Json([1]),), "look", form="output"),
    ),
    (
        {"functionResponse": {"name": "look", "response": {"snake_case": 1, "output": 2}}},
        ir.ToolResult(None, (ir.Json({"snake_case": 1, "output": 2}),), "look"),
    ),
    (
        {"functionResponse": {"name": "look", "response": {}}},
        ir.ToolResult(None, (ir.Json({}),), "look"),
    ),
    ({"functionResponse": {"name": "look"}}, ir.ToolResult(None, (), "look", form="bare")),
    (
        {
            "functionResponse": {
                "name": "look",
                "response": {"output": "seen"},
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
                "scheduling": "SILENT",
            }
        },
        ir.ToolResult(
            None,
            (ir.Text("seen"), ir.Media("image", "image/png", "aGk=")),
            "look",
            extra={"gemini": {"functionResponse.scheduling": "SILENT"}},
        ),
    ),
    (
        {"executableCode": {"id": "e", "language": "PYTHON", "code": "1"}, "thoughtSignature": "c2VhbA=="},
        ir.ToolCall(
            "e", "code_execution", '{"language":"PYTHON","code":"1"}', "builtin", "provider", sealed=SEAL
        ),
    ),
    (
        {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "no"}},
        ir.ToolResult(
            None,
            (ir.Json({"outcome": "OUTCOME_FAILED", "output": "no"}),),
            "code_execution",
            error=True,
            kind="codeExecutionResult",
            by="provider",
        ),
    ),
    (
        {"toolCall": {"id": "t", "toolType": "FILE_SEARCH"}, "thoughtSignature": "c2VhbA=="},
        ir.ToolCall("t", "file_search", "", "builtin", "provider", sealed=SEAL),
    ),
    (
        {
            "toolResponse": {"id": "t", "toolType": "FILE_SEARCH", "response": {"a": 1}},
            "thoughtSignature": "c2VhbA==",
        },
        ir.ToolResult(
            "t", (ir.Json({"a": 1}),), "file_search", kind="toolResponse", by="provider", sealed=SEAL
        ),
    ),
    (
        {"newThing": {"a_b": 1}, "thoughtSignature": "c2VhbA=="},
        ir.Native("gemini", "newThing", {"newThing": {"a_b": 1}}, SEAL),
    ),
]


@pytest.mark.parametrize(("part", "block"), BOTH)
def test_parts_are_blocks_and_blocks_are_parts(part: dict[str, Any], block: ir.Block) -> None:
    assert decode_part(part) == block
    to = draft(own=True)
    assert encode_part(block, to, "x") == part
    assert not to.report.losses


def test_a_seal_of_another_provider_stays_here() -> None:
    block = ir.ToolCall("c", "f", "{}", sealed=ir.Sealed("anthropic", "xx"))
    part, report = wrote(block)
    assert part == {"functionCall": {"id": "c", "name": "f", "args": {}}}
    assert lost(report) == [("messages[0].blocks[0].sealed", "quality")]


def test_our_own_seal_comes_back_on_whatever_it_sealed() -> None:
    for block in (
        ir.Text("", sealed=SEAL),
        ir.Thinking("Hm.", sealed=SEAL),
        ir.ToolCall("c", "f", sealed=SEAL),
    ):
        part, report = wrote(block)
        assert part["thoughtSignature"] == SEAL.data
        assert not report.losses


def test_a_true_signature_takes_the_place_of_a_placeholder() -> None:
    call = ir.ToolCall(
        None, "f", "{}", sealed=ir.Sealed("gemini", "S"), form="skip_thought_signature_validator"
    )
    written = encode_part(call, draft(own=True), "b")
    assert written is not None
    assert written["thoughtSignature"] == "S"


def test_reasoning_of_another_provider_is_dropped_from_requests_and_shown_in_answers() -> None:
    block = ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "xx"))
    part, report = wrote(block)
    assert part is None
    assert lost(report) == [("messages[0].blocks[0]", "quality")]
    part, report = wrote(block, answer=True)
    assert part == {"text": "Hm.", "thought": True, "thoughtSignature": "ZGdtMS5hbnRocm9waWMueHg="}
    assert not report.losses
    assert decode_part(part) == block


def test_reasoning_without_a_signature_is_sent_back_as_a_thought() -> None:
    part, report = wrote(ir.Thinking("Hm."))
    assert part == {"text": "Hm.", "thought": True}
    assert lost(report) == []
    part, report = wrote(ir.Thinking(redacted=True))
    assert part is None
    assert lost(report) == [("messages[0].blocks[0]", "quality")]


def test_summaries_are_shown_as_one_thought() -> None:
    part, _ = wrote(ir.Thinking(summary=("A", "B")), answer=True)
    assert part == {"text": "A\n\nB", "thought": True}


@pytest.mark.parametrize(
    ("text", "arguments", "wrapped"),
    [
        ("", {}, False),
        (" ", {}, False),
        ('{"a":1}', {"a": 1}, False),
        ("[1]", {"_raw": "[1]"}, True),
        ('{"a":', {"_raw": '{"a":'}, True),
    ],
)
def test_arguments_are_an_object(text: str, arguments: dict[str, Any], wrapped: bool) -> None:
    part, report = wrote(ir.ToolCall("c", "f", text))
    assert part["functionCall"]["args"] == arguments
    assert changed(report) == (["messages[0].blocks[0]"] if wrapped else [])


def test_ids_are_left_out_where_they_are_refused() -> None:
    quirks = Quirks(call_ids=False)
    part, _ = wrote(ir.ToolCall("c", "f", "{}"), quirks=quirks)
    assert part == {"functionCall": {"name": "f", "args": {}}}
    part, _ = wrote(ir.ToolResult("c", (ir.Text("ok"),), "f"), quirks=quirks)
    assert part == {"functionResponse": {"name": "f", "response": {"output": "ok"}}}


def test_a_result_says_output_or_error() -> None:
    json_text = ir.ToolResult("c", (ir.Text('{"a":1}'),))
    part, _ = wrote(json_text)
    assert part["functionResponse"]["response"] == {"output": '{"a":1}'}
    part, _ = wrote(ir.ToolResult("c", (ir.Text("no"),), error=True))
    assert part["functionResponse"]["response"] == {"error": "no"}
    part, _ = wrote(ir.ToolResult("c", (ir.Json({"a": 1}),)))
    assert part["functionResponse"]["response"] == {"a": 1}
    part, _ = wrote(ir.ToolResult("c", (ir.Json([1]),)))
    assert part["functionResponse"]["response"] == {"output": [1]}
    part, _ = wrote(ir.ToolResult("c", (ir.Text("a"), ir.Text("b"))))
    assert part["functionResponse"]["response"] == {"output": "a\nb"}
    part, _ = wrote(ir.ToolResult("c"))
    assert part["functionResponse"]["response"] == {"output": ""}


def test_what_a_provider_ran_is_not_replayed_to_another() -> None:
    call = ir.ToolCall("s", "web_search", "{}", "builtin", "provider")
    result = ir.ToolResult("s", (), kind="web_search_tool_result", by="provider")
    for block in (call, result):
        part, report = wrote(block)
        assert part is None
        assert lost(report) == [("messages[0].blocks[0]", "quality")]


def test_citations_and_log_probabilities_of_the_history_are_named() -> None:
    block = ir.Text("a", (ir.Citation(url="u"),), (ir.Logprob("a", -1.0),), cache=ir.CacheMark("5m"))
    part, report = wrote(block)
    assert part == {"text": "a"}
    assert {place for place, _ in lost(report)} == {
        f"messages[0].blocks[0].{x}" for x in ("citations[0]", "logprobs", "cache")
    }


def test_a_refusal_is_text() -> None:
    part, report = wrote(ir.Refusal("No."))
    assert part == {"text": "No."}
    assert changed(report) == ["messages[0].blocks[0]"]


def test_a_block_of_another_protocol_is_named() -> None:
    part, report = wrote(ir.Native("anthropic", "compaction", {}))
    assert part is None
    assert lost(report) == [("messages[0].blocks[0]", "meaning")]


def test_a_free_text_call_has_no_form() -> None:
    with pytest.raises(WireError, match="free-text"):
        wrote(ir.ToolCall("c", "f", "x", "custom"))


@pytest.mark.parametrize(
    "part",
    [
        {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2lnbg=="},
        {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "1"}},
        {"toolCall": {"id": "a", "toolType": "FILE_SEARCH", "args": {}}, "thoughtSignature": "c2lnbg=="},
        {"toolResponse": {"id": "a", "toolType": "FILE_SEARCH", "response": {"x": 1}}},
        {"videoMetadata": {"fps": 1.0}, "thoughtSignature": "c2lnbg=="},
    ],
)
def test_what_the_providers_tools_did_returns_in_any_history(part: dict[str, Any]) -> None:
    block = native(decode_part(part))
    assert "thoughtSignature" not in block.value
    written, report = wrote(block)
    assert written == part
    assert not report.losses
