"""Whole answers, both ways: plans, thinking, citations, log probabilities, stops."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.cohere.response import decode_response, encode_response
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.cohere.speaking import lost, reply


def answer(message: dict[str, Any], **members: Any) -> ir.Response:
    return decode_response({"id": "c", "message": {"role": "assistant", **message}, **members}, STANDARD)


def blocks(message: dict[str, Any], **members: Any) -> tuple[ir.Block, ...]:
    return answer(message, **members).candidates[0].blocks


def test_a_plan_stands_between_thinking_and_calls() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "null"}}
    told = blocks(
        {"tool_plan": "p", "content": [{"type": "thinking", "thinking": "t"}], "tool_calls": [call]}
    )
    assert told == (ir.Thinking("t"), ir.Text("p", form="tool_plan"), ir.ToolCall("a", "f"))


SOURCE = {"type": "document", "id": "d", "document": {"title": "T", "url": "https://e.x", "snippet": "s"}}
TOOL = {"type": "tool", "id": "a:0", "tool_output": {"content": "b"}}


def test_each_source_of_a_citation_is_one() -> None:
    cited = {"start": 3, "end": 5, "text": "is", "sources": [SOURCE, TOOL], "type": "TEXT_CONTENT"}
    (text,) = blocks({"content": [{"type": "text", "text": "It is."}], "citations": [cited]})
    assert isinstance(text, ir.Text)
    assert text.citations == (
        ir.Citation("document", "https://e.x", "T", "s", 3, 5, SOURCE, form="unplaced"),
        ir.Citation("tool", start=3, end=5, source=TOOL, form="unplaced"),
    )


def test_a_citation_of_another_text_keeps_its_words() -> None:
    cited = {"start": 3, "end": 5, "text": "was", "sources": [TOOL], "content_index": 0, "type": "ODD"}
    (text,) = blocks({"content": [{"type": "text", "text": "It is."}], "citations": [cited]})
    assert isinstance(text, ir.Text)
    assert text.citations[0].extra == {"cohere": {"text": "was", "type": "ODD"}}


def test_a_citation_counts_the_blank_line_that_the_encoder_adds() -> None:
    cited = ir.Text("It is.", (ir.Citation("url", "https://e.x", start=0, end=2),))
    said = (ir.Text("One."), ir.ToolCall("s", "web_search", "{}", by="provider"), cited)
    body = encode_response(ir.Response("another", candidates=(ir.Candidate(said),)), reply())
    (part,), (wire,) = body["message"]["content"], body["message"]["citations"]
    assert part["text"] == "One.\n\nIt is."
    assert part["text"][wire["start"] : wire["end"]] == wire["text"] == "It"


def test_citations_of_other_dialects() -> None:
    told = ir.Text("It is.", (ir.Citation("url", "https://e.x", "T", "q", 0, 2),))
    report = Report("cohere", "response")
    body = encode_response(ir.Response("another", candidates=(ir.Candidate((told,)),)), reply(report))
    data = {"title": "T", "url": "https://e.x", "snippet": "q"}
    assert body["message"]["citations"] == [
        {
            "start": 0,
            "end": 2,
            "text": "It",
            "sources": [{"type": "document", "document": data}],
            "content_index": 0,
            "type": "TEXT_CONTENT",
        }
    ]


def test_only_pieces_of_one_token_are_tokens() -> None:
    one = {"text": "Hi", "token_ids": [4], "logprobs": [-0.5]}
    two = {"text": "Hi", "token_ids": [4, 5], "logprobs": [-0.5, -0.1]}
    content = {"content": [{"type": "text", "text": "Hi"}]}
    assert blocks(content, logprobs=[one]) == (ir.Text("Hi", logprobs=(ir.Logprob("Hi", -0.5, id=4),)),)
    assert answer(content, logprobs=[two]).extra == {"cohere": {"logprobs": [two]}}


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        ("COMPLETE", ir.Stop("end")),
        ("MAX_TOKENS", ir.Stop("length")),
        ("STOP_SEQUENCE", ir.Stop("sequence")),
        ("NEW", ir.Stop("other", raw="NEW")),
    ],
)
def test_stops(word: str, stop: ir.Stop) -> None:
    assert answer({"content": []}, finish_reason=word).candidates[0].stop == stop


def test_what_a_client_of_cohere_cannot_get() -> None:
    report = Report("cohere", "response")
    said = ir.Candidate((ir.Text("a"),), ir.Stop("context"))
    response = ir.Response(
        "another", model="m", candidates=(said, ir.Candidate(index=1)), usage=ir.Usage(1, output=2)
    )
    body = encode_response(response, reply(report))
    assert (body["id"], body["finish_reason"]) == ("answer-1", "MAX_TOKENS")
    assert body["usage"] == {"tokens": {"input_tokens": 1, "output_tokens": 2}}
    assert set(lost(report)) == {"model", "candidates[1]", "candidates[0].stop.reason"}


USAGE = {"tokens": {"input_tokens": 5, "output_tokens": 2}}


@pytest.mark.parametrize(("word", "kind"), [("ERROR", "upstream"), ("TIMEOUT", "timeout")])
def test_a_generation_that_failed_is_no_answer(word: str, kind: str) -> None:
    with pytest.raises(RequestFailed) as failed:
        answer({"content": [{"type": "text", "text": "It is"}]}, finish_reason=word, usage=USAGE)
    assert (failed.value.fault.kind, failed.value.fault.blame) == (kind, "upstream")
    assert failed.value.usage == ir.Usage(5, output=2)
    with pytest.raises(RequestFailed) as failed:
        answer({"content": []}, finish_reason=word, usage=[])
    assert failed.value.usage is None


def test_errors_in_good_answers() -> None:
    with pytest.raises(RequestFailed) as failed:
        decode_response({"id": "e", "message": "too many tokens"}, STANDARD)
    assert failed.value.fault.kind == "context_length"
    bodies: list[dict[str, Any]] = [
        {},
        {"message": []},
        {"message": {"content": 5}},
        {"message": {"content": [5]}},
    ]
    for body in bodies:
        with pytest.raises(WireError):
            decode_response(body, STANDARD)
