"""Cohere's chat API of the second version: plans before calls, thinking as content, billed tokens apart."""

from __future__ import annotations

from typing import Any

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole
from tests.e2e.answers.said import Said, pieces

STOPS = {"end": "COMPLETE", "sequence": "STOP_SEQUENCE", "length": "MAX_TOKENS", "filter": "ERROR_TOXIC"}
OVERHEAD = 400
"""The tokens of the prompt that Cohere adds, which it does not bill."""


def cohere(said: Said, overhead: int = OVERHEAD) -> Script:
    """The answer as Cohere's chat API gives it, whole or streamed as the request asks. overhead: see
    `OVERHEAD`.
    """

    def answer(seen: Seen) -> Answer:
        speaks = _Speaks(said, seen.body, overhead)
        return speaks.stream() if seen.body.get("stream") else speaks.whole()

    return answer


class _Speaks:
    def __init__(self, said: Said, body: dict[str, Any], overhead: int) -> None:
        self.said = said
        self.overhead = overhead
        self.id = "0a23e17e-4389-4c2e-9c7e-000000000001"
        self.stop = "TOOL_CALL" if said.calls else STOPS[said.stop]
        self.thought = said.thought if (body.get("thinking") or {}).get("type") != "disabled" else ""
        self.plan = said.text if said.calls else ""
        self.text = "" if said.calls else said.text

    def usage(self) -> dict[str, Any]:
        said = self.said
        tokens = {"input_tokens": said.input_tokens + self.overhead, "output_tokens": said.output_tokens}
        if said.reasoning_tokens:
            tokens["reasoning_tokens"] = said.reasoning_tokens
        billed = {"input_tokens": said.input_tokens, "output_tokens": said.output_tokens}
        return {"billed_units": billed, "tokens": tokens, "cached_tokens": said.cached_tokens}

    def calls(self) -> list[dict[str, Any]]:
        return [
            {"id": i, "type": "function", "function": {"name": n, "arguments": a}}
            for i, n, a in self.said.calls
        ]

    def whole(self) -> Whole:
        message: dict[str, Any] = {"role": "assistant"}
        content = [{"type": "thinking", "thinking": self.thought}] if self.thought else []
        content += [{"type": "text", "text": self.text}] if self.text or not self.said.calls else []
        if content:
            message["content"] = content
        if self.plan:
            message["tool_plan"] = self.plan
        if self.said.calls:
            message["tool_calls"] = self.calls()
        return Whole({"id": self.id, "message": message, "finish_reason": self.stop, "usage": self.usage()})

    def stream(self) -> Streamed:
        empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        frames: list[Any] = [{"id": self.id, "type": "message-start", "delta": {"message": empty}}]
        index = 0
        for kind, text in (("thinking", self.thought), ("text", self.text)):
            if text:
                frames += _content(index, kind, text)
                index += 1
        frames += [
            {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
            for piece in pieces(self.plan)
        ]
        for number, call in enumerate(self.calls()):
            frames += _call(number, call)
        if self.said.die:
            return Streamed(frames, pause=self.said.pause, die=True, named=True)
        last = {"finish_reason": self.stop, "usage": self.usage()}
        frames += [{"type": "message-end", "delta": last}, b"data: [DONE]\n\n"]
        return Streamed(frames, pause=self.said.pause, named=True)


def _content(index: int, kind: str, text: str) -> list[dict[str, Any]]:
    def event(name: str, content: dict[str, Any]) -> dict[str, Any]:
        return {"type": f"content-{name}", "index": index, "delta": {"message": {"content": content}}}

    deltas = [event("delta", {kind: piece}) for piece in pieces(text)]
    return [event("start", {"type": kind, kind: ""}), *deltas, {"type": "content-end", "index": index}]


def _call(index: int, call: dict[str, Any]) -> list[dict[str, Any]]:
    def event(name: str, calls: dict[str, Any]) -> dict[str, Any]:
        return {"type": f"tool-call-{name}", "index": index, "delta": {"message": {"tool_calls": calls}}}

    function = call["function"]
    head = {**call, "function": {"name": function["name"], "arguments": ""}}
    deltas = [event("delta", {"function": {"arguments": piece}}) for piece in pieces(function["arguments"])]
    return [event("start", head), *deltas, {"type": "tool-call-end", "index": index}]
