"""Citations that are no objects: the answer is kept, its own clients get them, all others are told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.testing.case import streamed

ODD: list[Any] = ["https://b", 5, ["c"], None]
NOTE: dict[str, Any] = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A"}}
PLACE: dict[str, Any] = {
    "type": "char_location",
    "cited_text": "He",
    "document_index": 0,
    "document_title": "A",
    "start_char_index": 0,
    "end_char_index": 2,
}
FLAT: dict[str, Any] = {
    "type": "url_citation",
    "url": "https://a",
    "title": "A",
    "start_index": 0,
    "end_index": 2,
}


def chat(cited: list[Any]) -> dict[str, Any]:
    said = {"role": "assistant", "content": "Hello.", "annotations": cited}
    return {"id": "c", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}


def claude(cited: list[Any]) -> dict[str, Any]:
    content = [{"type": "text", "text": "Hello.", "citations": cited}]
    usage = {"input_tokens": 1, "output_tokens": 1}
    said = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content}
    return {**said, "stop_reason": "end_turn", "usage": usage}


def responses(cited: list[Any]) -> dict[str, Any]:
    part = {"type": "output_text", "text": "Hello.", "annotations": cited}
    item = {"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": [part]}
    return {"id": "r", "object": "response", "status": "completed", "output": [item]}


def converse(cited: list[Any]) -> dict[str, Any]:
    block = {"citationsContent": {"content": [{"text": "Hello."}], "citations": cited}}
    message = {"role": "assistant", "content": [block]}
    usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    return {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}


ANSWERS: dict[str, Any] = {
    "openai_chat": (chat, NOTE),
    "anthropic": (claude, PLACE),
    "openai_responses": (responses, FLAT),
    "bedrock": (converse, {"title": "A", "location": {"web": {"url": "https://a"}}}),
}


def answer(name: str, cited: list[Any]) -> ir.Response:
    return DIALECTS[name].response.decode(ANSWERS[name][0](cited), STANDARD)


def text_of(told: ir.Response) -> ir.Text:
    """The answer's only block."""
    (text,) = told.candidates[0].blocks
    assert isinstance(text, ir.Text)
    return text


def in_order(value: Any) -> str:
    """JSON whose members are sorted."""
    return msgspec.json.encode(value, order="sorted").decode()


def written(name: str, told: ir.Response) -> tuple[str, Report]:
    """What a client of this protocol gets."""
    report = Report(name, "response")
    body = DIALECTS[name].response.encode(told, Reply(ir.Request(name, "m"), report, "answer-1", 1))
    return in_order(body), report


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_s_own_client_gets_them(name: str) -> None:
    cited = [*ODD, ANSWERS[name][1]]
    told = answer(name, cited)
    text = text_of(told)
    assert (text.text, len(text.citations)) == ("Hello.", 5)
    body, report = written(name, told)
    assert in_order(cited)[1:-1] in body
    assert not report.losses


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_has_them_too(name: str) -> None:
    told, report = answer(name, [*ODD, ANSWERS[name][1]]), Report(name, "response")
    again = streamed(
        list(ir.unfold(told)), DIALECTS[name], Reply(ir.Request(name, "m"), report, "answer-1", 1)
    )
    assert text_of(ir.fold(again)).citations == text_of(told).citations
    assert not report.losses


@pytest.mark.parametrize(
    ("name", "client"), [(name, client) for name in ANSWERS for client in DIALECTS if client != name]
)
def test_clients_of_other_protocols_get_the_text_and_a_loss(name: str, client: str) -> None:
    for odd in ODD:
        body, report = written(client, answer(name, [odd]))
        assert "Hello." in body
        assert "https://b" not in body
        if odd is not None or client != "cohere":  # Cohere's own citations need no source
            assert [loss for loss in report.losses if "citations" in loss.path]


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        (
            "openai_chat",
            [
                {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hello."}}]},
                {"id": "c", "choices": [{"index": 0, "delta": {"annotations": [None, "https://b", NOTE]}}]},
                {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            ],
        ),
        (
            "anthropic",
            [
                {"type": "message_start", "message": {**claude([]), "content": [], "stop_reason": None}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": "Hello."},
                },
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "citations_delta", "citation": None},
                },
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "citations_delta", "citation": "https://b"},
                },
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "citations_delta", "citation": PLACE},
                },
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
                {"type": "message_stop"},
            ],
        ),
    ],
)
def test_a_stream_is_not_ended_by_them(name: str, frames: list[dict[str, Any]]) -> None:
    decoder = DIALECTS[name].stream.decoder(STANDARD)
    events = [event for frame in frames for event in decoder.feed(msgspec.json.encode(frame))]
    text = text_of(ir.fold(events + decoder.close()))
    assert (text.text, len(text.citations)) == ("Hello.", 3)
