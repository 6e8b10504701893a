"""Relay: named edits, and not a byte beside them."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx2
import msgspec
import openai
import pytest

from dragoman import ir
from dragoman.dialects.openai_responses.relay import ResponsesRelay, ResponsesStreamRelay
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.openai_responses.answering import CREATED, body, message, reply, sent
from tests.unit.dialects.replies import showing


def frame(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value)


DELTA = b'{"type":"response.output_text.delta","delta":"\\u0041 response.completed","output_index":0}'
COMPLETED = sent("completed", sequence_number=9, response=body(message("a")))


def test_the_model_of_a_whole_answer() -> None:
    raw = b'{"id":"r", "model":"up","output":[ 1.0e0 ],"usage":null}'
    assert ResponsesRelay().response(raw, showing(None)) == (raw, None)
    renamed, _ = ResponsesRelay().response(raw, showing("shown"))
    assert renamed == b'{"id":"r","model":"shown","output":[ 1.0e0 ],"usage":null}'


def test_usage_is_seen() -> None:
    _, usage = ResponsesRelay().response(frame(body()), showing(None))
    assert usage is not None
    assert usage.total == 17


@pytest.mark.parametrize(
    "value", [{"error": {"message": "broke"}}, body(error={"code": "x", "message": "broke"})]
)
def test_failures_of_whole_answers(value: dict[str, Any]) -> None:
    with pytest.raises(RequestFailed, match="broke"):
        ResponsesRelay().response(frame(value), showing(None))


@pytest.mark.parametrize("raw", [b"{}", b'{"output":{}}', b"[]", b"no json"])
def test_what_is_no_answer(raw: bytes) -> None:
    with pytest.raises(WireError):
        ResponsesRelay().response(raw, showing(None))


def test_deltas_pass_as_they_are() -> None:
    relay = ResponsesStreamRelay(reply("shown"))
    relay.feed(frame(CREATED))
    before = relay.content
    assert relay.feed(DELTA) == b"event: response.output_text.delta\ndata: " + DELTA + b"\n\n"
    assert (before, relay.content) == (False, True)


@pytest.mark.parametrize(
    ("kind", "begun", "speaks"),
    [
        ("output_item.added", {"item": {"type": "message", "content": []}}, False),
        ("output_item.added", {"item": {"type": "reasoning", "summary": []}}, False),
        ("content_part.added", {"part": {"type": "output_text", "text": ""}}, False),
        ("reasoning_summary_part.added", {"part": {"type": "summary_text", "text": ""}}, False),
        ("output_item.added", {"item": {"type": "reasoning", "encrypted_content": "abc"}}, True),
        ("output_item.added", {"item": {"type": "function_call", "name": "f"}}, True),
        ("content_part.added", {"part": {"type": "output_text", "text": "Hi"}}, True),
        ("content_part.added", {"part": None}, True),
        ("output_item.of_tomorrow", {"item": {"type": "message", "content": []}}, True),
    ],
)
def test_what_only_begins_is_no_content(kind: str, begun: dict[str, Any], speaks: bool) -> None:
    relay = ResponsesStreamRelay(reply("shown"))
    relay.feed(frame(sent(kind, **begun)))
    assert relay.content is speaks


def begun(**how: Any) -> ResponsesStreamRelay:
    relay = ResponsesStreamRelay(reply(**how))
    relay.feed(frame(CREATED))
    return relay


def test_a_run_of_deltas_passes_at_once() -> None:
    event = b"event: response.output_text.delta\ndata: " + DELTA + b"\n\n"
    last = event.replace(b'"delta":"', b'"sequence_number":4,"delta":"')
    relay = ResponsesStreamRelay(reply("shown"))
    assert relay.run(event) == (b"", 0), "the stream has not begun"
    relay.feed(frame(CREATED))
    assert relay.run(event + last + b"event: response.output_text.done\n") == (
        event + last,
        len(event + last),
    )
    assert relay.content
    relay.run(last)
    assert (
        msgspec.json.decode(relay.fail(ir.Fault("upstream", "No.")).split(b"data: ")[1].split(b"\n")[0])[
            "sequence_number"
        ]
        == 5
    )
    for other in (b"data: " + DELTA + b"\n\n", event[:-1], event.replace(b"\n", b"\r\n"), b": \n\n" + event):
        assert begun().run(other) == (b"", 0)
    assert begun(framing="ndjson").run(event) == (b"", 0)
    relay.feed(frame(COMPLETED))
    assert relay.run(event) == (b"", 0)


def test_the_conversation_is_named_which_no_provider_was_told_of() -> None:
    relay = ResponsesStreamRelay(reply(echo={"conversation": {"id": "conv_1"}}))
    told = msgspec.json.decode(relay.feed(frame(CREATED)).split(b"data: ")[1])
    assert told["response"]["conversation"] == {"id": "conv_1"}
    told = msgspec.json.decode(ResponsesStreamRelay(reply()).feed(frame(CREATED)).split(b"data: ")[1])
    assert "conversation" not in told["response"]


def test_the_response_object_is_shown_as_the_client_knows_it() -> None:
    relay = ResponsesStreamRelay(
        reply("shown", echo={"store": True, "previous_response_id": "resp_b", "temperature": 1})
    )
    created = {**CREATED, "response": {**CREATED["response"], "store": False, "previous_response_id": None}}
    sent_on = relay.feed(frame(created))
    value = msgspec.json.decode(sent_on.split(b"data: ")[1])
    assert value == {
        **created,
        "response": {
            **created["response"],
            "id": "resp_a",
            "model": "shown",
            "store": True,
            "previous_response_id": "resp_b",
        },
    }
    assert not relay.content


def test_frames_without_edits_pass_as_they_are() -> None:
    relay = ResponsesStreamRelay(reply(id="answer-1"))
    assert relay.feed(frame(CREATED)) == b"event: response.created\ndata: " + frame(CREATED) + b"\n\n"


def test_the_end() -> None:
    relay = ResponsesStreamRelay(reply())
    relay.feed(frame(CREATED))
    before = relay.done
    assert relay.feed(frame(COMPLETED)).endswith(b"\n\ndata: [DONE]\n\n")
    assert (before, relay.done) == (False, True)
    assert relay.usage is not None
    assert relay.usage.total == 17
    assert relay.feed(b"[DONE]") == relay.close() == b""


def test_lines_for_a_socket() -> None:
    relay = ResponsesStreamRelay(reply(framing="ndjson", id="answer-1"))
    relay.feed(frame(CREATED))
    assert relay.feed(DELTA) == DELTA + b"\n"
    assert relay.feed(frame(COMPLETED)) == frame(COMPLETED) + b"\n"


@pytest.mark.parametrize(
    "value",
    [
        sent("error", code="server_error", message="broke"),
        sent("error", error={"message": "broke"}),
        sent("failed", response=body(status="failed", error={"code": "server_error", "message": "broke"})),
    ],
)
def test_failures_in_a_stream(value: dict[str, Any]) -> None:
    with pytest.raises(RequestFailed, match="broke"):
        ResponsesStreamRelay(reply()).feed(frame(value))


def test_a_stream_that_breaks_off() -> None:
    with pytest.raises(RequestFailed, match="ended before"):
        ResponsesStreamRelay(reply()).close()


@pytest.mark.parametrize("raw", [b"no json", b"{}", b"[]"])
def test_what_is_no_frame(raw: bytes) -> None:
    with pytest.raises(WireError):
        ResponsesStreamRelay(reply()).feed(raw)


def test_edits_of_a_request() -> None:
    head = {"model": msgspec.Raw(b'"a"'), "input": msgspec.Raw(b"[ 1.0 ]"), "gone": msgspec.Raw(b"1")}
    assert (
        ResponsesRelay().request(head, {"model": "b", "gone": msgspec.UNSET})
        == b'{"model":"b","input":[ 1.0 ]}'
    )
    assert ResponsesRelay().ask_usage({"stream": True}) == {}


@pytest.mark.parametrize(
    ("last", "number"),
    [
        (b"{broken", 5),
        (b"[1]", 5),
        (b'{"type":5}', 5),
        (b"[DONE]", 5),
        (b'{"type":"response.output_text.delta","delta":"cut', 1),
    ],
)
def test_a_stream_that_broke_in_its_middle_is_told_to_have_failed(last: bytes, number: int) -> None:
    relay = ResponsesStreamRelay(reply())
    relay.feed(frame(CREATED))
    relay.feed(frame(sent("output_text.delta", delta="a", output_index=0, sequence_number=4)))
    with contextlib.suppress(WireError):
        relay.feed(last)
    told = relay.fail(ir.Fault("upstream", "It broke.")).split(b"\n")
    error, failed = [
        msgspec.json.decode(line.removeprefix(b"data: ")) for line in told if line.startswith(b"data: {")
    ]
    assert [error["sequence_number"], failed["sequence_number"]] == [number, number + 1]
    assert failed["response"]["status"] == "failed"
    assert told.count(b"data: [DONE]") == 1  # behind the last event, because clients read no further
    assert told[-3:] == [b"data: [DONE]", b"", b""]


def test_a_part_whose_type_is_no_text_counts_as_content() -> None:
    relay = ResponsesStreamRelay(reply("shown"))
    odd = b'{"type":"response.content_part.added","output_index":0,"part":{"type":["x"]}}'
    assert relay.feed(odd).endswith(odd + b"\n\n")
    assert relay.content


# --- Streams that begin with another event ---------------------------------------------------------

ADDED = sent(
    "output_item.added",
    output_index=0,
    sequence_number=3,
    item={"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []},
)
PART = sent(
    "content_part.added",
    item_id="msg_1",
    output_index=0,
    content_index=0,
    sequence_number=4,
    part={"type": "output_text", "text": "", "annotations": [], "logprobs": []},
)
TEXT = sent(
    "output_text.delta",
    item_id="msg_1",
    output_index=0,
    content_index=0,
    sequence_number=5,
    delta="Hi",
    logprobs=[],
)
RUNNING = {**CREATED, "type": "response.in_progress", "sequence_number": 1}
DONE = sent("completed", sequence_number=9, response=body(message("Hi")))


def relayed(*values: dict[str, Any], **how: Any) -> bytes:
    relay = ResponsesStreamRelay(reply("shown", **how))
    return b"".join([*(relay.feed(frame(value)) for value in values), relay.close()])


@pytest.mark.parametrize("id", ["resp_a", "answer-1"])
@pytest.mark.parametrize(
    "values",
    [
        (CREATED, RUNNING, ADDED, PART, TEXT, DONE),
        (RUNNING, ADDED, PART, TEXT, DONE),
        (ADDED, PART, TEXT, DONE),
        (ADDED, CREATED, PART, TEXT, DONE),
        (DONE,),
    ],
)
def test_openais_own_client_reads_it_however_it_begins(id: str, values: tuple[dict[str, Any], ...]) -> None:
    data = relayed(*values, id=id)

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with (
        openai.OpenAI(api_key="x", base_url="http://gateway.test/v1", http_client=http) as client,
        client.responses.stream(model="shown", input="Hello") as stream,
    ):
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert (final.output_text, final.model) == ("Hi", "shown")


def test_the_added_event_says_what_is_known() -> None:
    told = msgspec.json.decode(ResponsesStreamRelay(reply("shown")).feed(frame(ADDED)).split(b"\n")[1][6:])
    assert (told["type"], told["sequence_number"]) == ("response.created", 2)
    response = told["response"]
    assert (response["id"], response["model"], response["status"]) == ("resp_a", "shown", "in_progress")
    assert (response["output"], response["usage"]) == ([], None)


@pytest.mark.parametrize("value", [sent("keepalive"), {"type": "ping"}])
def test_what_is_no_part_of_the_answer_passes_before_it_begins(value: dict[str, Any]) -> None:
    relay = ResponsesStreamRelay(reply("shown"))
    assert b"response.created" not in relay.feed(frame(value))
    assert relay.feed(frame(CREATED)).count(b"event: ") == 1


def test_a_stream_that_breaks_off_keeps_the_id_it_began_with() -> None:
    relay = ResponsesStreamRelay(reply("shown"))
    first = relay.feed(frame(ADDED))
    last = relay.fail(ir.Fault("upstream", "No."))
    assert first.count(b'"id":"resp_a"') == last.count(b'"id":"resp_a"') == 1


@pytest.mark.parametrize("kind", ["error", "failed"])
def test_a_failure_at_the_beginning_is_only_a_failure(kind: str) -> None:
    with pytest.raises(RequestFailed):
        relayed(sent(kind, message="broke", response=body(error={"code": "x", "message": "broke"})))
