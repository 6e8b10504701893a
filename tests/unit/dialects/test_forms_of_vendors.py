"""What vendors answer with that no recording here has: each is read as what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed
from dragoman.testing.case import events_of

COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def streamed(dialect: str, *frames: Any) -> ir.Response:
    told = [json.dumps(frame).encode() for frame in frames]
    return ir.fold(events_of(DIALECTS[dialect].stream.decoder(STANDARD), told))


def chunk(delta: Any, finish: str | None = None, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **members}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def whole(dialect: str, body: dict[str, Any]) -> ir.Response:
    return DIALECTS[dialect].response.decode(body, STANDARD)


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
    reply = Reply(ir.Request("openai_chat", "m"), Report("openai_chat", "response"), id="r", created=1)
    relay = DIALECTS["openai_chat"].relay.stream(reply)
    relay.feed(json.dumps(chunk({}, "stop", usage=COUNTS)).encode())
    assert relay.usage == ir.Usage(3, output=2)


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
    DIALECTS["ollama"].request.check(wire)
    read = DIALECTS["ollama"].request.decode(wire)
    assert (read.truncation, read.sampling, read.reasoning) == (None, ir.Sampling(), None)


# --- Log probabilities ---------------------------------------------------------------------------

LISTS = {
    "tokens": ["Hi", "!"],
    "token_logprobs": [-0.5, -0.25],
    "top_logprobs": [{"Hi": -0.5, "Ho": -2.0}, {}],
    "text_offset": [0, 2],
    "token_ids": [1, 2],
}


def scored(response: ir.Response) -> list[tuple[str, float]]:
    texts = [block for block in response.candidates[0].blocks if isinstance(block, ir.Text)]
    return [(token.token, token.logprob) for text in texts for token in text.logprobs or ()]


def test_fireworks_writes_the_lists_of_completions() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi!"}, "logprobs": LISTS}
    told = whole("openai_chat", {"id": "c", "choices": [choice]})
    again = streamed("openai_chat", chunk({"content": "Hi!"}, logprobs=LISTS), chunk({}, "stop"))
    assert scored(told) == scored(again) == [("Hi", -0.5), ("!", -0.25)]


def test_llama_cpp_writes_completions_as_chat() -> None:
    logprobs = {"content": [{"id": 1, "token": "Hi", "bytes": [72, 105], "logprob": -0.5}]}
    choice = {"index": 0, "text": "Hi", "logprobs": logprobs, "finish_reason": "stop"}
    body = {"id": "c", "object": "text_completion", "choices": [choice]}
    assert scored(whole("openai_completions", body)) == [("Hi", -0.5)]
    assert scored(streamed("openai_completions", body)) == [("Hi", -0.5)]


def token(text: str) -> dict[str, Any]:
    return {"content": [{"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}]}


def test_tokens_of_thinking_do_not_cut_it_into_pieces() -> None:
    told = streamed(
        "openai_chat",
        chunk({"reasoning_content": "H"}, logprobs=token("H")),
        chunk({"reasoning_content": "m"}, logprobs=token("m")),
        chunk({"content": "Hi"}, logprobs=token("Hi")),
        chunk({}, "stop"),
    )
    assert [type(block) for block in told.candidates[0].blocks] == [ir.Thinking, ir.Text]
    assert scored(told) == [("H", -0.5), ("m", -0.5), ("Hi", -0.5)]


def test_tokens_of_thinking_without_an_answer_are_kept() -> None:
    told = streamed("openai_chat", chunk({"reasoning": "H"}, logprobs=token("H")), chunk({}, "length"))
    assert told.candidates[0].extra == {"openai_chat": {"message.logprobs": token("H")}}


def test_tokens_beside_an_empty_delta() -> None:
    told = streamed("openai_chat", chunk({"content": "Hi"}), chunk({}, logprobs=token("")), chunk({}, "stop"))
    assert scored(told) == [("", -0.5)]


def test_log_probabilities_of_an_unknown_form_are_kept() -> None:
    told = streamed("openai_chat", chunk({"content": "Hi"}, logprobs={"odd": [1]}), chunk({}, "stop"))
    assert told.candidates[0].extra == {"openai_chat": {"message.logprobs.odd": [1]}}


# --- What chat and completions both have ---------------------------------------------------------

FILTERED = {"hate": {"filtered": False, "severity": "safe"}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("source", ["openai_chat", "openai_completions"])
def test_fingerprints_and_filter_results_are_told_by_both(source: str, stream: bool) -> None:
    said = {"text": "Hi"} if source == "openai_completions" else {"message": {"content": "Hi"}}
    choice: dict[str, Any] = {**said, "finish_reason": "stop", "content_filter_results": FILTERED, "odd": 1}
    body: dict[str, Any] = {"id": "c", "model": "m", "system_fingerprint": "fp", "choices": [choice]}
    target = "openai_chat" if source == "openai_completions" else "openai_completions"
    response, report = whole(source, body), Report(target, "response")
    reply = Reply(ir.Request(target, "m", stream=stream), report, id="r", created=1)
    if stream:
        encoder = DIALECTS[target].stream.encoder(reply)
        frames = b"".join([encoder.feed(event) for event in ir.unfold(response)]).split(b"\n\n")
        assert b'"choices":[]' not in b"".join(frames)
        chunks = [json.loads(frame[6:]) for frame in frames if frame[6:7] == b"{"]
        body = {key: value for one in chunks for key, value in one.items() if key != "choices"}
        choice = dict(pair for one in chunks for inner in one["choices"] for pair in inner.items())
    else:
        body = DIALECTS[target].response.encode(response, reply)
        [choice] = body["choices"]
    assert (body["system_fingerprint"], choice["content_filter_results"]) == ("fp", FILTERED)
    assert [loss.path for loss in report.losses] == ["candidates[0].odd"]


# --- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"type": "engine_overloaded_error", "message": "The engine is overloaded."}, "overloaded"),
        (429, {"type": "exceeded_current_quota_error", "message": "Your account is suspended."}, "quota"),
        (429, {"type": "rate_limit_reached_error", "message": "Your account reached max RPM."}, "rate_limit"),
        (429, {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}, "quota"),
        (429, {"code": "1113", "message": "Insufficient balance or no resource package."}, "quota"),
        (429, {"code": "1302", "message": "Rate limit reached for requests"}, "rate_limit"),
    ],
)
def test_errors_of_moonshot_and_zai(status: int, error: dict[str, Any], kind: str) -> None:
    body = json.dumps({"error": error}).encode()
    assert DIALECTS["openai_chat"].errors.decode(status, {}, body).kind == kind
