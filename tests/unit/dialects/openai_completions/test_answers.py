"""Answers, whole and streamed, both directions, and their relay."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_completions import DIALECT
from dragoman.dialects.openai_completions.terms import NAME
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.errors import RequestFailed, WireError

HEAD: dict[str, Any] = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}
LOGPROBS = {
    "tokens": [" a", "b"],
    "token_logprobs": [-1.0, -2.0],
    "top_logprobs": [{" a": -1.0, " c": -3.0}, {}],
    "text_offset": [40, 42],
}
ECHO = {"echo": "true"}


def reply(report: Report | None = None, **fields: Any) -> Reply:
    asked = ir.Request(NAME, "m", (ir.Message("user", (ir.Text("Say: "),)),), **fields)
    return Reply(asked, report or Report(NAME, "response"), id="cmpl-9", created=9)


def choice(text: str, finish: str | None = "stop", logprobs: Any = None, index: int = 0) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}


def frame(*choices: dict[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({**HEAD, "choices": choices, **more})


def decoded(*frames: bytes) -> list[ir.Event]:
    decoder = DIALECT.stream.decoder(STANDARD)
    return [event for one in frames for event in decoder.feed(one)] + decoder.close()


def test_logprobs_keep_their_places() -> None:
    body = {**HEAD, "choices": [choice(" ab", logprobs=LOGPROBS)]}
    answer = DIALECT.response.decode(body, STANDARD)
    (block,) = answer.candidates[0].blocks
    assert isinstance(block, ir.Text)
    assert block.logprobs is not None
    assert [(token.token, token.logprob) for token in block.logprobs] == [(" a", -1.0), ("b", -2.0)]
    assert [len(token.top or ()) for token in block.logprobs] == [2, 0]
    assert DIALECT.response.encode(answer, reply())["choices"][0]["logprobs"] == LOGPROBS


@pytest.mark.parametrize(
    "odd",
    [
        LOGPROBS | {"token_logprobs": [None, -2.0]},
        LOGPROBS | {"text_offset": [40]},
        {"tokens": ["a"], "token_logprobs": [-1.0], "token_ids": [5]},
    ],
)
def test_lists_that_fit_no_tokens_stay_as_they_are(odd: dict[str, Any]) -> None:
    answer = DIALECT.response.decode({**HEAD, "choices": [choice(" ab", logprobs=odd)]}, STANDARD)
    assert answer.candidates[0].extra == {NAME: {"logprobs": odd}}
    assert DIALECT.response.encode(answer, reply())["choices"][0]["logprobs"] == odd


def test_anothers_answer_begins_with_the_prompt_and_counts_from_its_end() -> None:
    tokens = (ir.Logprob("He", -1.0), ir.Logprob("llo", -2.0))
    answer = ir.Response(
        "other", candidates=(ir.Candidate((ir.Text("Hello", logprobs=tokens),), ir.Stop("end")),)
    )
    shown = DIALECT.response.encode(answer, reply(forms=ECHO))
    assert shown["choices"][0]["text"] == "Say: Hello"
    assert shown["choices"][0]["logprobs"]["text_offset"] == [5, 7]
    assert DIALECT.response.encode(answer, reply())["choices"][0]["text"] == "Hello"
    own = msgspec.structs.replace(answer, dialect=NAME)  # its upstream has repeated the prompt already
    assert DIALECT.response.encode(own, reply(forms=ECHO))["choices"][0]["text"] == "Hello"


def test_what_is_no_text_is_named_as_lost() -> None:
    report = Report(NAME, "response")
    blocks = (ir.Thinking("Hm"), ir.Text("So"), ir.ToolCall("1", "f"))
    answer = ir.Response("other", candidates=(ir.Candidate(blocks, ir.Stop("tool")),))
    shown = DIALECT.response.encode(answer, reply(report))["choices"][0]
    assert (shown["text"], shown["finish_reason"]) == ("So", "stop")
    assert {loss.path: loss.severity for loss in report.losses} == {
        "candidates[0].blocks[0]": "hint",
        "candidates[0].blocks[2]": "meaning",
        "candidates[0].stop.reason": "meaning",
    }


def test_an_error_inside_a_good_status_is_no_answer() -> None:
    with pytest.raises(RequestFailed):
        DIALECT.response.decode({"error": {"message": "no", "type": "server_error"}}, STANDARD)
    with pytest.raises(WireError):
        DIALECT.response.decode(HEAD, STANDARD)
    with pytest.raises(WireError):
        DIALECT.response.decode({**HEAD, "choices": [{}]}, STANDARD)


def test_candidates_of_a_stream_interleave() -> None:
    events = decoded(
        frame(choice(" a", None)),
        frame(choice(" b", None, index=1)),
        frame(choice(" c", "length"), choice(" d", "stop", index=1)),
        b"[DONE]",
    )
    answer = ir.fold(events)
    assert [candidate.blocks for candidate in answer.candidates] == [(ir.Text(" a c"),), (ir.Text(" b d"),)]
    reasons = [candidate.stop.reason for candidate in answer.candidates if candidate.stop is not None]
    assert reasons == ["length", "end"]


def test_a_stream_that_breaks_off_is_an_error_and_one_without_done_is_whole() -> None:
    assert isinstance(decoded(frame(choice(" a", None)))[-1], ir.Error)
    assert isinstance(decoded()[-1], ir.Error)
    assert isinstance(decoded(frame(choice(" a", "stop")))[-1], ir.End)


EVENTS: list[ir.Event] = [
    ir.Start("other", "x", "m", 7),
    ir.Open(0, ir.Text("")),
    ir.TextDelta(0, "é"),
    ir.Close(0),
    ir.Finish(ir.Stop("length")),
    ir.Tally(ir.Usage(1, output=2)),
    ir.End(),
]
_CHUNK = 'data: {"id":"cmpl-9","object":"text_completion","created":7,"model":"m","choices":['
_OPEN = '"logprobs":null,"finish_reason":null}]}\n\n'


def test_the_bytes_of_a_stream() -> None:
    encoder = DIALECT.stream.encoder(reply(stream=True, stream_usage=True, forms=ECHO))
    assert b"".join(map(encoder.feed, EVENTS)).decode() == (
        f'{_CHUNK}{{"index":0,"text":"Say: ",{_OPEN}'
        f'{_CHUNK}{{"index":0,"text":"é",{_OPEN}'
        f'{_CHUNK}{{"index":0,"text":"","logprobs":null,"finish_reason":"length"}}]}}\n\n'
        f'{_CHUNK}],"usage":{{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}}}\n\n'
        "data: [DONE]\n\n"
    )


def test_usage_is_told_to_those_who_asked_and_nothing_follows_an_error() -> None:
    encoder = DIALECT.stream.encoder(reply(stream=True))
    assert b"usage" not in b"".join(map(encoder.feed, EVENTS))
    broken = DIALECT.stream.encoder(reply(stream=True))
    broken.feed(EVENTS[0])
    sent = broken.feed(ir.Error(ir.Fault("upstream", "It broke.")))
    assert msgspec.json.decode(sent.removeprefix(b"data: "))["error"]["message"] == "It broke."


def test_relay_sees_content_usage_and_the_end() -> None:
    relay = DIALECT.relay.stream(reply(stream=True))
    first = frame(choice("", None))
    assert relay.feed(first) == b"data: " + first + b"\n\n"
    assert (relay.content, relay.done) == (False, False)
    relay.feed(frame(choice(" a", "stop")))
    assert relay.content
    counted = frame(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    assert relay.feed(counted) == b""  # nobody asked for it
    assert relay.usage == ir.Usage(1, output=2)
    assert relay.feed(b"[DONE]") == b"data: [DONE]\n\n"
    assert relay.done
