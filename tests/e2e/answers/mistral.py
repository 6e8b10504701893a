"""Mistral's chat API: ids of nine characters, thinking in lists of chunks, whole calls in the last chunk."""

from __future__ import annotations

import re
from typing import Any

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole
from tests.e2e.answers.said import Said, pieces

STOPS = {"end": "stop", "sequence": "stop", "length": "length", "filter": "stop"}


def mistral(said: Said) -> Script:
    """The answer as Mistral's chat API gives it, whole or streamed as the request asks."""

    def answer(seen: Seen) -> Answer:
        speaks = _Speaks(said, seen.body)
        return speaks.stream() if seen.body.get("stream") else speaks.whole()

    return answer


def nine(id_: str) -> str:
    """An id as Mistral makes them, which ends like this one."""
    return re.sub(r"[^A-Za-z0-9]", "", id_)[-9:].rjust(9, "0")


class _Speaks:
    def __init__(self, said: Said, body: dict[str, Any]) -> None:
        self.said = said
        self.body = body
        self.head = {"id": "0" * 31 + "1", "created": 1_700_000_000, "model": "mistral-large-latest"}
        self.stop = "tool_calls" if said.calls else STOPS[said.stop]
        asked = body.get("reasoning_effort") not in {None, "none"} or body.get("prompt_mode") == "reasoning"
        self.thought = said.thought if asked else ""

    def usage(self) -> dict[str, Any]:
        said = self.said
        return {
            "prompt_tokens": said.input_tokens,
            "total_tokens": said.input_tokens + said.output_tokens,
            "completion_tokens": said.output_tokens,
            "prompt_tokens_details": {"cached_tokens": said.cached_tokens},
        }

    def calls(self) -> list[dict[str, Any]]:
        return [
            {"id": nine(i), "type": "function", "function": {"name": n, "arguments": a}, "index": place}
            for place, (i, n, a) in enumerate(self.said.calls)
        ]

    def logprobs(self, text: str) -> dict[str, Any]:
        if not self.body.get("logprobs"):
            return {}
        others = self.body.get("top_logprobs") or 0
        return {"logprobs": {"content": [_token(piece, others) for piece in pieces(text)]}}

    # Whole ----------------------------------------------------------------------------------------

    def whole(self) -> Whole:
        choices = [
            {
                "index": index,
                "finish_reason": self.stop,
                "message": {
                    "role": "assistant",
                    "tool_calls": self.calls() or None,
                    "content": self.content(text),
                },
                **self.logprobs(text),
            }
            for index, text in enumerate(self.said.texts(self.body.get("n")))
        ]
        body = {**self.head, "usage": self.usage(), "object": "chat.completion", "choices": choices}
        return Whole(body)

    def content(self, text: str) -> str | list[dict[str, Any]]:
        if not self.thought:
            return text
        thinking: dict[str, Any] = _thinking(self.thought)
        if self.said.seal:
            thinking["signature"] = self.said.seal
        said = [{"type": "text", "text": text}] if text else []
        return [{**thinking, "closed": True}, *said]

    # Streamed -------------------------------------------------------------------------------------

    def stream(self) -> Streamed:
        said = self.said
        texts = said.texts(self.body.get("n"))
        frames: list[Any] = []
        for index, text in enumerate(texts):
            frames.append(self.chunk(index, {"role": "assistant", "content": ""}))
            frames += [self.chunk(index, {"content": [_thinking(piece)]}) for piece in pieces(self.thought)]
            if self.thought and said.seal:
                frames.append(self.chunk(index, {"content": [{**_thinking(""), "signature": said.seal}]}))
            frames += [
                self.chunk(index, {"content": piece}, **self.logprobs(piece)) for piece in pieces(text)
            ]
        if said.die:
            return Streamed(frames, pause=said.pause, die=True)
        for index in range(len(texts)):
            calls = {"tool_calls": self.calls()} if said.calls else {}
            last = self.chunk(index, {"content": "", **calls}, self.stop)
            usage = {"usage": self.usage()} if index == len(texts) - 1 else {}
            frames.append({**last, **usage})
        return Streamed([*frames, b"data: [DONE]\n\n"], pause=said.pause)

    def chunk(
        self, index: int, delta: dict[str, Any], finish: str | None = None, **more: Any
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "finish_reason": finish, **more}
        return {**self.head, "object": "chat.completion.chunk", "choices": [choice]}


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _token(piece: str, others: int) -> dict[str, Any]:
    token = {"token": piece, "logprob": -0.25, "bytes": list(piece.encode()), "token_id": 7}
    top = [token, *({**token, "token": f"{piece}{n}", "logprob": -2.0 - n} for n in range(1, others))]
    return {**token, "top_logprobs": top[:others]}
