"""The history of a request, both directions."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama import DIALECT
from dragoman.errors import WireError
from tests.unit.dialects.ollama.speaking import PNG, USER, WAV, foreign, lost, read, written

PICTURE = ir.Media("image", "image/png", PNG)


def call(name: str, arguments: str = "{}", call_id: str | None = None, **fields: Any) -> ir.ToolCall:
    return ir.ToolCall(call_id, name, arguments, **fields)


def said(*blocks: ir.Block) -> ir.Message:
    return ir.Message("assistant", blocks)


def user(*blocks: ir.Block) -> ir.Message:
    return ir.Message("user", blocks)


def history(*messages: ir.Message, report: Report | None = None, **fields: Any) -> list[dict[str, Any]]:
    body: list[dict[str, Any]] = written(foreign(*messages, **fields), report)["messages"]
    return body


# --- Decoding ------------------------------------------------------------------------------------


def test_pictures_and_sounds_stand_beside_the_words() -> None:
    message = read({"role": "user", "content": "What?", "images": [PNG, WAV, "AAAA"]}).messages[0]
    assert message.blocks == (
        ir.Text("What?"),
        PICTURE,
        ir.Media("audio", "audio/wav", WAV),
        ir.Media("image", None, "AAAA"),
    )


def test_the_assistant_thinks_speaks_and_calls() -> None:
    calls = [
        {"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"a": [1, 2.5, None]}}},
        {"type": "function", "function": {"index": 7, "name": "g"}, "odd": 1},
    ]
    message = read(
        USER, {"role": "Assistant", "content": "Wait.", "thinking": "Hm.", "tool_calls": calls}
    ).messages[1]
    assert message.blocks == (
        ir.Thinking("Hm."),
        ir.Text("Wait."),
        call("f", '{"a":[1,2.5,null]}', "call_1"),
        call("g", extra={"ollama": {"odd": 1, "function.index": 7}}),
    )


def test_results_link_by_id_or_name() -> None:
    messages = read(
        USER,
        {"role": "tool", "content": "1", "tool_call_id": "call_1", "tool_name": "f"},
        {"role": "tool", "content": "2", "tool_name": "g", "tool_call_id": ""},
        {"role": "tool", "content": ""},
    ).messages[1:]
    assert [message.blocks[0] for message in messages] == [
        ir.ToolResult("call_1", (ir.Text("1"),), "f"),
        ir.ToolResult(None, (ir.Text("2"),), "g"),
        ir.ToolResult(None),
    ]


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        read({"role": "critic", "content": "No."})
    assert caught.value.path == "messages[0].role"


# --- Encoding ------------------------------------------------------------------------------------


def test_system_text_stays_where_it_is() -> None:
    report = Report("ollama")
    messages = history(
        user(ir.Text("a")),
        ir.Message("developer", (ir.Text("b"),)),
        said(ir.Text("c")),
        system=(ir.Text("s"), ir.Text("t")),
        report=report,
    )
    assert [(message["role"], message["content"]) for message in messages] == [
        ("system", "s\nt"),
        ("user", "a"),
        ("system", "b"),
        ("assistant", "c"),
    ]
    assert [change.to for change in report.changes] == ["messages[2].role"]


def test_instructions_alone_are_asked() -> None:
    report = Report("ollama")
    messages = history(
        ir.Message("system", (ir.Text("s"),)), ir.Message("system", (ir.Text("t"),)), report=report
    )
    assert [message["role"] for message in messages] == ["system", "user"]
    assert [change.path for change in report.changes] == ["messages[1]"]


def test_calls_get_ids_and_results_their_names() -> None:
    messages = history(
        user(ir.Text("?")),
        said(call("f", '{"a":1}'), call("g", "", "call_g")),
        user(ir.ToolResult("call_g", (ir.Json([1]),)), ir.ToolResult(None, (ir.Text("x"),), error=True)),
    )
    assert messages[1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call_1_0", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "call_g", "function": {"name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "[1]", "tool_name": "g", "tool_call_id": "call_g"},
        {"role": "tool", "content": "Error: x", "tool_name": "f", "tool_call_id": "call_1_0"},
    ]


@pytest.mark.parametrize("arguments", ["[1]", "{broken", '"text"', "null"])
def test_arguments_that_are_no_object_become_a_member(arguments: str) -> None:
    report = Report("ollama")
    messages = history(user(ir.Text("?")), said(call("f", arguments)), report=report)
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == {"input": arguments}
    assert [change.path for change in report.changes] == ["messages[1].blocks[0]"]


def test_free_text_calls_are_refused() -> None:
    with pytest.raises(WireError) as caught:
        history(user(ir.Text("?")), said(call("f", "x", kind="custom")))
    assert caught.value.path == "messages[1].blocks[0]"


def test_a_turn_in_several_messages_is_one() -> None:
    messages = history(user(ir.Text("?")), said(ir.Thinking("a")), said(call("f")), said(call("g")))
    assert messages[1]["thinking"] == "a"
    assert [one["function"]["name"] for one in messages[1]["tool_calls"]] == ["f", "g"]


def test_texts_apart_are_set_apart() -> None:
    messages = history(user(ir.Text("a"), ir.Text("b")), said(ir.Text("c"), call("f"), ir.Text("d")))
    assert [message["content"] for message in messages] == ["a\nb", "c\n\nd"]


def test_media_move_to_a_user() -> None:
    report = Report("ollama")
    result = ir.ToolResult("call_1", (ir.Text("Here."), PICTURE))
    messages = history(
        user(ir.Text("?")),
        said(PICTURE, call("f", "{}", "call_1")),
        user(result),
        said(ir.Text("x")),
        report=report,
    )
    assert [(message["role"], message.get("images")) for message in messages] == [
        ("user", None),
        ("assistant", None),
        ("tool", None),
        ("user", [PNG, PNG]),
        ("assistant", None),
    ]
    assert messages[2]["content"] == "Here.\n(The image follows in the next message.)"
    assert [change.to for change in report.changes] == ["messages[3].images"] * 2


def test_words_after_a_picture_and_sounds_are_changes() -> None:
    report = Report("ollama")
    messages = history(user(PICTURE, ir.Text("What?"), ir.Media("audio", "audio/wav", WAV)), report=report)
    assert messages == [{"role": "user", "content": "What?", "images": [PNG, WAV]}]
    assert [change.path for change in report.changes] == ["messages[0].blocks[1]", "messages[0].blocks[2]"]


@pytest.mark.parametrize(
    ("media", "code"),
    [
        (ir.Media("image", url="https://example.com/a.png"), "unsupported_value"),
        (ir.Media("image", file="file-1"), "unsupported_value"),
        (ir.Media("document", "application/pdf", "JVBERi0="), "unsupported_modality"),
        (ir.Media("video", "video/mp4", "AAAA"), "unsupported_modality"),
    ],
)
def test_media_that_cannot_be_sent_are_refused(media: ir.Media, code: str) -> None:
    with pytest.raises(WireError) as caught:
        history(user(ir.Text("?"), media))
    assert (caught.value.path, caught.value.code) == ("messages[0].blocks[1]", code)


def test_the_gateway_fetches_what_is_named_by_an_address() -> None:
    assert DIALECT.abilities.reads is not None
    assert DIALECT.abilities.reads(ir.Media("image", url="https://example.com/a.png")) is False


def test_documents_of_text_are_text() -> None:
    report = Report("ollama")
    document = ir.Media("document", blocks=(ir.Text("a"), PICTURE), name="n", citable=True)
    messages = history(user(ir.Media("document", text="t"), document), report=report)
    assert messages[0]["content"] == '<document>\nt\n</document>\n<document title="n">\na\n</document>'
    assert lost(report) == {
        "messages[0].blocks[1].blocks[1]": "meaning",
        "messages[0].blocks[1].citable": "hint",
    }


def test_what_messages_cannot_say_is_named() -> None:
    report = Report("ollama")
    history(
        ir.Message(
            "user", (ir.Text("?", cache=ir.CacheMark()),), "Ann", cache=ir.CacheMark(), extra={"x": {"y": 1}}
        ),
        said(
            ir.Thinking("a", sealed=ir.Sealed("x", "s")),
            ir.Text("b", citations=(ir.Citation(url="https://example.com"),)),
            ir.ToolCall("1", "search", by="provider"),
            ir.Native("another", "odd", {}),
        ),
        user(ir.Native("another", "odd", {}), PICTURE),
        report=report,
    )
    assert lost(report) == {
        "messages[0].blocks[0].cache": "hint",
        "messages[0].name": "hint",
        "messages[0].cache": "hint",
        "messages[0].y": "hint",
        "messages[1].blocks[0].sealed": "quality",
        "messages[1].blocks[1].citations[0]": "quality",
        "messages[1].blocks[2]": "hint",
        "messages[1].blocks[3]": "quality",
        "messages[2].blocks[0]": "meaning",
    }


def test_our_own_clients_get_their_own_back() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u", "images": [PNG], "mood": "calm"},
        {
            "role": "assistant",
            "content": "",
            "thinking": "t",
            "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
        },
        {"role": "tool", "content": "r", "tool_name": "f"},
        {"role": "assistant", "content": "Seen.", "images": [PNG]},
        {"role": "user", "content": ""},
    ]
    report = Report("ollama")
    assert written(read(*messages), report)["messages"] == messages
    assert (report.losses, report.changes) == ([], [])
