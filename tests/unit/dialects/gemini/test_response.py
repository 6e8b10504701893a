"""Whole answers of Gemini, read and written."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.gemini.answering import (
    NAMES,
    blocks,
    body,
    candidate,
    foreign,
    lost,
    read,
    reply,
    unjudged,
    written,
)

SIGNED = {"thoughtSignature": "c2lnbmVk"}
SEAL = ir.Sealed("gemini", "c2lnbmVk")
CALL = {"functionCall": {"id": "c1", "name": "look_up", "args": {"word": "loss"}}}


def test_an_answer() -> None:
    value = body(
        candidate("Hello."),
        usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        createTime="2026-04-02T17:03:50.399550Z",
    )
    expected = ir.Response(
        "gemini",
        "r-1",
        "gemini-x",
        "2026-04-02T17:03:50.399550Z",
        (ir.Candidate((ir.Text("Hello."),), ir.Stop("end")),),
        ir.Usage(input=3, output=2),
    )
    assert read(value) == expected
    assert written(expected)[0] == value


def test_signatures_stay_on_the_part_that_they_came_on() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    given = (
        {"text": "Hm.", "thought": True, **SIGNED},
        {"text": "", **SIGNED},
        {**CALL, **SIGNED},
        image | SIGNED,
    )
    assert blocks(*given) == (
        ir.Thinking("Hm.", sealed=SEAL),
        ir.Text("", sealed=SEAL),
        ir.ToolCall("c1", "look_up", '{"word":"loss"}', sealed=SEAL),
        ir.Media("image", "image/png", "aGk=", sealed=SEAL),
    )
    value = body(candidate(*given))
    assert written(read(value))[0] == value


def test_two_signed_texts_are_not_joined() -> None:
    value = body(candidate({"text": "a", **SIGNED}, {"text": "b", "thoughtSignature": "b3RoZXI="}))
    assert written(read(value))[0] == value


def test_only_the_first_of_parallel_calls_is_signed() -> None:
    first, second = blocks({**CALL, **SIGNED}, CALL)
    assert isinstance(first, ir.ToolCall)
    assert isinstance(second, ir.ToolCall)
    assert (first.sealed, second.sealed) == (SEAL, None)


def test_calls_end_an_answer_although_it_says_stop() -> None:
    response = read(body(candidate("Let me see.", CALL)))
    assert response.candidates[0].stop == ir.Stop("tool")
    assert written(response)[0]["candidates"][0]["finishReason"] == "STOP"


def test_calls_that_google_ran_do_not_end_an_answer_for_the_client() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}
    value = body(candidate(code, result, "One."))
    assert read(value).candidates[0].stop == ir.Stop("end")
    assert written(read(value))[0] == value


def test_a_call_that_is_cut_off_by_length_stays_so() -> None:
    assert read(body(candidate(CALL, stop="MAX_TOKENS"))).candidates[0].stop == ir.Stop("length")


def test_several_candidates() -> None:
    value = body(candidate("a"), candidate("b", index=1))
    response = read(value)
    assert [(one.index, one.blocks) for one in response.candidates] == [
        (0, (ir.Text("a"),)),
        (1, (ir.Text("b"),)),
    ]
    assert written(response)[0] == value


def test_a_missing_index_is_the_place() -> None:
    first, second = candidate("a"), candidate("b")
    del first["index"], second["index"]
    assert [one.index for one in read(body(first, second)).candidates] == [0, 1]


def test_thoughts_may_eat_the_whole_answer() -> None:
    value = {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
    response = read(body(value))
    assert response.candidates == (ir.Candidate((), ir.Stop("length")),)
    assert written(response)[0] == body({**value, "content": {"parts": [], "role": "model"}})


# --- Refused and broken answers ------------------------------------------------------------------

FEEDBACK = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT"}]}


def test_a_refused_prompt_is_one_candidate_without_blocks() -> None:
    value = {
        "promptFeedback": FEEDBACK,
        **NAMES,
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    }
    response = read(value)
    stop = ir.Stop("filter", "PROHIBITED_CONTENT", None, {"promptFeedback": FEEDBACK})
    assert response.candidates == (ir.Candidate((), stop),)
    assert response.usage == ir.Usage(input=3)
    assert written(response)[0] == value


def test_feedback_beside_candidates_is_left_as_it_is() -> None:
    value = body(candidate("Hello."), promptFeedback={"safetyRatings": []})
    response = read(value)
    assert response.candidates[0].stop == ir.Stop("end")
    assert response.extra == {"gemini": {"promptFeedback": {"safetyRatings": []}}}
    assert written(response)[0] == value


def test_a_filtered_answer_keeps_its_reason() -> None:
    value = body({"finishReason": "RECITATION", "index": 0, "content": {"parts": [], "role": "model"}})
    response = read(value)
    assert response.candidates == (ir.Candidate((), ir.Stop("filter", "RECITATION")),)
    assert written(response)[0] == value


@pytest.mark.parametrize(
    "word", ["MALFORMED_FUNCTION_CALL", "OTHER", "NO_IMAGE", "MISSING_THOUGHT_SIGNATURE"]
)
def test_a_broken_answer_without_parts_is_a_fault(word: str) -> None:
    with pytest.raises(RequestFailed) as failed:
        read(body({"finishReason": word, "finishMessage": "It went wrong."}))
    fault = failed.value.fault
    assert (fault.kind, fault.message, fault.code, fault.blame) == (
        "upstream",
        "It went wrong.",
        word.lower(),
        "upstream",
    )


def test_reasoning_alone_is_no_answer() -> None:
    with pytest.raises(RequestFailed):
        read(body(candidate({"text": "Hm.", "thought": True}, "", stop="MALFORMED_FUNCTION_CALL")))


def test_a_broken_answer_without_a_message_says_its_word() -> None:
    with pytest.raises(RequestFailed, match="NO_IMAGE"):
        read(body({"finishReason": "NO_IMAGE"}))


def test_a_broken_answer_with_parts_is_an_answer() -> None:
    value = body(candidate("So far", stop="UNEXPECTED_TOOL_CALL", finishMessage="No such tool."))
    response = read(value)
    assert response.candidates[0].stop == ir.Stop(
        "broken", "UNEXPECTED_TOOL_CALL", None, {"finishMessage": "No such tool."}
    )
    assert written(response)[0] == value


def test_one_broken_candidate_does_not_break_the_others() -> None:
    response = read(body(candidate(stop="OTHER"), candidate("Fine.", index=1)))
    assert [one.stop and one.stop.reason for one in response.candidates] == ["broken", "end"]


def test_an_error_with_a_good_status() -> None:
    with pytest.raises(RequestFailed) as failed:
        read({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})
    assert failed.value.fault.kind == "overloaded"


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"candidates": []},
        {"usageMetadata": {}},
        {"candidates": "none"},
        {"candidates": [1]},
        {"candidates": [{"content": []}, {"content": [1]}]},
        {"candidates": [{"content": {"parts": ["x"]}}]},
    ],
)
def test_what_is_no_answer(value: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read(value)


# --- Leftovers -----------------------------------------------------------------------------------


def test_what_has_no_field_is_kept_in_place() -> None:
    value = body(
        candidate(
            "x",
            safetyRatings=[{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}],
            avgLogprobs=-0.25,
            urlContextMetadata={"urlMetadata": []},
            tokenCount=3,
        ),
        modelStatus={"modelStage": "STABLE"},
    )
    response = read(value)
    assert response.extra == {"gemini": {"modelStatus": {"modelStage": "STABLE"}}}
    extra = (response.candidates[0].extra or {})["gemini"]
    assert extra.keys() == {"safetyRatings", "avgLogprobs", "urlContextMetadata", "tokenCount"}
    assert written(response)[0] == value


def test_leftovers_of_the_content() -> None:
    value = body(candidate("x"))
    value["candidates"][0]["content"]["strange"] = True
    response = read(value)
    assert response.candidates[0].extra == {"gemini": {"content.strange": True}}
    assert unjudged(response)["candidates"][0]["content"]["strange"] is True


def test_leftovers_of_another_protocol_are_named() -> None:
    response = foreign("x", extra={"elsewhere": {"system_fingerprint": "fp", "nothing": None}})
    value, report = written(response)
    assert "system_fingerprint" not in value
    assert lost(report) == {"system_fingerprint": "hint"}


# --- For clients of Gemini -----------------------------------------------------------------------


TAGGED = "ZGdtMS5lbHNld2hlcmUueHl6"
"""`dgm1.elsewhere.xyz` in base64."""


def test_an_answer_of_another_protocol() -> None:
    response = foreign(
        ir.Thinking(summary=("First.", "Second."), sealed=ir.Sealed("elsewhere", "xyz")),
        "Hello.",
        ir.Refusal("No."),
        ir.ToolCall("call_1", "look_up", '{"word": "loss"}'),
        stop=ir.Stop("tool"),
        usage=ir.Usage(input=3, output=2),
        created=1_700_000_000,
    )
    value, report = written(response)
    assert value == {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "First.\n\nSecond.", "thought": True, "thoughtSignature": TAGGED},
                        {"text": "Hello."},
                        {"text": "No."},
                        {"functionCall": {"id": "call_1", "name": "look_up", "args": {"word": "loss"}}},
                    ],
                    "role": "model",
                },
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        "modelVersion": "gpt",
        "createTime": "2023-11-14T22:13:20Z",
        "responseId": "f-1",
    }
    assert not report.losses
    assert [change.path for change in report.changes] == ["candidates[0].blocks[2]"]


def test_arguments_that_are_no_object_are_wrapped() -> None:
    value, report = written(foreign(ir.ToolCall("c", "plot", "not json"), stop=ir.Stop("tool")))
    assert value["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"_raw": "not json"}
    assert report.changes


def test_the_client_is_told_the_name_that_it_asked_for() -> None:
    assert written(foreign("x"), reply("alias"))[0]["modelVersion"] == "alias"
    nameless = ir.Response("elsewhere", candidates=(ir.Candidate((ir.Text("x"),), ir.Stop("end")),))
    value, _ = written(nameless)
    assert (value["modelVersion"], value["responseId"]) == ("asked-for", "minted")


def test_a_failed_answer_is_raised() -> None:
    fault = ir.Fault("upstream", "It failed.")
    with pytest.raises(RequestFailed) as failed:
        written(foreign(error=fault))
    assert failed.value.fault is fault


def test_a_status_is_lost() -> None:
    assert lost(written(foreign("x", status="incomplete"))[1]) == {"status": "hint"}


def test_no_usage_stays_no_usage() -> None:
    value, report = written(foreign("x", tier="default"))
    assert "usageMetadata" not in value
    assert lost(report) == {}
    assert lost(written(foreign("x", tier="priority"))[1]) == {"tier": "hint"}


@pytest.mark.parametrize("created", [1e300, 10**18, -(10**18), 253402300800])
def test_a_date_that_is_none_is_the_gateways(created: float) -> None:
    response = ir.Response("elsewhere", "r", "m", created=created)
    report = Report("gemini", "response")
    body = DIALECTS["gemini"].response.encode(
        response, Reply(ir.Request("gemini", "m"), report, id="a", created=1_700_000_000)
    )
    assert body["createTime"] == "2023-11-14T22:13:20Z"
