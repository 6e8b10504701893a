"""Short ways to say answers and streams, for the tests of this folder; Google's own types judge them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from google.genai import types

from dragoman import ir
from dragoman.dialects.gemini.response import decode_response, encode_response
from dragoman.dialects.gemini.stream_decoder import GeminiDecoder
from dragoman.dialects.gemini.stream_encoder import GeminiEncoder
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Framing, Reply

FOREIGN = "elsewhere"
"""The name of a dialect that Gemini's codec knows nothing of."""
END = ir.Stop("end")
NAMES: dict[str, Any] = {"modelVersion": "gemini-x", "responseId": "r-1"}


def reply(model: str | None = None, framing: Framing = "sse") -> Reply:
    """What an answer to a Gemini client is written for."""
    report = Report("gemini", "response")
    return Reply(ir.Request("gemini", "asked-for"), report, "minted", 1_700_000_000, model, framing)


def candidate(*parts: dict[str, Any] | str, stop: Any = "STOP", **more: Any) -> dict[str, Any]:
    """A candidate; a string is a text, `stop` None means that it goes on."""
    content = {
        "parts": [{"text": part} if isinstance(part, str) else part for part in parts],
        "role": "model",
    }
    ended = {} if stop is None else {"finishReason": stop}
    return {"content": content, **ended, "index": 0, **more}


def body(*candidates: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole answer, or a chunk of a stream."""
    return {"candidates": list(candidates), **NAMES, **more}


def read(value: dict[str, Any]) -> ir.Response:
    """A whole answer in IR terms."""
    return decode_response(json.loads(json.dumps(value)), STANDARD)


def blocks(*parts: dict[str, Any] | str, **more: Any) -> tuple[ir.Block, ...]:
    """The blocks of an answer with these parts."""
    return read(body(candidate(*parts, **more))).candidates[0].blocks


def judged(value: dict[str, Any]) -> dict[str, Any]:
    """The value, once Google's own types have read it."""
    types.GenerateContentResponse._from_response(response=json.loads(json.dumps(value)), kwargs={})
    return value


def written(response: ir.Response, to: Reply | None = None) -> tuple[dict[str, Any], Report]:
    """A whole answer for a client of Gemini, and what was reported."""
    to = to or reply()
    value = msgspec.json.decode(msgspec.json.encode(encode_response(response, to)))
    return judged(value), to.report


def unjudged(response: ir.Response) -> dict[str, Any]:
    """The same without Google's judgement, for what its types do not have."""
    return encode_response(response, reply())


def foreign(*given: ir.Block | str, stop: ir.Stop = END, **more: Any) -> ir.Response:
    """An answer of another protocol; a string is a text."""
    said = tuple(ir.Text(block) if isinstance(block, str) else block for block in given)
    return ir.Response(FOREIGN, "f-1", "gpt", candidates=(ir.Candidate(said, stop),), **more)


def events(*chunks: dict[str, Any] | bytes) -> list[ir.Event]:
    """The events of a whole stream; they obey the grammar."""
    decoder = GeminiDecoder(STANDARD)
    found = [event for chunk in chunks for event in decoder.feed(_bytes(chunk))]
    found += decoder.close()
    checker = ir.Checker()
    for event in found:
        checker.add(event)
    return found


def _bytes(chunk: dict[str, Any] | bytes) -> bytes:
    return chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()


def streamed(given: Iterable[Any], to: Reply | None = None) -> bytes:
    """The bytes that a client is sent for these events."""
    encoder = GeminiEncoder(to or reply())
    return b"".join(encoder.feed(event) for event in given)


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream of server-sent events, each written exactly as Google writes it."""
    assert stream.endswith(b"\r\n\r\n") or not stream
    lines = stream.split(b"\r\n\r\n")[:-1]
    assert all(line.startswith(b"data: ") and b"\n" not in line for line in lines)
    return [json.loads(line[6:]) for line in lines]


def parts(stream: bytes) -> list[dict[str, Any]]:
    """All parts of the first candidate that a stream holds, but for the empty one of its last chunk."""
    listed = [
        part
        for chunk in chunks(stream)
        for one in chunk.get("candidates", ())
        if one.get("index") == 0
        for part in one["content"]["parts"]
    ]
    return [part for part in listed if part != {"text": ""}]


def lost(report: Report) -> dict[str, str]:
    """The places that were reported as lost, and how much each matters."""
    return {loss.path: loss.severity for loss in report.losses}
