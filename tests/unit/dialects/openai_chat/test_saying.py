"""The assistant's message to the wire: what a client is shown of any dialect's answer."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.saying import separated
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat.saying import encode_annotations
from dragoman.dialects.quirks import STANDARD, Quirks
from tests.unit.dialects.openai_chat.speaking import (
    FOREIGN,
    HELLO,
    answer,
    changed,
    decoded,
    folded,
    foreign,
    lost,
    reply,
    streamed,
    told,
    written,
)
from tests.unit.dialects.openai_chat.test_answer import READ

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
        {},
    ),
    (
        (ir.Thinking(sealed=SEAL, redacted=True), ir.Text("Hi.")),
        {"content": "Hi."},
        {},
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
        {},
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
        (ir.Media("audio", data="AAAA", transcript="Hi."),),
        {
            "content": None,
            "audio": {"id": "audio_1_0", "data": "AAAA", "expires_at": 1_700_000_000, "transcript": "Hi."},
        },
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
    choice = DIALECT.response.encode(response, reply(legacy=True, report=report))["choices"][0]
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


# --- Our own answers ---------------------------------------------------------------------------


def bare(message: dict[str, Any]) -> dict[str, Any]:
    """A message without what says nothing: nulls, empty lists, an empty content, a call's own place."""
    stated = {k: v for k, v in message.items() if v not in (None, []) and (k != "content" or v)}
    if calls := stated.get("tool_calls"):
        stated["tool_calls"] = [
            {k: v for k, v in call.items() if k != "index" or v != place} for place, call in enumerate(calls)
        ]
    return stated


def as_specified(message: dict[str, Any]) -> bool:
    """Whether text is a string, and calls have a type and their arguments as text."""
    functions = [call.get("function", {"arguments": ""}) for call in message.get("tool_calls") or ()]
    typed = all("type" in call for call in message.get("tool_calls") or ())
    return (
        typed
        and all(type(function.get("arguments")) is str for function in functions)
        and type(message.get("content")) is not list
    )


OWN = [message for message, _ in READ if as_specified(message)]
STREAMED = [
    message
    for message in OWN
    # A stream tells no object from its text, nothing from an empty text, repeats details in `reasoning`, and
    # counts calls itself.
    if type(message.get("content")) is not dict
    and message.get("reasoning_content") != ""
    and ("reasoning_details" not in message or "reasoning" in message)
    and all(call.get("index", place) == place for place, call in enumerate(message.get("tool_calls", ())))
]


def own(message: dict[str, Any]) -> ir.Response:
    return DIALECT.response.decode(answer({"role": "assistant", **message}), STANDARD)


@pytest.mark.parametrize("message", OWN)
def test_our_own_answer_comes_back_as_it_was(message: dict[str, Any]) -> None:
    report = Report(DIALECT.name, "response")
    again = DIALECT.response.encode(own(message), reply(report=report))["choices"][0]["message"]
    assert bare(again) == bare({**message, "role": "assistant"})
    assert not report.losses


@pytest.mark.parametrize("message", STREAMED)
def test_our_own_answer_is_the_same_when_it_is_streamed(message: dict[str, Any]) -> None:
    whole = own(message)
    frames = [frame[6:] for frame in streamed(ir.unfold(whole)).split(b"\n\n") if frame]
    before, after = (
        DIALECT.response.encode(said, reply())["choices"][0]["message"] for said in (whole, folded(*frames))
    )
    assert bare(after) == bare(before)


def test_a_history_with_reasoning_goes_back_in_its_members() -> None:
    messages = [{"role": "assistant", **message} for message in OWN if "content" in message]
    asked, report = written(decoded(*messages, HELLO), Quirks(answer_images=True))
    assert [bare(message) for message in asked["messages"][:-1]] == [bare(message) for message in messages]
    assert not report.losses


def test_marks_on_an_assistants_text_are_named() -> None:
    marked = ir.Message("assistant", (ir.Text("a", cache=ir.CacheMark()), ir.Text("b")))
    going_on = ir.Message("user", (ir.Text("Go."),))
    asked, report = written(foreign(marked, going_on), Quirks(cache_marks="cache_control"))
    assert asked["messages"][0]["content"] == "ab"
    assert lost(report) == {"messages[0].blocks[0].cache": "hint"}


def test_leftovers_of_every_block_are_named() -> None:
    extra = {"elsewhere": {"odd": 1}}
    blocks = (
        ir.Thinking("hm", extra=extra),
        ir.ToolCall("c1", "look", extra=extra),
        ir.Media("audio", data="AA", extra=extra),
    )
    _, losses = shown(*blocks)
    assert losses == {f"candidates[0].blocks[{index}].odd": "hint" for index in range(3)}


def test_our_own_leftovers_return_to_calls_and_citations() -> None:
    legacy = {"name": "look", "arguments": "{}", "odd": 1}
    note_ = {"type": "url_citation", "url_citation": {"url": "u", "odd": 1}, "more": 2}
    message = {"content": "Hi.", "function_call": legacy, "annotations": [note_]}
    again = DIALECT.response.encode(own(message), reply())["choices"][0]["message"]
    assert {key: again[key] for key in message} == message


def test_a_foreign_answers_parts_that_only_a_list_could_hold() -> None:
    """A list is written for our own clients; media in it stay where they are."""
    image = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
    content = [{"type": "text", "text": "See"}, image, {"type": "odd"}]
    again = DIALECT.response.encode(own({"content": content}), reply())["choices"][0]["message"]
    assert again["content"] == content


def test_a_part_of_our_own_makes_the_content_a_list_wherever_it_comes_from() -> None:
    odd = ir.Native("openai_chat", "odd", {"type": "odd"})
    refusal = ir.Refusal("No.", extra={"openai_chat": {"more": 1}})
    message = ir.Message("assistant", (ir.Text("a"), refusal, odd))
    asked, report = written(ir.Request("openai_chat", "m", (message,)))
    assert asked["messages"][0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "refusal", "refusal": "No.", "more": 1},
        {"type": "odd"},
    ]
    assert not report.losses


def test_leftovers_of_a_refusal_are_named() -> None:
    assert shown(ir.Refusal("No.", extra={"elsewhere": {"odd": 1}}))[1] == {
        "candidates[0].blocks[0].odd": "hint"
    }


def test_leftovers_of_our_own_thinking_return_to_the_message() -> None:
    thought = ir.Thinking("hm", form="reasoning", extra={"openai_chat": {"odd": 1}})
    message, _ = written(ir.Request("openai_chat", "m", (ir.Message("assistant", (thought,)),)))
    assert message["messages"][0]["odd"] == 1


def test_a_call_of_our_own_without_an_id_stays_without() -> None:
    call = {"type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert written(decoded(message))[0]["messages"] == [message]


def test_a_citation_of_our_own_may_lack_its_url() -> None:
    note_ = {"type": "url_citation", "url_citation": {"title": "A"}}
    message = DIALECT.response.encode(own({"content": "Hi.", "annotations": [note_]}), reply())
    assert message["choices"][0]["message"]["annotations"] == [note_]


def test_each_source_is_shown_once() -> None:
    found = ir.ToolResult("s", (ir.Media("document", url="https://a"),), by="provider")
    message, losses = shown(found, ir.Text("Hi."), found)
    assert message["annotations"] == [note(0, 0, title="")]
    assert not losses


def test_leftovers_of_a_foreign_citation_are_named() -> None:
    citation = ir.Citation("url", "https://a", "A", extra={"elsewhere": {"odd": 1}})
    report = Report("openai_chat", "response")
    (note,) = encode_annotations((citation,), 0, 3, Draft(report, answer=True), "here")
    assert note["url_citation"]["url"] == "https://a"
    assert [loss.path for loss in report.losses] == ["here.citations[0].odd"]
