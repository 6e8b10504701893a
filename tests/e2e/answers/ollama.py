"""Ollama's chat: lines of JSON, thinking before the words, whole calls in a line of their own."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole
from tests.e2e.answers.said import Said, pieces

STOPS = {"end": "stop", "sequence": "stop", "length": "length", "filter": "stop"}


def ollama(said: Said) -> Script:
    """The answer as Ollama gives it, streamed unless the request says that it shall not be."""

    def answer(seen: Seen) -> Answer:
        speaks = _Speaks(said, seen.body)
        return speaks.whole() if seen.body.get("stream") is False else speaks.stream()

    return answer


class _Speaks:
    def __init__(self, said: Said, body: dict[str, Any]) -> None:
        self.said = said = _formatted(said, body)
        self.body = body
        self.thought = said.thought if body.get("think") is not False else ""

    def line(self, *, done: bool = False, text: str = "", **message: Any) -> dict[str, Any]:
        head = {"model": self.body["model"], "created_at": "2026-11-21T12:00:00.123456789Z"}
        return {**head, "message": {"role": "assistant", "content": text, **message}, "done": done}

    def end(self) -> dict[str, Any]:
        return {
            "done_reason": STOPS[self.said.stop],
            "total_duration": 5_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": self.said.input_tokens,
            "prompt_eval_duration": 2_000_000,
            "eval_count": self.said.output_tokens,
            "eval_duration": 2_000_000,
        }

    def calls(self) -> list[dict[str, Any]]:
        return [
            {"id": i, "function": {"index": place, "name": n, "arguments": json.loads(a)}}
            for place, (i, n, a) in enumerate(self.said.calls)
        ]

    def logprobs(self, *said: str) -> dict[str, Any]:
        if not self.body.get("logprobs"):
            return {}
        others = self.body.get("top_logprobs") or 0
        return {"logprobs": [_token(piece, others) for piece in said]}

    def whole(self) -> Whole:
        said = self.said
        message: dict[str, Any] = {"thinking": self.thought} if self.thought else {}
        if said.calls:
            message["tool_calls"] = self.calls()
        line = self.line(done=True, text=said.text, **message)
        return Whole({**line, **self.logprobs(*pieces(said.text)), **self.end()})

    def stream(self) -> Streamed:
        said = self.said
        lines = [self.line(thinking=piece) for piece in pieces(self.thought)]
        lines += [{**self.line(text=piece), **self.logprobs(piece)} for piece in pieces(said.text)]
        if said.calls:
            lines.append(self.line(tool_calls=self.calls()))
        if not said.die:
            lines.append({**self.line(done=True), **self.end()})
        frames = [json.dumps(line).encode() + b"\n" for line in lines]
        about = {"content-type": "application/x-ndjson"}
        return Streamed(frames, headers=about, pause=said.pause, die=said.die)


def _formatted(said: Said, body: dict[str, Any]) -> Said:
    """The answer in the schema of the request: a call is text then, and only one can be made."""
    if not said.calls or "tools" in body or not isinstance(body.get("format"), dict):
        return said
    _, name, arguments = said.calls[0]
    call = json.loads(arguments)
    if "call" in body["format"]["properties"]:
        call = {"call": {"tool": name, "arguments": call}}
    return msgspec.structs.replace(said, text=json.dumps(call), calls=())


def _token(piece: str, others: int) -> dict[str, Any]:
    token = {"token": piece, "logprob": -0.25, "bytes": list(piece.encode())}
    top = [token, *({**token, "token": f"{piece}{n}", "logprob": -2.0 - n} for n in range(1, others))]
    return {**token, "top_logprobs": top[:others]}
