"""The history: every form of message, and the order that Mistral asks for."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.mistral.terms import call_id
from dragoman.errors import WireError
from tests.unit.dialects.mistral.speaking import (
    HELLO,
    added,
    again,
    changed,
    decoded,
    foreign,
    lost,
    messages_of,
    said,
    written,
)

CALL = {"id": "q7RtY2mNa", "type": "function", "function": {"name": "look", "arguments": '{"at":"sky"}'}}
CALLED = ir.ToolCall("q7RtY2mNa", "look", '{"at":"sky"}')
MESSAGES: list[tuple[dict[str, Any], ir.Message]] = [
    (HELLO, said("Hello!")),
    ({"role": "system", "content": "Be brief."}, said("Be brief.", role="system")),
    ({"role": "user", "content": [{"type": "text", "text": "Hi"}]}, said("Hi", form="parts")),
    ({"role": "user", "content": []}, said(form="parts")),
    ({**HELLO, "mood": "low"}, said("Hello!", extra={"mistral": {"mood": "low"}})),
    ({"role": "assistant", "content": "Hi."}, said("Hi.", role="assistant")),
    ({"role": "assistant", "content": "Hi.", "prefix": True}, said("Hi.", role="assistant", form="prefix")),
    (
        {"role": "assistant", "content": [{"type": "text", "text": "Hi."}], "prefix": True},
        said("Hi.", role="assistant", form="parts+prefix"),
    ),
    ({"role": "assistant", "content": "", "tool_calls": [CALL]}, said("", CALLED, role="assistant")),
    ({"role": "assistant", "tool_calls": [CALL]}, said(CALLED, role="assistant")),
    (
        {"role": "assistant", "content": [], "tool_calls": [CALL]},
        said(CALLED, role="assistant", form="parts"),
    ),
    (
        {"role": "tool", "content": "blue", "tool_call_id": "q7RtY2mNa", "name": "look"},
        said(ir.ToolResult("q7RtY2mNa", (ir.Text("blue"),), "look")),
    ),
    (
        {"role": "tool", "content": [{"type": "text", "text": "blue"}]},
        said(ir.ToolResult(None, (ir.Text("blue"),)), form="parts"),
    ),
]


@pytest.mark.parametrize(("wire", "message"), MESSAGES)
def test_every_message_comes_back_as_it_was(wire: dict[str, Any], message: ir.Message) -> None:
    assert decoded(wire).messages == (message,)
    assert again(wire)["messages"] == [wire]


def test_a_clients_own_order_is_its_own() -> None:
    history = [HELLO, {"role": "assistant", "tool_calls": [CALL]}, MESSAGES[11][0], HELLO]
    assert again(*history)["messages"] == history


def test_an_unknown_role_is_told() -> None:
    with pytest.raises(WireError) as caught:
        decoded({"role": "critic", "content": ""})
    assert caught.value.path == "messages[0].role"


@pytest.mark.parametrize("role", ["user", "assistant", "tool"])
def test_content_of_another_type_is_told(role: str) -> None:
    with pytest.raises(WireError) as caught:
        decoded(HELLO, {"role": role, "content": 5})
    assert caught.value.path == "messages[1].content"


# --- Another dialect's history -----------------------------------------------------------------


def result(*content: ir.Block | str, id: str | None = "call_1", **fields: Any) -> ir.Message:
    made = tuple(ir.Text(block) if isinstance(block, str) else block for block in content)
    return said(ir.ToolResult(id, made, **fields))


CALLING = said(ir.ToolCall("call_1", "look", "{}"), role="assistant")
NINE = call_id("call_1")


@pytest.mark.parametrize("stated", ["call_1", "toolu_01A", "x" * 64, "", "q7RtY2mN", "q7RtY2mN_"])
def test_ids_become_nine_letters_and_digits(stated: str) -> None:
    nine = call_id(stated)
    assert len(nine) == 9
    assert nine.isascii()
    assert nine.isalnum()
    assert nine == call_id(stated) != call_id(stated + "2")


def test_mistrals_own_ids_pass() -> None:
    assert call_id("q7RtY2mNa") == "q7RtY2mNa"


def test_the_id_of_a_known_call() -> None:
    """The same in every version: a prompt's cache hangs on it."""
    assert call_id("call_1") == "Bu09e4fdz"


def test_a_call_and_its_result_have_one_id() -> None:
    messages, report = messages_of(said("Look."), CALLING, result("blue"))
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == NINE
    assert report.losses == []


def test_results_without_ids_belong_to_calls_by_name_and_order() -> None:
    calls = said(ir.ToolCall(None, "a"), ir.ToolCall(None, "b"), ir.ToolCall(None, "a"), role="assistant")
    results = said(
        ir.ToolResult(None, (ir.Text("B"),), "b"),
        ir.ToolResult(None, (ir.Text("A1"),), "a"),
        ir.ToolResult(None, (ir.Text("A2"),)),
    )
    messages, report = messages_of(said("Go."), calls, results)
    ids = [call["id"] for call in messages[1]["tool_calls"]]
    assert [message["tool_call_id"] for message in messages[2:]] == [ids[1], ids[0], ids[2]]
    assert report.losses == []


def test_a_result_of_no_call_is_refused() -> None:
    with pytest.raises(WireError) as refused:
        messages_of(said("Go."), result("blue", id=None, name="look"))
    assert refused.value.path == "messages[1].blocks[0]"


@pytest.mark.parametrize("role", ["user", "system", "developer"])
def test_nobody_but_the_assistant_speaks_after_a_tool(role: ir.Role) -> None:
    messages, report = messages_of(said("Look."), CALLING, result("blue"), said("Stop.", role=role))
    assert [message["role"] for message in messages[2:]] == ["tool", "assistant", messages[4]["role"]]
    assert messages[3] == {"role": "assistant", "content": "OK"}
    assert "messages[3]" in added(report)


def test_results_of_one_turn_come_first() -> None:
    calls = said(ir.ToolCall("1", "a"), ir.ToolCall("2", "b"), role="assistant")
    mixed = said("Here:", ir.ToolResult("1", (ir.Text("A"),)), ir.ToolResult("2", (ir.Text("B"),)))
    messages, _ = messages_of(said("Go."), calls, mixed)
    assert [message["content"] for message in messages[2:]] == ["A", "B", "OK", "Here:"]


def test_a_call_without_a_result_gets_one() -> None:
    messages, report = messages_of(said("Look."), CALLING, said("Never mind."))
    assert messages[2:] == [
        {"role": "tool", "tool_call_id": NINE, "content": "(no result)"},
        {"role": "assistant", "content": "OK"},
        {"role": "user", "content": "Never mind."},
    ]
    assert added(report) == {"messages[2]", "messages[3]"}


def test_an_assistant_that_speaks_last_is_to_go_on() -> None:
    messages, report = messages_of(said("A haiku."), said("Brown water", role="assistant"))
    assert messages[1] == {"role": "assistant", "content": "Brown water", "prefix": True}
    assert added(report) == {"messages[1].prefix"}


def test_calls_at_the_end_are_no_words_to_go_on_with() -> None:
    messages, _ = messages_of(said("Look."), CALLING)
    assert messages[-1]["role"] == "tool"


def test_instructions_alone_are_asked() -> None:
    messages, report = messages_of(said("Be a potato.", role="system"))
    assert messages == [{"role": "user", "content": "Be a potato."}]
    assert changed(report) == {"messages[0]"}


def test_a_system_field_is_the_first_message() -> None:
    body, _ = written(foreign(system=(ir.Text("Be brief."),)))
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    body, _ = written(foreign(system=(ir.Text("Be brief."), ir.Text("Be kind."))))
    assert [part["text"] for part in body["messages"][0]["content"]] == ["Be brief.", "Be kind."]


def test_a_system_message_after_a_user_stays_where_it_was() -> None:
    told = (said("Hi."), said("Be kind.", role="developer"), said("Ho.", role="assistant"), said("Go."))
    messages, report = messages_of(*told)
    assert [message["role"] for message in messages] == ["user", "system", "assistant", "user"]
    assert changed(report) == {"messages[1].role"}


@pytest.mark.parametrize("role", ["system", "developer"])
def test_system_text_after_the_assistant_is_the_users(role: ir.Role) -> None:
    told = (said("Hi."), said("Ho.", role="assistant"), said("Be kind.", role=role), said("Go."))
    messages, report = messages_of(*told)
    assert messages[2] == {"role": "user", "content": "<system>\nBe kind.\n</system>"}
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "user"]
    assert changed(report) == {"messages[2]"}


def test_system_text_that_says_nothing_is_left_out_there() -> None:
    told = (said("Hi."), said("Ho.", role="assistant"), said("", role="system"), said("Go."))
    messages, report = messages_of(*told)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert changed(report) == {"messages[2]"}


def test_system_text_at_the_end_is_the_users() -> None:
    two = said(ir.Text("Be kind."), ir.Text("Be brief."), role="system")
    messages, report = messages_of(said("Hi."), two)
    assert messages[1]["role"] == "user"
    assert [part["text"] for part in messages[1]["content"]] == [
        "<system>\nBe kind.\n</system>",
        "<system>\nBe brief.\n</system>",
    ]
    assert changed(report) == {"messages[1]"}


def test_names_marks_and_leftovers_are_lost() -> None:
    message = said("Hi.", name="Ann", cache=ir.CacheMark("5m"), extra={"elsewhere": {"k": 1}})
    messages, report = messages_of(message)
    assert messages == [{"role": "user", "content": "Hi."}]
    assert lost(report) == {"messages[0].name": "hint", "messages[0].cache": "hint", "messages[0].k": "hint"}


def test_marks_and_leftovers_of_results_are_lost() -> None:
    marked = result("blue", cache=ir.CacheMark(), extra={"elsewhere": {"k": 1}})
    _, report = messages_of(said("Look."), CALLING, marked)
    assert lost(report) == {"messages[2].blocks[0].cache": "hint", "messages[2].blocks[0].k": "hint"}


def test_a_failed_result_says_so() -> None:
    messages, report = messages_of(said("Look."), CALLING, result("no sky", error=True))
    assert messages[2]["content"] == "Error: no sky"
    assert changed(report) == {"messages[2].blocks[0].error"}
    assert messages_of(said("Look."), CALLING, result(error=True))[0][2]["content"] == "Error"


def test_a_result_is_text() -> None:
    code = ir.Native("gemini", "code", {})
    messages, report = messages_of(said("Look."), CALLING, result("a", ir.Json([1]), code))
    assert messages[2]["content"] == "a\n[1]"
    assert lost(report) == {"messages[2].blocks[0].content[2]": "meaning"}


PICTURE = ir.Media("image", url="https://x")
SHOWN = {"type": "image_url", "image_url": {"url": "https://x"}}


def test_system_messages_that_say_nothing_are_left_out() -> None:
    empty = said("", role="system")
    messages, report = messages_of(said("Look."), CALLING, result("blue"), empty)
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert changed(report) == {"messages[3]"}
    messages, report = messages_of(said("Hi."), said("Be kind.", role="system"), empty)
    assert messages[1:] == [{"role": "user", "content": "<system>\nBe kind.\n</system>"}]
    assert changed(report) == {"messages[1]", "messages[2]"}


@pytest.mark.parametrize("before", [(), (said("Ho.", role="assistant"),)])
def test_system_messages_with_media_are_the_users(before: tuple[ir.Message, ...]) -> None:
    messages, report = messages_of(
        said("Hi."), *before, said("Look so.", PICTURE, role="system"), said("Go.")
    )
    tagged = {"type": "text", "text": "<system>\nLook so.\n</system>"}
    assert messages[-2:] == [{"role": "user", "content": [tagged, SHOWN]}, {"role": "user", "content": "Go."}]
    assert changed(report) == {f"messages[{1 + len(before)}]"}


def test_media_of_results_move_into_a_users_message() -> None:
    messages, report = messages_of(said("Look."), CALLING, result("See:", PICTURE))
    assert messages[2]["content"] == "See:\n(The image follows in the next message.)"
    assert messages[3:] == [{"role": "assistant", "content": "OK"}, {"role": "user", "content": [SHOWN]}]
    assert changed(report) == {"messages[2].blocks[0].content[1]", None}


def test_media_of_results_stay_where_the_model_takes_them() -> None:
    facts = Facts(media_results=True)
    history = said("Look."), CALLING
    messages, _ = messages_of(*history, result("See:", PICTURE), facts=facts)
    assert messages[2]["content"] == [{"type": "text", "text": "See:"}, SHOWN]
    assert len(messages) == 3
    assert messages_of(*history, result(PICTURE), facts=facts)[0][2]["content"] == [SHOWN]


def test_media_that_the_assistant_made_follow_in_a_users_message() -> None:
    messages, _ = messages_of(said("Draw."), said("Here.", PICTURE, role="assistant"), said("Nice."))
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "user"]
    assert messages[2]["content"] == [SHOWN]


def test_what_the_assistant_spoke_is_told_in_words() -> None:
    spoken = ir.Media("audio", id="audio_1", transcript="Good day.")
    messages, report = messages_of(said("Speak."), said(spoken, role="assistant"), said("Again."))
    assert messages[1] == {"role": "assistant", "content": "Good day."}
    assert changed(report) == {"messages[1].blocks[0]"}
    silent = said(ir.Media("audio", id="audio_1"), "So.", role="assistant")
    assert lost(messages_of(said("Speak."), silent, said("Again."))[1]) == {
        "messages[1].blocks[0]": "meaning"
    }


def test_thinking_of_others_is_not_sent_back() -> None:
    thought = ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "s"))
    messages, report = messages_of(said("Hi."), said(thought, "Ho.", role="assistant"), said("Go."))
    assert messages[1] == {"role": "assistant", "content": "Ho."}
    assert lost(report) == {"messages[1].blocks[0]": "quality"}


def test_reasoning_without_a_seal_is_sent_back_before_the_text() -> None:
    """Mistral's own reasoning is not signed: a client of another protocol returns it as text."""
    chunk = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    messages, report = messages_of(
        said("Hi."), said(ir.Thinking("Hm."), "Ho.", role="assistant"), said("Go.")
    )
    assert messages[1] == {"role": "assistant", "content": [chunk, {"type": "text", "text": "Ho."}]}
    assert lost(report) == {}
    call = ir.ToolCall("aB3dE6gH9", "look", "{}")
    answered = said(ir.ToolResult("aB3dE6gH9", (ir.Text("rain"),)))
    messages, report = messages_of(said("Hi."), said(ir.Thinking("Hm."), call, role="assistant"), answered)
    assert messages[1]["content"] == [chunk]
    assert messages[1]["tool_calls"][0]["id"] == "aB3dE6gH9"
    assert lost(report) == {}


def test_a_model_that_does_not_reason_gets_no_reasoning() -> None:
    talk = (said("Hi."), said(ir.Thinking("Hm."), "Ho.", role="assistant"), said("Go."))
    messages, report = messages_of(*talk, facts=Facts(reasoning=False))
    assert messages[1] == {"role": "assistant", "content": "Ho."}
    assert lost(report) == {"messages[1].blocks[0]": "quality"}


def test_an_assistant_that_says_nothing_is_left_out() -> None:
    messages, report = messages_of(said("Hi."), said(ir.Thinking("Hm."), role="assistant"), said("Go."))
    assert [message["role"] for message in messages] == ["user", "user"]
    assert changed(report) == {"messages[1]"}


def test_texts_with_something_between_them_are_set_apart() -> None:
    call = ir.ToolCall("srv", "search", by="provider")
    search = ir.ToolResult("srv", (ir.Text("found"),), by="provider")
    spoken = said("One.", " And", call, search, "Two.", role="assistant")
    messages, report = messages_of(said("Hi."), spoken, said("Go."))
    assert messages[1]["content"] == "One. And\n\nTwo."
    assert lost(report) == {"messages[1].blocks[2]": "hint", "messages[1].blocks[3]": "hint"}


def test_calls_of_free_text_tools_are_refused() -> None:
    with pytest.raises(WireError) as caught:
        messages_of(said("Go."), said(ir.ToolCall("c", "plot", "EEE", "custom"), role="assistant"))
    assert caught.value.path == "messages[1].blocks[0]"


def test_seals_and_marks_of_calls_are_lost() -> None:
    call = ir.ToolCall("c", "look", sealed=ir.Sealed("gemini", "s"), cache=ir.CacheMark())
    _, report = messages_of(said("Go."), said(call, role="assistant"), result("blue", id="c"))
    where = "messages[1].blocks[0]"
    assert lost(report) == {f"{where}.sealed": "quality", f"{where}.cache": "hint"}


def test_empty_messages_of_a_user() -> None:
    assert messages_of(said())[0] == [{"role": "user", "content": ""}]


def test_where_nothing_is_left_of_a_history_somebody_asks() -> None:
    body, report = written(foreign(said("", role="assistant")))
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert "messages[0]" in added(report)
