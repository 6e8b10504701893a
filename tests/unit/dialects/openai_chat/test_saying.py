"""The assistant's message to the wire: what a client is shown of any dialect's answer."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat.saying import separated
from tests.unit.dialects.openai_chat.speaking import FOREIGN, changed, lost, reply, told

SEAL = ir.Sealed(FOREIGN, "s")
IMAGE = ir.Media("image", "image/png", "AA")


def shown(*blocks: ir.Block) -> tuple[dict[str, Any], dict[str, str]]:
    body, report = told(*blocks)
    message = body["choices"][0]["message"]
    assert message.pop("role") == "assistant"
    assert message.pop("refusal", None) is None or any(isinstance(b, ir.Refusal) for b in blocks)
    return message, lost(report)


def note(start: int, end: int, url: str = "https://a", title: str = "A", **more: Any) -> dict[str, Any]:
    cited = {"start_index": start, "end_index": end, "url": url, "title": title, **more}
    return {"type": "url_citation", "url_citation": cited}


A = ir.Citation("url", "https://a", "A")
SHOWN: list[tuple[tuple[ir.Block, ...], dict[str, Any], dict[str, str]]] = [
    ((), {"content": ""}, {}),
    ((ir.Text("a"), ir.Text("b")), {"content": "ab"}, {}),
    ((ir.Json({"a": 1}),), {"content": '{"a":1}'}, {}),
    ((ir.Thinking("hm"), ir.Text("Hi.")), {"content": "Hi.", "reasoning_content": "hm"}, {}),
    (
        (ir.Thinking(summary=("a", "b")), ir.Thinking("c")),
        {"content": "", "reasoning_content": "a\n\nb\n\nc"},
        {},
    ),
    (
        (ir.Thinking("hm", sealed=SEAL), ir.Text("Hi.", sealed=SEAL)),
        {"content": "Hi.", "reasoning_content": "hm"},
        {"candidates[0].blocks[0].sealed": "quality", "candidates[0].blocks[1].sealed": "quality"},
    ),
    (
        (ir.Thinking(sealed=SEAL, redacted=True), ir.Text("Hi.")),
        {"content": "Hi."},
        {"candidates[0].blocks[0].sealed": "quality"},
    ),
    (
        (ir.Text("Hi."), ir.ToolCall("c1", "look", "")),
        {
            "content": "Hi.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {},
    ),
    (
        (ir.ToolCall("c1", "sql", "", "custom"),),
        {
            "content": None,
            "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "sql", "input": ""}}],
        },
        {},
    ),
    (
        (ir.ToolCall("c1", "look", "{}", sealed=SEAL),),
        {
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"candidates[0].blocks[0].sealed": "quality"},
    ),
    (
        (ir.Text("Let me see."), ir.ToolCall("s", "web_search", by="provider"), ir.Text("It rains.")),
        {"content": "Let me see.\n\nIt rains."},
        {"candidates[0].blocks[1]": "hint"},
    ),
    (
        (ir.Text("a "), ir.Text("bcd", (A,)), ir.Text(".", (ir.Citation("url", "https://b", quote="q"),))),
        {"content": "a bcd.", "annotations": [note(2, 5), note(5, 6, "https://b", "", content="q")]},
        {},
    ),
    (
        (
            ir.Text("a"),
            ir.Thinking(),
            ir.Text("bcd", (ir.Citation("url", "https://a", "A", start=1, end=2),)),
        ),
        {"content": "a\n\nbcd", "annotations": [note(4, 5)]},
        {},
    ),
    (
        (ir.Text("a", (ir.Citation("page", title="T"),)),),
        {"content": "a"},
        {"candidates[0].blocks[0].citations[0]": "quality"},
    ),
    (
        (
            ir.Text("So:"),
            ir.ToolResult(
                "s",
                (
                    ir.Media("document", url="https://a", name="A"),
                    ir.Media("document", url="https://a", name="A"),
                    ir.Media("document", url="https://b"),
                ),
                by="provider",
            ),
        ),
        {"content": "So:", "annotations": [note(3, 3), note(3, 3, "https://b", "")]},
        {"candidates[0].blocks[1]": "hint"},
    ),
    (
        (ir.ToolResult("s", (ir.Text("out"),), by="provider"), ir.Text("Hi.")),
        {"content": "Hi."},
        {"candidates[0].blocks[0]": "hint"},
    ),
    (
        (ir.Text("See"), IMAGE),
        {
            "content": "See",
            "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}],
        },
        {},
    ),
    (
        (ir.Media("audio", data="AA", transcript="Hi."),),
        {"content": None, "audio": {"data": "AA", "transcript": "Hi."}},
        {},
    ),
    ((ir.Text("a"), ir.Media("video", data="AA")), {"content": "a"}, {"candidates[0].blocks[1]": "meaning"}),
    ((ir.Text("a"), ir.Media("image", file="f")), {"content": "a"}, {"candidates[0].blocks[1]": "meaning"}),
    (
        (ir.Native("elsewhere", "odd", {}), ir.Text("a")),
        {"content": "a"},
        {"candidates[0].blocks[0]": "quality"},
    ),
    (
        (ir.Text("a", cache=ir.CacheMark("5m"), extra={"elsewhere": {"odd": 1}}),),
        {"content": "a"},
        {"candidates[0].blocks[0].cache": "hint", "candidates[0].blocks[0].odd": "hint"},
    ),
    ((ir.Thinking("a", form="theirs"),), {"content": "", "reasoning_content": "a"}, {}),
]


@pytest.mark.parametrize(("blocks", "message", "losses"), SHOWN)
def test_an_answer_is_shown_or_what_is_missing_is_named(
    blocks: tuple[ir.Block, ...], message: dict[str, Any], losses: dict[str, str]
) -> None:
    assert shown(*blocks) == (message, losses)


def test_a_refusal_is_the_models_own_words() -> None:
    message, losses = shown(ir.Refusal("I "), ir.Refusal("won't."))
    assert message == {"content": None}
    assert not losses
    assert told(ir.Refusal("I won't."))[0]["choices"][0]["message"]["refusal"] == "I won't."


def test_what_a_search_found_is_a_change() -> None:
    found = ir.ToolResult("s", (ir.Media("document", url="https://a"),), by="provider")
    _, report = told(found)
    assert changed(report) == {"candidates[0].blocks[0]"}
    assert not report.losses


def test_a_call_without_an_id_gets_the_same_one_every_time() -> None:
    calls = (ir.ToolCall(None, "look"), ir.ToolCall(None, "look"))
    first = [call["id"] for call in told(*calls)[0]["choices"][0]["message"]["tool_calls"]]
    again = [call["id"] for call in told(*calls)[0]["choices"][0]["message"]["tool_calls"]]
    assert first == again
    assert len(set(first)) == 2


def test_a_client_of_before_tools_gets_one_function_call() -> None:
    report = Report(DIALECT.name, "response")
    blocks = (ir.ToolCall("c1", "look", "{}"), ir.ToolCall("c2", "hear", "{}"))
    response = ir.Response(FOREIGN, "id", "m", 1, (ir.Candidate(blocks, ir.Stop("tool")),))
    choice = DIALECT.encode_response(response, reply(legacy=True, report=report))["choices"][0]
    assert choice["message"]["function_call"] == {"name": "look", "arguments": "{}"}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"
    assert lost(report) == {"candidates[0].blocks[1]": "meaning"}


@pytest.mark.parametrize(
    ("before", "text", "result"),
    [("a", "b", "\n\nb"), ("a ", "b", "b"), ("a", "\nb", "\nb"), ("", "b", "b"), ("a", "", "")],
)
def test_texts_are_set_off_only_where_they_would_run_together(before: str, text: str, result: str) -> None:
    assert separated(before, text) == result
