"""Streams in the words of completions, as their clients read them."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_completions import DIALECT
from dragoman.dialects.openai_completions.terms import NAME
from dragoman.dialects.reply import Reply

ECHO = {"echo": "true"}


def reply(report: Report | None = None, **fields: Any) -> Reply:
    asked = ir.Request(NAME, "m", (ir.Message("user", (ir.Text("Say: "),)),), **fields)
    return Reply(asked, report or Report(NAME, "response"), id="cmpl-9", created=9)


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
