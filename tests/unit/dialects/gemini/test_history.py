"""Histories of other protocols, repaired into contents that the API accepts; our own as they came."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.gemini.part_decoder import SKIP_SIGNATURE
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.repair.alternating import BEGIN, GO_ON
from dragoman.dialects.repair.rules import CUT_OFF
from tests.unit.dialects.gemini.asking import (
    added,
    assistant,
    back,
    changed,
    foreign,
    lost,
    read,
    system,
    user,
    written,
)

CALL = ir.ToolCall("c1", "look", '{"x":1}')
OTHER = ir.ToolCall("c2", "hear", "{}")
RESULT = ir.ToolResult("c1", (ir.Text("seen"),))
HEARD = ir.ToolResult("c2", (ir.Text("heard"),))
CALLED = {"functionCall": {"id": "c1", "name": "look", "args": {"x": 1}}}
CALLED_2 = {"functionCall": {"id": "c2", "name": "hear", "args": {}}}
SEEN = {"functionResponse": {"id": "c1", "name": "look", "response": {"output": "seen"}}}
HEARD_2 = {"functionResponse": {"id": "c2", "name": "hear", "response": {"output": "heard"}}}
CUT_2 = {"functionResponse": {"id": "c2", "name": "hear", "response": {"error": CUT_OFF}}}
PICTURE = ir.Media("image", "image/png", "aGk=")
SHOWN = {"inlineData": {"data": "aGk=", "mimeType": "image/png"}}


def text(words: str) -> dict[str, Any]:
    return {"text": words}


def turns(*messages: ir.Message, facts: Facts = UNKNOWN, **more: Any) -> list[Any]:
    body, _ = written(foreign(*messages), facts, **more)
    return [(content["role"], content["parts"]) for content in body["contents"]]


def test_turns_take_our_roles_and_neighbours_are_one() -> None:
    assert turns(user("A"), user("B"), assistant("C"), assistant("D"), user("E")) == [
        ("user", [text("A"), text("B")]),
        ("model", [text("C"), text("D")]),
        ("user", [text("E")]),
    ]


def test_the_leading_system_run_becomes_one_part_each() -> None:
    body, report = written(foreign(system("B"), system("C", "developer"), user("Hi"), system=(ir.Text("A"),)))
    assert body["systemInstruction"] == {"parts": [text("A"), text("B"), text("C")]}
    assert len(body["contents"]) == 1
    assert not report.changes


def test_system_text_in_the_middle_is_tagged_user_text() -> None:
    body, report = written(foreign(user("Hi"), assistant("Hello."), system("Be brief."), user("Go on.")))
    assert body["contents"][2:] == [
        {"role": "user", "parts": [text("<system>\nBe brief.\n</system>"), text("Go on.")]}
    ]
    assert changed(report) == ["messages[2]"]


def test_system_text_is_text_alone() -> None:
    _, report = written(foreign(ir.Message("system", (PICTURE,)), user("Hi")))
    assert lost(report) == [("messages[0].blocks[0]", "meaning")]


def test_names_of_authors_are_named_lost() -> None:
    _, report = written(foreign(user("Hi", name="ann", cache=ir.CacheMark())))
    assert lost(report) == [("messages[0].name", "hint"), ("messages[0].cache", "hint")]


def test_results_come_first_in_the_order_of_the_calls_with_the_calls_names() -> None:
    assert turns(user("Hi"), assistant(CALL, OTHER), user(HEARD), user("Well?"), user(RESULT)) == [
        ("user", [text("Hi")]),
        ("model", [CALLED, CALLED_2]),
        ("user", [SEEN, HEARD_2, text("Well?")]),
    ]


def test_a_call_without_a_result_gets_an_error() -> None:
    body, report = written(foreign(user("Hi"), assistant(CALL, OTHER), user(RESULT), assistant("Done.")))
    assert body["contents"][2] == {"role": "user", "parts": [SEEN, CUT_2]}
    assert added(report) == ["contents[].parts[]"]


def test_calls_at_the_end_are_answered_too() -> None:
    assert turns(user("Hi"), assistant(OTHER)) == [
        ("user", [text("Hi")]),
        ("model", [CALLED_2]),
        ("user", [CUT_2]),
    ]


def test_results_without_ids_belong_to_calls_by_name_and_order() -> None:
    first, second = ir.ToolCall(None, "look", '{"x":1}'), ir.ToolCall(None, "look", '{"x":2}')
    results = (
        ir.ToolResult(None, (ir.Text("1"),), "look"),
        ir.ToolResult(None, (ir.Text("2"),), "look"),
    )
    out = turns(user("Hi"), assistant(first, second), user(*results))
    assert [part["functionResponse"]["response"]["output"] for part in out[2][1]] == ["1", "2"]


def test_a_result_without_its_call_becomes_the_users_words() -> None:
    body, report = written(foreign(user(RESULT, "So?")))
    assert body["contents"] == [
        {"role": "user", "parts": [text("Result of a tool, called earlier:\nseen"), text("So?")]}
    ]
    assert changed(report) == ["messages[0].blocks[0]"]


def test_a_second_result_for_one_call_has_no_call() -> None:
    out = turns(user("Hi"), assistant(CALL), user(RESULT, RESULT))
    assert out[2] == ("user", [SEEN, text("Result of look, called earlier:\nseen")])


def test_ids_are_left_out_where_they_are_refused() -> None:
    out = turns(user("Hi"), assistant(CALL), quirks=Quirks(call_ids=False))
    assert out[1:] == [
        ("model", [{"functionCall": {"name": "look", "args": {"x": 1}}}]),
        ("user", [{"functionResponse": {"name": "look", "response": {"error": CUT_OFF}}}]),
    ]


def test_media_stand_in_a_result_or_beside_it() -> None:
    history = (user("Hi"), assistant(CALL), user(ir.ToolResult("c1", (ir.Text("seen"), PICTURE))))
    inside = {"functionResponse": {**SEEN["functionResponse"], "parts": [SHOWN]}}
    assert turns(*history)[2] == ("user", [inside])
    body, report = written(foreign(*history), Facts(media_results=False))
    assert body["contents"][2]["parts"] == [SEEN, SHOWN]
    assert changed(report) == ["messages[2].blocks[0].content[1]"]


def test_texts_of_nothing_are_left_out_and_signed_ones_kept() -> None:
    signed = ir.Text("", sealed=ir.Sealed("gemini", "c2VhbA=="))
    assert turns(user("Hi", ""), assistant("", signed), user("Go on.")) == [
        ("user", [text("Hi")]),
        ("model", [{"text": "", "thoughtSignature": "c2VhbA=="}]),
        ("user", [text("Go on.")]),
    ]


def test_somebody_must_begin() -> None:
    body, report = written(foreign(system("A")))
    assert body["contents"] == [{"role": "user", "parts": [text(BEGIN)]}]
    assert added(report) == ["contents[0]"]
    assert turns(assistant(CALL), user(RESULT))[0] == ("user", [text(BEGIN)])


def test_a_model_that_continues_nothing_is_asked_to() -> None:
    messages = (user("Hi"), assistant("Hel"))
    assert turns(*messages)[-1] == ("model", [text("Hel")])
    body, report = written(foreign(*messages), Facts(prefill=False))
    assert body["contents"][-1] == {"role": "user", "parts": [text(GO_ON)]}
    assert lost(report) == [("messages[1]", "quality")]


def test_the_same_history_gives_the_same_bytes() -> None:
    messages = (user("Hi"), assistant(CALL, OTHER), user(RESULT), assistant("Done."))
    assert written(foreign(*messages))[0] == written(foreign(*messages))[0]


# --- Signatures ----------------------------------------------------------------------------------

SIGNED = Facts(signed_calls=True)


def signatures(*messages: ir.Message, facts: Facts = SIGNED) -> list[Any]:
    body, _ = written(foreign(*messages), facts)
    calls = [part for content in body["contents"] for part in content["parts"] if "functionCall" in part]
    return [part.get("thoughtSignature") for part in calls]


def test_only_the_first_call_of_each_step_of_the_running_turn_is_signed() -> None:
    messages = (
        *(user("Before"), assistant(CALL), user(RESULT), assistant("Done.")),
        *(user("Hi"), assistant(CALL, OTHER), user(RESULT, HEARD), assistant(CALL), user(RESULT)),
    )
    assert signatures(*messages) == [None, SKIP_SIGNATURE, None, SKIP_SIGNATURE]
    assert signatures(*messages, facts=Facts()) == [None] * 4


def test_a_picture_begins_a_turn_as_well_as_words() -> None:
    messages = (user("Hi"), assistant(CALL), user(RESULT), assistant("Done."), user(PICTURE))
    assert signatures(*messages) == [None]


def test_words_beside_results_do_not_end_the_running_turn() -> None:
    messages = (
        user("Hi"),
        assistant(CALL),
        user(RESULT, "Remember the list."),
        assistant(CALL),
        user(RESULT),
    )
    assert signatures(*messages) == [SKIP_SIGNATURE] * 2


def test_a_step_in_several_contents_is_signed_once() -> None:
    """Google's own client keeps each chunk of a stream as a content of its own."""
    call = {"functionCall": {"name": "look", "args": {}}}
    results = [{"functionResponse": {"name": "look", "response": {}}}] * 2
    contents = [
        {"role": "user", "parts": [text("Hi")]},
        {"role": "model", "parts": [{**call, "thoughtSignature": "c2VhbA=="}]},
        {"role": "model", "parts": [call]},
        {"role": "model", "parts": [text("")]},
        {"role": "user", "parts": results},
    ]
    assert written(read(contents=contents), SIGNED)[0]["contents"] == contents


def test_a_seal_that_came_back_is_left_as_it_is() -> None:
    sealed = ir.ToolCall("c1", "look", "{}", sealed=ir.Sealed("gemini", "c2VhbA=="))
    assert signatures(user("Hi"), assistant(sealed, OTHER), user(RESULT, HEARD)) == ["c2VhbA==", None]
    body, report = written(foreign(user("Hi"), assistant(sealed), user(RESULT)), SIGNED)
    assert body["contents"][1]["parts"][0]["thoughtSignature"] == "c2VhbA=="
    assert not added(report)


def test_what_stands_for_a_signature_is_named_as_added() -> None:
    _, report = written(foreign(user("Hi"), assistant(CALL), user(RESULT)), SIGNED)
    assert added(report) == ["contents[1].parts[].thoughtSignature"]


# --- Our own -------------------------------------------------------------------------------------


def test_our_own_history_comes_back_as_it_was() -> None:
    contents = [
        {"parts": [text("A")]},
        {"role": "user", "parts": [text(""), text("B")]},
        {"role": "model", "parts": [{**CALLED, "thoughtSignature": "c2VhbA=="}, CALLED_2]},
        {"role": "function", "parts": [HEARD_2]},
        {"role": "tool", "parts": [SEEN], "later": 1},
        {"role": "model", "parts": []},
    ]
    assert back(contents=contents)["contents"] == contents


def test_roles_of_our_own() -> None:
    request = read(contents=[{"role": word, "parts": [text("A")]} for word in ("user", "model", "function")])
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]


def test_system_text_that_was_added_on_the_way_comes_before_the_clients() -> None:
    request = read(systemInstruction={"role": "user", "parts": [text("B")]})
    out = ir.Request(
        **{
            **{field: getattr(request, field) for field in request.__struct_fields__},
            "messages": (system("A"), *request.messages, system("C")),
        }
    )
    body, _ = written(out)
    assert body["systemInstruction"] == {"role": "user", "parts": [text("A"), text("B")]}
    assert body["contents"][1] == {"role": "user", "parts": [text("<system>\nC\n</system>")]}
