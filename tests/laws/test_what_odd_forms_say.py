"""What an odd form of an answer says beside what is odd about it reaches its client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing.case import events_of

TOKEN = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}


def reply(dialect: str) -> tuple[Reply, Report]:
    report = Report(dialect, "response")
    return Reply(ir.Request(dialect, "m"), report, id="r", created=1), report


def returned(dialect: str, response: ir.Response) -> tuple[ir.Response, Report]:
    """What a client of the same dialect reads of an answer."""
    to, report = reply(dialect)
    body = json.loads(json.dumps(DIALECTS[dialect].response.encode(response, to)))
    return DIALECTS[dialect].response.decode(body, STANDARD), report


def streamed(dialect: str, *chunks: dict[str, Any]) -> ir.Response:
    frames = [json.dumps(chunk).encode() for chunk in chunks]
    return ir.fold(events_of(DIALECTS[dialect].stream.decoder(STANDARD), frames))


def chat(usage: Any = None, *choices: dict[str, Any]) -> dict[str, Any]:
    usual = [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": list(choices) or usual, "usage": usage}


def gemini(text: str, **members: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, **members}]}


def test_a_reason_of_another_type_does_not_stand_for_the_right_one() -> None:
    told = streamed("gemini", gemini("a", finishReason=["odd"]), gemini("b", finishReason="STOP"))
    again, report = returned("gemini", told)
    assert again.candidates[0].stop == ir.Stop("end")
    assert [loss.path for loss in report.losses] == ["candidates[0].finishReason"]


def test_tokens_of_a_stream_whose_other_tokens_are_odd() -> None:
    chosen = {"chosenCandidates": [{"token": "b", "logProbability": -0.5}]}
    told = streamed(
        "gemini",
        gemini("a", logprobsResult={**chosen, "topCandidates": [7]}),
        gemini("b", logprobsResult=chosen, finishReason="STOP"),
    )
    again, report = returned("gemini", told)
    [text] = again.candidates[0].blocks
    assert isinstance(text, ir.Text)
    assert [token.token for token in text.logprobs or ()] == ["b"]
    assert [loss.path for loss in report.losses] == ["candidates[0].logprobsResult"]


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_chat", chat({"prompt_tokens": 3, "completion_tokens": -1, "total_tokens": 2})),
        ("openai_chat", chat({"prompt_tokens": 3, "completion_tokens": {"odd": 1}, "total_tokens": 2})),
        ("mistral", chat({"prompt_tokens": 3, "completion_tokens": {"odd": 1}, "total_tokens": 2})),
        ("gemini", {**gemini("a"), "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": -1}}),
        (
            "ollama",
            {
                "model": "m",
                "message": {"content": "a"},
                "done": True,
                "prompt_eval_count": 3,
                "eval_count": -1,
            },
        ),
    ],
)
def test_a_count_that_is_none(dialect: str, body: dict[str, Any]) -> None:
    usage = DIALECTS[dialect].response.decode(body, STANDARD).usage
    assert usage is not None
    assert (usage.input, usage.output) == (3, None)
    assert usage.extra is not None or dialect == "ollama"


@pytest.mark.parametrize(
    "usage",
    [
        {"completion_tokens": 39, "total_tokens": 0, "prompt_tokens": 9},
        {"completion_tokens": 39, "total_tokens": 364},
    ],
)
def test_reasoning_that_no_total_tells_to_be_outside(usage: dict[str, Any]) -> None:
    body = chat({**usage, "completion_tokens_details": {"reasoning_tokens": 325}})
    read = DIALECTS["openai_chat"].response.decode(body, Quirks(reasoning_tokens="outside"))
    again, _ = returned("openai_chat", read)
    assert again.usage is not None
    assert (again.usage.output, again.usage.reasoning) == (39, 325)


def test_choices_come_in_order() -> None:
    choices = [
        {"index": at, "message": {"role": "assistant", "content": str(at)}, "finish_reason": "stop"}
        for at in (1, 0)
    ]
    told = DIALECTS["openai_chat"].response.decode(chat(None, *choices), STANDARD)
    assert [candidate.index for candidate in told.candidates] == [0, 1]
    assert ir.fold(ir.unfold(told)).candidates == told.candidates


def responses(part: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a streamed answer whose text ends as this part."""
    base = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return [
        {"type": "response.created", "response": {**base, "status": "in_progress"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "content": [], "status": "in_progress"},
        },
        {
            "type": "response.content_part.added",
            **at,
            "part": {"type": "output_text", "text": "", "annotations": []},
        },
        {"type": "response.output_text.delta", **at, "delta": "Hi", "logprobs": part.get("logprobs", [])},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {**base, "status": "completed", "output": [item]}},
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"logprobs": [{**TOKEN, "bytes": [72, {}]}]},
        {"annotations": [{"type": "url_citation", "url": "https://a.example", "end_index": [1, 1]}]},
        {"annotations": [{}]},
    ],
    ids=["logprobs", "citation", "empty citation"],
)
def test_a_text_of_responses_outlives_what_is_odd_about_it(odd: dict[str, Any]) -> None:
    part = {"type": "output_text", "text": "Hi", "annotations": [], **odd}
    told = streamed("openai_responses", *responses(part))
    again, _ = returned("openai_responses", told)
    [text] = again.candidates[0].blocks
    assert isinstance(text, ir.Text)
    assert text.text == "Hi"
    assert ir.is_sound(text)
    [before] = told.candidates[0].blocks
    assert isinstance(before, ir.Text)
    assert len(text.citations) == len(before.citations) == len(part["annotations"])
    for face in DIALECTS:
        DIALECTS[face].response.encode(told, reply(face)[0])


def test_an_event_whose_type_is_none() -> None:
    with pytest.raises(WireError, match="must begin with"):
        DIALECTS["openai_responses"].stream.decoder(STANDARD).feed(b'{"type": {"odd": 1}}')


def test_counts_of_a_stream_that_are_none() -> None:
    told = streamed("gemini", gemini("a"), {**gemini("b", finishReason="STOP"), "usageMetadata": 0.5})
    assert told.error is None
    relay = DIALECTS["ollama"].relay.stream(reply("ollama")[0])
    relay.feed(
        b'{"model":"m","message":{"content":"a"},"done":true,"prompt_eval_count":3,"eval_count":[1,1]}\n'
    )
    assert relay.usage == ir.Usage(3)


SPACE = {"type": "namespace", "name": "a", "description": "b", "tools": []}


@pytest.mark.parametrize(
    ("dialect", "body", "place"),
    [
        (
            "openai_chat",
            {"messages": [{"role": "tool", "tool_call_id": "c", "content": "x", "name": ["a"]}]},
            "messages[0].name",
        ),
        ("openai_responses", {"input": "x", "tools": [{**SPACE, "name": 1}]}, "tools[0].name"),
        (
            "openai_responses",
            {"input": "x", "tools": [{**SPACE, "description": True}]},
            "tools[0].description",
        ),
    ],
)
def test_a_request_of_other_types_is_refused(dialect: str, body: dict[str, Any], place: str) -> None:
    with pytest.raises(WireError) as refused:
        DIALECTS[dialect].request.check(WireRequest("chat", {"model": "m", **body}))
    assert refused.value.path == place
