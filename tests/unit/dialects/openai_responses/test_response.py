"""Whole answers, both ways."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.openai_responses.response import DEFAULTS
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.openai_responses.answering import (
    body,
    call,
    foreign,
    message,
    read,
    reply,
    written,
)


def test_items_are_blocks_in_their_order() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "S"}
    response = read(body(reasoning, message("a", "b"), call('{"x":1}')))
    blocks = response.candidates[0].blocks
    assert [type(block) for block in blocks] == [ir.Thinking, ir.Text, ir.Text, ir.ToolCall]
    assert (response.id, response.model, response.status) == ("resp_up", "gpt-up", None)
    assert response.candidates[0].stop == ir.Stop("tool")


@pytest.mark.parametrize(
    ("members", "stop"),
    [
        ({}, ir.Stop("end")),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, ir.Stop("length")),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, ir.Stop("filter")),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, ir.Stop("other", "steered")),
        ({"status": "queued", "usage": None}, None),
        ({"status": "cancelled"}, ir.Stop("error", "cancelled")),
    ],
)
def test_stops_both_ways(members: dict[str, Any], stop: ir.Stop | None) -> None:
    value = body(message("a"), tools=[], tool_choice="auto", parallel_tool_calls=True, **members)
    response = read(value)
    assert response.candidates[0].stop == stop
    out = written(response, reply(id="answer-1"))
    assert (out["status"], out["incomplete_details"]) == (value["status"], value["incomplete_details"])


def test_what_is_restated_comes_back_as_it_was() -> None:
    value = body(
        message("a"),
        temperature=0.3,
        tools=[],
        tool_choice="auto",
        parallel_tool_calls=True,
        billing={"payer": "x"},
    )
    response = read(value)
    echo = {"temperature": 0.3, "tools": [], "tool_choice": "auto", "parallel_tool_calls": True}
    assert response.echo == {**echo, "billing": {"payer": "x"}}
    assert response.extra is None
    assert written(response, reply(id="answer-1")) == value


def test_what_the_gateway_resolved_is_shown_as_the_client_asked() -> None:
    value = body(
        message("a"),
        store=False,
        previous_response_id=None,
        parallel_tool_calls=True,
        tools=[],
        tool_choice="auto",
    )
    asked = {"store": True, "previous_response_id": "resp_before", "temperature": 0.9}
    out = written(read(value), reply(echo=asked))
    assert (out["store"], out["previous_response_id"]) == (True, "resp_before")
    assert "temperature" not in out
    assert out["id"] == "resp_a"


def test_others_answers_have_every_member() -> None:
    asked = {
        "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
        "reasoning": {"effort": "low"},
        "temperature": 0.5,
        "input": "not restated",
    }
    out = written(foreign(ir.Text("a")), reply("shown", echo=asked))
    assert out.keys() >= DEFAULTS.keys()
    assert "input" not in out
    assert (out["temperature"], out["top_p"], out["model"], out["service_tier"]) == (
        0.5,
        1.0,
        "shown",
        "default",
    )
    assert out["tools"][0] == {
        "type": "function",
        "name": "f",
        "description": None,
        "parameters": None,
        "strict": True,
    }
    assert out["text"]["format"]["strict"] is False
    assert out["reasoning"] == {"effort": "low", "summary": None}


def test_the_gateways_id_replaces_another_and_says_so() -> None:
    to = reply()
    out = written(foreign(ir.Text("a")), to)
    assert out["id"] == "resp_a"
    assert [change.path for change in to.report.changes] == ["id"]


def test_the_last_item_of_an_incomplete_answer_is_incomplete() -> None:
    out = written(foreign(ir.Text("a"), ir.ToolCall("c", "f", "{"), stop="length"))
    assert [item["status"] for item in out["output"]] == ["completed", "incomplete"]
    assert (out["status"], out["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


@pytest.mark.parametrize("stop", ["sequence", "pause", "compaction", "broken", "other", "context"])
def test_stops_without_a_word_are_named(stop: str) -> None:
    to = reply()
    written(foreign(ir.Text("a"), stop=stop), to)
    assert "candidates[0].stop" in {loss.path for loss in to.report.losses}


def test_ids_are_minted_of_the_answers_own() -> None:
    blocks = (
        ir.Thinking("t"),
        ir.Text("a"),
        ir.ToolCall("c", "f", "{}"),
        ir.ToolCall("d", "g", "x", "custom"),
    )
    first, second = (written(foreign(*blocks)) for _ in range(2))
    assert [item["id"] for item in first["output"]] == ["rs_a_1", "msg_a_2", "fc_a_3", "ctc_a_4"]
    assert first == second


def test_foreign_seals_are_tagged_and_read_back() -> None:
    out = written(foreign(ir.Thinking("t", sealed=ir.Sealed("elsewhere", "S"))))
    assert out["output"][0]["encrypted_content"] == "dgm1.elsewhere.S"
    block = read(out).candidates[0].blocks[0]
    assert isinstance(block, ir.Thinking)
    assert block.sealed == ir.Sealed("elsewhere", "S")


def test_sound_is_shown_by_its_words() -> None:
    to = reply()
    out = written(foreign(ir.Media("audio", "audio/wav", "QQ==", transcript="spoken")), to)
    assert out["output"][0]["content"][0]["text"] == "spoken"
    assert [loss.severity for loss in to.report.losses] == ["meaning"]


def test_one_answer_of_several_is_given() -> None:
    to = reply()
    first = foreign(ir.Text("a"))
    more = ir.Candidate((ir.Text("b"),), ir.Stop("end"), 1)
    written(ir.Response("elsewhere", candidates=(*first.candidates, more)), to)
    assert to.report.losses[0].path == "candidates[1]"


def test_a_failure_that_said_nothing_is_no_answer() -> None:
    with pytest.raises(RequestFailed, match="broke") as raised:
        read(body(status="failed", error={"code": "server_error", "message": "broke"}, usage=None))
    assert raised.value.fault.kind == "upstream"
    with pytest.raises(RequestFailed, match="broke"):
        written(ir.Response("elsewhere", error=raised.value.fault))


def test_a_failure_that_said_something_is_a_failed_answer() -> None:
    value = body(message("a"), status="failed", error={"code": "server_error", "message": "broke"})
    out = written(read({**value, "tools": [], "tool_choice": "auto", "parallel_tool_calls": True}))
    assert (out["status"], out["error"]) == ("failed", {"code": "server_error", "message": "broke"})
    assert out["output"][0]["content"][0]["text"] == "a"


@pytest.mark.parametrize("value", [{"error": {"message": "broke"}}, {"type": "error", "message": "broke"}])
def test_errors_inside_a_200_are_failures(value: dict[str, Any]) -> None:
    with pytest.raises(RequestFailed, match="broke"):
        read(value)


@pytest.mark.parametrize("value", [{}, {"output": None}, {"output": "text"}, {"output": ["text"]}])
def test_what_is_no_answer_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read(value)


def test_an_answer_that_is_complete_says_since_when() -> None:
    asked = msgspec.structs.replace(reply(), now=lambda: 1_700_000_009.7)
    assert written(foreign(ir.Text("a")), asked)["completed_at"] == 1_700_000_009
    cut = msgspec.structs.replace(
        foreign(ir.Text("a")), candidates=(ir.Candidate((ir.Text("a"),), ir.Stop("length")),)
    )
    assert written(cut, asked)["completed_at"] is None
