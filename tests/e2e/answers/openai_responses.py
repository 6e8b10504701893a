"""OpenAI's Responses API: thoughts as summaries with a seal where it was asked for, a message, calls."""

from __future__ import annotations

from base64 import b64encode
from itertools import count
from typing import Any

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole
from tests.e2e.answers.said import Said, pieces

_ANSWERS = count(1)
_REASONS = {"length": "max_output_tokens", "filter": "content_filter"}


def openai_responses(said: Said) -> Script:
    """The answer as OpenAI's Responses API gives it, whole or streamed as the request asks."""

    def answer(seen: Seen) -> Answer:
        speaks = _Speaks(said, seen.body)
        return speaks.stream() if seen.body.get("stream") else Whole(speaks.response(speaks.items()))

    return answer


class _Speaks:
    def __init__(self, said: Said, body: dict[str, Any]) -> None:
        self.said = said
        self.body = body
        self.id = f"up{next(_ANSWERS)}"
        self.sealed = "reasoning.encrypted_content" in (body.get("include") or ())
        self.thinks = bool(said.thought) or bool(said.seal and self.sealed)
        self.kinds = {tool.get("name"): tool["type"] for tool in body.get("tools") or ()}

    def usage(self) -> dict[str, Any]:
        said = self.said
        return {
            "input_tokens": said.input_tokens,
            "input_tokens_details": {"cached_tokens": said.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": said.output_tokens,
            "output_tokens_details": {"reasoning_tokens": said.reasoning_tokens},
            "total_tokens": said.input_tokens + said.output_tokens,
        }

    def response(self, output: list[dict[str, Any]], status: str | None = None) -> dict[str, Any]:
        body, reason = self.body, _REASONS.get(self.said.stop)
        return {
            "id": f"resp_{self.id}",
            "object": "response",
            "created_at": 1_700_000_000,
            "completed_at": None if status else 1_700_000_001,
            "status": status or ("incomplete" if reason else "completed"),
            "error": None,
            "incomplete_details": {"reason": reason} if reason and not status else None,
            "model": "gpt-5-2025-08-07",
            "output": output,
            "previous_response_id": None,
            "instructions": body.get("instructions"),
            "tools": [_tool(tool) for tool in body.get("tools") or ()],
            "tool_choice": body.get("tool_choice") or "auto",
            "truncation": body.get("truncation") or "disabled",
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
            "text": {"format": _form((body.get("text") or {}).get("format") or {"type": "text"})},
            "top_p": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "top_logprobs": 0,
            "temperature": 1.0,
            "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
            "max_output_tokens": body.get("max_output_tokens"),
            "max_tool_calls": None,
            "store": body.get("store") is not False,
            "background": False,
            "metadata": body.get("metadata") or {},
            "safety_identifier": None,
            "prompt_cache_key": body.get("prompt_cache_key"),
            "service_tier": "default",
            "usage": None if status else self.usage(),
        }

    def items(self) -> list[dict[str, Any]]:
        said = self.said
        made: list[dict[str, Any]] = []
        if self.thinks:
            summary = [{"type": "summary_text", "text": said.thought}] if said.thought else []
            seal = {"encrypted_content": said.seal} if said.seal and self.sealed else {}
            made.append({"id": f"rs_{self.id}", "type": "reasoning", "summary": summary, **seal})
        for place, image in enumerate(said.images):
            head = {"id": f"ig_{self.id}_{place}", "type": "image_generation_call", "status": "completed"}
            made.append({**head, "result": b64encode(image).decode()})
        if said.text:
            logprobs = self.logprobs(said.text)
            part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": logprobs}
            head = {"id": f"msg_{self.id}", "type": "message", "status": "completed", "role": "assistant"}
            made.append({**head, "content": [part]})
        for place, (id_, name, arguments) in enumerate(said.calls):
            custom = self.kinds.get(name) == "custom"
            made.append(
                {
                    "id": f"{'ctc' if custom else 'fc'}_{self.id}_{place}",
                    "type": "custom_tool_call" if custom else "function_call",
                    "status": "completed",
                    "call_id": id_,
                    "name": name,
                    "input" if custom else "arguments": arguments,
                }
            )
        return made

    def logprobs(self, text: str) -> list[dict[str, Any]]:
        if "message.output_text.logprobs" not in (self.body.get("include") or ()):
            return []
        others = self.body.get("top_logprobs") or 0
        return [_token(piece, others) for piece in pieces(text)]

    def stream(self) -> Streamed:
        said = self.said
        begun = self.response([], "in_progress")
        frames: list[dict[str, Any]] = [
            {"type": "response.created", "response": begun},
            {"type": "response.in_progress", "response": begun},
        ]
        items = self.items()
        for place, item in enumerate(items):
            frames += _told(place, item)
        if not said.die:
            last = self.response(items)
            frames.append({"type": f"response.{last['status']}", "response": last})
        numbered = [{**frame, "sequence_number": number} for number, frame in enumerate(frames)]
        return Streamed(numbered, named=True, pause=said.pause, die=said.die)


def _token(piece: str, others: int) -> dict[str, Any]:
    token = {"token": piece, "logprob": -0.25, "bytes": list(piece.encode())}
    top = [token, *({**token, "token": f"{piece}{n}", "logprob": -2.0 - n} for n in range(1, others))]
    return {**token, "top_logprobs": top[:others]}


def _form(form: dict[str, Any]) -> dict[str, Any]:
    return {"description": None, "strict": False, **form} if form["type"] == "json_schema" else form


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    whole = {"description": None, "parameters": None, "strict": True}
    return {**whole, **tool} if tool["type"] == "function" else tool


def _told(place: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one item."""
    here = {"output_index": place, "item_id": item["id"]}
    kind = item["type"]
    if kind == "reasoning":
        first = {**item, "summary": []}
        inner = [event for n, part in enumerate(item["summary"]) for event in _summary(here, n, part)]
    elif kind == "image_generation_call":
        first, inner = {**item, "status": "in_progress", "result": None}, []
    elif kind == "message":
        first = {**item, "status": "in_progress", "content": []}
        inner = _text({**here, "content_index": 0}, item["content"][0])
    else:
        member, name = ("input", "custom_tool_call_input") if kind == "custom_tool_call" else _ARGUMENTS
        first = {**item, "status": "in_progress", member: ""}
        inner = [{"type": f"response.{name}.delta", **here, "delta": piece} for piece in pieces(item[member])]
        named = {} if kind == "custom_tool_call" else {"name": item["name"]}
        inner.append({"type": f"response.{name}.done", **here, **named, member: item[member]})
    about = {"output_index": place}
    return [
        {"type": "response.output_item.added", **about, "item": first},
        *inner,
        {"type": "response.output_item.done", **about, "item": item},
    ]


_ARGUMENTS = ("arguments", "function_call_arguments")


def _summary(here: dict[str, Any], number: int, part: dict[str, Any]) -> list[dict[str, Any]]:
    at = {**here, "summary_index": number}
    empty = {**part, "text": ""}
    deltas = [
        {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
        for piece in pieces(part["text"])
    ]
    return [
        {"type": "response.reasoning_summary_part.added", **at, "part": empty},
        *deltas,
        {"type": "response.reasoning_summary_text.done", **at, "text": part["text"]},
        {"type": "response.reasoning_summary_part.done", **at, "part": part},
    ]


def _text(at: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    told = [[token] for token in part["logprobs"]]
    deltas = [
        {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": told[n] if told else []}
        for n, piece in enumerate(pieces(part["text"]))
    ]
    return [
        {"type": "response.content_part.added", **at, "part": {**part, "text": "", "logprobs": []}},
        *deltas,
        {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": part["logprobs"]},
        {"type": "response.content_part.done", **at, "part": part},
    ]
