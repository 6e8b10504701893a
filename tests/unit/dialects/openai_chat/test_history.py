"""The history: every form of message, and the order that chat asks for."""

from __future__ import annotations

import time
from typing import Any, Literal

import pytest

from dragoman import ir
from dragoman.dialects.chat.history import short_id
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from tests.unit.dialects.openai_chat.speaking import (
    HELLO,
    added,
    again,
    changed,
    decoded,
    foreign,
    lost,
    written,
)

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"sky"}'}}
CALLED = ir.ToolCall("c1", "look", '{"at":"sky"}')
MESSAGES: list[tuple[dict[str, Any], ir.Message]] = [
    (HELLO, ir.Message("user", (ir.Text("Hello!"),))),
    ({"role": "system", "content": "Be brief."}, ir.Message("system", (ir.Text("Be brief."),))),
    ({"role": "developer", "content": "Be brief."}, ir.Message("developer", (ir.Text("Be brief."),))),
    ({**HELLO, "name": "Ann"}, ir.Message("user", (ir.Text("Hello!"),), "Ann")),
    (
        {"role": "user", "content": [{"type": "text", "text": "Hello!"}]},
        ir.Message("user", (ir.Text("Hello!"),), form="parts"),
    ),
    (
        {**HELLO, "images": ["AA"]},
        ir.Message("user", (ir.Text("Hello!"),), extra={"openai_chat": {"images": ["AA"]}}),
    ),
    ({"role": "assistant", "content": "Hi."}, ir.Message("assistant", (ir.Text("Hi."),))),
    (
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        ir.Message("assistant", (ir.Text(""), CALLED)),
    ),
    (
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        ir.Message("assistant", (CALLED,)),
    ),
    (
        {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": ""}},
        ir.Message("assistant", (ir.ToolCall(None, "look", kind="legacy"),)),
    ),
    (
        {"role": "assistant", "content": None, "refusal": "No."},
        ir.Message("assistant", (ir.Refusal("No."),)),
    ),
    (
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "A"}, {"type": "refusal", "refusal": "No."}],
        },
        ir.Message("assistant", (ir.Text("A"), ir.Refusal("No.")), form="parts"),
    ),
    (
        {"role": "assistant", "content": None, "audio": {"id": "audio-1"}},
        ir.Message("assistant", (ir.Media("audio", id="audio-1"),)),
    ),
    (
        {"role": "assistant", "content": "Hi.", "reasoning_content": "Hm."},
        ir.Message("assistant", (ir.Thinking("Hm.", form="reasoning_content"), ir.Text("Hi."))),
    ),
    (
        {"role": "assistant", "content": "Hi.", "prefix": True},
        ir.Message("assistant", (ir.Text("Hi."),), extra={"openai_chat": {"prefix": True}}),
    ),
    (
        {"role": "tool", "tool_call_id": "c1", "content": "blue"},
        ir.Message("user", (ir.ToolResult("c1", (ir.Text("blue"),)),)),
    ),
    (
        {"role": "tool", "tool_call_id": "c1", "name": "look", "content": [{"type": "text", "text": "blue"}]},
        ir.Message("user", (ir.ToolResult("c1", (ir.Text("blue"),), "look"),), form="parts"),
    ),
    (
        {"role": "function", "name": "look", "content": "blue"},
        ir.Message("user", (ir.ToolResult(None, (ir.Text("blue"),), "look", kind="legacy"),)),
    ),
]


@pytest.mark.parametrize(("message", "value"), MESSAGES)
def test_a_message_is_read_and_comes_back_as_it_was(message: dict[str, Any], value: ir.Message) -> None:
    request = decoded(message)
    assert request.messages == (value,)
    body, report = written(request)
    assert body["messages"] == [message]
    assert not report.losses
    assert not report.changes


def test_names_and_the_developer_go_where_the_vendor_takes_them() -> None:
    quirks = Quirks(developer_role=False, assistant_names=False)
    request = decoded({"role": "developer", "content": "Be brief."}, {**HELLO, "name": "Ann"})
    body, report = written(request, quirks)
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, HELLO]
    assert lost(report) == {"messages[1].name": "hint"}
    assert changed(report) == {"messages[0].role"}


def test_no_null_is_written_where_the_vendor_refuses_it() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None}
    assert again(message, quirks=Quirks(null_members=False))["messages"] == [
        {"role": "assistant", "tool_calls": [CALL]}
    ]


# --- Other dialects' histories -----------------------------------------------------------------


def user(*blocks: ir.Block) -> ir.Message:
    return ir.Message("user", blocks)


def assistant(*blocks: ir.Block) -> ir.Message:
    return ir.Message("assistant", blocks)


def result(*content: ir.Block, id: str | None = "c1", **more: Any) -> ir.ToolResult:
    return ir.ToolResult(id, content, **more)


IMAGE = ir.Media("image", "image/png", "AAAA")


def test_results_come_first_each_as_its_own_message() -> None:
    request = foreign(
        assistant(CALLED, ir.ToolCall("c2", "hear")),
        user(ir.Text("And?"), result(ir.Text("blue")), result(ir.Text("wind"), id="c2")),
    )
    body, report = written(request)
    assert body["messages"][1:] == [
        {"role": "tool", "tool_call_id": "c1", "content": "blue"},
        {"role": "tool", "tool_call_id": "c2", "content": "wind"},
        {"role": "user", "content": "And?"},
    ]
    assert not report.losses


def test_media_of_results_follow_in_one_users_message_after_all_results() -> None:
    request = foreign(
        assistant(CALLED, ir.ToolCall("c2", "hear")),
        user(result(ir.Text("see:"), IMAGE)),
        user(result(ir.Text("wind"), id="c2")),
        user(ir.Text("And?")),
    )
    body, report = written(request)
    assert [message["role"] for message in body["messages"]] == ["assistant", "tool", "tool", "user", "user"]
    assert body["messages"][1]["content"] == "see:\n(The image follows in the next message.)"
    assert body["messages"][3]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    ]
    assert changed(report) == {"messages[1].blocks[0].content[1]"}


def test_media_of_the_last_result_still_follow() -> None:
    body, _ = written(foreign(assistant(CALLED), user(result(IMAGE))))
    assert [message["role"] for message in body["messages"]] == ["assistant", "tool", "user"]


def test_a_failed_result_says_so_in_its_text() -> None:
    body, report = written(foreign(assistant(CALLED), user(result(ir.Text("no sky"), error=True))))
    assert body["messages"][1]["content"] == "Error: no sky"
    assert changed(report) == {"messages[1].blocks[0].error"}
    body, _ = written(foreign(assistant(CALLED), user(result(error=True))))
    assert body["messages"][1]["content"] == "Error"


def test_structured_and_joined_results_are_text() -> None:
    body, _ = written(foreign(assistant(CALLED), user(result(ir.Json({"a": 1}), ir.Text("b")))))
    assert body["messages"][1]["content"] == '{"a":1}\nb'


def test_what_a_result_cannot_hold_is_named() -> None:
    native = ir.Native("elsewhere", "search_result", {"type": "search_result"})
    _, report = written(foreign(assistant(CALLED), user(result(native))))
    assert lost(report) == {"messages[1].blocks[0].content[0]": "meaning"}


def test_a_call_without_a_result_gets_one() -> None:
    body, report = written(foreign(assistant(CALLED), user(ir.Text("Never mind."))))
    assert body["messages"][1] == {"role": "tool", "tool_call_id": "c1", "content": "(no result)"}
    assert added(report) == {"messages[1]"}
    body, report = written(foreign(user(ir.Text("Hi")), assistant(CALLED)))
    assert body["messages"][-1]["content"] == "(no result)"


def test_our_own_clients_dangling_call_is_theirs() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert again(message, HELLO)["messages"] == [message, HELLO]


def test_results_without_ids_answer_calls_by_name_and_order() -> None:
    calls = (ir.ToolCall(None, "look"), ir.ToolCall(None, "hear"), ir.ToolCall(None, "look"))
    results = (result(ir.Text("1"), id=None, name="hear"), result(ir.Text("2"), id=None, name="look"))
    body, _ = written(foreign(assistant(*calls), user(*results, result(ir.Text("3"), id=None))))
    ids = [call["id"] for call in body["messages"][0]["tool_calls"]]
    assert len(set(ids)) == 3
    assert [message["tool_call_id"] for message in body["messages"][1:]] == [ids[1], ids[0], ids[2]]


def test_a_result_of_no_call_is_refused() -> None:
    with pytest.raises(WireError) as refused:
        written(foreign(user(result(ir.Text("?"), id=None, name="look"))))
    assert refused.value.path == "messages[0].blocks[0]"


def test_long_ids_are_shortened_alike_in_call_and_result() -> None:
    long = "x" * 300
    request = foreign(assistant(ir.ToolCall(long, "look")), user(result(ir.Text("blue"), id=long)))
    call, answer = written(request)[0]["messages"]
    assert call["tool_calls"][0]["id"] == answer["tool_call_id"] == short_id(long)
    assert len(short_id(long)) <= 40
    assert short_id("x" * 40) == "x" * 40
    assert short_id("x" * 41) != short_id("x" * 42)


def test_empty_arguments_are_an_object_for_the_reader() -> None:
    body, _ = written(foreign(assistant(ir.ToolCall("c1", "look", "")), user(result())))
    assert body["messages"][0]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_texts_of_one_message_are_joined_and_set_off_where_something_stood_between() -> None:
    thought = ir.Thinking("hm", sealed=ir.Sealed("elsewhere", "s"))
    body, report = written(
        foreign(assistant(ir.Text("a"), ir.Text("b"), thought, ir.Text("c")), user(ir.Text("Go.")))
    )
    assert body["messages"][0] == {"role": "assistant", "content": "ab\n\nc"}
    assert lost(report) == {"messages[0].blocks[2].sealed": "quality", "messages[0].blocks[2]": "quality"}


def test_a_message_of_which_nothing_is_left_is_left_out() -> None:
    native = ir.Native("elsewhere", "odd", {})
    body, report = written(foreign(user(ir.Text("Hi")), assistant(native), user(native)))
    assert [message["content"] for message in body["messages"]] == ["Hi"]
    assert lost(report) == {"messages[1].blocks[0]": "quality", "messages[2].blocks[0]": "meaning"}


def test_a_message_that_is_empty_itself_stays() -> None:
    body, _ = written(foreign(user(), assistant(ir.Text("")), user(ir.Text("Hi"))))
    assert [message["content"] for message in body["messages"]] == ["", "", "Hi"]


def test_pictures_that_the_assistant_made_move_to_the_next_users_message() -> None:
    body, _ = written(
        foreign(user(ir.Text("Draw.")), assistant(ir.Text("Here."), IMAGE), user(ir.Text("Redder.")))
    )
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user", "user"]
    assert body["messages"][2]["content"][0]["type"] == "image_url"


def test_a_providers_own_calls_are_not_sent_back() -> None:
    search = ir.ToolCall("s1", "web_search", "{}", "builtin", "provider")
    found = ir.ToolResult("s1", (ir.Text("x"),), by="provider")
    body, report = written(foreign(assistant(search, found, ir.Text("So.")), user(ir.Text("Go."))))
    assert body["messages"][0] == {"role": "assistant", "content": "So."}
    assert lost(report) == {"messages[0].blocks[0]": "hint", "messages[0].blocks[1]": "hint"}


def test_an_assistant_that_speaks_last_is_not_continued() -> None:
    history = user(ir.Text("A haiku.")), assistant(ir.Text("Brown water"))
    body, report = written(foreign(*history))
    assert body["messages"][-1] == {"role": "assistant", "content": "Brown water"}
    assert lost(report) == {"messages[1]": "quality"}
    assert lost(written(foreign(*history), facts=Facts(prefill=True))[1]) == {}
    own = decoded(HELLO, {"role": "assistant", "content": "Brown water"})
    assert lost(written(own)[1]) == {}


# --- Reasoning in the history ------------------------------------------------------------------

DEEPSEEK = Quirks(reasoning_field="reasoning_content", reasoning_replay="tool_turns")


def test_a_vendor_that_wants_reasoning_with_calls_gets_it() -> None:
    request = foreign(assistant(ir.Thinking("hm"), CALLED), user(result(ir.Text("blue"))))
    body, _ = written(request, DEEPSEEK)
    assert body["messages"][0]["reasoning_content"] == "hm"


def test_a_call_without_its_reasoning_gets_an_empty_one() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    body, report = written(decoded(message, HELLO), DEEPSEEK)
    assert body["messages"][0]["reasoning_content"] == ""
    assert added(report) == {"messages[0].reasoning_content"}


def test_reasoning_without_calls_stays_behind() -> None:
    body, report = written(
        foreign(assistant(ir.Thinking("hm"), ir.Text("Hi.")), user(ir.Text("Go."))), DEEPSEEK
    )
    assert "reasoning_content" not in body["messages"][0]
    assert lost(report) == {"messages[0]": "hint"}


def test_our_own_clients_reasoning_goes_into_the_vendors_member() -> None:
    message = {"role": "assistant", "content": "Hi.", "reasoning_content": "hm"}
    quirks = Quirks(reasoning_field="reasoning")
    assert again(message, quirks=quirks)["messages"][0] == {
        "role": "assistant",
        "content": "Hi.",
        "reasoning": "hm",
    }


def test_reasoning_that_a_vendor_refuses_is_left_out() -> None:
    message = {"role": "assistant", "content": "Hi.", "reasoning_content": "hm"}
    body, report = written(decoded(message), Quirks(refuses=frozenset({"reasoning_content"})))
    assert body["messages"] == [{"role": "assistant", "content": "Hi."}]
    assert lost(report) == {"messages[0].blocks[0]": "hint"}


def test_an_unknown_role_or_content_is_told_with_its_place() -> None:
    for message, path in (
        ({"role": "bot", "content": "x"}, "messages[0].role"),
        ({"role": "user", "content": 5}, "messages[0].content"),
        ({"role": "user", "content": ["x"]}, "messages[0].content[0]"),
    ):
        with pytest.raises(WireError) as caught:
            decoded(message)
        assert caught.value.path == path


def test_a_message_may_have_no_content() -> None:
    assert again({"role": "user", "content": None})["messages"] == [{"role": "user"}]
    assert again({"role": "function", "name": "look", "content": None})["messages"] == [
        {"role": "function", "name": "look"}
    ]
    assert written(foreign(user()))[0]["messages"] == [{"role": "user", "content": ""}]


def test_leftovers_of_results_return_or_are_named() -> None:
    message = {"role": "tool", "tool_call_id": "c1", "content": "blue", "odd": 1}
    assert again(message)["messages"] == [message]
    marked = ir.Text("blue", cache=ir.CacheMark(), extra={"elsewhere": {"odd": 1}})
    answer = ir.ToolResult("c1", (marked,), extra={"elsewhere": {"more": 1}})
    _, report = written(foreign(assistant(CALLED), user(answer)))
    assert lost(report) == {
        "messages[1].blocks[0].content[0].cache": "hint",
        "messages[1].blocks[0].content[0].odd": "hint",
        "messages[1].blocks[0].more": "hint",
    }


@pytest.mark.parametrize("kind", ["function", "custom", "legacy"])
def test_a_cache_mark_on_a_call_is_named(kind: Literal["function", "custom", "legacy"]) -> None:
    marked = ir.ToolCall("c1", "look", "{}", kind, cache=ir.CacheMark("1h"))
    result = ir.ToolResult("c1", (ir.Text("blue"),), "look", kind=kind)
    _, report = written(foreign(assistant(marked), user(result)))
    assert lost(report) == {"messages[0].blocks[0].cache": "hint"}


def test_a_sound_that_cannot_be_sent_on_is_refused_where_it_stood() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(assistant(CALLED), user(result(ir.Media("audio", url="https://a/b.mp3")))))
    assert caught.value.path == "messages[1].blocks[0].content[0]"


def test_reasoning_goes_with_every_message_where_the_vendor_wants_it() -> None:
    quirks = Quirks(reasoning_field="reasoning_content", reasoning_replay="always")
    body, report = written(
        foreign(assistant(ir.Thinking("hm"), ir.Text("Hi.")), user(ir.Text("Go."))), quirks
    )
    assert body["messages"][0] == {"role": "assistant", "content": "Hi.", "reasoning_content": "hm"}
    assert not report.losses


TAGS = Quirks(reasoning_field="tags", reasoning_replay="always")


def test_reasoning_goes_into_the_content_where_the_model_wrote_it() -> None:
    said = assistant(ir.Thinking("hm"), ir.Text("Hi."), CALLED)
    body, report = written(foreign(said, user(result(ir.Text("blue")))), TAGS)
    assert body["messages"][0]["content"] == "<think>\nhm\n</think>\n\nHi."
    assert len(body["messages"][0]["tool_calls"]) == 1
    assert not report.losses
    assert not added(report)


def test_our_own_clients_reasoning_goes_into_the_content() -> None:
    message = {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [CALL]}
    assert again(message, quirks=TAGS)["messages"][0] == {
        "role": "assistant",
        "content": "<think>\nhm\n</think>\n\n",
        "tool_calls": [CALL],
    }
    parts: list[dict[str, str]] = [{"type": "text", "text": "Hi."}]
    spoken = {"role": "assistant", "content": parts, "reasoning": "hm"}
    assert again(spoken, quirks=TAGS)["messages"][0]["content"] == [
        {"type": "text", "text": "<think>\nhm\n</think>\n\n"},
        {"type": "text", "text": "Hi."},
    ]


def test_results_in_any_order_are_found_at_once() -> None:
    """Each was looked for among all calls: tens of thousands of them held the loop for minutes."""
    count = 20_000
    calls = tuple(ir.ToolCall(f"c{index}", "look", "{}") for index in range(count))
    results = tuple(ir.ToolResult(f"c{index}", (ir.Text("42"),)) for index in reversed(range(count)))
    request = foreign(ir.Message("assistant", calls), ir.Message("user", results))
    began = time.process_time()
    body, report = written(request)
    assert time.process_time() - began < 4
    assert [message["tool_call_id"] for message in body["messages"][1:]] == [r.id for r in results]
    assert not report.losses
    assert not report.changes


def test_leftovers_of_a_message_with_a_result_are_named_at_the_message() -> None:
    extra = {"elsewhere": {"odd": 1}}
    called = ir.Message("assistant", (ir.ToolCall("1", "f", "{}"),))
    result = ir.Message("user", (ir.ToolResult("1", (ir.Text("a"),), extra=extra),), extra=extra)
    _, report = written(foreign(ir.Message("user", (ir.Text("x"),)), called, result))
    assert set(lost(report)) == {"messages[2].odd", "messages[2].blocks[0].odd"}


STAGED: list[dict[str, Any]] = [
    {"role": "system", "name": "MiniMax AI", "content": "You are a pirate."},
    {"role": "user_system", "name": "Ann", "content": "Ann is a sailor."},
    {"role": "group", "content": "At sea"},
    {"role": "sample_message_user", "name": "Ann", "content": "Ahoy?"},
    {"role": "sample_message_ai", "name": "MiniMax AI", "content": "Arr!"},
    {"role": "assistant", "content": "What now?"},
    {"role": "user", "content": "Sail."},
]


def test_roles_of_one_vendor_come_back_to_it() -> None:
    assert again(*STAGED)["messages"] == STAGED


def test_roles_of_one_vendor_are_told_to_others_by_the_usual_ones() -> None:
    request = decoded(*STAGED, max_tokens=9)
    assert [message.role for message in request.messages] == [
        *("system", "system", "system", "user", "assistant", "assistant", "user"),
    ]
    report = Report("anthropic")
    DIALECTS["anthropic"].request.encode(request, Target(report, "m"))
    assert {f"messages[{at}].role" for at in (1, 2, 3, 4)} <= {loss.path for loss in report.losses}
