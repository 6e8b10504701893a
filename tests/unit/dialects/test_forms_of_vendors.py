"""What vendors answer with that no recording here has: each is read as what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.dialect import Reply, WireRequest
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed
from dragoman.testing.case import events_of

COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def streamed(dialect: str, *frames: Any) -> ir.Response:
    told = [json.dumps(frame).encode() for frame in frames]
    return ir.fold(events_of(DIALECTS[dialect].stream_decoder(STANDARD), told))


def chunk(delta: Any, finish: str | None = None, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **members}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def whole(dialect: str, body: dict[str, Any]) -> ir.Response:
    return DIALECTS[dialect].decode_response(body, STANDARD)


def relayed(dialect: str, body: dict[str, Any]) -> None:
    reply = Reply(ir.Request(dialect, "m"), Report(dialect, "response"), id="r", created=1)
    DIALECTS[dialect].relay.response(json.dumps(body).encode(), reply)


def fault(dialect: str, *frames: Any) -> ir.Fault:
    error = streamed(dialect, *frames).error
    assert error is not None
    return error


# --- Chat ----------------------------------------------------------------------------------------


def test_moonshot_tells_its_usage_in_the_last_choice() -> None:
    told = streamed("openai_chat", chunk({"content": "Hi"}), chunk({}, "stop", usage=COUNTS))
    assert told.usage == ir.Usage(3, output=2)
    assert told.candidates[0].extra is None


def test_a_stream_that_is_one_whole_message() -> None:
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    told = streamed("openai_chat", {"id": "c", "object": "chat.completion", "choices": [choice]})
    assert [getattr(block, "text", "") for block in told.candidates[0].blocks] == ["Hm", "Hi"]
    assert told.candidates[0].stop == ir.Stop("end")


def test_minimax_repeats_the_answer_at_its_end() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    told = streamed(
        "openai_chat", chunk({"content": "H"}), chunk({"content": "i"}), {"id": "c", "choices": [choice]}
    )
    assert told.candidates[0].blocks == (ir.Text("Hi"),)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1002, "rate_limit"), (1004, "authentication"), (1008, "quota"), (1026, "content_policy")],
)
@pytest.mark.parametrize("beside", [{}, {"usage": {"total_tokens": 0}}])
def test_minimax_tells_an_error_in_a_success(code: int, kind: str, beside: dict[str, Any]) -> None:
    status = {"status_code": code, "status_msg": "It is so."}
    body = {"id": "c", "choices": None, "created": 1, "model": "m", "base_resp": status, **beside}
    with pytest.raises(RequestFailed, match="It is so") as read:
        whole("openai_chat", body)
    with pytest.raises(RequestFailed, match="It is so") as passed:
        relayed("openai_chat", body)
    assert read.value.fault.kind == passed.value.fault.kind == fault("openai_chat", body).kind == kind


def test_minimax_tells_a_success_too() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    body = {"id": "c", "choices": [choice], "base_resp": {"status_code": 0, "status_msg": ""}}
    assert whole("openai_chat", body).candidates[0].blocks == (ir.Text("Hi"),)


def call(name: str | None, text: str, **members: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [{**members, "function": {"name": name, "arguments": text}}]})


@pytest.mark.parametrize("dialect", ["openai_chat", "mistral"])
@pytest.mark.parametrize(
    "frames",
    [
        # Gemini's compatible endpoint: each call at the position 0
        (call("f", '{"a":1}', index=0, id="x"), call("f", '{"a":2}', index=0, id="y")),
        (call("f", '{"a":1}', index=0, id=""), call("f", '{"a":2}', index=0, id="")),
        # gateways before it
        (call("f", '{"a":1}'), call("f", '{"a":2}')),
        (call("f", '{"a":1}', id="x"), call("f", '{"a":2}', id="y")),
        (
            call("f", "", index=0, id="x"),
            call(None, '{"a":1}', index=0),
            call("f", "", index=0, id="y"),
            call(None, '{"a":2}', index=0),
        ),
        (
            call("f", "", index=0, id="x"),
            call("f", "", index=0, id="y"),
            call(None, '{"a":1}', index=0, id="x"),
            call(None, '{"a":2}', index=0, id="y"),
        ),
        # vLLM: another id in each piece
        (
            call("f", '{"a"', index=0, id="x"),
            call(None, ":1}", index=0, id="z"),
            call("f", '{"a":2}', index=1, id="y"),
        ),
        # the name in each piece
        (
            call("f", '{"a"', index=0, id="x"),
            call("f", ":1}", index=0, id="x"),
            call("f", '{"a":2}', index=1, id="y"),
        ),
        # DashScope: empty members in each piece
        (
            call("f", '{"a"', index=0, id="x"),
            call("", ":1}", index=0, id=""),
            call("f", '{"a":2}', index=1, id="y"),
        ),
    ],
)
def test_calls_at_strange_positions_are_calls_of_their_own(dialect: str, frames: tuple[Any, ...]) -> None:
    told = streamed(dialect, *frames, chunk({}, "tool_calls"))
    blocks = [block for block in told.candidates[0].blocks if isinstance(block, ir.ToolCall)]
    assert [(block.name, block.arguments) for block in blocks] == [("f", '{"a":1}'), ("f", '{"a":2}')]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("eos_token", "end"),
        ("end_turn", "end"),
        ("stop_sequence", "sequence"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("STOP", "end"),
        ("sensitive", "filter"),
        ("model_context_window_exceeded", "context"),
        ("network_error", "error"),
        ("abort", "error"),
        ("unheard_of", "other"),
    ],
)
def test_finish_reasons_of_vendors(word: str, reason: str) -> None:
    told = streamed("openai_chat", chunk({"content": "Hi"}), chunk({}, word))
    assert told.candidates[0].stop is not None
    assert (told.candidates[0].stop.reason, told.candidates[0].stop.raw) == (reason, word)


# --- Messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "reason"),
    [("stop", "end"), ("length", "length"), ("tool_calls", "tool"), ("sensitive", "filter")],
)
def test_stop_reasons_of_servers_that_speak_as_anthropic(word: str, reason: str) -> None:
    body = {"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": word}
    stop = whole("anthropic", body).candidates[0].stop
    assert stop is not None
    assert (stop.reason, stop.raw) == (reason, word)


@pytest.mark.parametrize(
    ("block", "arguments"),
    [
        ({"type": "tool_use", "id": "t", "name": "f"}, ""),
        ({"type": "tool_use", "name": "f", "input": {"a": 1}}, '{"a":1}'),
        ({"type": "tool_use", "id": "t", "name": "f", "input": '{"a":1}'}, '{"a":1}'),
    ],
)
def test_a_call_that_lacks_something_is_a_call(block: dict[str, Any], arguments: str) -> None:
    [read] = whole("anthropic", {"type": "message", "content": [block]}).candidates[0].blocks
    assert read == ir.ToolCall(block.get("id"), "f", arguments)


# --- Responses -----------------------------------------------------------------------------------

CREATED = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}


def test_arguments_that_are_an_object() -> None:
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": 1}}
    told = whole("openai_responses", {**CREATED, "status": "completed", "output": [item]})
    assert told.candidates[0].blocks == (ir.ToolCall("c", "f", '{"a":1}'),)
    assert told.candidates[0].stop == ir.Stop("tool")


def test_an_error_without_a_type_ends_a_stream_of_responses() -> None:
    begun = {"type": "response.created", "response": {**CREATED, "status": "in_progress"}}
    broken = {"error": {"message": "Slow down.", "code": 429}}
    told = fault("openai_responses", begun, broken)
    assert (told.kind, told.message) == ("rate_limit", "Slow down.")
    reply = Reply(
        ir.Request("openai_responses", "m"), Report("openai_responses", "response"), id="r", created=1
    )
    relay = DIALECTS["openai_responses"].relay.stream(reply)
    relay.feed(json.dumps(begun).encode())
    with pytest.raises(RequestFailed, match="Slow down"):
        relay.feed(json.dumps(broken).encode())


# --- Ollama --------------------------------------------------------------------------------------


def test_arguments_that_are_a_text() -> None:
    message = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": '{"a":1}'}}]}
    told = whole("ollama", {"model": "m", "message": message, "done": True, "done_reason": "stop"})
    assert told.candidates[0].blocks == (ir.ToolCall(None, "f", '{"a":1}'),)


def test_ollamas_cloud_tells_the_status_beside_an_error() -> None:
    assert fault("ollama", {"error": "you have reached your limit", "StatusCode": 429}).kind == "rate_limit"
    assert fault("ollama", {"error": {"message": "It is busy.", "code": 503}}).kind == "overloaded"


@pytest.mark.parametrize("member", ["truncate", "logprobs", "top_logprobs", "think"])
def test_an_empty_text_states_nothing_to_ollama(member: str) -> None:
    wire = WireRequest("chat", {"model": "m", "messages": [{"role": "user", "content": "Hi"}], member: ""})
    DIALECTS["ollama"].check(wire)
    read = DIALECTS["ollama"].decode_request(wire)
    assert (read.truncation, read.sampling, read.reasoning) == (None, ir.Sampling(), None)
