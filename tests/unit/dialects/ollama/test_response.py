"""Whole answers, both directions."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.ollama.speaking import (
    AT,
    CREATED,
    CREATED_AT,
    PNG,
    answer,
    lost,
    reply,
)


def read(body: dict[str, Any]) -> ir.Response:
    return DIALECT.response.decode(body, STANDARD)


def written(response: ir.Response, report: Report | None = None, **fields: Any) -> dict[str, Any]:
    return DIALECT.response.encode(response, reply(report, **fields))


def told(*blocks: ir.Block, stop: str = "end", **fields: Any) -> ir.Response:
    reason: Any = stop
    return ir.Response("another", candidates=(ir.Candidate(blocks, ir.Stop(reason)),), **fields)


# --- Decoding ------------------------------------------------------------------------------------


def test_an_answer() -> None:
    response = read(
        answer(
            {"content": "Hi", "thinking": "Hm", "images": [PNG]},
            prompt_eval_count=3,
            eval_count=5,
            total_duration=10,
        )
    )
    assert response == ir.Response(
        "ollama",
        None,
        "m",
        AT,
        (
            ir.Candidate(
                (ir.Thinking("Hm"), ir.Text("Hi"), ir.Media("image", "image/png", PNG)),
                ir.Stop("end"),
            ),
        ),
        ir.Usage(3, output=5),
        extra={"ollama": {"total_duration": 10}},
    )


@pytest.mark.parametrize(
    ("members", "stop"),
    [
        ({"done_reason": "stop"}, ir.Stop("end")),
        ({"done_reason": "length"}, ir.Stop("length")),
        ({"done_reason": "load"}, ir.Stop("other", "load")),
        ({"done_reason": None}, ir.Stop("end", "")),
        ({"done": False}, None),
    ],
)
def test_stops(members: dict[str, Any], stop: ir.Stop | None) -> None:
    assert read(answer({"content": "Hi"}, **members)).candidates[0].stop == stop


def test_calls_tell_that_an_answer_ends_for_them() -> None:
    response = read(
        answer({"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]})
    )
    assert response.candidates[0] == ir.Candidate((ir.ToolCall(None, "f", '{"a":1}'),), ir.Stop("tool"))


def test_no_counts_are_not_zero() -> None:
    assert read(answer({"content": "Hi"})).usage is None
    assert read(answer({"content": "Hi"}, eval_count=5)).usage == ir.Usage(output=5)


def test_logprobs() -> None:
    top = [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105]}, {"token": "No", "logprob": -3.0}]
    body = answer({"content": "Hi"}, logprobs=[{**top[0], "top_logprobs": top, "odd": 1}])
    text = read(body).candidates[0].blocks[0]
    assert isinstance(text, ir.Text)
    assert text.logprobs == (
        ir.Logprob(
            "Hi",
            -0.1,
            (72, 105),
            (ir.Logprob("Hi", -0.1, (72, 105)), ir.Logprob("No", -3.0)),
            extra={"ollama": {"odd": 1}},
        ),
    )
    assert written(read(body)) == body


def test_logprobs_of_nothing_stay_as_they_are() -> None:
    body = answer({"content": ""}, logprobs=[{"token": "x", "logprob": -1.0}])
    assert written(read(body)) == body


def test_what_is_no_answer() -> None:
    with pytest.raises(RequestFailed) as caught:
        read({"error": "model 'x' not found"})
    assert caught.value.fault.kind == "model_not_found"
    bodies: list[dict[str, Any]] = [{}, {"message": "Hi"}, {"message": {"tool_calls": [{}]}}]
    for body in bodies:
        with pytest.raises(WireError):
            read(body)


# --- Encoding ------------------------------------------------------------------------------------


def test_an_answer_of_another_dialect() -> None:
    report = Report("ollama", "response")
    response = told(
        ir.Thinking(summary=("One.", "Two.")),
        ir.Text("Hi"),
        ir.ToolCall(None, "f", '{"a":1}'),
        ir.ToolCall("x", "g"),
        stop="tool",
        model="big",
        usage=ir.Usage(3, cache_read=2, output=5, reasoning=4),
    )
    assert written(response, report, now=lambda: CREATED + 1.5) == {
        "model": "big",
        "created_at": CREATED_AT,
        "message": {
            "role": "assistant",
            "content": "Hi",
            "thinking": "One.\n\nTwo.",
            "tool_calls": [
                {"id": "call_1_0", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}},
                {"id": "x", "function": {"index": 1, "name": "g", "arguments": {}}},
            ],
        },
        "done": True,
        "done_reason": "stop",
        "total_duration": 1_500_000_000,
        "prompt_eval_count": 5,
        "eval_count": 9,
    }
    assert lost(report) == {"usage.cache_read": "hint", "usage.reasoning": "hint"}


def test_durations_are_whole_nanoseconds_and_never_zero() -> None:
    assert "total_duration" not in written(told(), now=lambda: CREATED)
    assert "total_duration" not in written(told())
    assert type(written(told(), now=lambda: CREATED + 0.1)["total_duration"]) is int
    exact = written(told(), began=CREATED + 0.75, now=lambda: CREATED + 1.25)
    assert exact["total_duration"] == 500_000_000  # `created` is whole seconds


@pytest.mark.parametrize(
    ("stop", "word", "losses"),
    [
        ("end", "stop", {}),
        ("length", "length", {}),
        ("context", "length", {"candidates[0].stop.reason": "quality"}),
        ("filter", "stop", {"candidates[0].stop.reason": "quality"}),
        ("pause", "stop", {"candidates[0].stop.reason": "quality"}),
    ],
)
def test_stops_of_others(stop: str, word: str, losses: dict[str, str]) -> None:
    report = Report("ollama", "response")
    assert written(told(stop=stop), report)["done_reason"] == word
    assert lost(report) == losses


@pytest.mark.parametrize(
    ("created", "at"),
    [
        (None, CREATED_AT),
        (0, "1970-01-01T00:00:00.000000Z"),
        (1.5, "1970-01-01T00:00:01.500000Z"),
        ("2026-10-02T09:15:04+02:00", "2026-10-02T09:15:04+02:00"),
        ("yesterday", CREATED_AT),
    ],
)
def test_dates(created: Any, at: str) -> None:
    assert written(told(created=created))["created_at"] == at


def test_names() -> None:
    assert written(told(model="big"), model="shown")["model"] == "shown"
    assert written(told())["model"] == "m"


def test_what_an_answer_cannot_say_is_named() -> None:
    report = Report("ollama", "response")
    response = ir.Response(
        "another",
        "id-1",
        "big",
        candidates=(
            ir.Candidate(
                (
                    ir.Refusal("No."),
                    ir.Text("a", citations=(ir.Citation(url="https://example.com"),)),
                    ir.Thinking(redacted=True, sealed=ir.Sealed("another", "s")),
                    ir.Media("audio", data="AAAA", transcript="b"),
                    ir.Media("image", data=PNG),
                    ir.ToolResult("1", by="provider"),
                ),
                ir.Stop("end"),
            ),
            ir.Candidate((), None, 1),
        ),
        status="completed",
        tier="flex",
        extra={"another": {"odd": 1}},
        usage=ir.Usage(1, output=1, detail={"input_image": 1}, others=(("m", ir.Usage(1)),)),
    )
    message = written(response, report)["message"]
    assert message == {
        "role": "assistant",
        "content": f"No.a\n\nb\n\n![image](data:image/png;base64,{PNG})",
    }
    assert lost(report) == {
        "id": "hint",
        "status": "hint",
        "tier": "hint",
        "candidates[1]": "meaning",
        "candidates[0].blocks[1].citations[0]": "quality",
        "candidates[0].blocks[2]": "hint",
        "candidates[0].blocks[3]": "meaning",
        "candidates[0].blocks[5]": "hint",
        "usage.detail.input_image": "hint",
        "usage.others[0]": "hint",
        "odd": "hint",
    }


def test_a_failed_answer_is_a_failure() -> None:
    with pytest.raises(RequestFailed):
        written(told(error=ir.Fault("upstream", "No.")))
