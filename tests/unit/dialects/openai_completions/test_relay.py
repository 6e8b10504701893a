"""A relayed stream of completions: what is seen as it passes."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_completions import DIALECT
from dragoman.dialects.openai_completions.terms import NAME
from dragoman.dialects.reply import Reply

HEAD: dict[str, Any] = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}


def reply(report: Report | None = None, **fields: Any) -> Reply:
    asked = ir.Request(NAME, "m", (ir.Message("user", (ir.Text("Say: "),)),), **fields)
    return Reply(asked, report or Report(NAME, "response"), id="cmpl-9", created=9)


def choice(text: str, finish: str | None = "stop", logprobs: Any = None, index: int = 0) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}


def frame(*choices: dict[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({**HEAD, "choices": choices, **more})


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
