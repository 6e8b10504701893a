"""Whole answers, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral import DIALECT
from dragoman.dialects.mistral.terms import call_id
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.mistral.speaking import (
    FOREIGN,
    added,
    answer,
    blocks_of,
    changed,
    lost,
    message_of,
    plain,
    read,
    reply,
    told,
)

THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
CALL = {"id": "q7RtY2mNa", "type": "function", "function": {"name": "look", "arguments": "{}"}, "index": 0}
CALLED = ir.ToolCall("q7RtY2mNa", "look", "{}")
MESSAGES: list[tuple[dict[str, Any], tuple[ir.Block, ...]]] = [
    ({"content": "Hi."}, (ir.Text("Hi."),)),
    ({"content": ""}, ()),
    ({"content": "", "tool_calls": [CALL]}, (CALLED,)),
    (
        {"content": "", "tool_calls": [{**CALL, "type": "remote"}]},
        (ir.ToolCall("q7RtY2mNa", "look", "{}", extra={"mistral": {"type": "remote"}}),),
    ),
    (
        {"content": [THOUGHT, {"type": "text", "text": "Hi."}]},
        (ir.Thinking("Hm."), ir.Text("Hi.")),
    ),
    ({"content": [THOUGHT]}, (ir.Thinking("Hm."),)),
    (
        {"content": [{"type": "text", "text": "Hi"}, {"type": "reference", "reference_ids": [0]}]},
        (ir.Text("Hi", citations=(ir.Citation("reference", source={"reference_ids": [0]}),)),),
    ),
    (
        {"content": [{"type": "image_url", "image_url": {"url": "https://x"}}]},
        (ir.Media("image", url="https://x"),),
    ),
    (
        {"content": [{"type": "resource", "uri": "x"}]},
        (ir.Native("mistral", "resource", {"type": "resource", "uri": "x"}),),
    ),
]


@pytest.mark.parametrize(("message", "blocks"), MESSAGES)
def test_messages_come_back_as_they_were(message: dict[str, Any], blocks: tuple[ir.Block, ...]) -> None:
    response = read(message)
    assert response.candidates[0].blocks == blocks
    report = Report("mistral", "response")
    again = plain(DIALECT.response.encode(response, reply(report=report)))
    assert again == answer({"tool_calls": None, **message}, "stop")
    assert not report.losses


def test_neighbouring_texts_are_one() -> None:
    texts = [{"type": "text", "text": text} for text in ("a", "", "b")]
    assert blocks_of(texts) == (ir.Text("ab"),)
    noted = ir.Text("c", extra={"mistral": {"x": 1}})
    assert blocks_of([*texts, {"type": "text", "text": "c", "x": 1}, texts[0]]) == (
        ir.Text("ab"),
        noted,
        ir.Text("a"),
    )


CALLS: list[tuple[dict[str, Any], ir.ToolCall]] = [
    ({"id": "null", "function": {"name": "f", "arguments": "null"}}, ir.ToolCall(None, "f")),
    ({"function": {"name": "f", "arguments": {"a": 1}}}, ir.ToolCall(None, "f", '{"a":1}')),
    ({"function": {"name": "f"}}, ir.ToolCall(None, "f")),
    (
        {"id": "i", "type": "plugin", "index": 5, "function": {"name": "f", "arguments": "", "x": 1}},
        ir.ToolCall("i", "f", extra={"mistral": {"type": "plugin", "index": 5, "function.x": 1}}),
    ),
]


@pytest.mark.parametrize(("wire", "call"), CALLS)
def test_calls(wire: dict[str, Any], call: ir.ToolCall) -> None:
    assert blocks_of("", tool_calls=[wire]) == (call,)


def test_positions_of_calls_go_without_saying() -> None:
    first, second = ({**CALL, "id": id, "index": 0} for id in ("a", "b"))
    assert blocks_of("", tool_calls=[first, second]) == (
        ir.ToolCall("a", "look", "{}"),
        ir.ToolCall("b", "look", "{}"),
    )


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        ("stop", ir.Stop("end")),
        ("length", ir.Stop("length")),
        ("tool_calls", ir.Stop("tool")),
        ("model_length", ir.Stop("context", "model_length")),
        ("error", ir.Stop("error", "error")),
        ("bored", ir.Stop("other", "bored")),
        (None, None),
    ],
)
def test_why_it_ended(word: str | None, stop: ir.Stop | None) -> None:
    response = read({"content": "x"}, word)
    assert response.candidates[0].stop == stop
    again = DIALECT.response.encode(response, reply())
    assert again["choices"][0]["finish_reason"] == word


def test_members_that_nobody_knows_stay_in_place() -> None:
    body = answer({"content": "x", "tone": "warm", "prefix": True}, guard={"ok": True}, object="chat.other")
    body["choices"][0]["score"] = 1
    response = DIALECT.response.decode(body, STANDARD)
    assert response.extra == {"mistral": {"guard": {"ok": True}, "object": "chat.other"}}
    extra = {"mistral": {"score": 1, "message.tone": "warm", "message.prefix": True}}
    assert response.candidates[0].extra == extra
    again = plain(DIALECT.response.encode(response, reply()))
    assert again["choices"][0] == {
        **body["choices"][0],
        "message": {**body["choices"][0]["message"], "tool_calls": None},
    }
    assert again["object"] == "chat.other"


TOKEN = {"token": "x", "logprob": -0.5, "bytes": [120], "token_id": 7, "rank": 1}
LOGPROB = ir.Logprob("x", -0.5, (120,), None, 7, {"mistral": {"rank": 1}})


def test_log_probabilities_carry_the_tokens_number() -> None:
    body = answer({"content": "x"})
    body["choices"][0]["logprobs"] = {"content": [{**TOKEN, "top_logprobs": [TOKEN]}]}
    response = DIALECT.response.decode(body, STANDARD)
    (block,) = response.candidates[0].blocks
    assert block == ir.Text("x", logprobs=(ir.Logprob("x", -0.5, (120,), (LOGPROB,), 7, LOGPROB.extra),))
    again = plain(DIALECT.response.encode(response, reply()))
    assert again["choices"][0]["logprobs"] == body["choices"][0]["logprobs"]


@pytest.mark.parametrize(
    ("logprobs", "kept"),
    [({"content": []}, False), ({"content": [TOKEN]}, True), ({"content": None, "other": 1}, True)],
)
def test_log_probabilities_of_nothing(logprobs: Any, kept: bool) -> None:
    body = answer({"content": ""})
    body["choices"][0]["logprobs"] = logprobs
    extra = DIALECT.response.decode(body, STANDARD).candidates[0].extra
    assert extra == ({"mistral": {"logprobs": logprobs}} if kept else None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": {}},
        {"choices": ["x"]},
        answer({"content": 5}),
        answer({"content": [5]}),
        answer({"content": "", "tool_calls": [{}]}),
    ],
)
def test_what_is_no_answer_is_told(body: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        DIALECT.response.decode(body, STANDARD)


def test_an_error_with_a_good_status() -> None:
    with pytest.raises(RequestFailed) as caught:
        DIALECT.response.decode({"object": "error", "message": "Full.", "type": "rate_limited"}, STANDARD)
    assert caught.value.fault.kind == "rate_limit"


@pytest.mark.parametrize(
    ("word", "tier"), [("standard", "default"), ("priority", "priority"), ("other", "other")]
)
def test_the_tier_lies_beside_the_counts(word: str, tier: str) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "service_tier": word}
    response = read({"content": "x"}, usage=usage)
    assert response.tier == tier
    assert plain(DIALECT.response.encode(response, reply()))["usage"] == usage


# --- From elsewhere ----------------------------------------------------------------------------


def test_the_answers_head() -> None:
    body, _ = told(ir.Text("x"), usage=ir.Usage(1, output=2), tier="default")
    assert (body["id"], body["object"], body["created"], body["model"]) == ("b1", "chat.completion", 1, "m-1")
    assert body["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "service_tier": "standard",
    }
    shown = DIALECT.response.encode(ir.Response(FOREIGN), reply("shown"))
    assert (shown["id"], shown["created"], shown["model"]) == ("answer-1", 1_700_000_000, "shown")


def test_a_client_needs_counts() -> None:
    body, report = told(ir.Text("x"))
    assert body["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert "usage" in added(report)


def test_another_vendors_word_for_the_usual_tier() -> None:
    body, report = told(ir.Text("x"), usage=ir.Usage(1, output=1), tier="standard")
    assert body["usage"]["service_tier"] == "standard"
    assert changed(report) == {"tier"}


def test_thinking_is_shown_as_chunks() -> None:
    message, report = message_of(
        ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "s")), ir.Thinking(), ir.Text("Hi.")
    )
    assert message["content"] == [THOUGHT, {"type": "text", "text": "Hi."}]
    assert lost(report) == {"candidates[0].blocks[1]": "hint"}
    assert "candidates[0].blocks[0].sealed" in changed(report)


def test_texts_are_joined() -> None:
    found = ir.ToolResult("s", (ir.Text("found"),), by="provider")
    message, report = message_of(
        ir.Text("One."), ir.Text("Two."), found, ir.Text("Three."), ir.Refusal("No.")
    )
    assert message["content"] == "One.Two.\n\nThree.No."
    assert lost(report) == {"candidates[0].blocks[2]": "hint"}


def test_calls_without_ids_get_some() -> None:
    message, _ = message_of(ir.ToolCall(None, "a"), ir.ToolCall("toolu_1", "b", "{}"))
    first, second = message["tool_calls"]
    assert first == {
        "id": call_id("answer-1 0 0"),
        "type": "function",
        "function": {"name": "a", "arguments": "{}"},
        "index": 0,
    }
    assert (second["id"], second["index"]) == ("toolu_1", 1)


def test_free_text_becomes_a_member() -> None:
    message, report = message_of(ir.ToolCall("c", "plot", "EE", "custom"))
    assert message["tool_calls"][0]["function"] == {"name": "plot", "arguments": '{"input":"EE"}'}
    assert "candidates[0].blocks[0]" in changed(report)


def test_media_in_answers() -> None:
    picture = ir.Media("image", "image/png", "iVBOR")
    sound = ir.Media("audio", data="AAAA", transcript="Good day.")
    message, report = message_of(picture, sound, ir.Media("image", file="f"))
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR"}},
        {"type": "text", "text": "Good day."},
    ]
    assert lost(report) == {"candidates[0].blocks[1]": "meaning", "candidates[0].blocks[2]": "meaning"}


@pytest.mark.parametrize(
    ("stop", "word", "losses"),
    [
        (ir.Stop("end"), "stop", {}),
        (ir.Stop("tool"), "tool_calls", {}),
        (ir.Stop("length"), "length", {}),
        (ir.Stop("context"), "model_length", {}),
        (ir.Stop("error"), "error", {}),
        (ir.Stop("filter"), "error", {"reason": "quality"}),
        (ir.Stop("broken"), "error", {"reason": "quality"}),
        (ir.Stop("pause"), "stop", {"reason": "quality"}),
        (ir.Stop("compaction"), "stop", {"reason": "quality"}),
        (ir.Stop("other"), "stop", {"reason": "quality"}),
        (ir.Stop("sequence", sequence="END"), "stop", {"reason": "quality", "sequence": "hint"}),
        (ir.Stop("end", detail={"why": "x", "no": None}), "stop", {"detail.why": "hint"}),
    ],
)
def test_reasons_of_others(stop: ir.Stop, word: str, losses: dict[str, str]) -> None:
    body, report = told(ir.Text("x"), stop=stop)
    assert body["choices"][0]["finish_reason"] == word
    assert lost(report) == {f"candidates[0].stop.{field}": how for field, how in losses.items()}


def test_a_call_counts_for_more_than_an_end() -> None:
    assert told(ir.ToolCall("c", "f"))[0]["choices"][0]["finish_reason"] == "tool_calls"


def test_log_probabilities_of_others() -> None:
    tokens = (ir.Logprob("é", -1.0, extra={"elsewhere": {"x": 1}}),)
    body, report = told(ir.ToolCall("c", "f"), ir.Text("é", logprobs=tokens))
    (choice,) = body["choices"]
    assert choice["logprobs"] == {"content": [{"token": "é", "logprob": -1.0, "bytes": [195, 169]}]}
    assert lost(report) == {"candidates[0].blocks[1].logprobs.x": "hint"}


def test_an_answer_that_failed() -> None:
    body, report = told(status="failed", error=ir.Fault("rate_limit", "Slow down."))
    assert (body["object"], body["type"], body["message"]) == ("error", "rate_limited", "Slow down.")
    assert lost(report) == {"status": "hint"}
