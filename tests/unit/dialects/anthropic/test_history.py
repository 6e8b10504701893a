"""Histories of other protocols, repaired into turns that the API accepts."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.anthropic.history import safe_id
from dragoman.dialects.facts import Facts
from dragoman.dialects.repair.alternating import BEGIN, GO_ON
from dragoman.dialects.repair.rules import CUT_OFF
from dragoman.errors import WireError
from tests.unit.dialects.anthropic.saying import (
    FOREIGN,
    assistant,
    changed,
    foreign,
    lost,
    system,
    user,
    written,
)

CALL = ir.ToolCall("call_1", "look", '{"x":1}')
OTHER = ir.ToolCall("call_2", "look", "{}")
RESULT = ir.ToolResult("call_1", (ir.Text("seen"),))
USE = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"x": 1}}
USED = {"type": "tool_result", "tool_use_id": "call_1", "content": "seen"}
USE_2 = {"type": "tool_use", "id": "call_2", "name": "look", "input": {}}
CUT = {"type": "tool_result", "tool_use_id": "call_2", "content": CUT_OFF, "is_error": True}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def turns(*messages: ir.Message, **more: Any) -> list[Any]:
    body, _ = written(foreign(*messages), Facts(**more))
    return [(turn["role"], turn["content"]) for turn in body["messages"]]


def test_plain_turns_are_written_short() -> None:
    assert turns(user("Hi"), assistant("Hello."), user("Bye")) == [
        ("user", "Hi"),
        ("assistant", "Hello."),
        ("user", "Bye"),
    ]


def test_the_leading_system_run_becomes_blocks_in_order() -> None:
    body, report = written(foreign(system("A"), system("B", "developer"), user("Hi"), max_output=9))
    assert body["system"] == [text("A"), text("B")]
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert not report.changes


def test_a_system_field_of_another_protocol_comes_before_its_messages() -> None:
    body, _ = written(foreign(system("B"), user("Hi"), system=(ir.Text("A"),)))
    assert body["system"] == [text("A"), text("B")]


def test_a_cache_mark_of_system_text_stays_on_its_block() -> None:
    marked = ir.Message("system", (ir.Text("A", cache=ir.CacheMark("1h")),))
    body, _ = written(foreign(marked, user("Hi")))
    assert body["system"] == [{**text("A"), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]


def test_system_text_in_the_middle_is_tagged_user_text() -> None:
    messages = (user("Hi"), assistant("Hello."), system("Be brief."), user("Go on."))
    body, report = written(foreign(*messages, max_output=9))
    assert body["messages"][2:] == [
        {"role": "user", "content": [text("<system>\nBe brief.\n</system>"), text("Go on.")]}
    ]
    assert changed(report) == ["messages[2]"]


def test_system_text_in_the_middle_stays_where_the_model_takes_it() -> None:
    messages = (user("Hi"), system("A"), system("B", "developer"), assistant("Yes."), user("Go on."))
    body, report = written(foreign(*messages, max_output=9), Facts(mid_system=True))
    assert body["messages"][:3] == [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": [text("A"), text("B")]},
        {"role": "assistant", "content": "Yes."},
    ]
    assert not report.changes


def test_a_native_system_turn_must_follow_a_user_and_precede_an_answer() -> None:
    after_answer = turns(user("Hi"), assistant("Yes."), system("A"), user("Go on."), mid_system=True)
    assert after_answer[2] == ("user", [text("<system>\nA\n</system>"), text("Go on.")])
    before_user = turns(user("Hi"), system("A"), user("Go on."), mid_system=True)
    assert before_user == [("user", [text("Hi"), text("<system>\nA\n</system>"), text("Go on.")])]
    at_the_end = turns(user("Hi"), system("A"), mid_system=True)
    assert at_the_end == [("user", "Hi"), ("system", "A")]


def test_system_text_between_a_call_and_its_result_comes_after_the_result() -> None:
    assert turns(user("Hi"), assistant(CALL), system("A"), user(RESULT))[2] == (
        "user",
        [USED, text("<system>\nA\n</system>")],
    )


def test_media_in_system_text_are_lost_by_name() -> None:
    picture = ir.Message("system", (ir.Text("A"), ir.Media("image", url="https://x/y.png")))
    body, report = written(foreign(picture, user("Hi")))
    assert body["system"] == [text("A")]
    assert lost(report) == [("messages[0].blocks[1]", "meaning")]


def test_neighbours_of_one_role_are_one_turn_of_separate_blocks() -> None:
    assert turns(user("A"), user("B"), assistant("C"), assistant("D"), user("E")) == [
        ("user", [text("A"), text("B")]),
        ("assistant", [text("C"), text("D")]),
        ("user", "E"),
    ]


def test_results_of_one_turn_are_in_one_message_and_first_in_it() -> None:
    other = ir.ToolResult("call_2", (ir.Text("not"),))
    assert turns(user("Hi"), assistant(CALL, OTHER), user(RESULT), user("And now?"), user(other)) == [
        ("user", "Hi"),
        ("assistant", [USE, USE_2]),
        (
            "user",
            [USED, {"type": "tool_result", "tool_use_id": "call_2", "content": "not"}, text("And now?")],
        ),
    ]


def test_an_empty_text_beside_calls_is_dropped() -> None:
    body, report = written(foreign(user("Hi"), assistant("", CALL), user(RESULT), max_output=9))
    assert body["messages"][1]["content"] == [USE]
    assert not report.losses


def test_white_space_alone_is_refused_by_the_api_and_named() -> None:
    body, report = written(foreign(user("Hi"), assistant(" \n"), user("Well?")))
    assert [turn["role"] for turn in body["messages"]] == ["user", "user"]
    assert lost(report) == [("messages[1].blocks[0]", "hint")]


def test_an_unanswered_call_gets_an_error_result() -> None:
    body, report = written(foreign(user("Hi"), assistant(CALL, OTHER), user(RESULT, "Stop."), max_output=9))
    assert body["messages"][2]["content"] == [USED, CUT, text("Stop.")]
    assert changed(report) == [None]


def test_a_call_at_the_very_end_gets_one_too() -> None:
    assert turns(user("Hi"), assistant(OTHER))[2] == ("user", [CUT])


def test_a_call_that_only_an_answer_follows_gets_one_in_between() -> None:
    assert turns(user("Hi"), assistant(OTHER), user(""), assistant("Never mind."))[1:] == [
        ("assistant", [USE_2]),
        ("user", [CUT]),
        ("assistant", "Never mind."),
    ]


def test_a_result_without_its_call_stays_as_text() -> None:
    stray = ir.ToolResult("call_9", (ir.Text("42"),), name="count")
    body, report = written(foreign(user("Hi", stray), max_output=9))
    assert body["messages"][0]["content"] == [
        text("Hi"),
        text("Result of count, called earlier:"),
        text("42"),
    ]
    assert changed(report) == ["messages[0].blocks[1]"]


def test_a_result_is_not_taken_for_a_later_call_s() -> None:
    late = turns(user("Hi"), assistant(CALL), user("Stop."), assistant("Fine."), user(RESULT))
    assert late[2][1][0] == {**CUT, "tool_use_id": "call_1"}
    assert late[4] == ("user", [text("Result of a tool, called earlier:"), text("seen")])


def test_calls_without_ids_are_matched_by_name_and_order() -> None:
    one, two = ir.ToolCall(None, "a"), ir.ToolCall(None, "b")
    results = ir.ToolResult(None, (ir.Text("B"),), name="b"), ir.ToolResult(None, (ir.Text("A"),), name="a")
    assert turns(user("Hi"), assistant(one, two), user(*results))[1:] == [
        (
            "assistant",
            [
                {"type": "tool_use", "id": "call_0", "name": "a", "input": {}},
                {"type": "tool_use", "id": "call_1", "name": "b", "input": {}},
            ],
        ),
        (
            "user",
            [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "B"},
                {"type": "tool_result", "tool_use_id": "call_0", "content": "A"},
            ],
        ),
    ]


def test_one_id_twice_is_two_calls() -> None:
    same = ir.ToolCall("call_1", "b", "{}")
    second = ir.ToolResult("call_1", (ir.Text("B"),))
    written_turns = turns(user("Hi"), assistant(CALL, same), user(RESULT, second))
    assert [use["id"] for use in written_turns[1][1]] == ["call_1", "call_1_1"]
    assert [(r["tool_use_id"], r["content"]) for r in written_turns[2][1]] == [
        ("call_1", "seen"),
        ("call_1_1", "B"),
    ]


@pytest.mark.parametrize("stated", ["call_1", "toolu_01ABC", "a-b"])
def test_a_safe_id_stays(stated: str) -> None:
    assert safe_id(stated) == stated


@pytest.mark.parametrize("stated", ["call:1", "call.1", "functions.look:0", "ä", "", " "])
def test_an_unsafe_id_becomes_a_safe_one_the_same_every_time(stated: str) -> None:
    made = safe_id(stated)
    assert made == safe_id(stated)
    assert made.replace("_", "").replace("-", "").isalnum()
    assert made.isascii()


def test_ids_that_differ_stay_different() -> None:
    assert safe_id("call:1") != safe_id("call.1")


def test_a_rewritten_id_is_the_same_on_call_and_result() -> None:
    call, result = ir.ToolCall("f:0", "f", ""), ir.ToolResult("f:0", (ir.Text("x"),))
    body, report = written(foreign(user("Hi"), assistant(call), user(result), max_output=9))
    assert body["messages"][1]["content"][0]["id"] == safe_id("f:0")
    assert body["messages"][2]["content"][0]["tool_use_id"] == safe_id("f:0")
    assert changed(report) == ["messages[1].blocks[0].id"]


def test_arguments_that_are_no_object_are_wrapped() -> None:
    messages = user("Hi"), assistant(ir.ToolCall("c", "f", '{"x":')), user(ir.ToolResult("c"))
    body, report = written(foreign(*messages, max_output=9))
    assert body["messages"][1]["content"][0]["input"] == {"_raw": '{"x":'}
    assert body["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "c"}]
    assert changed(report) == ["messages[1].blocks[0]"]


def test_a_turn_to_be_continued_ends_without_white_space() -> None:
    body, report = written(foreign(user("Hi"), assistant("I think \n"), max_output=9))
    assert body["messages"][1]["content"] == "I think"
    assert changed(report) == ["messages[1]"]


def test_a_model_that_does_not_continue_is_asked_to_go_on() -> None:
    body, report = written(foreign(user("Hi"), assistant("I think"), max_output=9), Facts(prefill=False))
    assert body["messages"][-1] == {"role": "user", "content": GO_ON}
    assert lost(report) == [("messages[1]", "quality")]


def test_system_text_alone_still_makes_a_conversation() -> None:
    body, report = written(foreign(system("Tell a joke."), max_output=9))
    assert body["system"] == [text("Tell a joke.")]
    assert body["messages"] == [{"role": "user", "content": BEGIN}]
    assert changed(report) == [None]


def test_a_user_speaks_before_the_assistant() -> None:
    body, report = written(foreign(assistant("Hello!"), user("Hi"), max_output=9))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"] == BEGIN
    assert changed(report) == [None]


def test_names_and_leftovers_of_messages_are_named() -> None:
    said = user("Hi", name="Ann", extra={FOREIGN: {"mood": "gay", "none": None}})
    assert lost(written(foreign(said))[1]) == [("messages[0].name", "hint"), ("messages[0].mood", "hint")]


def test_names_of_system_messages_are_named_too() -> None:
    body, report = written(foreign(system("A", name="boss"), user("Hi")))
    assert body["system"] == [text("A")]
    assert lost(report) == [("messages[0].name", "hint")]


def test_system_text_in_the_middle_that_says_nothing_is_no_turn() -> None:
    assert turns(user("Hi"), assistant("Yes."), system(""), user("Go on.")) == [
        ("user", "Hi"),
        ("assistant", "Yes."),
        ("user", "Go on."),
    ]


def test_pictures_stay_between_the_words() -> None:
    picture = ir.Media("image", url="https://x/y.png")
    assert turns(user("Look:", picture, "What is it?"))[0][1] == [
        text("Look:"),
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        text("What is it?"),
    ]


def test_a_mark_on_a_message_moves_to_its_last_block() -> None:
    marked = user("A", "B", cache=ir.CacheMark())
    body, _ = written(foreign(user("Before."), marked, user("After.")))
    assert body["messages"][0]["content"] == [
        text("Before."),
        text("A"),
        {**text("B"), "cache_control": {"type": "ephemeral"}},
        text("After."),
    ]


DRAWN = ir.Media("image", "image/png", data="AA==")
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}


def test_an_assistant_s_picture_moves_to_the_next_user_turn() -> None:
    body, report = written(foreign(user("Hi"), assistant("Here.", DRAWN), user("Bluer."), max_output=9))
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Here."},
        {"role": "user", "content": [PICTURE, text("Bluer.")]},
    ]
    assert lost(report) == []
    assert changed(report) == ["messages[1].blocks[1]"]


def test_results_stay_before_the_picture() -> None:
    assert turns(user("Hi"), assistant(DRAWN, CALL), user(RESULT))[1:] == [
        ("assistant", [USE]),
        ("user", [USED, PICTURE]),
    ]
    assert turns(user("Hi"), assistant(DRAWN, OTHER))[2] == ("user", [CUT, PICTURE])


def test_a_picture_at_the_end_is_a_user_turn() -> None:
    assert turns(user("Hi"), assistant("Here. ", DRAWN)) == [
        ("user", "Hi"),
        ("assistant", "Here. "),
        ("user", [PICTURE]),
    ]


def test_nothing_but_a_picture_leaves_no_empty_turn() -> None:
    assert turns(user("Draw."), assistant(DRAWN), user("Bluer.")) == [
        ("user", "Draw."),
        ("user", [PICTURE, text("Bluer.")]),
    ]


def test_an_assistant_s_sound_leaves_its_transcript() -> None:
    spoken = ir.Media("audio", id="audio_1", transcript="Hello.")
    noise = ir.Media("audio", "audio/wav", data="AA==")
    body, report = written(foreign(user("Hi"), assistant(spoken, noise), user("Bye"), max_output=9))
    assert body["messages"][1]["content"] == "Hello."
    assert lost(report) == [("messages[1].blocks[1]", "meaning")]
    assert changed(report) == ["messages[1].blocks[0]"]


def test_sound_from_the_user_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(user("Listen.", ir.Media("audio", "audio/wav", data="AA=="))))
    assert (caught.value.code, caught.value.path) == ("unsupported_modality", "messages[0].blocks[1]")


def test_foreign_reasoning_refusals_and_seals() -> None:
    thinking = ir.Thinking("Hm.", sealed=ir.Sealed(FOREIGN, "blob"))
    sealed = ir.ToolCall("c", "f", "{}", sealed=ir.Sealed(FOREIGN, "blob"))
    messages = user("Hi"), assistant(thinking, ir.Refusal("No."), sealed), user(ir.ToolResult("c"))
    body, report = written(foreign(*messages, max_output=9))
    assert body["messages"][1]["content"] == [
        text("No."),
        {"type": "tool_use", "id": "c", "name": "f", "input": {}},
    ]
    assert lost(report) == [("messages[1].blocks[0]", "quality"), ("messages[1].blocks[2].sealed", "quality")]
    assert b"blob" not in str(body).encode()


def test_an_own_seal_returns_through_another_protocol() -> None:
    thinking = ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "sig"))
    withheld = ir.Thinking(sealed=ir.Sealed("anthropic", "data"), redacted=True)
    silent = ir.Thinking(sealed=ir.Sealed("anthropic", "sig2"))
    messages = user("Hi"), assistant(thinking, withheld, silent, CALL), user(RESULT)
    assert turns(*messages)[1][1] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "data"},
        {"type": "thinking", "thinking": "", "signature": "sig2"},
        USE,
    ]


def test_what_another_provider_ran_is_lost_by_name() -> None:
    call = ir.ToolCall("ws_1", "web_search", "{}", "builtin", "provider")
    found = ir.ToolResult("ws_1", (ir.Text("x"),), kind="web_search", by="provider")
    body, report = written(foreign(user("Hi"), assistant(call, found, "Done."), user("Bye")))
    assert body["messages"][1]["content"] == "Done."
    assert lost(report) == [("messages[1].blocks[0]", "quality"), ("messages[1].blocks[1]", "quality")]


def test_free_text_calls_are_refused() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(user("Hi"), assistant(ir.ToolCall("c", "f", "x", "custom"))))
    assert (caught.value.code, caught.value.path) == ("unsupported_value", "messages[1].blocks[0]")


def test_the_same_history_gives_the_same_bytes() -> None:
    messages = (
        system("A"),
        user("Hi"),
        assistant("", ir.ToolCall("f:0", "f", ""), ir.ToolCall(None, "g", "x")),
        user(ir.ToolResult("f:0", (ir.Text("1"),))),
    )
    assert written(foreign(*messages))[0] == written(foreign(*messages))[0]
