"""One question and its text, as a face over the chat API's request."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat.generate import FACE
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import WireRequest
from dragoman.errors import RequestFailed, WireError

BEGAN = 1_700_000_000.25
REPLY = Reply(
    ir.Request("openai_chat", "m"),
    Report("openai_chat"),
    "gen-1",
    1_700_000_000,
    now=lambda: BEGAN + 1.5,
    began=BEGAN,
)


def wire(**body: Any) -> WireRequest:
    return WireRequest("chat", {"prompt": "Hi", **body})


def answered(*blocks: ir.Block, **more: Any) -> tuple[dict[str, Any], Report]:
    """What an answer of these blocks becomes, and what it loses."""
    report = Report("openai_chat", "response")
    candidate = ir.Candidate(blocks, ir.Stop("end"))
    response = ir.Response("x", "up-id", "up-model", candidates=(candidate,), **more)
    return FACE.response.encode(response, msgspec.structs.replace(REPLY, report=report)), report


def test_a_question_is_a_users_message() -> None:
    request = FACE.request.decode(wire(model="m"))
    assert request == ir.Request("openai_chat", "m", (ir.Message("user", (ir.Text("Hi"),)),))
    assert FACE.request.brief(wire(model="m")).model == "m"


def test_everything_that_can_be_asked() -> None:
    request = FACE.request.decode(wire(systemPrompt="Be brief.", temperature=0.5, maxTokens=9))
    assert [(message.role, message.blocks) for message in request.messages] == [
        ("system", (ir.Text("Be brief."),)),
        ("user", (ir.Text("Hi"),)),
    ]
    assert (request.sampling.temperature, request.max_output) == (0.5, 9)


@pytest.mark.parametrize(
    "body", [{"systemPrompt": ""}, {"systemPrompt": None, "stream": False, "model": None}]
)
def test_what_is_empty_asks_nothing(body: dict[str, Any]) -> None:
    FACE.request.check(wire(**body))
    assert FACE.request.decode(wire(**body)) == FACE.request.decode(wire())


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": ["Hi"]}, "prompt", "invalid_type"),
        ({"systemPrompt": 1}, "systemPrompt", "invalid_type"),
        ({"model": 1}, "model", "invalid_type"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"maxTokens": 0}, "maxTokens", "integer_below_min_value"),
        ({"stream": True}, "stream", "unknown_parameter"),
        ({"top_p": None}, "top_p", "unknown_parameter"),
    ],
)
def test_mistakes_are_named(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(WireError) as caught:
        FACE.request.check(wire(**body))
    assert (caught.value.path, caught.value.code) == (param, code)


def test_a_place_is_named_in_the_words_of_the_question() -> None:
    alone, with_system = FACE.locator(wire()), FACE.locator(wire(systemPrompt="s"))
    assert alone("messages[0].blocks[0]") == "$.prompt"
    assert with_system("messages[0]") == "$.systemPrompt"
    assert with_system("messages[1]") == "$.prompt"
    assert (alone("max_output"), alone("sampling.temperature")) == ("$.maxTokens", "$.temperature")


def test_an_answer() -> None:
    usage = ir.Usage(input=5, cache_read=2, output=3, reasoning=1)
    body, report = answered(ir.Text("Hello "), ir.Text("you."), usage=usage)
    assert body == {
        "id": "gen-1",
        "content": "Hello you.",
        "model": "up-model",
        "finishReason": "stop",
        "tokenUsage": {"promptTokens": 7, "completionTokens": 4, "totalTokens": 11},
        "processingTime": 1500,
        "timestamp": "2023-11-14T22:13:21.750Z",
    }
    assert not report.losses


def test_what_is_no_text_is_a_loss() -> None:
    call = ir.ToolCall("c", "f", "{}")
    cited = ir.Text("a", citations=(ir.Citation(),))
    body, report = answered(ir.Thinking("hm"), cited, call, ir.Refusal("No."))
    assert (body["content"], body["tokenUsage"]) == ("aNo.", None)
    assert [(loss.path, loss.severity) for loss in report.losses] == [
        ("candidates[0].blocks[0]", "hint"),
        ("candidates[0].blocks[1].citations", "quality"),
        ("candidates[0].blocks[2]", "meaning"),
    ]


def test_an_answer_of_nothing_is_empty_and_one_that_failed_is_none() -> None:
    assert FACE.response.encode(ir.Response("x"), REPLY)["content"] == ""
    with pytest.raises(RequestFailed):
        answered(error=ir.Fault("upstream", "It broke."))
