"""The history: roles in order, results with their calls, and what only other protocols can say as text."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.history import safe_id
from tests.unit.dialects.bedrock.speaking import LLAMA, NOVA, again, asked, assistant, reasons, sent, user

CALL = ir.ToolCall("call|1", "f", '{"a":1}')


def test_ids_that_the_api_refuses_get_others_that_stay_the_same() -> None:
    assert safe_id("tooluse_A.b:c-1") == "tooluse_A.b:c-1"
    odd = safe_id("call|1" + "x" * 80)
    assert odd == safe_id("call|1" + "x" * 80)
    assert len(odd) == 64
    assert odd.startswith("call_1xxx")
    assert safe_id("call|1") != safe_id("call/1")


def test_calls_and_results() -> None:
    result = ir.ToolResult("call|1", (ir.Text("no"), ir.Json({"b": 2})), error=True)
    body, _ = sent(asked(user("Hi"), assistant("Ok", CALL), user(result)))
    named = safe_id("call|1")
    call = {"toolUse": {"toolUseId": named, "name": "f", "input": {"a": 1}}}
    answer = {"toolUseId": named, "content": [{"text": "no"}, {"json": {"b": 2}}], "status": "error"}
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "Hi"}]},
        {"role": "assistant", "content": [{"text": "Ok"}, call]},
        {"role": "user", "content": [{"toolResult": answer}]},
    ]
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["f"]


def test_neighbours_of_one_role_are_joined_and_the_user_begins() -> None:
    body, _ = sent(asked(assistant("I"), user("A"), user("B")))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][2]["content"] == [{"text": "A"}, {"text": "B"}]


@pytest.mark.parametrize(
    "silent",
    [
        ir.Thinking("Hm"),
        ir.Text(" "),
        ir.ToolCall("s1", "web_search", "{}", "builtin", "provider"),
        ir.Media("image", "image/png", "AA=="),
    ],
    ids=["thinking", "blank", "search", "image"],
)
def test_users_around_a_message_of_which_nothing_is_written_are_joined(silent: ir.Block) -> None:
    body, _ = sent(asked(user("A"), assistant(silent), user("B")))
    texts = [block for message in body["messages"] for block in message["content"] if "text" in block]
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert texts == [{"text": "A"}, {"text": "B"}]


def test_a_result_without_a_call_is_told_as_text() -> None:
    body, _ = sent(asked(user("Hi", ir.ToolResult("c9", (ir.Json({"b": 2}),), "f"))))
    assert body["messages"][0]["content"][1:] == [
        {"text": "Result of f, called earlier:"},
        {"text": '{"b":2}'},
    ]


def test_a_call_without_a_result_gets_one() -> None:
    body, _ = sent(asked(user("Hi"), assistant(ir.ToolCall("c1", "f", "{}")), user("Go on")))
    first = body["messages"][2]["content"][0]["toolResult"]
    assert first["toolUseId"] == "c1"
    assert first["status"] == "error"


def test_system_text() -> None:
    system = ir.Message("system", (ir.Text("Be brief."),))
    body, _ = sent(asked(system, user("Hi"), assistant("Yes"), system, user("Go")))
    assert body["system"] == [{"text": "Be brief."}]
    assert body["messages"][2]["content"][0] == {"text": "<system>\nBe brief.\n</system>"}


def test_a_document_needs_a_text_and_a_name_of_its_own() -> None:
    paper = ir.Media("document", "application/pdf", "JVBERi0=", name="my_file.pdf")
    body, report = sent(asked(user(paper, paper)))
    assert body["messages"][0]["content"] == [
        {"document": {"source": {"bytes": "JVBERi0="}, "format": "pdf", "name": "my file pdf"}},
        {"document": {"source": {"bytes": "JVBERi0="}, "format": "pdf", "name": "my file pdf (2)"}},
        {"text": "See the attached document."},
    ]
    assert [change.to for change in report.changes if change.path is None] == ["messages[].content[].text"]


def test_a_mark_on_a_later_system_text_becomes_a_point_behind_its_tags() -> None:
    later = ir.Message("system", (ir.Text("Be brief.", cache=ir.CacheMark("1h")),))
    request = asked(user("Hi"), later, user("Go"))
    tagged = {"text": "<system>\nBe brief.\n</system>"}
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert sent(request)[0]["messages"][0]["content"] == [{"text": "Hi"}, tagged, point, {"text": "Go"}]
    body, report = sent(request, LLAMA)
    assert body["messages"][0]["content"] == [{"text": "Hi"}, tagged, {"text": "Go"}]
    assert reasons(report) == [("messages[1].blocks[0].cache", "hint")]


def test_cache_marks_become_points_for_models_that_have_a_cache() -> None:
    marked = user(ir.Text("Long", cache=ir.CacheMark("1h")), "Short")
    body, _ = sent(asked(marked))
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["messages"][0]["content"] == [{"text": "Long"}, point, {"text": "Short"}]
    assert sent(asked(marked), NOVA)[0]["messages"][0]["content"][1] == point
    body, report = sent(asked(marked), LLAMA)
    assert body["messages"][0]["content"] == [{"text": "Long"}, {"text": "Short"}]
    assert reasons(report) == [("messages[0].blocks[0].cache", "hint")]


def test_thinking_of_another_provider_stays_behind() -> None:
    own = ir.Thinking("Hm", sealed=ir.Sealed("bedrock", "c2ln"))
    others = ir.Thinking("Well", sealed=ir.Sealed("anthropic", "YWJj"))
    wish = ir.Reasoning("on", budget=2000)
    body, report = sent(asked(user("Hi"), assistant(own, others, "Yes"), user("Go"), reasoning=wish))
    text = {"text": "Hm", "signature": "c2ln"}
    assert body["messages"][1]["content"] == [{"reasoningContent": {"reasoningText": text}}, {"text": "Yes"}]
    assert ("messages[1].blocks[1]", "quality") in reasons(report)


def test_own_requests_stay_as_they_are() -> None:
    messages = [
        {"role": "user", "content": [{"text": " "}, {"cachePoint": {"type": "default"}}]},
        {"role": "user", "content": [{"guardContent": {"text": {"text": "x", "qualifiers": ["query"]}}}]},
        {"role": "assistant", "content": [{"reasoningContent": {"redactedContent": "YWJj"}}]},
        {"role": "assistant", "content": [{"aNewKind": {"a": 1}}, {"cachePoint": {"type": "odd"}}]},
    ]
    assert again({"messages": messages}) == {"messages": messages}
