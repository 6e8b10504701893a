"""What a request brings of an earlier answer and of its call's result, by protocol, in one form for all.

A thought is ("thought", its words, its signature or ""), a text ("text", words), a call ("call", id, name,
arguments, its signature or ""), and a result ("result", id of the call, text).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

Wire = dict[str, Any]
Told = tuple[Any, ...]


def _text(content: Any) -> str:
    """The words of a content that is a text, or a list of parts with texts."""
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(part.get("text") or "" for part in content)


def _chat(body: Wire) -> Iterator[Told]:
    for message in body["messages"]:
        if message["role"] == "tool":
            yield ("result", message["tool_call_id"], _text(message["content"]))
        if message["role"] != "assistant":
            continue
        parts = message.get("content") if isinstance(message.get("content"), list) else []
        for part in parts:
            if part["type"] == "thinking":  # Mistral has a list of parts here, Cohere a text
                yield ("thought", _text(part["thinking"]), "")
        if text := message.get("tool_plan") or _text([p for p in parts if p["type"] == "text"]):
            yield ("text", text)
        elif isinstance(message.get("content"), str) and message["content"]:
            yield ("text", message["content"])
        for call in message.get("tool_calls") or ():
            function = call["function"]
            yield ("call", call["id"], function["name"], json.loads(function["arguments"]), "")


def _responses(body: Wire) -> Iterator[Told]:
    for item in body["input"]:
        match item.get("type", "message"):
            case "reasoning":
                words = "".join(part["text"] for part in item["summary"])
                yield ("thought", words, item.get("encrypted_content") or "")
            case "message" if item["role"] == "assistant":
                yield ("text", _text(item["content"]))
            case "function_call":
                yield ("call", item["call_id"], item["name"], json.loads(item["arguments"]), "")
            case "function_call_output":
                yield ("result", item["call_id"], _text(item["output"]))


def _anthropic(body: Wire) -> Iterator[Told]:
    for message in body["messages"]:
        content = message["content"]
        for block in content if isinstance(content, list) else ():
            match block["type"]:
                case "thinking":
                    yield ("thought", block["thinking"], block["signature"])
                case "text" if message["role"] == "assistant":
                    yield ("text", block["text"])
                case "tool_use":
                    yield ("call", block["id"], block["name"], block["input"], "")
                case "tool_result":
                    yield ("result", block["tool_use_id"], _text(block["content"]))


def _gemini(body: Wire) -> Iterator[Told]:
    for content in body["contents"]:
        for part in content["parts"]:
            # Google's client writes bytes with the letters of URLs, the API with the usual ones.
            seal = part.get("thoughtSignature", "").replace("-", "+").replace("_", "/")
            if (call := part.get("functionCall")) is not None:
                yield ("call", call.get("id", ""), call["name"], call["args"], seal)
            elif (result := part.get("functionResponse")) is not None:
                [value] = result["response"].values()
                yield ("result", result.get("id", ""), value)
            elif part.get("thought"):
                yield ("thought", part.get("text", ""), seal)
            elif content["role"] == "model" and "text" in part:
                yield ("text", part["text"], seal) if seal else ("text", part["text"])
            elif content["role"] == "model":
                yield ("other", sorted(part.keys() - {"thoughtSignature", "thought_signature"}), seal)


def _bedrock(body: Wire) -> Iterator[Told]:
    for message in body["messages"]:
        for block in message["content"]:
            if (reasoning := block.get("reasoningContent")) is not None:
                text = reasoning.get("reasoningText", {})
                seal = text.get("signature") or reasoning.get("redactedContent") or ""
                yield ("thought", text.get("text", ""), seal)
            elif (call := block.get("toolUse")) is not None:
                yield ("call", call["toolUseId"], call["name"], call["input"], "")
            elif (result := block.get("toolResult")) is not None:
                yield ("result", result["toolUseId"], _text(result["content"]))
            elif message["role"] == "assistant":
                yield ("text", block["text"]) if "text" in block else ("other", sorted(block), "")


def _ollama(body: Wire) -> Iterator[Told]:
    for message in body["messages"]:
        if message["role"] == "tool":
            yield ("result", message.get("tool_call_id") or "", message["content"])
        if message["role"] != "assistant":
            continue
        if message.get("thinking"):
            yield ("thought", message["thinking"], "")
        if message.get("content"):
            yield ("text", message["content"])
        for call in message.get("tool_calls") or ():
            yield ("call", call.get("id") or "", call["function"]["name"], call["function"]["arguments"], "")


_READERS: dict[str, Callable[[Wire], Iterator[Told]]] = {
    "openai_chat": _chat,
    "mistral": _chat,
    "cohere": _chat,
    "openai_responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock": _bedrock,
    "ollama": _ollama,
}


def returned(dialect: str, body: Wire) -> list[Told]:
    """What the body of a request in this protocol brings of earlier turns, in order."""
    return list(_READERS[dialect](body))


def merged(told: list[Told]) -> list[Told]:
    """The same with neighbouring texts, and neighbouring thoughts without a signature, as one; without empty
    texts. A client of Gemini returns the pieces of a stream as they came.
    """
    out: list[Told] = []
    for one in told:
        if one == ("text", ""):
            continue
        last = out[-1] if out else ("",)
        loose = one[0] == "text" or (one[0] == "thought" and not one[2])
        if loose and last[0] == one[0] and last[2:] == one[2:]:
            out[-1] = (one[0], last[1] + one[1], *one[2:])
        else:
            out.append(one)
    return out
