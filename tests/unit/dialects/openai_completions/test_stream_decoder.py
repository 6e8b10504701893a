"""Streams of a provider of completions as events."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.openai_completions import DIALECT
from dragoman.dialects.quirks import STANDARD

HEAD: dict[str, Any] = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}


def choice(text: str, finish: str | None = "stop", logprobs: Any = None, index: int = 0) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}


def frame(*choices: dict[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({**HEAD, "choices": choices, **more})


def decoded(*frames: bytes) -> list[ir.Event]:
    decoder = DIALECT.stream.decoder(STANDARD)
    return [event for one in frames for event in decoder.feed(one)] + decoder.close()


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
