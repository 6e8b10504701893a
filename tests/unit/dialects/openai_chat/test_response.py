"""Whole answers, both directions."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.openai_chat.speaking import FOREIGN, answer, lost, read, reply, told

CALLS = {
    "content": None,
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}],
}
TEXT = {"content": "Hi."}
STOPS: list[tuple[dict[str, Any], str | None, ir.Stop | None]] = [
    (TEXT, "stop", ir.Stop("end")),
    (TEXT, "length", ir.Stop("length")),
    (TEXT, "content_filter", ir.Stop("filter")),
    (CALLS, "tool_calls", ir.Stop("tool")),
    (CALLS, "function_call", ir.Stop("tool", raw="function_call")),
    (CALLS, "stop", ir.Stop("tool", raw="stop")),  # OpenAI too, when a call was forced
    (CALLS, "", ir.Stop("tool", raw="")),  # xAI, Snowflake
    (CALLS, "eos", ir.Stop("tool", raw="eos")),
    (TEXT, "", ir.Stop("end", raw="")),
    (TEXT, "eos", ir.Stop("end", raw="eos")),
    (TEXT, "error", ir.Stop("error", raw="error")),
    (TEXT, "insufficient_system_resource", ir.Stop("error", raw="insufficient_system_resource")),
    (TEXT, "unheard_of", ir.Stop("other", raw="unheard_of")),
    (CALLS, "length", ir.Stop("length")),
    (TEXT, None, None),
]


@pytest.mark.parametrize(("message", "word", "stop"), STOPS)
def test_a_finish_reason_is_read_with_what_the_message_holds(
    message: dict[str, Any], word: str | None, stop: ir.Stop | None
) -> None:
    response = read(message, word)
    assert response.candidates[0].stop == stop
    assert DIALECT.response.encode(response, reply())["choices"][0]["finish_reason"] == word


def test_a_matched_stop_sequence_is_read_where_a_vendor_tells_it() -> None:
    body = answer(TEXT)
    body["choices"][0]["stop_reason"] = "END"
    response = DIALECT.response.decode(body, STANDARD)
    assert response.candidates[0].stop == ir.Stop("sequence", raw="stop", sequence="END")
    assert DIALECT.response.encode(response, reply())["choices"][0]["stop_reason"] == "END"
    body["choices"][0]["stop_reason"] = 128001
    extra = DIALECT.response.decode(body, STANDARD).candidates[0].extra
    assert extra == {"openai_chat": {"stop_reason": 128001}}


FOREIGN_STOPS: list[tuple[ir.Stop, str, dict[str, str]]] = [
    (ir.Stop("end", raw="end_turn"), "stop", {}),
    (ir.Stop("length"), "length", {}),
    (ir.Stop("filter"), "content_filter", {}),
    (ir.Stop("context"), "length", {"candidates[0].stop.reason": "quality"}),
    (ir.Stop("pause"), "stop", {"candidates[0].stop.reason": "quality"}),
    (ir.Stop("compaction"), "stop", {"candidates[0].stop.reason": "quality"}),
    (ir.Stop("broken"), "stop", {"candidates[0].stop.reason": "quality"}),
    (ir.Stop("other", raw="x"), "stop", {"candidates[0].stop.reason": "quality"}),
    (
        ir.Stop("sequence", sequence="END"),
        "stop",
        {"candidates[0].stop.reason": "quality", "candidates[0].stop.sequence": "hint"},
    ),
    (
        ir.Stop("filter", detail={"category": "cyber", "explanation": None}),
        "content_filter",
        {"candidates[0].stop.detail.category": "hint"},
    ),
]


@pytest.mark.parametrize(("stop", "word", "losses"), FOREIGN_STOPS)
def test_a_foreign_stop_is_told_in_our_words(stop: ir.Stop, word: str, losses: dict[str, str]) -> None:
    body, report = told(ir.Text("Hi."), stop=stop)
    assert body["choices"][0]["finish_reason"] == word
    assert lost(report) == losses


def test_a_foreign_end_after_a_call_is_told_as_calls() -> None:
    assert told(ir.ToolCall("c", "f"), stop=ir.Stop("end"))[0]["choices"][0]["finish_reason"] == "tool_calls"


def test_an_answer_is_read_whole() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    response = read(TEXT, usage=usage, service_tier="default", system_fingerprint="fp", citations=None)
    assert response == ir.Response(
        "openai_chat",
        "chatcmpl-1",
        "m-1",
        1,
        (ir.Candidate((ir.Text("Hi."),), ir.Stop("end")),),
        ir.Usage(3, output=2),
        tier="default",
        extra={"openai_chat": {"system_fingerprint": "fp"}},
    )


def test_an_answer_is_written_whole() -> None:
    body, _ = told(ir.Text("Hi."), usage=ir.Usage(3, output=2), tier="default", status="completed")
    assert body == {
        "id": "id-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        "service_tier": "default",
    }


def test_leftovers_return_to_their_places_or_are_named() -> None:
    body = answer({"content": "Hi.", "graph_data": {"a": 1}}, x_groq={"id": "r"}, object="odd")
    body["choices"][0]["native_finish_reason"] = "end_turn"
    response = DIALECT.response.decode(body, STANDARD)
    again = DIALECT.response.encode(response, reply())
    assert again["x_groq"] == {"id": "r"}
    assert again["object"] == "odd"
    assert again["choices"][0]["native_finish_reason"] == "end_turn"
    assert again["choices"][0]["message"]["graph_data"] == {"a": 1}
    extra = {"elsewhere": {"odd": 1}}
    candidate = ir.Candidate((ir.Text("Hi."),), ir.Stop("end"), extra=extra)
    report = reply().report
    there = reply(report=report)
    DIALECT.response.encode(ir.Response(FOREIGN, candidates=(candidate,), extra=extra), there)
    assert lost(report) == {"odd": "hint", "candidates[0].odd": "hint"}


def test_what_the_upstream_did_not_state_is_filled_in() -> None:
    body = DIALECT.response.encode(ir.Response(FOREIGN), reply())
    assert (body["id"], body["created"], body["model"]) == ("answer-1", 1_700_000_000, "asked")
    assert DIALECT.response.encode(ir.Response(FOREIGN, model="m"), reply(model="shown"))["model"] == "shown"


@pytest.mark.parametrize(
    ("created", "seconds"),
    [
        (5, 5),
        (5.9, 5),
        ("2024-01-01T00:00:00Z", 1704067200),
        ("2024-01-01T01:00:00.5+01:00", 1704067200),
        ("2024-01-01T00:00:00", 1704067200),
        ("yesterday", 1_700_000_000),
    ],
)
def test_any_date_is_told_in_unix_seconds(created: float | str, seconds: int) -> None:
    assert DIALECT.response.encode(ir.Response(FOREIGN, created=created), reply())["created"] == seconds


def test_our_own_date_stays_as_it_was_written() -> None:
    assert DIALECT.response.encode(ir.Response("openai_chat", created="5"), reply())["created"] == "5"


def test_several_candidates_keep_their_numbers_and_come_in_order() -> None:
    body = answer(TEXT)
    body["choices"].insert(0, {**body["choices"][0], "index": 1})
    response = DIALECT.response.decode(body, STANDARD)
    assert [candidate.index for candidate in response.candidates] == [0, 1]
    assert [choice["index"] for choice in DIALECT.response.encode(response, reply())["choices"]] == [0, 1]


def test_a_choice_without_a_message_is_an_empty_answer() -> None:
    """Azure leaves the message out when its filter took all of it."""
    body = answer(TEXT, "content_filter")
    del body["choices"][0]["message"]
    candidate = DIALECT.response.decode(body, STANDARD).candidates[0]
    assert candidate == ir.Candidate((), ir.Stop("filter"))


TOKEN = {
    "token": "Hi",
    "logprob": -0.1,
    "bytes": [72, 105],
    "top_logprobs": [{"token": "Yo", "logprob": -2, "bytes": None}],
}
PROBABLE = ir.Logprob("Hi", -0.1, (72, 105), (ir.Logprob("Yo", -2),))


def with_logprobs(message: dict[str, Any], logprobs: Any) -> dict[str, Any]:
    body = answer(message)
    body["choices"][0]["logprobs"] = logprobs
    return body


def test_log_probabilities_belong_to_their_text() -> None:
    body = with_logprobs(TEXT, {"content": [TOKEN], "refusal": None})
    response = DIALECT.response.decode(body, STANDARD)
    assert response.candidates[0].blocks == (ir.Text("Hi.", logprobs=(PROBABLE,)),)
    assert DIALECT.response.encode(response, reply())["choices"][0]["logprobs"] == {
        "content": [TOKEN],
        "refusal": None,
    }
    body = with_logprobs({"content": None, "refusal": "No."}, {"content": None, "refusal": [TOKEN]})
    assert DIALECT.response.decode(body, STANDARD).candidates[0].blocks == (ir.Refusal("No.", (PROBABLE,)),)


@pytest.mark.parametrize("logprobs", [{"content": [TOKEN]}, {"tokens": ["Hi"], "token_logprobs": [-0.1]}])
def test_log_probabilities_without_a_text_or_of_another_shape_are_leftovers(logprobs: Any) -> None:
    body = with_logprobs(CALLS, logprobs)
    response = DIALECT.response.decode(body, STANDARD)
    assert response.candidates[0].extra == {"openai_chat": {"logprobs": logprobs}}
    assert DIALECT.response.encode(response, reply())["choices"][0]["logprobs"] == logprobs


def test_sources_beside_the_message_become_citations_once() -> None:
    """Perplexity lists them for the whole answer; the list itself goes back to our own clients."""
    results = [{"url": "https://a", "title": "A", "date": "2024"}]
    response = read(TEXT, citations=["https://a", "https://b"], search_results=results)
    text = response.candidates[0].blocks[0]
    assert isinstance(text, ir.Text)
    assert [(source.url, source.title) for source in text.citations] == [
        ("https://a", "A"),
        ("https://b", None),
    ]
    body = DIALECT.response.encode(response, reply())
    assert body["citations"] == ["https://a", "https://b"]
    assert "annotations" not in body["choices"][0]["message"]


def test_an_error_inside_a_200_is_raised() -> None:
    with pytest.raises(RequestFailed) as caught:
        DIALECT.response.decode({"error": {"message": "No.", "code": 429}}, STANDARD)
    assert (caught.value.fault.kind, caught.value.fault.message) == ("rate_limit", "No.")


def test_an_error_in_a_choice_is_raised() -> None:
    """OpenRouter, when its provider failed."""
    body = answer(TEXT, "error")
    body["choices"][0]["error"] = {"code": 502, "message": "Bad provider."}
    with pytest.raises(RequestFailed) as caught:
        DIALECT.response.decode(body, STANDARD)
    assert caught.value.fault.message == "Bad provider."


def test_an_answer_may_have_no_choice() -> None:
    assert DIALECT.response.decode({"choices": []}, STANDARD).candidates == ()


@pytest.mark.parametrize("body", [{}, {"choices": None}, {"choices": 5}])
def test_what_is_no_answer_is_told(body: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        DIALECT.response.decode(body, STANDARD)


@pytest.mark.parametrize(
    ("choice", "place"),
    [
        (5, "choices[0]"),
        (None, "choices[0]"),
        ({"message": 5}, "choices[0].message"),
        ({"message": {"tool_calls": [5]}}, "choices[0].message.tool_calls[0]"),
        ({"message": {"content": 5}}, "choices[0].message.content"),
    ],
)
def test_a_choice_of_another_shape_is_told_with_its_place(choice: Any, place: str) -> None:
    with pytest.raises(WireError) as refused:
        DIALECT.response.decode({"choices": [choice]}, STANDARD)
    assert refused.value.path == place


def test_a_failed_answer_shows_its_error() -> None:
    fault = ir.Fault("overloaded", "Busy.")
    body = DIALECT.response.encode(ir.Response(FOREIGN, error=fault), reply())
    assert body["error"]["code"] == "server_is_overloaded"


def test_a_vendors_own_content_part_stays_in_its_list() -> None:
    """Mistral's references, Databricks' reasoning: other dialects are told that it is lost."""
    content = [{"type": "text", "text": "So"}, {"type": "reference", "reference_ids": [1]}]
    response = read({"content": content})
    assert response.candidates[0].blocks == (
        ir.Text("So"),
        ir.Native("openai_chat", "reference", content[1]),
    )
    assert DIALECT.response.encode(response, reply())["choices"][0]["message"]["content"] == content
    texts = read({"content": content[:1]})
    assert DIALECT.response.encode(texts, reply())["choices"][0]["message"]["content"] == "So"


def test_details_and_pictures_of_unknown_kinds_return_to_their_lists() -> None:
    message = {"content": "Hi.", "reasoning_details": [{"type": "reasoning.odd"}], "images": [{"b64": "AA"}]}
    again = DIALECT.response.encode(read(message), reply())["choices"][0]["message"]
    assert {key: again[key] for key in message} == message


def test_sources_without_a_text_are_left_over_only() -> None:
    response = read(CALLS, citations=["https://a"])
    assert all(isinstance(block, ir.ToolCall) for block in response.candidates[0].blocks)
    assert response.extra == {"openai_chat": {"citations": ["https://a"]}}


def test_an_empty_delta_beside_the_message_says_nothing() -> None:
    body = answer(TEXT)
    body["choices"][0]["delta"] = {"role": "assistant", "content": ""}
    assert DIALECT.response.decode(body, STANDARD).candidates[0].extra is None
    body["choices"][0]["delta"] = {"content": "x"}
    assert DIALECT.response.decode(body, STANDARD).candidates[0].extra == {
        "openai_chat": {"delta": {"content": "x"}}
    }
